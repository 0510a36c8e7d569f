//! The derived table `persons`: one row an id, with its latest traits and when it was seen.
//!
//! It is made from `events` by maintenance and never by a drain, so a crash cannot lose traits: the last commit names
//! the ingest commit up to which it covers `events`, and readers take newer calls from there.
//!
//! Only identify calls set traits; `context.traits` on other calls stays in `context`. They belong to the id by which
//! the call's `person_key` is made: the user id where there is one. Ids that clients send by mistake (`undefined`,
//! `null`, ...) have rows and traits like any other; they are never tied to anybody.

pub(crate) mod build;
mod latest;

use arrow::array::RecordBatch;
use event_model::{EventId, columns};

pub use self::latest::{LatestTraits, Place};
use crate::column;
use crate::error::LakeError;

/// The place of a row of `events` in the total order.
pub(crate) fn place(batch: &RecordBatch, row: usize) -> Result<Place, LakeError> {
    let id = column::bytes(batch, columns::EVENT_ID)?;
    let id = id.value(row).try_into().map_err(|_| LakeError::damaged("events", "an event id is not 16 bytes"))?;
    Ok(Place(
        column::instant(batch, columns::TIMESTAMP)?.value(row),
        column::instant(batch, columns::RECEIVED_AT)?.value(row),
        column::integer(batch, columns::POSITION)?.value(row),
        EventId(id),
    ))
}
