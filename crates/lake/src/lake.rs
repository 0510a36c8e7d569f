//! The whole lake: a folder or bucket with one folder a project.

use std::collections::HashMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use event_model::ProjectId;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use url::Url;

use crate::error::LakeError;
use crate::project::ProjectLake;
use crate::settings::LakeSettings;
use crate::store::DurableStore;
use crate::store::kept::KeptStore;

/// The version of the folder that this build writes, and the newest it reads.
pub(crate) const FOLDER_VERSION: u64 = 1;
/// The file that says so.
const FOLDER_FILE: &str = "headwater-lake.json";

/// All projects' tables.
#[derive(Debug)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    url: Url,
    prefix: Path,
    settings: LakeSettings,
    /// Whether each call takes long, so that some are better made before it is known that they are needed.
    distant: bool,
    projects: Mutex<HashMap<ProjectId, Arc<OnceCell<Arc<ProjectLake>>>>>,
}

#[derive(Serialize, Deserialize)]
struct Folder {
    version: u64,
}

impl Lake {
    /// Opens a local folder, which is made if need be. What is written there survives a power cut.
    ///
    /// # Errors
    /// [`LakeError::Newer`] if a newer version wrote the folder; [`LakeError::Storage`].
    pub async fn open_local(path: impl AsRef<FilePath>, settings: LakeSettings) -> Result<Self, LakeError> {
        let path = path.as_ref();
        let failed = |error| LakeError::storage(path.display().to_string(), error);
        let store = DurableStore::open(path).map_err(failed)?;
        let url = Url::from_directory_path(store.base())
            .map_err(|()| LakeError::damaged(path.display().to_string(), "the folder has no absolute path"))?;
        Self::with_store(Arc::new(store), url, settings).await
    }

    /// Opens the place `s3://<bucket>/<path>`, as [`crate::store::s3::open`] does.
    ///
    /// # Errors
    /// As [`Self::open_local`].
    pub async fn open_s3(url: Url, settings: LakeSettings) -> Result<Self, LakeError> {
        Self::with_distant_store(crate::store::s3::open(&url)?, url, settings).await
    }

    /// As [`Self::with_store`], of a store each call of which takes long: what never changes is fetched once, and some of
    /// it before it is asked for.
    ///
    /// # Errors
    /// As [`Self::open_local`].
    pub async fn with_distant_store(
        store: Arc<dyn ObjectStore>,
        url: Url,
        settings: LakeSettings,
    ) -> Result<Self, LakeError> {
        let lake = Self::with_store(Arc::new(KeptStore::new(store)), url, settings).await?;
        Ok(Self { distant: true, ..lake })
    }

    /// Opens the place `url` in a store whose root is the root of the URL's path, for instance `s3://bucket/lake` in the
    /// bucket. The store must honour conditional puts.
    ///
    /// # Errors
    /// As [`Self::open_local`].
    pub async fn with_store(store: Arc<dyn ObjectStore>, url: Url, settings: LakeSettings) -> Result<Self, LakeError> {
        let mut url = url;
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let prefix = Path::from_url_path(url.path())
            .map_err(|error| LakeError::damaged(url.as_str(), format!("not a place in a store: {error}")))?;
        let lake = Self { store, url, prefix, settings, distant: false, projects: Mutex::default() };
        lake.check_version().await?;
        Ok(lake)
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &LakeSettings {
        &self.settings
    }

    /// The tables of a project, made on first use.
    ///
    /// # Errors
    /// [`LakeError::Newer`] if a newer version made one of them; [`LakeError::Storage`].
    pub async fn project(&self, id: &ProjectId) -> Result<Arc<ProjectLake>, LakeError> {
        let cell = Arc::clone(self.projects.lock().entry(id.clone()).or_default());
        let url =
            self.url.join(&format!("projects/{id}/")).map_err(|error| LakeError::storage(self.url.as_str(), error))?;
        let open = || async move {
            ProjectLake::open(&self.store, &url, id.clone(), self.settings.clone(), self.distant).await.map(Arc::new)
        };
        cell.get_or_try_init(open).await.cloned()
    }

    /// The projects that have a folder.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn projects(&self) -> Result<Vec<ProjectId>, LakeError> {
        let folder = self.prefix.clone().join("projects");
        let listed = self.store.list_with_delimiter(Some(&folder)).await;
        let mut projects: Vec<ProjectId> = match listed {
            Ok(listed) => listed.common_prefixes.iter().filter_map(|path| ProjectId::parse(path.filename()?)).collect(),
            Err(StoreError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(LakeError::storage(folder.to_string(), error)),
        };
        projects.sort();
        Ok(projects)
    }

    /// Refuses a folder of a newer version, and marks a new one.
    async fn check_version(&self) -> Result<(), LakeError> {
        let path = self.prefix.clone().join(FOLDER_FILE);
        let failed = |error| LakeError::storage(path.to_string(), error);
        let found = match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(failed)?,
            Err(StoreError::NotFound { .. }) => {
                let text = serde_json::to_vec(&Folder { version: FOLDER_VERSION })
                    .map_err(|error| LakeError::storage(path.to_string(), error))?;
                let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                let Err(error) = self.store.put_opts(&path, text.into(), create).await else { return Ok(()) };
                // Another process may have been faster, or the answer may have been lost.
                match self.store.get(&path).await {
                    Ok(found) => found.bytes().await.map_err(failed)?,
                    Err(_) => return Err(failed(error)),
                }
            }
            Err(error) => return Err(failed(error)),
        };
        let folder: Folder = serde_json::from_slice(&found)
            .map_err(|error| LakeError::damaged(path.to_string(), format!("not the version of a lake: {error}")))?;
        if folder.version > FOLDER_VERSION {
            let what = format!("the folder {}", self.url.path());
            return Err(LakeError::Newer { what, found: folder.version, supported: FOLDER_VERSION });
        }
        Ok(())
    }
}
