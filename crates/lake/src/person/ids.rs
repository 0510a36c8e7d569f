//! The ids of one person.

use std::collections::BTreeSet;

use event_model::{KeyMap, PersonId};
use serde::{Deserialize, Serialize};

/// The ids of one person, by type: the same text as user and as anonymous id are two ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonIds {
    users: BTreeSet<String>,
    visitors: BTreeSet<String>,
}

impl PersonIds {
    /// All ids that are tied to one, and that one.
    #[must_use]
    pub fn tied_to(id: &PersonId, keys: &KeyMap) -> Self {
        keys.ids(keys.resolve(id.key())).iter().chain([id]).cloned().collect()
    }

    /// All ids, users first.
    pub fn iter(&self) -> impl Iterator<Item = PersonId> + '_ {
        let users = self.users.iter().cloned().map(PersonId::User);
        users.chain(self.visitors.iter().cloned().map(PersonId::Anonymous))
    }

    /// Whether a rejected event, as its client sent it, names one of them. In doubt it does.
    #[must_use]
    pub fn are_named_in(&self, original: &[u8]) -> bool {
        super::original::names(original, self)
    }

    /// The texts of all ids, whatever their type.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.users.iter().chain(&self.visitors).map(String::as_str)
    }

    /// Whether one of them is that user.
    #[must_use]
    pub fn has_user(&self, id: &str) -> bool {
        self.users.contains(id)
    }

    /// Whether one of them is that visitor.
    #[must_use]
    pub fn has_visitor(&self, id: &str) -> bool {
        self.visitors.contains(id)
    }
}

impl FromIterator<PersonId> for PersonIds {
    fn from_iter<T: IntoIterator<Item = PersonId>>(ids: T) -> Self {
        let mut found = Self::default();
        for id in ids {
            match id {
                PersonId::User(id) => found.users.insert(id),
                PersonId::Anonymous(id) => found.visitors.insert(id),
            };
        }
        found
    }
}
