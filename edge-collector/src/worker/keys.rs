//! Keys from Workers KV: one value holds the snapshot, each isolate keeps what it read.

use std::cell::RefCell;
use std::sync::Arc;

use event_model::project::{Directory, Key};
use event_model::{Problem, Project, Timestamp};
use worker::Env;

use super::unavailable;
use crate::{KeyCache, Lookup};

/// The binding of the key-value namespace.
pub(super) const NAMESPACE: &str = "HEADWATER";
/// The name of the snapshot in it: the text of a `projects.json`.
const SNAPSHOT: &str = "projects.json";

thread_local! {
    static CACHE: RefCell<KeyCache> = RefCell::default();
}

/// The project and key that a presented key names.
///
/// # Errors
/// `key_unknown` or `snapshot_unavailable`, by the rule of [`KeyCache`].
pub(super) async fn look_up(env: &Env, presented: &str, now: Timestamp) -> Result<(Arc<Project>, Arc<Key>), Problem> {
    let look = || CACHE.with_borrow_mut(|cache| cache.look_up(presented, now));
    let mut found = look();
    if matches!(found, Lookup::Read) {
        let read = read(env).await;
        CACHE.with_borrow_mut(|cache| cache.loaded(read, now));
        found = look();
    }
    match found {
        Lookup::Found(project, key) => Ok((project, key)),
        Lookup::Refused(problem) => Err(problem),
        Lookup::Read => Err(unavailable("the snapshot is to be read twice for one request")),
    }
}

/// Reads the snapshot.
///
/// # Errors
/// A sentence: it is not there, or not a snapshot.
pub(super) async fn read(env: &Env) -> Result<Directory, String> {
    let store = env.kv(NAMESPACE).map_err(|error| error.to_string())?;
    let text = store.get(SNAPSHOT).text().await.map_err(|error| error.to_string())?;
    Directory::parse(&text.ok_or_else(|| format!("the namespace has no {SNAPSHOT}"))?)
}
