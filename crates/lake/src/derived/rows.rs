//! Gathered events become the rows of a part: of `sequences`, and of `activity`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use event_model::columns;

use super::days::Days;
use super::gather::{Rows, TEXTS, Texts};
use super::part::Part;
use crate::error::LakeError;
use crate::identities::batch;
use crate::schema::{
    BUCKET, BUCKETS, COVERS, DAYS, DAYS_TIMEZONE, FIRST_AT, FIRST_DAY, PART_PERSONS, PLACE, TIES, TIMES,
};

/// A part's rows in the order of the person, and within a person in the total order.
pub(crate) struct Sorted<'a> {
    rows: &'a Rows,
    texts: &'a [Texts; TEXTS.len()],
    order: Vec<u32>,
}

impl<'a> Sorted<'a> {
    pub(crate) fn new(rows: &'a Rows, texts: &'a [Texts; TEXTS.len()]) -> Self {
        let mut order: Vec<u32> = (0..u32::try_from(rows.keys.len()).unwrap_or(u32::MAX)).collect();
        let place = |row: &u32| {
            let row = *row as usize;
            let first = (rows.keys.get(row), rows.timestamps.get(row));
            (first, rows.received.get(row), rows.positions.get(row), rows.ids.get(row))
        };
        order.sort_unstable_by(|one, other| place(one).cmp(&place(other)));
        Self { rows, texts, order }
    }

    /// How many persons the part has.
    pub(crate) fn persons(&self) -> u64 {
        let keys: Vec<i64> = self.pick(&self.rows.keys).collect();
        keys.chunk_by(|one, other| one == other).count() as u64
    }

    fn pick<T: Copy>(&self, values: &'a [T]) -> impl Iterator<Item = T> {
        self.order.iter().filter_map(|row| values.get(*row as usize).copied())
    }

    /// The rows of `sequences`.
    ///
    /// # Errors
    /// [`LakeError::Shape`] only by a bug.
    pub(crate) fn sequences(&self, part: &Part) -> Result<RecordBatch, LakeError> {
        let mut places = Vec::with_capacity(self.order.len());
        let (mut before, mut place) = (None, 0);
        for now in self.pick(&self.rows.keys).zip(self.pick(&self.rows.timestamps)) {
            place = if before == Some(now) { place + 1 } else { 0 };
            places.push(place);
            before = Some(now);
        }
        let mut named: Vec<(&str, ArrayRef)> = vec![
            (columns::PERSON_KEY, Arc::new(Int64Array::from_iter_values(self.pick(&self.rows.keys)))),
            (columns::TIMESTAMP, instants(self.pick(&self.rows.timestamps))),
            (PLACE, Arc::new(Int32Array::from(places))),
        ];
        for ((name, numbers), texts) in TEXTS.into_iter().zip(&self.rows.numbers).zip(self.texts) {
            named.push((name, dictionary(self.pick(numbers), texts.array())?));
        }
        named.extend(same(part, self.order.len()));
        batch(named)
    }

    /// The rows of `activity`.
    ///
    /// # Errors
    /// [`LakeError::Shape`] only by a bug.
    pub(crate) fn activity(&self, part: &Part, days: &Days) -> Result<RecordBatch, LakeError> {
        let [names, ..] = self.texts;
        let [numbers, ..] = &self.rows.numbers;
        let mut sums: Vec<Did> = Vec::new();
        let mut of_person: BTreeMap<&str, Did> = BTreeMap::new();
        let mut person = None;
        for ((key, timestamp), name) in
            self.pick(&self.rows.keys).zip(self.pick(&self.rows.timestamps)).zip(self.pick(numbers))
        {
            if person != Some(key) {
                sums.extend(std::mem::take(&mut of_person).into_values());
                person = Some(key);
            }
            let did = Did { key, name, days: 0, times: 0, first_at: timestamp };
            let did = of_person.entry(names.text(name)).or_insert(did);
            did.days |= days.bit(timestamp);
            did.times += 1;
        }
        sums.extend(of_person.into_values());
        let mut named: Vec<(&str, ArrayRef)> = vec![
            (columns::PERSON_KEY, Arc::new(Int64Array::from_iter_values(sums.iter().map(|did| did.key)))),
            (columns::EVENT, dictionary(sums.iter().map(|did| did.name), names.array())?),
            (DAYS, Arc::new(Int32Array::from_iter_values(sums.iter().map(|did| did.days.cast_signed())))),
            (TIMES, Arc::new(Int64Array::from_iter_values(sums.iter().map(|did| did.times)))),
            (FIRST_AT, instants(sums.iter().map(|did| did.first_at))),
            (FIRST_DAY, Arc::new(Date32Array::from_value(days.first, sums.len()))),
            (DAYS_TIMEZONE, one_text(part.timezone.as_deref().unwrap_or_default(), sums.len())?),
        ];
        named.extend(same(part, sums.len()));
        batch(named)
    }
}

/// What a person did under one name.
struct Did {
    key: i64,
    name: i32,
    days: u32,
    times: i64,
    first_at: i64,
}

fn instants(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn dictionary(numbers: impl Iterator<Item = i32>, texts: StringArray) -> Result<ArrayRef, LakeError> {
    let numbers: Int32Array = numbers.map(|number| (number >= 0).then_some(number)).collect();
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(numbers, Arc::new(texts) as Arc<dyn Array>)?))
}

fn one_text(text: &str, rows: usize) -> Result<ArrayRef, LakeError> {
    dictionary(std::iter::repeat_n(0, rows), StringArray::from(vec![text]))
}

/// The columns that are the same in every row.
fn same(part: &Part, rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let number =
        |number: u32| -> ArrayRef { Arc::new(Int32Array::from_value(i32::try_from(number).unwrap_or(i32::MAX), rows)) };
    let long = |number: i64| -> ArrayRef { Arc::new(Int64Array::from_value(number, rows)) };
    vec![
        (BUCKET, number(part.bucket.index)),
        (BUCKETS, number(part.bucket.of)),
        (COVERS, long(part.covers)),
        (TIES, long(part.ties)),
        (PART_PERSONS, long(i64::try_from(part.persons).unwrap_or(i64::MAX))),
    ]
}
