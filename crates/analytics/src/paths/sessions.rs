//! From one person's items to edges: sessions are split, items left out, neighbours merged, the ends cut.
//!
//! ```text
//! items in order  --split-->  sessions  --exclude, merge-->  runs  --start_at, end_at, steps-->  edges
//! ```

use std::collections::{BTreeMap, HashSet};

use query_model::paths::Paths;

/// A gap of more than this ends a session that the client has not named: 30 minutes, in microseconds.
const GAP: i64 = 30 * 60 * 1_000_000;

/// How sessions become edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    exclude: HashSet<String>,
    start_at: Option<String>,
    end_at: Option<String>,
    steps: usize,
}

/// One item of a person. Times are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) time: i64,
    /// The client's session, where there is one.
    pub(super) session: Option<&'a str>,
    pub(super) name: &'a str,
}

/// One step from an item to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge<'a> {
    /// The place of the first item in its session, from 1.
    pub(super) step: u32,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) micros: i64,
}

/// An item without a trailing slash, which `/` keeps.
pub(super) fn trimmed(item: &str) -> &str {
    match item.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => item,
    }
}

impl Rule {
    pub(super) fn new(paths: &Paths) -> Self {
        let own = |item: &String| trimmed(item).to_owned();
        Self {
            exclude: paths.exclude.iter().map(own).collect(),
            start_at: paths.start_at.as_ref().map(own),
            end_at: paths.end_at.as_ref().map(own),
            steps: usize::try_from(paths.steps).unwrap_or(usize::MAX),
        }
    }

    /// Gives the edges of one person, whose items come in the order of events.
    pub(super) fn edges<'a>(&self, items: impl Iterator<Item = Item<'a>>, mut give: impl FnMut(Edge<'a>)) {
        for session in split(items) {
            let runs = self.runs(&session);
            for (step, pair) in (1..).zip(self.cut(&runs).windows(2)) {
                if let [(from_time, from), (to_time, to)] = pair {
                    give(Edge { step, from, to, micros: to_time - from_time });
                }
            }
        }
    }

    /// The items that are not left out; equal neighbours are one, with the time of the first.
    fn runs<'a>(&self, session: &[Item<'a>]) -> Vec<(i64, &'a str)> {
        let mut runs: Vec<(i64, &str)> = Vec::new();
        for item in session.iter().filter(|item| !self.exclude.contains(item.name)) {
            if runs.last().is_none_or(|(_, last)| *last != item.name) {
                runs.push((item.time, item.name));
            }
        }
        runs
    }

    /// From the first `start_at` to the last `end_at`, and of that the first items. Without the item that it asks for a
    /// session is empty.
    fn cut<'a, 'b>(&self, runs: &'b [(i64, &'a str)]) -> &'b [(i64, &'a str)] {
        let mut kept = runs;
        if let Some(start) = &self.start_at {
            let first = kept.iter().position(|(_, name)| name == start);
            kept = first.and_then(|first| kept.get(first..)).unwrap_or_default();
        }
        if let Some(end) = &self.end_at {
            let last = kept.iter().rposition(|(_, name)| name == end);
            kept = last.and_then(|last| kept.get(..=last)).unwrap_or_default();
        }
        kept.get(..self.steps).unwrap_or(kept)
    }
}

/// The sessions: one a session of the client, and one a run without a gap of those events that have none.
fn split<'a>(items: impl Iterator<Item = Item<'a>>) -> Vec<Vec<Item<'a>>> {
    let mut sessions: Vec<Vec<Item<'a>>> = Vec::new();
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    let mut running: Option<(usize, i64)> = None;
    for item in items {
        let place = match (item.session, running) {
            (Some(name), _) => *named.entry(name).or_insert(sessions.len()),
            (None, Some((place, last))) if item.time - last <= GAP => place,
            (None, _) => sessions.len(),
        };
        if item.session.is_none() {
            running = Some((place, item.time));
        }
        match sessions.get_mut(place) {
            Some(session) => session.push(item),
            None => sessions.push(vec![item]),
        }
    }
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn rule(json: &str) -> Rule {
        let body = format!(
            r#"{{"kind": "paths", "period": {{"from": "2026-01-01", "to": "2026-01-01"}}, {json} "refresh": false}}"#
        );
        match query_model::Question::parse(body.as_bytes()).unwrap().insight {
            query_model::Insight::Paths(paths) => Rule::new(&paths),
            other => panic!("{other:?}"),
        }
    }

    /// Checks the edges of items a minute apart; `!` before an item puts 31 minutes there, `s:` gives a session.
    fn check(json: &str, items: &str, expect: &[&str]) {
        let mut time = 0;
        let mut list = Vec::new();
        for item in items.split(' ') {
            let (gap, item) = item.strip_prefix('!').map_or((1, item), |item| (31, item));
            time += gap * MINUTE;
            let (session, name) = item.split_once(':').map_or((None, item), |(session, name)| (Some(session), name));
            list.push(Item { time, session, name });
        }
        let mut edges = Vec::new();
        rule(json).edges(list.into_iter(), |edge| {
            edges.push(format!("{} {}>{} {}", edge.step, edge.from, edge.to, edge.micros / MINUTE));
        });
        assert_eq!(edges, expect, "{json} {items}");
    }

    #[test]
    fn sessions_are_split_by_gaps_or_by_the_client() {
        check("", "a b !c d", &["1 a>b 1", "1 c>d 1"]);
        check("", "s:a !s:b", &["1 a>b 31"]);
        check("", "s:a t:b s:c t:d", &["1 a>c 2", "1 b>d 2"]);
        check("", "a s:x b", &["1 a>b 2"]);
        check("", "a", &[]);
    }

    #[test]
    fn excluded_items_go_before_neighbours_merge_and_after_sessions_are_split() {
        check(r#""exclude": ["x/"],"#, "a x a b", &["1 a>b 3"]);
        check(r#""exclude": ["x"],"#, "a !x !b", &[]);
        check("", "a a b b a", &["1 a>b 2", "2 b>a 2"]);
    }

    #[test]
    fn ends_are_cut_and_the_first_items_kept() {
        check(r#""start_at": "b","#, "a b c b", &["1 b>c 1", "2 c>b 1"]);
        check(r#""end_at": "b","#, "a b c b d", &["1 a>b 1", "2 b>c 1", "3 c>b 1"]);
        check(r#""start_at": "b", "end_at": "c","#, "c a b d c d", &["1 b>d 1", "2 d>c 1"]);
        check(r#""start_at": "b", "end_at": "c","#, "c b d", &[]);
        check(r#""start_at": "z","#, "a b", &[]);
        check(r#""steps": 2,"#, "a b c", &["1 a>b 1"]);
    }

    #[test]
    fn a_trailing_slash_goes_but_not_the_only_one() {
        let of = ["/a/", "/a", "/", "", "a//"].map(trimmed);
        assert_eq!(of, ["/a", "/a", "/", "", "a/"]);
    }
}
