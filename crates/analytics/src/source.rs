//! What a question is asked of: the events as a table, who is who, and what is known about persons.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use event_model::{Json, KeyMap};

/// The data of one project at one version. Whoever makes it decides what may be read: the plans name no other table.
#[derive(Clone)]
pub struct Source {
    /// The table `events`: the columns of [`event_model::columns::EVENTS`], text as Utf8, Utf8View or dictionaries.
    pub events: Arc<dyn TableProvider>,
    /// Which ids are one person.
    pub keys: Arc<KeyMap>,
    /// The latest traits by canonical person key; needed only where [`crate::Insight::needs_traits`] says so.
    pub traits: Option<Arc<HashMap<i64, Json>>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("tied_keys", &self.keys.len()).finish_non_exhaustive()
    }
}
