//! The messages of the stream, as JSON text.

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::sampler::MAX_PER_SECOND;
use super::summary::Summary;
use super::{MAX_WATCHERS_PER_PROJECT, VERSION};

/// Summaries, and how many were left out since the last batch: what a sampler gives, what travels to whoever holds the
/// watchers, and what a watcher gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename = "events")]
pub struct Batch {
    /// The summaries, in the order of the requests.
    pub events: Vec<Summary>,
    /// Events that would have been shown but for the limit.
    pub omitted: u64,
}

impl Batch {
    /// Reads a batch; `None` if it is not one.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    /// The message's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What of it a watcher asks for; `None` if that is nothing. What was left out cannot be told apart any more, so
    /// its number is for all watchers.
    #[must_use]
    pub fn only(&self, filter: &Filter) -> Option<Self> {
        let events: Vec<Summary> =
            self.events.iter().filter(|summary| filter.takes(&summary.facts())).cloned().collect();
        (!events.is_empty() || self.omitted > 0).then_some(Self { events, omitted: self.omitted })
    }
}

/// The first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename = "hello")]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// The project that is watched.
    pub project: String,
    /// The filter as it was understood.
    pub filter: Filter,
    /// Most events a second from one process.
    pub max_per_second: u32,
    /// Most watchers of a project.
    pub max_watchers: usize,
}

impl Hello {
    /// To a new watcher.
    #[must_use]
    pub fn new(project: &str, filter: Filter) -> Self {
        Self {
            version: VERSION,
            project: project.to_owned(),
            filter,
            max_per_second: MAX_PER_SECOND,
            max_watchers: MAX_WATCHERS_PER_PROJECT,
        }
    }

    /// The message's text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
