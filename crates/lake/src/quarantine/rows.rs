//! Rejected events as rows of the table, and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray,
};
use event_model::rejection::Bytes64;
use event_model::{EventId, Reason, Rejected, Timestamp, columns};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

use super::{QuarantineEntry, REJECT, REPLAYED};
use crate::batch::QuarantineRow;
use crate::column;
use crate::encode::texts;
use crate::error::LakeError;
use crate::identities::batch;
use crate::schema::{ACTION, LAYOUT, MESSAGE_ID, ROW_ID};

/// A row id, its message and what was rejected.
pub(super) type Named<'a> = (EventId, EventId, &'a QuarantineRow);

pub(super) fn of_rejects(named: &[&Named<'_>]) -> Result<RecordBatch, LakeError> {
    let text = |value: fn(&QuarantineRow) -> &str| texts(named.iter().map(|(_, _, row)| Some(value(row))));
    let binary = |value: fn(&Named<'_>) -> [u8; 16]| -> ArrayRef {
        Arc::new(BinaryArray::from_iter_values(named.iter().map(|named| value(named))))
    };
    let received = named.iter().map(|(_, _, row)| row.received_at.0).collect::<Vec<_>>();
    let positions = named.iter().map(|(_, _, row)| i32::try_from(row.rejected.position).unwrap_or(i32::MAX));
    let lengths = named.iter().map(|(_, _, row)| i64::try_from(row.rejected.full_length).unwrap_or(i64::MAX));
    let replayable = named.iter().map(|(_, _, row)| Some(row.rejected.replayable));
    let originals = named.iter().map(|(_, _, row)| &row.rejected.original.0);
    batch(vec![
        (ROW_ID, binary(|(row, _, _)| row.0)),
        (ACTION, texts(named.iter().map(|_| Some(REJECT)))),
        (MESSAGE_ID, binary(|(_, message, _)| message.0)),
        ("write_key_id", text(|row| &row.write_key_id)),
        (columns::PROTOCOL, text(|row| &row.protocol)),
        (columns::RECEIVED_AT, Arc::new(TimestampMicrosecondArray::from(received).with_timezone("UTC"))),
        (columns::POSITION, Arc::new(Int32Array::from_iter_values(positions))),
        (columns::EVENT_ID, binary(|(_, _, row)| row.rejected.event_id.0)),
        ("reason", text(|row| row.rejected.reason.as_str())),
        ("detail", text(|row| &row.rejected.detail)),
        ("original", Arc::new(BinaryArray::from_iter_values(originals))),
        ("full_length", Arc::new(Int64Array::from_iter_values(lengths))),
        ("sha256", text(|row| &row.rejected.sha256)),
        ("replayable", Arc::new(replayable.collect::<BooleanArray>())),
        ("events", Arc::new(Int64Array::from_iter_values(named.iter().map(|(_, _, row)| i64::from(row.events))))),
    ])
}

pub(super) fn of_marks(rows: &[EventId], now: Timestamp) -> Result<RecordBatch, LakeError> {
    let count = rows.len();
    let nothing = || texts(std::iter::repeat_n(None, count));
    let no_bytes = || -> ArrayRef { Arc::new(BinaryArray::from_opt_vec(vec![None; count])) };
    batch(vec![
        (ROW_ID, Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| row.0)))),
        (ACTION, texts(rows.iter().map(|_| Some(REPLAYED)))),
        (MESSAGE_ID, no_bytes()),
        ("write_key_id", nothing()),
        (columns::PROTOCOL, nothing()),
        (columns::RECEIVED_AT, Arc::new(TimestampMicrosecondArray::from_value(now.0, count).with_timezone("UTC"))),
        (columns::POSITION, Arc::new(Int32Array::new_null(count))),
        (columns::EVENT_ID, no_bytes()),
        ("reason", nothing()),
        ("detail", nothing()),
        ("original", no_bytes()),
        ("full_length", Arc::new(Int64Array::new_null(count))),
        ("sha256", nothing()),
        ("replayable", Arc::new(BooleanArray::new_null(count))),
        ("events", Arc::new(Int64Array::new_null(count))),
    ])
}

/// One row as it was put in.
pub(super) fn entry(rows: &RecordBatch, row: usize, replayed: bool) -> Result<QuarantineEntry, LakeError> {
    let text = |name| Ok::<_, LakeError>(column::text(rows, name)?.value(row));
    let id = |name| {
        let bytes = <[u8; 16]>::try_from(column::bytes(rows, name)?.value(row));
        bytes.map(EventId).map_err(|_| LakeError::Shape(format!("{name} is not 16 bytes long")))
    };
    let replayable =
        rows.column_by_name("replayable").and_then(|column| column.as_any().downcast_ref::<BooleanArray>());
    let rejected = Rejected {
        position: u32::try_from(column::integer(rows, columns::POSITION)?.value(row)).unwrap_or(0),
        event_id: id(columns::EVENT_ID)?,
        reason: reason(text("reason")?)?,
        detail: text("detail")?.to_owned(),
        original: Bytes64(column::bytes(rows, "original")?.value(row).to_vec()),
        full_length: u64::try_from(column::long(rows, "full_length")?.value(row)).unwrap_or(0),
        sha256: text("sha256")?.to_owned(),
        replayable: replayable.is_some_and(|column| column.is_valid(row) && column.value(row)),
    };
    Ok(QuarantineEntry {
        row_id: id(ROW_ID)?,
        replayed,
        message_id: id(MESSAGE_ID)?,
        write_key_id: text("write_key_id")?.to_owned(),
        protocol: text(columns::PROTOCOL)?.to_owned(),
        received_at: Timestamp(column::instant(rows, columns::RECEIVED_AT)?.value(row)),
        events: u32::try_from(column::long(rows, "events")?.value(row)).unwrap_or(1),
        rejected,
    })
}

fn reason(text: &str) -> Result<Reason, LakeError> {
    let from: StrDeserializer<'_, ValueError> = text.into_deserializer();
    Reason::deserialize(from).map_err(|_| LakeError::Newer {
        what: format!("the quarantine reason {text}"),
        found: LAYOUT + 1,
        supported: LAYOUT,
    })
}
