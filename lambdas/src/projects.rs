//! `projects.json` in the bucket: read when the function starts, and looked at again while it is called.
//!
//! A file that cannot be read or understood changes nothing (the log says why), so that a slip of an editor stops nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use event_model::project::{Directory, SharedDirectory};
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, ObjectStore};
use tokio::sync::Mutex;

use crate::bucket::Place;
use crate::snapshot;

/// How old the last look may be when a request comes.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The projects, as the bucket last had them.
pub struct BucketProjects {
    store: Arc<dyn ObjectStore>,
    path: Path,
    directory: SharedDirectory,
    seen: Mutex<Seen>,
}

struct Seen {
    /// Names the content that was read.
    tag: Option<String>,
    at: Instant,
}

impl BucketProjects {
    /// Reads them.
    ///
    /// # Errors
    /// If the file is not there, cannot be read or cannot be used: without projects no key is known.
    pub async fn open(place: Place) -> anyhow::Result<Self> {
        let Place { store, path } = place;
        let found = read(store.as_ref(), &path, None).await?;
        let (directory, tag) = found.ok_or_else(|| anyhow!("{path} was not given"))?;
        let seen = Mutex::new(Seen { tag, at: Instant::now() });
        Ok(Self { store, path, directory: SharedDirectory::new(directory), seen })
    }

    /// What changes when the file does.
    #[must_use]
    pub fn directory(&self) -> SharedDirectory {
        self.directory.clone()
    }

    /// Looks whether the file has changed, if the last look is too long ago.
    pub async fn look(&self) {
        let mut seen = self.seen.lock().await;
        if seen.at.elapsed() < LOOK_EVERY {
            return;
        }
        seen.at = Instant::now();
        match read(self.store.as_ref(), &self.path, seen.tag.clone()).await {
            Ok(None) => {}
            Ok(Some((directory, tag))) => {
                tracing::info!(projects = directory.projects().len(), "projects.json reloaded");
                seen.tag = tag;
                self.directory.set(Ok(directory));
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(error = why, "projects.json cannot be read: the one before stays in force");
                self.directory.keep(why);
            }
        }
    }

    #[cfg(test)]
    async fn look_at_once(&self) {
        let long_ago = Instant::now().checked_sub(LOOK_EVERY).unwrap();
        self.seen.lock().await.at = long_ago;
        self.look().await;
    }
}

/// The projects and the name of what was read; `None` if it is what `tag` names.
async fn read(
    store: &dyn ObjectStore,
    path: &Path,
    tag: Option<String>,
) -> anyhow::Result<Option<(Directory, Option<String>)>> {
    let found = match store.get_opts(path, GetOptions::new().with_if_none_match(tag)).await {
        Ok(found) => found,
        Err(StoreError::NotModified { .. }) => return Ok(None),
        Err(error) => return Err(error).context("projects.json cannot be read"),
    };
    let tag = found.meta.e_tag.clone();
    let bytes = found.bytes().await.context("projects.json cannot be read")?;
    let text = std::str::from_utf8(&bytes).context("projects.json is not text")?;
    Ok(Some((snapshot::parse(text)?, tag)))
}

#[cfg(test)]
mod tests {
    use event_model::project::key_hash;
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    use super::*;

    fn snapshot(key: &str) -> String {
        let key = serde_json::json!({ "id": "api", "sha256": key_hash(key), "scopes": ["read"] });
        serde_json::json!({ "version": 1, "projects": [{ "id": "shop", "keys": [key] }] }).to_string()
    }

    async fn put(store: &InMemory, text: &str) {
        store.put(&Path::from("config/projects.json"), text.to_owned().into()).await.unwrap();
    }

    #[tokio::test]
    async fn a_change_is_seen_and_a_broken_file_keeps_the_last_good_one() {
        let store = Arc::new(InMemory::new());
        let place = Place { store: store.clone(), path: Path::from("config/projects.json") };
        assert!(BucketProjects::open(place.clone()).await.is_err(), "there is no file");
        put(&store, &snapshot("first-key")).await;
        let projects = BucketProjects::open(place).await.unwrap();
        let knows = |key: &str| projects.directory().get().unwrap().find(key).is_some();
        let stale = || projects.directory().get().unwrap().stale().is_some();
        assert!(knows("first-key"));
        put(&store, &snapshot("second-key")).await;
        projects.look().await;
        assert!(knows("first-key"), "the last look is not long ago");
        projects.look_at_once().await;
        assert!(knows("second-key") && !knows("first-key"));
        put(&store, "{").await;
        projects.look_at_once().await;
        assert!(knows("second-key") && stale());
        put(&store, &snapshot("third-key")).await;
        projects.look_at_once().await;
        assert!(knows("third-key") && !stale());
    }
}
