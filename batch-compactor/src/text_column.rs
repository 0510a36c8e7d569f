//! A column of texts while it grows: each different text is kept once, and a row is the number of its text.
//!
//! Most texts of an event repeat the one before (a browser, a country, a host), so that is what a new one is compared
//! with first; then it is looked up. Where there are many, those of a whole message are looked up together, so that
//! memory is waited for once and not for each. A column whose texts hardly repeat stops looking them up.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, NullArray, StringArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The number of a row without a text.
const ABSENT: i32 = -1;
/// After so many different texts, and whenever they have doubled, a column is asked whether they repeat at all.
const FIRST_QUESTION: usize = 1 << 16;
/// From so many slots on they no longer lie in the processor's nearest memory.
const MANY_SLOTS: usize = 1 << 12;
/// Clients choose texts, and must not choose ones that fall together.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u8));

/// How a text stands in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is, between two quotes.
    Quoted,
    /// As it is: an object or a list.
    Bare,
    /// In another way, or that is not known.
    Different,
}

/// See the module.
pub(crate) struct TextColumn {
    /// Of each row the number of its text; below [`ABSENT`] the place in `waiting`.
    rows: Vec<i32>,
    /// Where each text begins, and where the last one ends.
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    /// The numbers of texts by their hash; `None`: each row has a text of its own.
    places: Option<Places>,
    /// The last text once more, how it stands in JSON, and its number: where it lies in `bytes`, memory would have to be
    /// waited for.
    last_text: Vec<u8>,
    last_form: Form,
    last: i32,
    keeps_last: bool,
    waiting: Waiting,
    /// How many different texts there are when it is asked next whether they repeat.
    next_question: usize,
}

/// Texts that are looked up together when their message ends.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    hashes: Vec<u128>,
    /// The first row that has one.
    first_row: usize,
    /// What looking up gave.
    numbers: Vec<i32>,
}

impl TextColumn {
    /// A column whose texts may repeat, or will not.
    pub(crate) fn new(may_repeat: bool) -> Self {
        Self {
            rows: Vec::new(),
            offsets: vec![0],
            bytes: Vec::new(),
            places: may_repeat.then(Places::default),
            last_text: Vec::new(),
            last_form: Form::Different,
            last: ABSENT,
            keeps_last: may_repeat,
            waiting: Waiting::default(),
            next_question: FIRST_QUESTION,
        }
    }

    /// The rows that have got a text, and those before them.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The text that was put last, if that was into the row after `row` others.
    #[inline]
    pub(crate) fn current(&self, row: usize) -> Option<&str> {
        if self.rows.len() > row { std::str::from_utf8(&self.last_text).ok() } else { None }
    }

    /// The last text and how it stands in JSON.
    #[inline]
    pub(crate) fn last(&self) -> (&[u8], Form) {
        (&self.last_text, self.last_form)
    }

    /// Gives the row after `row` others the last text once more.
    #[inline]
    pub(crate) fn put_last(&mut self, row: usize) {
        if self.rows.len() < row {
            self.rows.resize(row, ABSENT);
        }
        self.rows.push(self.last);
    }

    /// Gives the row after `row` others a text that stands like this in JSON.
    pub(crate) fn put(&mut self, row: usize, text: &str, form: Form) -> Result<(), &'static str> {
        let is_last = self.last != ABSENT && self.places.is_some() && self.last_text == text.as_bytes();
        if !is_last {
            self.last = self.number_of(text.as_bytes())?;
            // Where each row has a text of its own, it is not compared with the last.
            self.last_form = if self.places.is_some() { form } else { Form::Different };
            self.last_text.clear();
            if self.keeps_last {
                self.last_text.extend_from_slice(text.as_bytes());
            }
        }
        self.put_last(row);
        Ok(())
    }

    /// Looks up what waits for it: to be called when a message ends.
    pub(crate) fn settle(&mut self) -> Result<(), &'static str> {
        if self.waiting.hashes.is_empty() {
            return Ok(());
        }
        let Some(mut places) = self.places.take() else { return Ok(()) };
        let mut waiting = std::mem::take(&mut self.waiting);
        // One glance for each, and none waits for another.
        waiting.numbers.extend(waiting.hashes.iter().map(|hash| places.glance(*hash)));
        let mut start = 0;
        for ((number, hash), end) in waiting.numbers.iter_mut().zip(&waiting.hashes).zip(&waiting.ends) {
            if *number == ABSENT {
                *number = match places.find(*hash) {
                    Some(number) => number,
                    None => {
                        let added = self.add(waiting.bytes.get(start..*end).unwrap_or_default())?;
                        places.insert(*hash, added);
                        added
                    }
                };
            }
            start = *end;
        }
        let rows = self.rows.get_mut(waiting.first_row..).unwrap_or_default();
        for row in rows.iter_mut().chain([&mut self.last]).filter(|row| **row < ABSENT) {
            let place = usize::try_from(ABSENT - 1 - *row).unwrap_or(usize::MAX);
            *row = waiting.numbers.get(place).copied().unwrap_or(ABSENT);
        }
        self.places = Some(places);
        self.ask();
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }

    /// Forgets all rows but the first ones, which have been settled.
    pub(crate) fn truncate(&mut self, rows: usize) {
        // Texts that no row has any more do no harm.
        self.rows.truncate(rows);
        self.waiting.clear();
        if self.last < ABSENT {
            (self.last, self.last_form) = (ABSENT, Form::Different);
        }
    }

    /// All texts, for that many rows.
    pub(crate) fn finish(mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        if self.rows.iter().all(|number| *number == ABSENT) {
            return Ok(Arc::new(NullArray::new(rows)));
        }
        self.rows.resize(rows, ABSENT);
        let nulls = self.rows.contains(&ABSENT).then(|| self.rows.iter().map(|number| *number != ABSENT).collect());
        let nulls: Option<NullBuffer> = nulls;
        let is_a_text_a_row = self.rows.iter().zip(0..).all(|(number, row)| *number == row);
        if self.places.is_none() && !is_a_text_a_row {
            return Ok(Arc::new(self.spread(nulls)?));
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        if self.places.is_none() {
            // There may be texts behind the last row: of a message that was taken back.
            return Ok(Arc::new(StringArray::try_new(offsets.slice(0, rows), Buffer::from_vec(self.bytes), nulls)?));
        }
        let texts = StringArray::try_new(offsets, Buffer::from_vec(self.bytes), None)?;
        self.rows.iter_mut().filter(|number| **number == ABSENT).for_each(|number| *number = 0);
        let numbers = Int32Array::try_new(ScalarBuffer::from(self.rows), nulls)?;
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(numbers, Arc::new(texts))?))
    }

    /// A text for each row, where some have none.
    fn spread(&self, nulls: Option<NullBuffer>) -> Result<StringArray, ArrowError> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let mut offsets = Vec::with_capacity(self.rows.len() + 1);
        offsets.push(0);
        for number in &self.rows {
            bytes.extend_from_slice(self.text(*number).unwrap_or_default());
            offsets.push(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        }
        StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes), nulls)
    }

    /// A text by its number.
    fn text(&self, number: i32) -> Option<&[u8]> {
        let number = usize::try_from(number).ok()?;
        let [start, end] = self.offsets.get(number..number + 2)? else { return None };
        self.bytes.get(usize::try_from(*start).ok()?..usize::try_from(*end).ok()?)
    }

    fn number_of(&mut self, text: &[u8]) -> Result<i32, &'static str> {
        let Some(places) = &mut self.places else { return self.add(text) };
        let hash = xxh3_128_with_seed(text, *SEED);
        if places.slots.len() >= MANY_SLOTS {
            return self.waiting.add(text, hash, self.rows.len());
        }
        if let Some(number) = places.find(hash) {
            return Ok(number);
        }
        let number = self.add(text)?;
        if let Some(places) = &mut self.places {
            places.insert(hash, number);
        }
        Ok(number)
    }

    /// Where three of four rows bring a new text, looking them up costs more than it saves.
    fn ask(&mut self) {
        let different = self.offsets.len() - 1;
        if different >= self.next_question {
            self.next_question = different * 2;
            if different * 4 > self.rows.len() * 3 {
                (self.places, self.last_form) = (None, Form::Different);
            }
        }
    }

    fn add(&mut self, text: &[u8]) -> Result<i32, &'static str> {
        let number = i32::try_from(self.offsets.len() - 1).map_err(|_| "too many texts")?;
        let end = i32::try_from(self.bytes.len() + text.len()).map_err(|_| "too much text")?;
        self.bytes.extend_from_slice(text);
        self.offsets.push(end);
        Ok(number)
    }
}

impl Waiting {
    fn add(&mut self, text: &[u8], hash: u128, row: usize) -> Result<i32, &'static str> {
        if self.hashes.is_empty() {
            self.first_row = row;
        }
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        self.hashes.push(hash);
        let place = i32::try_from(self.hashes.len()).map_err(|_| "too many texts")?;
        Ok(ABSENT - place)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.hashes.clear();
        self.numbers.clear();
    }
}

/// Numbers of texts, found by hash: open addressing, at most two thirds full. 96 bits of a hash with a secret seed stand for
/// the text, so that nothing but the slot is looked at: comparing texts that are spread over memory took as long as all
/// else together. Two texts of a million share them once in 10^17 batches.
#[derive(Default)]
struct Places {
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    high: u64,
    low: u32,
    number: i32,
}

impl Places {
    fn find(&self, hash: u128) -> Option<i32> {
        let (mut place, wanted) = self.start(hash)?;
        loop {
            let slot = self.slots.get(place)?;
            if slot.number == ABSENT {
                return None;
            }
            if (slot.high, slot.low) == (wanted.high, wanted.low) {
                return Some(slot.number);
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    /// The number in the slot where the text would be, if it is there; mostly it is.
    #[inline]
    fn glance(&self, hash: u128) -> i32 {
        let slot = self.start(hash).and_then(|(place, wanted)| Some((self.slots.get(place)?, wanted)));
        slot.filter(|(slot, wanted)| (slot.high, slot.low) == (wanted.high, wanted.low))
            .map_or(ABSENT, |(slot, _)| slot.number)
    }

    fn insert(&mut self, hash: u128, number: i32) {
        if self.used * 3 >= self.slots.len() * 2 {
            let larger = vec![Slot { high: 0, low: 0, number: ABSENT }; (self.slots.len() * 2).max(16)];
            for slot in std::mem::replace(&mut self.slots, larger) {
                if slot.number != ABSENT {
                    self.settle(u128::from(slot.high) << 64 | u128::from(slot.low), slot.number);
                }
            }
        }
        self.used += 1;
        self.settle(hash, number);
    }

    fn settle(&mut self, hash: u128, number: i32) {
        let Some((mut place, slot)) = self.start(hash) else { return };
        while self.slots.get(place).is_some_and(|slot| slot.number != ABSENT) {
            place = (place + 1) & (self.slots.len() - 1);
        }
        if let Some(empty) = self.slots.get_mut(place) {
            *empty = Slot { number, ..slot };
        }
    }

    /// Where to look first, and for what.
    #[allow(clippy::cast_possible_truncation, reason = "parts of a hash are wanted")]
    fn start(&self, hash: u128) -> Option<(usize, Slot)> {
        let slot = Slot { high: (hash >> 64) as u64, low: hash as u32, number: ABSENT };
        Some((slot.high as usize & self.slots.len().checked_sub(1)?, slot))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array as _, AsArray as _};
    use arrow::compute::cast;
    use arrow::datatypes::DataType;

    use super::*;

    /// The texts of a finished column.
    fn texts(column: TextColumn, rows: usize) -> Vec<Option<String>> {
        let array = cast(&column.finish(rows).unwrap(), &DataType::Utf8).unwrap();
        array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn a_row_has_the_text_that_it_was_given() {
        for may_repeat in [true, false] {
            for (seed, different) in [3, 60, 5_000, 200_000].into_iter().enumerate() {
                for gaps in [false, true] {
                    let mut random = fastrand::Rng::with_seed(seed as u64);
                    let mut column = TextColumn::new(may_repeat);
                    let (mut expect, mut settled): (Vec<Option<String>>, usize) = (Vec::new(), 0);
                    while expect.len() < 150_000 {
                        if random.u32(..60) == 0 {
                            column.settle().unwrap();
                            settled = expect.len();
                        } else if random.u32(..5_000) == 0 {
                            // A message that was taken back.
                            column.truncate(settled);
                            expect.truncate(settled);
                        }
                        let text = format!("text {}", random.u32(..different));
                        if gaps && random.u8(..4) == 0 {
                            expect.push(None);
                        } else {
                            column.put(expect.len(), &text, Form::Quoted).unwrap();
                            if may_repeat {
                                assert_eq!(column.current(expect.len()), Some(text.as_str()));
                            }
                            expect.push(Some(text));
                        }
                    }
                    column.settle().unwrap();
                    let rows = expect.len();
                    assert!(texts(column, rows) == expect, "{different} texts, repeated {may_repeat}, gaps {gaps}");
                }
            }
        }
    }

    #[test]
    fn a_column_without_texts_takes_no_room() {
        let column = TextColumn::new(true);
        assert_eq!(column.finish(1_000).unwrap().data_type(), &DataType::Null);
    }

    #[test]
    fn texts_that_repeat_are_kept_once_and_others_as_they_come() {
        let finished = |different: u32| {
            let mut column = TextColumn::new(true);
            for row in 0..140_000 {
                column.put(row, &(row as u32 % different).to_string(), Form::Quoted).unwrap();
                if row % 50 == 0 {
                    column.settle().unwrap();
                }
            }
            column.settle().unwrap();
            column.finish(140_000).unwrap()
        };
        assert_eq!(finished(1_000).as_dictionary::<Int32Type>().values().len(), 1_000);
        assert_eq!(finished(140_000).data_type(), &DataType::Utf8);
    }

    #[test]
    fn the_last_text_can_be_put_again_unless_json_writes_it_differently() {
        let mut column = TextColumn::new(true);
        column.put(0, "Chrome", Form::Quoted).unwrap();
        assert_eq!(column.last(), (b"Chrome".as_slice(), Form::Quoted));
        column.put_last(2);
        column.put(3, "a \"b\"", Form::Different).unwrap();
        assert_eq!(column.last().1, Form::Different);
        let expect = [Some("Chrome"), None, Some("Chrome"), Some("a \"b\"")].map(|text| text.map(str::to_owned));
        assert_eq!(texts(column, 4), expect);
    }
}
