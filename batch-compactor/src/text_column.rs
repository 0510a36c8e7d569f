//! A column of texts while it grows: each different text is kept once, and a row is the number of its text.
//!
//! Most texts of an event repeat the one before (a browser, a country, a host), so that is what a new one is compared
//! with first; then it is looked up. A column whose texts hardly repeat stops looking them up.

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
    /// Of each row the number of its text.
    rows: Vec<i32>,
    /// Where each text begins, and where the last one ends.
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    /// The numbers of texts by their hash; `None`: each row has a text of its own.
    places: Option<Places>,
    /// The number of the last text, and how it stands in JSON.
    last: i32,
    last_form: Form,
}

impl TextColumn {
    /// A column whose texts may repeat, or will not.
    pub(crate) fn new(may_repeat: bool) -> Self {
        Self {
            rows: Vec::new(),
            offsets: vec![0],
            bytes: Vec::new(),
            places: may_repeat.then(Places::default),
            last: ABSENT,
            last_form: Form::Different,
        }
    }

    /// The rows that have got a text, and those before them.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The text of a row.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        std::str::from_utf8(self.text(*self.rows.get(row)?)?).ok()
    }

    /// The last text and how it stands in JSON.
    #[inline]
    pub(crate) fn last(&self) -> (&[u8], Form) {
        match self.last_form {
            Form::Different => (&[], Form::Different),
            form => (self.text(self.last).unwrap_or_default(), form),
        }
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
        let known = self.places.is_some() && self.text(self.last) == Some(text.as_bytes());
        if !known {
            self.last = self.number_of(text.as_bytes())?;
            // Where each row has a text of its own, it is not compared with the last.
            self.last_form = if self.places.is_some() { form } else { Form::Different };
        }
        self.put_last(row);
        Ok(())
    }

    /// Forgets all rows but the first ones.
    pub(crate) fn truncate(&mut self, rows: usize) {
        // Texts that no row has any more do no harm.
        self.rows.truncate(rows);
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
        let Some(mut places) = self.places.take() else { return self.add(text) };
        let hash = xxh3_128_with_seed(text, *SEED);
        let found = places.find(hash);
        let number = match found {
            Some(number) => number,
            None => {
                let number = self.add(text)?;
                places.insert(hash, number);
                number
            }
        };
        // Where three of four rows bring a new text, looking them up costs more than it saves.
        let different = self.offsets.len() - 1;
        let ask = found.is_none() && different >= FIRST_QUESTION && different.is_power_of_two();
        if ask && different * 4 > self.rows.len() * 3 {
            self.stop_looking_up();
        } else {
            self.places = Some(places);
        }
        Ok(number)
    }

    fn add(&mut self, text: &[u8]) -> Result<i32, &'static str> {
        let number = i32::try_from(self.offsets.len() - 1).map_err(|_| "too many texts")?;
        let end = i32::try_from(self.bytes.len() + text.len()).map_err(|_| "too much text")?;
        self.bytes.extend_from_slice(text);
        self.offsets.push(end);
        Ok(number)
    }

    /// From here on each row has a text of its own. What is there already stays as it is.
    fn stop_looking_up(&mut self) {
        self.places = None;
    }
}

/// Numbers of texts, found by hash: open addressing, at most half full. 96 bits of a hash with a secret seed stand for
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

    fn insert(&mut self, hash: u128, number: i32) {
        if self.used * 2 >= self.slots.len() {
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
                    let mut expect: Vec<Option<String>> = Vec::new();
                    while expect.len() < 150_000 {
                        if random.u32(..50_000) == 0 {
                            // A message that was taken back.
                            let kept = random.usize(..=expect.len());
                            column.truncate(kept);
                            expect.truncate(kept);
                        }
                        let text = format!("text {}", random.u32(..different));
                        if gaps && random.u8(..4) == 0 {
                            expect.push(None);
                        } else {
                            column.put(expect.len(), &text, Form::Quoted).unwrap();
                            assert_eq!(column.get(expect.len()), Some(text.as_str()));
                            expect.push(Some(text));
                        }
                    }
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
            (0..140_000).for_each(|row| column.put(row, &(row as u32 % different).to_string(), Form::Quoted).unwrap());
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
        assert_eq!(column.last(), (b"".as_slice(), Form::Different));
        let expect = [Some("Chrome"), None, Some("Chrome"), Some("a \"b\"")].map(|text| text.map(str::to_owned));
        assert_eq!(texts(column, 4), expect);
    }
}
