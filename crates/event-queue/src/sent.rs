//! Events ever sent, by project: the left side of the ledger's equation.

use std::collections::BTreeMap;

use event_model::ProjectId;

/// A sum of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    by_project: BTreeMap<ProjectId, u64>,
    /// Events of which nobody knows any more whose they were.
    unknown: u64,
}

impl Sent {
    /// Adds events of a project; `None`: nobody knows whose.
    pub(crate) fn add(&mut self, project: Option<&ProjectId>, events: u64) {
        match project {
            _ if events == 0 => {}
            None => self.unknown += events,
            Some(project) => match self.by_project.get_mut(project) {
                Some(sum) => *sum += events,
                None => drop(self.by_project.insert(project.clone(), events)),
            },
        }
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (project, events) in other.projects() {
            self.add(Some(project), events);
        }
        self.unknown += other.unknown;
    }

    /// Events of all projects.
    pub(crate) fn total(&self) -> u64 {
        self.by_project.values().sum::<u64>() + self.unknown
    }

    /// Events of one project; `None` while there are events that may or may not be its.
    pub(crate) fn of(&self, project: &ProjectId) -> Option<u64> {
        (self.unknown == 0).then(|| self.by_project.get(project).copied().unwrap_or(0))
    }

    /// The projects and their events.
    pub(crate) fn projects(&self) -> impl ExactSizeIterator<Item = (&ProjectId, u64)> {
        self.by_project.iter().map(|(project, events)| (project, *events))
    }

    /// Events of which nobody knows whose they were.
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown
    }
}
