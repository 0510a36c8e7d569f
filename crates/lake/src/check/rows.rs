//! Can every column of every row be decoded, and is what it says possible?

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::row::{OwnedRow, RowConverter, SortField};
use event_model::{EventType, PersonKey, Timestamp, columns};
use futures::TryStreamExt;
use serde::de::IgnoredAny;

use super::{Checked, Damage, DamageKind};
use crate::column;
use crate::error::LakeError;
use crate::files::DataFile;
use crate::rows::{Wanted, read};
use crate::schema::{EVENTS, FIRST_AT, is_derived};

/// Notes at most one damage a kind and file: a wrong file is usually wrong in many rows.
pub(super) async fn check(
    checked: &Checked,
    files: &[Arc<DataFile>],
    damage: &mut Vec<Damage>,
) -> Result<(), LakeError> {
    let table = checked.table.spec().name;
    for file in files {
        let found = check_file(checked, file).await;
        match found {
            Ok(wrong) => {
                let of_file = |(kind, detail): (_, String)| Damage::of_file(table, &file.path, kind, detail);
                damage.extend(wrong.0.into_iter().map(of_file));
            }
            Err(LakeError::Damaged { detail, .. } | LakeError::Shape(detail)) => {
                damage.push(Damage::of_file(table, &file.path, DamageKind::FileUnreadable, detail));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What is wrong with one file.
#[derive(Default)]
struct Wrong(Vec<(DamageKind, String)>);

impl Wrong {
    fn note(&mut self, kind: DamageKind, detail: &str) {
        if !self.0.iter().any(|(noted, _)| *noted == kind) {
            self.0.push((kind, detail.to_owned()));
        }
    }
}

async fn check_file(checked: &Checked, file: &DataFile) -> Result<Wrong, LakeError> {
    let mut wrong = Wrong::default();
    let mut order = Order::default();
    let mut rows = 0;
    let mut stream = read(checked.table.object_store(), file, Wanted::default()).await?;
    while let Some(batch) = stream.try_next().await? {
        rows += batch.num_rows() as u64;
        check_sequence(checked, &batch, &mut wrong)?;
        if checked.table.spec().name == EVENTS.name {
            check_events(file, &batch, &mut wrong)?;
        }
        if is_derived(checked.table.spec()) {
            check_part(file, &batch, &mut wrong)?;
        }
        order.check(checked.table.spec().order, &batch, &mut wrong)?;
    }
    if file.rows.is_some_and(|expect| expect != rows) {
        wrong.note(DamageKind::RowCount, "its pages hold other rows than its footer says");
    }
    Ok(wrong)
}

fn check_sequence(checked: &Checked, batch: &RecordBatch, wrong: &mut Wrong) -> Result<(), LakeError> {
    if checked.table.spec().columns.iter().all(|column| column.name != columns::INGEST_SEQ) {
        return Ok(());
    }
    let sequence = column::long(batch, columns::INGEST_SEQ)?;
    if sequence.iter().flatten().any(|sequence| sequence < 1 || sequence > checked.sequence) {
        wrong.note(DamageKind::Sequence, &format!("a row names a commit after {}", checked.sequence));
    }
    Ok(())
}

fn check_events(file: &DataFile, batch: &RecordBatch, wrong: &mut Wrong) -> Result<(), LakeError> {
    let ids = column::bytes(batch, columns::EVENT_ID)?;
    let timestamp = column::instant(batch, columns::TIMESTAMP)?;
    let received = column::instant(batch, columns::RECEIVED_AT)?;
    let date = column::date(batch, columns::DATE)?;
    let (kind, event) = (column::text(batch, columns::TYPE)?, column::text(batch, columns::EVENT)?);
    let (user, visitor) = (column::text(batch, columns::USER_ID)?, column::text(batch, columns::ANONYMOUS_ID)?);
    let key = column::long(batch, columns::PERSON_KEY)?;
    for row in 0..batch.num_rows() {
        let at = Timestamp(timestamp.value(row));
        if ids.value(row).len() != 16 {
            wrong.note(DamageKind::Row, "an event id is not 16 bytes");
        }
        if EventType::parse(kind.value(row)).is_none() || event.value(row).is_empty() {
            wrong.note(DamageKind::Row, "an event without a known type or a name");
        }
        let own = PersonKey::of_event(column::text_at(user, row), column::text_at(visitor, row));
        if own.map(|key| key.0) != Some(key.value(row)) {
            wrong.note(DamageKind::Row, "a person key that is not that of its ids");
        }
        if !at.is_in_range(Timestamp(received.value(row))) {
            wrong.note(DamageKind::Row, "a timestamp outside the range that is accepted");
        }
        if file.month.as_deref().is_some_and(|month| at.month() != month) {
            wrong.note(DamageKind::Month, "a row of another month");
        }
        if at.days() != date.value(row) {
            wrong.note(DamageKind::Month, "a date that is not that of the timestamp");
        }
    }
    for name in [columns::PROPERTIES, columns::CONTEXT, columns::TRAITS] {
        let texts = column::text(batch, name)?;
        let is_json = |text: &str| text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok();
        if !texts.iter().flatten().all(is_json) {
            wrong.note(DamageKind::Row, &format!("{name} that is not a JSON object"));
        }
    }
    Ok(())
}

/// Rows of a part of a derived table: of its month, and of persons in its range of keys.
fn check_part(file: &DataFile, batch: &RecordBatch, wrong: &mut Wrong) -> Result<(), LakeError> {
    let Some(part) = &file.bounds.part else {
        wrong.note(DamageKind::Row, "the log does not say which part it is");
        return Ok(());
    };
    let keys = column::long(batch, columns::PERSON_KEY)?;
    if !keys.values().iter().all(|key| part.bucket.holds(*key)) {
        wrong.note(DamageKind::Row, "a person whose key is of another part");
    }
    let when = if batch.column_by_name(FIRST_AT).is_some() { FIRST_AT } else { columns::TIMESTAMP };
    let timestamps = column::instant(batch, when)?.values();
    if !timestamps.iter().all(|at| file.month.as_deref().is_some_and(|month| Timestamp(*at).month() == month)) {
        wrong.note(DamageKind::Month, "a row of another month");
    }
    Ok(())
}

/// Follows the order of rows over the batches of a file.
#[derive(Default)]
struct Order {
    converter: Option<RowConverter>,
    last: Option<OwnedRow>,
}

impl Order {
    fn check(&mut self, order: &[&str], batch: &RecordBatch, wrong: &mut Wrong) -> Result<(), LakeError> {
        let keys = order.iter().filter_map(|name| batch.column_by_name(name).cloned()).collect::<Vec<_>>();
        if keys.is_empty() {
            return Ok(());
        }
        let converter = match &mut self.converter {
            Some(converter) => converter,
            none => {
                let fields = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
                none.insert(RowConverter::new(fields)?)
            }
        };
        let rows = converter.convert_columns(&keys)?;
        let continues = match (&self.last, rows.iter().next()) {
            (Some(last), Some(first)) => last.row() <= first,
            _ => true,
        };
        if !continues || !rows.iter().is_sorted() {
            wrong.note(DamageKind::Order, &format!("rows are not sorted by {}", order.join(", ")));
        }
        if let Some(last) = rows.iter().next_back() {
            self.last = Some(last.owned());
        }
        Ok(())
    }
}
