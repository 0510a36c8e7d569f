//! The ties of `identities` as a map from each key to its person, kept by version.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use event_model::{Action, EventId, KeyMap, PersonId, Tie, Timestamp, columns};
use futures::TryStreamExt;
use object_store::ObjectStore;
use parking_lot::Mutex;

use super::TableView;
use crate::column;
use crate::error::LakeError;
use crate::files::FileList;
use crate::rows::{Wanted, read};
use crate::schema::{ACTION, EDGE_ID};

/// How many maps are kept: the newest, and those of a few questions about the past.
const KEPT: usize = 4;

type Kept = (u64, Option<Timestamp>, Arc<KeyMap>);

#[derive(Debug, Default)]
pub(super) struct Keys(Mutex<Vec<Kept>>);

impl Keys {
    /// The map of one version of `identities`; with a moment, only of rows received until then.
    pub(super) async fn get(&self, identities: &TableView, as_of: Option<Timestamp>) -> Result<Arc<KeyMap>, LakeError> {
        let known = |kept: &&Kept| kept.0 == identities.version && kept.1 == as_of;
        if let Some((_, _, keys)) = self.0.lock().iter().find(known) {
            return Ok(Arc::clone(keys));
        }
        let ties = ties(&identities.store, &identities.files).await?;
        let until = |tie: &&Tie| as_of.is_none_or(|moment| tie.received_at <= moment);
        let keys = Arc::new(KeyMap::from_ties(ties.iter().map(|(tie, _)| tie).filter(until)));
        let mut kept = self.0.lock();
        kept.insert(0, (identities.version, as_of, Arc::clone(&keys)));
        kept.truncate(KEPT);
        Ok(keys)
    }
}

/// All rows in the order in which they were received, each with the number of its commit.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`].
pub(crate) async fn ties(store: &Arc<dyn ObjectStore>, files: &FileList) -> Result<Vec<(Tie, i64)>, LakeError> {
    let mut ties = Vec::new();
    for file in files.files() {
        let wanted = Wanted { columns: Some(COLUMNS), ..Wanted::default() };
        let mut rows = read(Arc::clone(store), file, wanted).await?;
        while let Some(batch) = rows.try_next().await? {
            ties.extend(parse(&batch)?);
        }
    }
    ties.sort_by(|(one, one_seq), (other, other_seq)| {
        (one.received_at, one_seq, one.edge_id).cmp(&(other.received_at, other_seq, other.edge_id))
    });
    Ok(ties)
}

const COLUMNS: &[&str] = &[
    EDGE_ID,
    ACTION,
    "left_type",
    "left_id",
    "right_type",
    "right_id",
    "cause",
    columns::EVENT_ID,
    columns::RECEIVED_AT,
    columns::INGEST_SEQ,
];

fn parse(batch: &RecordBatch) -> Result<Vec<(Tie, i64)>, LakeError> {
    let (edge, event) = (column::bytes(batch, EDGE_ID)?, column::bytes(batch, columns::EVENT_ID)?);
    let (action, cause) = (column::text(batch, ACTION)?, column::text(batch, "cause")?);
    let (left_type, left) = (column::text(batch, "left_type")?, column::text(batch, "left_id")?);
    let (right_type, right) = (column::text(batch, "right_type")?, column::text(batch, "right_id")?);
    let received = column::instant(batch, columns::RECEIVED_AT)?;
    let sequence = column::long(batch, columns::INGEST_SEQ)?;
    let id = |bytes: &[u8]| bytes.try_into().map(EventId).map_err(|_| wrong("an id that is not 16 bytes"));
    let person = |kind: &str, text: &str| {
        PersonId::from_parts(kind, text.to_owned()).ok_or_else(|| wrong("an id that is neither user nor anonymous"))
    };
    (0..batch.num_rows())
        .map(|row| {
            let tie = Tie {
                edge_id: id(edge.value(row))?,
                action: match action.value(row) {
                    "tie" => Action::Tie,
                    "undo" => Action::Undo,
                    _ => return Err(wrong("an action that is neither tie nor undo")),
                },
                left: person(left_type.value(row), left.value(row))?,
                right: person(right_type.value(row), right.value(row))?,
                cause: cause.value(row).to_owned(),
                event_id: if event.is_valid(row) { id(event.value(row))? } else { EventId::default() },
                received_at: Timestamp(received.value(row)),
            };
            Ok((tie, sequence.value(row)))
        })
        .collect()
}

fn wrong(detail: &str) -> LakeError {
    LakeError::damaged("identities", format!("a row has {detail}"))
}
