//! What a compactor remembers from drain to drain. Losing it costs time and nothing else.

use std::collections::HashMap;
use std::time::Instant;

use event_model::ProjectId;
use event_queue::{Delivery, MessageId, Receipt};

use crate::decode::ProjectBatch;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// How many of a message's receives ended because storage failed.
    pub(crate) excused: HashMap<MessageId, u32>,
    /// How many times in a row a project's storage failed, and how the last time.
    pub(crate) streaks: HashMap<ProjectId, (u32, String)>,
    /// Messages that were put back because their project's storage failed.
    pub(crate) postponed: HashMap<MessageId, ProjectId>,
    /// Messages of a newer version.
    pub(crate) newer: HashMap<MessageId, Aside>,
    /// When these were laid aside last.
    pub(crate) newer_at: Option<Instant>,
}

/// A message that is laid aside.
#[derive(Debug)]
pub(crate) struct Aside {
    pub(crate) receipts: Vec<Receipt>,
    /// Whose it is, where the queue knows it.
    pub(crate) project: Option<ProjectId>,
}

impl Memory {
    /// A project whose messages wait because its storage fails.
    pub(crate) fn trouble(&self, concerns: impl Fn(&ProjectId) -> bool) -> Option<(ProjectId, String)> {
        let project = self.postponed.values().find(|project| concerns(project))?;
        let (_, detail) = self.streaks.get(project)?;
        Some((project.clone(), detail.clone()))
    }

    /// How many messages wait that certainly do not concern a flush.
    pub(crate) fn of_others(&self, concerns: impl Fn(&ProjectId) -> bool) -> u64 {
        let postponed = self.postponed.values().filter(|project| !concerns(project)).count();
        let newer = self.newer.values().filter_map(|aside| aside.project.as_ref()).filter(|project| !concerns(project));
        (postponed + newer.count()) as u64
    }

    pub(crate) fn streak(&self, project: &ProjectId) -> u32 {
        self.streaks.get(project).map_or(0, |(streak, _)| *streak)
    }

    /// Notes that a project's storage works again.
    pub(crate) fn stored(&mut self, batch: &ProjectBatch) {
        self.streaks.remove(&batch.project);
        for message in &batch.batch.messages {
            self.excused.remove(&message.message_id);
            self.postponed.remove(&message.message_id);
        }
    }

    /// Notes receives that were not the messages' fault, for a queue that counts them.
    pub(crate) fn excuse(&mut self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            *self.excused.entry(delivery.message_id).or_default() += 1;
        }
    }

    /// Notes that a project's storage failed; returns how many times in a row.
    pub(crate) fn failed(&mut self, batch: &ProjectBatch, detail: &str) -> u32 {
        for message in &batch.batch.messages {
            self.postponed.insert(message.message_id, batch.project.clone());
        }
        let (streak, last) = self.streaks.entry(batch.project.clone()).or_default();
        *streak = streak.saturating_add(1);
        detail.clone_into(last);
        *streak
    }
}
