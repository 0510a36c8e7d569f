//! Keys from `projects.json` in the bucket, as one instance of the function keeps them.

use std::sync::Arc;

use edge_collector::{KeyCache, Lookup};
use event_model::project::{Directory, Key};
use event_model::{Problem, Project, Timestamp};
use object_store::ObjectStoreExt as _;
use parking_lot::Mutex;

use super::unavailable;
use crate::bucket::Place;

/// By the rule of [`KeyCache`], the same as at the edge: the object is read again after a minute, and sooner for a key
/// that is not in it.
pub(super) struct Keys {
    place: Place,
    cache: Mutex<KeyCache>,
}

impl Keys {
    pub(super) fn new(place: Place) -> Self {
        Self { place, cache: Mutex::default() }
    }

    /// The project and key that a presented key names.
    ///
    /// # Errors
    /// `key_unknown` or `snapshot_unavailable`.
    pub(super) async fn look_up(&self, presented: &str, now: Timestamp) -> Result<(Arc<Project>, Arc<Key>), Problem> {
        let mut found = self.cache.lock().look_up(presented, now);
        if matches!(found, Lookup::Read) {
            self.read(now).await;
            found = self.cache.lock().look_up(presented, now);
        }
        match found {
            Lookup::Found(project, key) => Ok((project, key)),
            Lookup::Refused(problem) => Err(problem),
            Lookup::Read => Err(unavailable("projects.json is to be read twice for one request")),
        }
    }

    /// Reads the object. One that cannot be read leaves the last one in force.
    pub(super) async fn read(&self, now: Timestamp) {
        let read = self.directory().await;
        if let Err(error) = &read {
            tracing::error!(error, "projects.json cannot be read");
        }
        self.cache.lock().loaded(read, now);
    }

    async fn directory(&self) -> Result<Directory, String> {
        let found = self.place.store.get(&self.place.path).await.map_err(|error| error.to_string())?;
        let bytes = found.bytes().await.map_err(|error| error.to_string())?;
        Directory::parse(std::str::from_utf8(&bytes).map_err(|_| "not text".to_owned())?)
    }
}
