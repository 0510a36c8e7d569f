//! The state of tables that parts are made from and put into.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use deltalake_core::DeltaTable;
use event_model::{KeyMap, Tie};
use parking_lot::Mutex;

use super::tables::seen_erase;
use crate::erase;
use crate::error::LakeError;
use crate::files::{DataFile, FileList};
use crate::ids::list;
use crate::maintenance::MaintenanceSettings;
use crate::project::ProjectLake;
use crate::read::ties;
use crate::schema::{ACTIVITY, EVENTS, IDENTITIES};
use crate::tables::Table;

/// One derived table as it was found.
pub(crate) struct Target {
    pub(crate) table: Arc<Table>,
    pub(crate) files: Vec<Arc<DataFile>>,
    /// Its last erase, as of before the events were looked at.
    pub(crate) readable_from: u64,
    /// The last erase of `events` that it has been through.
    pub(crate) seen_erase: u64,
    /// Files that this run has taken away.
    pub(crate) gone: HashSet<String>,
}

impl Target {
    pub(crate) async fn look(table: Arc<Table>) -> Result<Self, LakeError> {
        let snapshot = table.refresh().await?;
        Ok(Self {
            files: list(&table, &snapshot, &FileList::default())?.files().to_vec(),
            readable_from: erase::readable_from(&table, &snapshot).await?,
            seen_erase: seen_erase(&table, &snapshot).await?,
            gone: HashSet::new(),
            table,
        })
    }

    /// The time zone that its days should have, if it has days.
    pub(crate) fn timezone<'a>(&'a self, settings: &'a MaintenanceSettings) -> Option<&'a str> {
        if self.table.spec().name != ACTIVITY.name {
            return None;
        }
        let present = || self.files.iter().find_map(|file| file.bounds.part.as_deref()?.timezone.as_deref());
        settings.timezone.as_deref().or_else(present).or(Some("UTC"))
    }
}

/// What parts are made from: one state of `events` and of `identities`.
pub(crate) struct Origin {
    /// The files of `events`, by month.
    pub(crate) months: BTreeMap<String, Vec<Arc<DataFile>>>,
    /// The last ingest commit that is in them.
    pub(crate) covers: i64,
    /// The oldest version of `events` that may be read.
    pub(crate) events_readable_from: u64,
    /// The rows of `identities` in the order in which they were received, with the number of their commit.
    pub(crate) ties: Vec<(Tie, i64)>,
    /// The last commit to `identities` that is in them.
    pub(crate) newest_tie: i64,
    /// All live ties.
    pub(crate) keys: Arc<KeyMap>,
    /// Those of earlier commits, as far as they were asked for.
    earlier: Mutex<HashMap<i64, Arc<KeyMap>>>,
}

impl Origin {
    /// The keys whose person is another since a commit to `identities`.
    pub(crate) fn touched_since(&self, ties: i64) -> HashSet<i64> {
        if ties == self.newest_tie { HashSet::new() } else { self.keys.changed(&self.keys_at(ties)) }
    }

    /// All ties that were live after a commit to `identities`.
    pub(crate) fn keys_at(&self, ties: i64) -> Arc<KeyMap> {
        if ties == self.newest_tie {
            return Arc::clone(&self.keys);
        }
        let mut earlier = self.earlier.lock();
        let before = || KeyMap::from_ties(self.ties.iter().filter(|(_, number)| *number <= ties).map(|(tie, _)| tie));
        Arc::clone(earlier.entry(ties).or_insert_with(|| Arc::new(before())))
    }
}

/// The state of both, as of a snapshot of `events` and then the newest of `identities`.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`].
pub(crate) async fn origin(
    project: &ProjectLake,
    events: &DeltaTable,
    events_readable_from: u64,
) -> Result<Origin, LakeError> {
    let covers = project.events.transaction(events, EVENTS.application).await?.unwrap_or(0);
    let mut months: BTreeMap<String, Vec<Arc<DataFile>>> = BTreeMap::new();
    for file in list(&project.events, events, &FileList::default())?.files() {
        months.entry(file.month.clone().unwrap_or_default()).or_default().push(Arc::clone(file));
    }
    let identities = project.identities.refresh().await?;
    let newest_tie = project.identities.transaction(&identities, IDENTITIES.application).await?.unwrap_or(0);
    let files = list(&project.identities, &identities, &FileList::default())?;
    let ties = ties(&project.identities.object_store(), &files).await?;
    let keys = Arc::new(KeyMap::from_ties(ties.iter().map(|(tie, _)| tie)));
    Ok(Origin { months, covers, events_readable_from, ties, newest_tie, keys, earlier: Mutex::default() })
}
