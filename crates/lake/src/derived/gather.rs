//! Reads the events of some parts of a month into memory, narrow: texts as numbers, keys resolved.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use event_model::{EventType, KeyMap, PersonKey, columns};
use futures::TryStreamExt;

use super::part::Bucket;
use crate::column;
use crate::error::LakeError;
use crate::files::DataFile;
use crate::rows::{Wanted, read};
use crate::tables::Table;

/// The texts that are kept of an event, its name first.
pub(crate) const TEXTS: [&str; 8] = [
    columns::EVENT,
    columns::NAMESPACE,
    columns::CHANNEL,
    columns::UTM_SOURCE,
    columns::BROWSER,
    columns::OS,
    columns::DEVICE_TYPE,
    columns::COUNTRY,
];
const COLUMNS: &[&str] = &[
    columns::TYPE,
    columns::PERSON_KEY,
    columns::TIMESTAMP,
    columns::RECEIVED_AT,
    columns::POSITION,
    columns::EVENT_ID,
    columns::EVENT,
    columns::NAMESPACE,
    columns::CHANNEL,
    columns::UTM_SOURCE,
    columns::BROWSER,
    columns::OS,
    columns::DEVICE_TYPE,
    columns::COUNTRY,
];
const NUMBERED: &[&str] = &[
    columns::TYPE,
    columns::EVENT,
    columns::NAMESPACE,
    columns::CHANNEL,
    columns::UTM_SOURCE,
    columns::BROWSER,
    columns::OS,
    columns::DEVICE_TYPE,
    columns::COUNTRY,
];
/// The number of a text that is not there.
const NONE: i32 = -1;

/// The events of some parts.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// The texts of each column, by their numbers.
    pub(crate) texts: [Texts; TEXTS.len()],
    /// The rows of each part that was asked for and not given up, in no order.
    pub(crate) rows: BTreeMap<Bucket, Rows>,
}

/// Rows of one part, column by column.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) keys: Vec<i64>,
    pub(crate) timestamps: Vec<i64>,
    pub(crate) received: Vec<i64>,
    pub(crate) positions: Vec<i32>,
    pub(crate) ids: Vec<u128>,
    /// The number of each of [`TEXTS`].
    pub(crate) numbers: [Vec<i32>; TEXTS.len()],
}

/// The different texts of a column.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    numbers: HashMap<String, i32>,
    texts: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: &str) -> i32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = i32::try_from(self.texts.len()).unwrap_or(i32::MAX);
        self.numbers.insert(text.to_owned(), number);
        self.texts.push(text.to_owned());
        number
    }

    /// The text of a number.
    pub(crate) fn text(&self, number: i32) -> &str {
        usize::try_from(number).ok().and_then(|number| self.texts.get(number)).map_or("", String::as_str)
    }

    /// All texts, by their numbers.
    pub(crate) fn array(&self) -> StringArray {
        StringArray::from_iter_values(&self.texts)
    }
}

/// Reads the track, page and screen rows of these files that are in one of the parts. If there are more than `most`, the
/// largest part is given up: a few persons may have most of a month's events, and memory is what it is.
///
/// # Errors
/// [`LakeError::Storage`], [`LakeError::Damaged`].
pub(crate) async fn gather(
    events: &Table,
    files: &[Arc<DataFile>],
    keys: &KeyMap,
    buckets: &[Bucket],
    most: usize,
) -> Result<Gathered, LakeError> {
    let mut gathered = Gathered::default();
    gathered.rows.extend(buckets.iter().map(|bucket| (*bucket, Rows::default())));
    let of = buckets.first().map_or(1, |bucket| bucket.of);
    for file in files {
        let wanted = Wanted { columns: Some(COLUMNS), numbered: NUMBERED, ..Wanted::default() };
        let mut batches = read(events.object_store(), file, wanted).await?;
        while let Some(batch) = batches.try_next().await? {
            gathered.take(&batch, keys, of)?;
            gathered.keep_at_most(most);
        }
    }
    Ok(gathered)
}

/// Whether a row of that type is an event that questions count.
pub(crate) fn is_event(kind: &str) -> bool {
    [EventType::Track, EventType::Page, EventType::Screen].iter().any(|event| event.as_str() == kind)
}

impl Gathered {
    fn keep_at_most(&mut self, most: usize) {
        while self.rows.values().map(|rows| rows.keys.len()).sum::<usize>() > most {
            let largest = self.rows.iter().max_by_key(|(_, rows)| rows.keys.len()).map(|(bucket, _)| *bucket);
            let Some(largest) = largest else { return };
            self.rows.remove(&largest);
        }
    }

    fn take(&mut self, batch: &RecordBatch, keys: &KeyMap, of: u32) -> Result<(), LakeError> {
        let (kinds, kind_texts) = numbered(batch, columns::TYPE)?;
        let counted: Vec<bool> = kind_texts.iter().map(|kind| kind.is_some_and(is_event)).collect();
        let mut columns_of: Vec<(&Int32Array, Vec<i32>)> = Vec::with_capacity(TEXTS.len());
        for (name, texts) in TEXTS.iter().zip(&mut self.texts) {
            let (rows, values) = numbered(batch, name)?;
            columns_of.push((rows, values.iter().map(|text| text.map_or(NONE, |text| texts.number(text))).collect()));
        }
        let own = column::long(batch, columns::PERSON_KEY)?;
        let timestamps = column::instant(batch, columns::TIMESTAMP)?;
        let received = column::instant(batch, columns::RECEIVED_AT)?;
        let positions = column::integer(batch, columns::POSITION)?;
        let ids = crate::ids::ids(column::bytes(batch, columns::EVENT_ID)?)?;
        // Rows of one person follow each other in most files.
        let mut last = None;
        for (row, id) in ids.into_iter().enumerate() {
            let is_counted = at(kinds, row).and_then(|kind| counted.get(kind)).copied().unwrap_or(false);
            if !is_counted {
                continue;
            }
            let own = own.value(row);
            let key = match last {
                Some((known, key)) if known == own => key,
                _ => keys.resolve(PersonKey(own)).0,
            };
            last = Some((own, key));
            let Some(rows) = self.rows.get_mut(&Bucket::of_key(key, of)) else { continue };
            rows.keys.push(key);
            rows.timestamps.push(timestamps.value(row));
            rows.received.push(received.value(row));
            rows.positions.push(positions.value(row));
            rows.ids.push(id);
            for (numbers, (column, renumbered)) in rows.numbers.iter_mut().zip(&columns_of) {
                numbers.push(at(column, row).and_then(|number| renumbered.get(number)).copied().unwrap_or(NONE));
            }
        }
        Ok(())
    }
}

/// The number that a row has in a dictionary; `None` where it is null.
fn at(numbers: &Int32Array, row: usize) -> Option<usize> {
    numbers.is_valid(row).then(|| usize::try_from(numbers.value(row)).ok()).flatten()
}

fn numbered<'a>(batch: &'a RecordBatch, name: &str) -> Result<(&'a Int32Array, &'a StringArray), LakeError> {
    let wrong = || LakeError::Shape(format!("column {name} is not a dictionary of texts"));
    let column = column::any(batch, name)?.as_dictionary_opt::<Int32Type>().ok_or_else(wrong)?;
    Ok((column.keys(), column.values().as_string_opt::<i32>().ok_or_else(wrong)?))
}
