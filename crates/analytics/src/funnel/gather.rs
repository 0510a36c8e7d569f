//! The events of one partition, kept compactly until all have come, then given out person by person in their order.
//!
//! A row is 48 bytes: what it matches and the breakdown's values are few combinations, each kept once. What only some
//! questions need, the key that must stay the same and the session, lies beside the rows.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int32Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;
use datafusion::error::{DataFusionError, Result};

use super::attempts::Event;
use super::rules::{Codes, Mask};
use crate::events_table::micros;
use crate::value::Texts;

/// Which columns there are after the seven that every question has: person, timestamp, received_at, position, event_id,
/// steps and exclusions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// A key that all steps of an attempt carry: a hash, or null if it is missing.
    pub(super) key: bool,
    /// A session: its hash or null, and whether the event passes the question's filters.
    pub(super) sessions: bool,
    /// Properties of a breakdown.
    pub(super) values: usize,
    /// Whether those are texts and not codes.
    pub(super) are_texts: bool,
}

/// All that is known of one event.
#[derive(Clone, Copy, Debug)]
struct Row {
    timestamp: i64,
    received_at: i64,
    event_id: [u8; 16],
    position: i32,
    /// Its place among the kinds.
    kind: u32,
    /// Its place among the persons.
    person: u32,
}

/// What many events have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    steps: Mask,
    exclusions: Mask,
    is_looked_at: bool,
    codes: Codes,
}

/// The rows so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    layout: Layout,
    persons: HashMap<i64, u32, BuildHasherDefault<KeyHasher>>,
    /// How many rows each person has.
    counts: Vec<u32>,
    rows: Chunks<Row>,
    keys: Chunks<u64>,
    sessions: Chunks<u64>,
    kinds: Vec<Kind>,
    kind_places: HashMap<Kind, u32>,
    last_kind: Option<(Kind, u32)>,
    values: Vec<Arc<str>>,
    value_codes: HashMap<Arc<str>, u32>,
    value_bytes: usize,
}

/// Rows by person.
#[derive(Debug)]
pub(super) struct Persons {
    gathered: Gathered,
    /// The places of all rows, those of a person together.
    order: Vec<u32>,
    /// Of each person where its rows end.
    ends: Vec<u32>,
    /// The most events that a person has.
    most: usize,
}

fn damaged(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("an event of a funnel has a wrong {what}"))
}

impl Gathered {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, ..Self::default() }
    }

    /// The memory that it takes, with what giving it out will take, in bytes.
    pub(super) fn size(&self) -> usize {
        let persons = self.persons.capacity() * (size_of::<(i64, u32)>() + 1);
        let places = self.rows.len * size_of::<u32>() + self.counts.capacity() * 2 * size_of::<u32>();
        let kinds =
            self.kinds.capacity() * size_of::<Kind>() + self.kind_places.capacity() * (size_of::<(Kind, u32)>() + 1);
        let values = self.value_bytes
            + self.values.capacity() * size_of::<Arc<str>>()
            + self.value_codes.capacity() * (size_of::<(Arc<str>, u32)>() + 1);
        persons + places + kinds + values + self.rows.size() + self.keys.size() + self.sessions.size()
    }

    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// If a column has another type than the layout says, or there are more than 2^32 rows.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut columns = batch.columns().iter();
        let mut next = |what| columns.next().ok_or_else(|| damaged(what));
        let persons = longs(next("person")?, "person")?;
        let timestamps = micros(std::slice::from_ref(next("timestamp")?))?;
        let received = micros(std::slice::from_ref(next("received_at")?))?;
        let positions = cast(next("position")?, &DataType::Int32)?;
        let positions: &Int32Array = positions.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged("position"))?;
        let ids = cast(next("event_id")?, &DataType::Binary)?;
        let ids: &BinaryArray = ids.as_binary_opt::<i32>().ok_or_else(|| damaged("event_id"))?;
        let steps = longs(next("steps")?, "steps")?;
        let exclusions = longs(next("exclusions")?, "exclusions")?;
        let key = if self.layout.key { Some(longs(next("key")?, "key")?) } else { None };
        let session = if self.layout.sessions { Some(longs(next("session")?, "session")?) } else { None };
        let looked_at: Option<&BooleanArray> = match self.layout.sessions {
            true => Some(next("filter")?.as_boolean_opt().ok_or_else(|| damaged("filter"))?),
            false => None,
        };
        let values = (0..self.layout.values).map(|_| next("value")).collect::<Result<Vec<_>>>()?;
        let coded = values.into_iter().map(|value| self.codes(value)).collect::<Result<Vec<_>>>()?;

        for row in 0..batch.num_rows() {
            let mut codes = Codes::default();
            for (code, coded) in codes.iter_mut().zip(&coded) {
                *code = coded.get(row).copied().unwrap_or_default();
            }
            let is_looked_at = looked_at.is_none_or(|looked_at| looked_at.is_valid(row) && looked_at.value(row));
            let (steps, exclusions) = (steps.value(row).cast_unsigned(), exclusions.value(row).cast_unsigned());
            let kind = self.kind(Kind { steps, exclusions, is_looked_at, codes })?;
            let person = self.person(persons.value(row))?;
            let event_id = ids.value(row).try_into().map_err(|_| damaged("event_id"))?;
            let (timestamp, received_at) = (timestamps.value(row), received.value(row));
            if self.rows.len >= u32::MAX as usize {
                return Err(DataFusionError::ResourcesExhausted("a partition has too many events".to_owned()));
            }
            self.rows.push(Row { timestamp, received_at, event_id, position: positions.value(row), kind, person });
            let hash = |hashes: &Int64Array| if hashes.is_valid(row) { hashes.value(row).cast_unsigned() } else { 0 };
            if let Some(key) = key {
                self.keys.push(hash(key));
            }
            if let Some(session) = session {
                self.sessions.push(hash(session));
            }
        }
        Ok(())
    }

    fn person(&mut self, key: i64) -> Result<u32> {
        let fresh = u32::try_from(self.counts.len()).map_err(|_| damaged("person"))?;
        let place = *self.persons.entry(key).or_insert(fresh);
        if place == fresh {
            self.counts.push(0);
        }
        if let Some(count) = self.counts.get_mut(place as usize) {
            *count += 1;
        }
        Ok(place)
    }

    fn kind(&mut self, kind: Kind) -> Result<u32> {
        // Rows of one kind often follow each other.
        if let Some((_, place)) = self.last_kind.filter(|(last, _)| *last == kind) {
            return Ok(place);
        }
        let fresh = u32::try_from(self.kinds.len()).map_err(|_| damaged("kind"))?;
        let place = *self.kind_places.entry(kind).or_insert(fresh);
        if place == fresh {
            self.kinds.push(kind);
        }
        self.last_kind = Some((kind, place));
        Ok(place)
    }

    /// The codes of a column: as they are, or given to its texts as they come, from 1.
    fn codes(&mut self, column: &ArrayRef) -> Result<Vec<u32>> {
        if !self.layout.are_texts {
            let codes: &Int32Array = column.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged("code"))?;
            return Ok(codes.iter().map(|code| code.map_or(0, i32::unsigned_abs)).collect());
        }
        let texts = Texts::new(column)?;
        let code = |row| texts.get(row).map_or(Ok(0), |text| self.code(text));
        (0..column.len()).map(code).collect()
    }

    fn code(&mut self, text: &str) -> Result<u32> {
        if let Some(code) = self.value_codes.get(text) {
            return Ok(*code);
        }
        let text: Arc<str> = text.into();
        // Two counters lie before the text.
        self.value_bytes += text.len() + 2 * size_of::<usize>();
        self.values.push(Arc::clone(&text));
        let code = u32::try_from(self.values.len()).map_err(|_| damaged("value"))?;
        self.value_codes.insert(text, code);
        Ok(code)
    }

    /// Puts the rows of each person together.
    pub(super) fn by_person(mut self) -> Persons {
        let mut ends = std::mem::take(&mut self.counts);
        let most = ends.iter().copied().max().unwrap_or(0) as usize;
        let mut begin = 0;
        for end in &mut ends {
            begin += std::mem::replace(end, begin);
        }
        // Each end is a beginning until all rows of the person are placed.
        let mut order = vec![0; self.rows.len];
        for (place, row) in (0_u32..).zip(self.rows.iter()) {
            let Some(end) = ends.get_mut(row.person as usize) else { continue };
            if let Some(slot) = order.get_mut(*end as usize) {
                *slot = place;
            }
            *end += 1;
        }
        self.persons = HashMap::default();
        Persons { gathered: self, order, ends, most }
    }
}

impl Persons {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The values that codes stand for, from 1.
    pub(super) fn values(&self) -> &[Arc<str>] {
        &self.gathered.values
    }

    /// The memory that they take, with what counting the one with most events takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.gathered.size() + self.ends.capacity() * size_of::<u32>() + 2 * self.most * size_of::<Event>()
    }

    /// The events of one person in the total order.
    pub(super) fn events(&mut self, person: usize) -> impl Iterator<Item = Event> {
        let at = |place: Option<usize>| place.and_then(|place| self.ends.get(place)).map_or(0, |end| *end as usize);
        let (begin, end) = (at(person.checked_sub(1)), at(Some(person)));
        let gathered = &self.gathered;
        let places = self.order.get_mut(begin..end).unwrap_or_default();
        places.sort_unstable_by_key(|place| {
            gathered.rows.get(*place).map(|row| (row.timestamp, row.received_at, row.position, row.event_id))
        });
        places.iter().filter_map(|place| gathered.event(*place))
    }
}

impl Gathered {
    fn event(&self, place: u32) -> Option<Event> {
        let row = self.rows.get(place)?;
        let kind = self.kinds.get(row.kind as usize)?;
        let hash = |hashes: &Chunks<u64>| hashes.get(place).copied().filter(|hash| *hash != 0);
        Some(Event {
            time: row.timestamp,
            steps: kind.steps,
            exclusions: kind.exclusions,
            key: hash(&self.keys),
            session: hash(&self.sessions),
            is_looked_at: kind.is_looked_at,
            codes: kind.codes,
        })
    }
}

fn longs<'a>(column: &'a ArrayRef, what: &str) -> Result<&'a Int64Array> {
    column.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged(what))
}

/// A list that grows without being copied.
#[derive(Debug)]
struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

const CHUNK: usize = 4_096;

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    fn push(&mut self, item: T) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(item);
        }
        self.len += 1;
    }

    fn get(&self, place: u32) -> Option<&T> {
        let place = place as usize;
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    fn size(&self) -> usize {
        self.chunks.len() * CHUNK * size_of::<T>()
    }
}

/// Keys of persons are hashes already; their bits are mixed once more, so that keys that share a partition differ.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_i64(&mut self, key: i64) {
        let mixed = key.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema, TimeUnit};

    use super::*;

    /// Rows of person, timestamp, received_at, position, event id and value.
    fn batch(rows: &[(i64, i64, i64, i32, u8, Option<&str>)]) -> RecordBatch {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let longs = |of: fn(&(i64, i64, i64, i32, u8, Option<&str>)) -> i64| -> ArrayRef {
            Arc::new(rows.iter().map(|row| Some(of(row))).collect::<Int64Array>())
        };
        let times = |of: fn(&(i64, i64, i64, i32, u8, Option<&str>)) -> i64| -> ArrayRef {
            let times = rows.iter().map(|row| Some(of(row))).collect::<TimestampMicrosecondArray>();
            Arc::new(times.with_timezone("UTC"))
        };
        let fields = [DataType::Int64, instant.clone(), instant, DataType::Int32, DataType::Binary]
            .into_iter()
            .chain([DataType::Int64, DataType::Int64, DataType::Utf8])
            .enumerate()
            .map(|(place, kind)| Field::new(place.to_string(), kind, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns: Vec<ArrayRef> = vec![
            longs(|row| row.0),
            times(|row| row.1),
            times(|row| row.2),
            Arc::new(rows.iter().map(|row| Some(row.3)).collect::<Int32Array>()),
            Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| [row.4; 16]))),
            longs(|row| i64::from(row.4)),
            longs(|_| 0),
            Arc::new(rows.iter().map(|row| row.5).collect::<StringArray>()),
        ];
        RecordBatch::try_new(schema, columns).unwrap()
    }

    #[test]
    fn events_come_by_person_in_the_total_order() {
        let mut gathered = Gathered::new(Layout { values: 1, are_texts: true, ..Layout::default() });
        gathered
            .add(&batch(&[
                (7, 2, 0, 0, 1, None),
                (9, 5, 0, 0, 2, Some("x")),
                (7, 1, 9, 0, 3, Some("y")),
                (7, 1, 8, 5, 4, Some("x")),
            ]))
            .unwrap();
        gathered.add(&batch(&[(7, 1, 8, 4, 6, None), (7, 1, 8, 4, 5, None), (9, 4, 0, 0, 7, None)])).unwrap();
        let mut persons = gathered.by_person();
        // The steps are the event's id here.
        let mut ids = |person| persons.events(person).map(|event| (event.steps, event.codes[0])).collect::<Vec<_>>();
        assert_eq!(ids(0), [(5, 0), (6, 0), (4, 1), (3, 2), (1, 0)]);
        assert_eq!(ids(1), [(7, 0), (2, 1)]);
        assert_eq!(ids(2), []);
        assert_eq!((persons.len(), persons.values()), (2, &["x".into(), "y".into()][..]));
    }

    #[test]
    fn memory_is_counted_as_it_grows() {
        let mut gathered = Gathered::new(Layout { values: 1, are_texts: true, ..Layout::default() });
        for round in 0..200 {
            let texts: Vec<String> = (0..100).map(|place| format!("a value of its own {round} {place}")).collect();
            let row = |(place, text)| (round * 100 + place, place, 0, 0, 1, Some(text));
            let rows: Vec<_> = (0..100).zip(texts.iter().map(String::as_str)).map(row).collect();
            gathered.add(&batch(&rows)).unwrap();
        }
        let (rows, texts) = (20_000, 20_000 * 25);
        let least = rows * (size_of::<Row>() + size_of::<u32>() + size_of::<(i64, u32)>() + size_of::<Kind>()) + texts;
        assert!((least..4 * least).contains(&gathered.size()), "{} beside {least}", gathered.size());
        assert!(size_of::<Row>() <= 48);
    }
}
