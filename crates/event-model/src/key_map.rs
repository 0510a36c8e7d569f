//! From the key of one id to the key of the whole person: all live ties, closed transitively.

use std::collections::{HashMap, HashSet};

use crate::{Action, PersonId, PersonKey, Tie};

/// Maps every tied key to its person's canonical key: the smallest key of the person's ids. Keys without a live tie
/// are their own person and are not in the map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMap {
    canonical: HashMap<i64, i64>,
    ids: HashMap<i64, Vec<PersonId>>,
}

impl KeyMap {
    /// Applies rows of `identities` in the order in which they were received: an undo voids the earlier ties of
    /// exactly its pair.
    #[must_use]
    pub fn from_ties<'a>(ties: impl IntoIterator<Item = &'a Tie>) -> Self {
        let mut live: HashMap<(&PersonId, &PersonId), bool> = HashMap::new();
        for tie in ties {
            live.insert((&tie.left, &tie.right), tie.action == Action::Tie);
        }
        let mut parent: HashMap<i64, i64> = HashMap::new();
        let mut names: HashMap<i64, &PersonId> = HashMap::new();
        for ((left, right), _) in live.into_iter().filter(|(_, is_live)| *is_live) {
            names.insert(left.key().0, left);
            names.insert(right.key().0, right);
            let (left, right) = (root(&mut parent, left.key().0), root(&mut parent, right.key().0));
            // The smaller key is always the root, so the result does not depend on the order of unions.
            parent.insert(left.max(right), left.min(right));
        }
        let mut map = Self::default();
        for (key, name) in names {
            let canonical = root(&mut parent, key);
            map.canonical.insert(key, canonical);
            map.ids.entry(canonical).or_default().push(name.clone());
        }
        for ids in map.ids.values_mut() {
            ids.sort();
        }
        map
    }

    /// The person that a key belongs to.
    #[must_use]
    pub fn resolve(&self, key: PersonKey) -> PersonKey {
        PersonKey(self.canonical.get(&key.0).copied().unwrap_or(key.0))
    }

    /// All tied ids of a person, users after visitors as [`PersonId`] orders them; empty if nothing is tied to it.
    #[must_use]
    pub fn ids(&self, canonical: PersonKey) -> &[PersonId] {
        self.ids.get(&canonical.0).map_or(&[], Vec::as_slice)
    }

    /// As if no tie had ever been taken back: everybody who was one person at any time.
    #[must_use]
    pub fn ever_tied<'a>(ties: impl IntoIterator<Item = &'a Tie>) -> Self {
        Self::from_ties(ties.into_iter().filter(|tie| tie.action == Action::Tie))
    }

    /// The keys of all ids whose person is not the same set of ids as in another state: merged, or no longer merged. With
    /// a key all keys that were or are one person with it are among them.
    #[must_use]
    pub fn changed(&self, other: &Self) -> HashSet<i64> {
        let mut changed = HashSet::new();
        for (one, other) in [(self, other), (other, self)] {
            for (canonical, ids) in &one.ids {
                if other.ids(other.resolve(PersonKey(*canonical))) != ids {
                    changed.extend(ids.iter().map(|id| id.key().0));
                }
            }
        }
        changed
    }

    /// How many keys are tied to another.
    #[must_use]
    pub fn len(&self) -> usize {
        self.canonical.len()
    }

    /// Whether nobody is tied to anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.canonical.is_empty()
    }
}

fn root(parent: &mut HashMap<i64, i64>, key: i64) -> i64 {
    let mut top = key;
    while let Some(next) = parent.get(&top).copied().filter(|next| *next != top) {
        top = next;
    }
    // Path compression keeps later look-ups flat.
    let mut step = key;
    while step != top {
        step = parent.insert(step, top).unwrap_or(top);
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventId, Timestamp};

    fn edge(action: Action, one: &str, other: &str) -> Tie {
        let id = |text: &str| {
            PersonId::from_parts(if text.starts_with('u') { "user" } else { "anonymous" }, text.to_owned()).unwrap()
        };
        Tie::new(action, id(one), id(other), "identify", EventId([7; 16]), Timestamp(0)).unwrap()
    }

    fn groups(ties: &[Tie]) -> Vec<Vec<String>> {
        let map = KeyMap::from_ties(ties);
        let mut groups: Vec<Vec<String>> =
            map.ids.values().map(|ids| ids.iter().map(|id| id.text().to_owned()).collect()).collect();
        groups.iter_mut().for_each(|group| group.sort());
        groups.sort();
        groups
    }

    #[test]
    fn ties_close_transitively_whatever_their_order() {
        let mut ties = vec![
            edge(Action::Tie, "a1", "u1"),
            edge(Action::Tie, "a2", "u2"),
            edge(Action::Tie, "a3", "u1"),
            edge(Action::Tie, "a3", "u2"),
        ];
        assert_eq!(groups(&ties), [["a1", "a2", "a3", "u1", "u2"]]);
        ties.reverse();
        assert_eq!(groups(&ties), [["a1", "a2", "a3", "u1", "u2"]]);
    }

    #[test]
    fn changed_are_those_who_are_not_the_same_ids_as_before() {
        let before = [edge(Action::Tie, "a1", "u1"), edge(Action::Tie, "a2", "u2"), edge(Action::Tie, "a4", "u4")];
        let after = [before.to_vec(), vec![edge(Action::Tie, "a3", "u1"), edge(Action::Undo, "a2", "u2")]].concat();
        let (before, after) = (KeyMap::from_ties(&before), KeyMap::from_ties(&after));
        let key =
            |id: &str| PersonId::from_parts(if id.starts_with('u') { "user" } else { "anonymous" }, id.to_owned());
        let expected: HashSet<i64> = ["a1", "u1", "a3", "a2", "u2"].map(|id| key(id).unwrap().key().0).into();
        assert_eq!(after.changed(&before), expected);
        assert_eq!(before.changed(&after), expected);
        assert!(before.changed(&before).is_empty());
    }

    #[test]
    fn an_undo_voids_earlier_ties_of_its_pair_only() {
        let ties = [edge(Action::Tie, "a1", "u1"), edge(Action::Tie, "a2", "u1"), edge(Action::Undo, "u1", "a1")];
        assert_eq!(groups(&ties), [["a2", "u1"]]);
        let tied_again = [ties.to_vec(), vec![edge(Action::Tie, "u1", "a1")]].concat();
        assert_eq!(groups(&tied_again), [["a1", "a2", "u1"]]);
    }
}
