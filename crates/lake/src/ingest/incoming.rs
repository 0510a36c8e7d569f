//! A batch of events made ready: checked, its ids as numbers, its rows in the order of the files.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, Date32Array, RecordBatch, UInt32Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, FieldRef, Int32Type, Schema, UInt32Type};
use event_model::{PersonId, Timestamp, columns};

use crate::batch::{IncomingMessage, MESSAGE, QuarantineRow};
use crate::column;
use crate::encode::Part;
use crate::erase::KeptOut;
use crate::error::LakeError;
use crate::ids::ids;
use crate::schema::incoming_events;

/// Until when a person stays out: `None` if not at all, `Some(None)` for good.
type Until = Option<Option<Timestamp>>;

/// What of a batch does not change from attempt to attempt.
pub(super) struct Incoming {
    events: RecordBatch,
    /// Of each row: its id.
    pub(super) ids: Vec<u128>,
    /// Of each row: the place of its message.
    pub(super) message: Vec<usize>,
    /// Of each row: its month, counted from year 0.
    pub(super) month: Vec<i32>,
    /// Of each row: when it happened, when it was received, its position: the total order but for the id.
    pub(super) order: Vec<(i64, i64, i32)>,
    /// All rows as the files have them: by month, event, person, time.
    pub(super) sorted: Vec<u32>,
    /// Of each message: how many of its events are rejected (all of them by one row, if it cannot be read).
    pub(super) quarantined: Vec<u32>,
}

impl Incoming {
    pub(super) fn new(
        messages: &[IncomingMessage],
        events: RecordBatch,
        quarantine: &[QuarantineRow],
    ) -> Result<Self, LakeError> {
        let expected = incoming_events();
        if !is_as_expected(&events, &expected) {
            return Err(LakeError::Shape(format!("the columns are not those of incoming_events: {}", events.schema())));
        }
        let mut quarantined = vec![0; messages.len()];
        for row in quarantine {
            let count = usize::try_from(row.message).ok().and_then(|place| quarantined.get_mut(place));
            *count.ok_or_else(|| LakeError::Shape("a row of quarantine names no message".to_owned()))? += row.events;
        }
        let places = column::any(&events, MESSAGE)?.as_primitive::<UInt32Type>();
        let message: Vec<usize> = places.values().iter().map(|place| *place as usize).collect();
        if message.iter().any(|place| *place >= messages.len()) {
            return Err(LakeError::Shape("an event names no message".to_owned()));
        }
        let timestamp = column::instant(&events, columns::TIMESTAMP)?.values();
        let received = column::instant(&events, columns::RECEIVED_AT)?.values();
        let position = column::integer(&events, columns::POSITION)?.values();
        let order = timestamp.iter().zip(received).zip(position);
        let month = months(column::any(&events, columns::DATE)?.as_primitive::<Date32Type>());
        Ok(Self {
            ids: ids(column::bytes(&events, columns::EVENT_ID)?)?,
            message,
            order: order.map(|((timestamp, received), position)| (*timestamp, *received, *position)).collect(),
            sorted: sort(&events, &month)?,
            month,
            quarantined,
            events,
        })
    }

    /// The ids of rows whose look-back reaches to before `floor`, each with the first day of receipt that counts.
    pub(super) fn before(&self, floor: i32, look_back_days: i32) -> HashMap<u128, i32> {
        let mut wanted = HashMap::new();
        // Almost always nothing waited that long.
        let earliest = self.order.iter().map(|(_, received, _)| *received).min();
        if earliest.is_none_or(|earliest| Timestamp(earliest).days().saturating_sub(look_back_days) >= floor) {
            return wanted;
        }
        for (id, (_, received, _)) in self.ids.iter().zip(&self.order) {
            let first = Timestamp(*received).days().saturating_sub(look_back_days);
            if first < floor {
                wanted.entry(*id).and_modify(|known: &mut i32| *known = first.min(*known)).or_insert(first);
            }
        }
        wanted
    }

    /// For each row whether it is of somebody who is kept out; empty if nobody is.
    pub(super) fn kept_out(&self, list: &KeptOut) -> Result<Vec<bool>, LakeError> {
        if list.is_empty() {
            return Ok(Vec::new());
        }
        // They may come as dictionaries.
        let users = cast(column::any(&self.events, columns::USER_ID)?, &DataType::Utf8)?;
        let visitors = cast(column::any(&self.events, columns::ANONYMOUS_ID)?, &DataType::Utf8)?;
        let (users, visitors) = (users.as_string::<i32>(), visitors.as_string::<i32>());
        // Most rows of a batch are of few persons, and a hash that cannot be turned back is not free.
        let mut known: HashMap<(bool, &str), Until> = HashMap::new();
        let until = |is_user: bool, id: &str| -> Until {
            let person = |id: &str| match is_user {
                true => PersonId::User(id.to_owned()),
                false => PersonId::Anonymous(id.to_owned()),
            };
            list.until(&person(id))
        };
        let mut out = Vec::with_capacity(self.order.len());
        for (row, (_, received, _)) in self.order.iter().enumerate() {
            let ids = [(true, column::text_at(users, row)), (false, column::text_at(visitors, row))];
            let is_out = ids.into_iter().any(|(is_user, id)| {
                let Some(id) = id else { return false };
                known
                    .entry((is_user, id))
                    .or_insert_with(|| until(is_user, id))
                    .is_some_and(|until| until.is_none_or(|until| *received <= until.0))
            });
            out.push(is_out);
        }
        Ok(out)
    }

    /// The day of receipt and the id of some rows.
    pub(super) fn chosen<'a>(&'a self, rows: &'a [u32]) -> impl Iterator<Item = (i32, u128)> + 'a {
        rows.iter().filter_map(|row| {
            let row = *row as usize;
            let (_, received, _) = self.order.get(row)?;
            Some((Timestamp(*received).days(), *self.ids.get(row)?))
        })
    }

    /// Some rows, given in the order of [`Self::sorted`], as one part a month.
    pub(super) fn parts(&self, rows: &[u32], sequence: i64) -> Vec<Part> {
        let month_of = |row: &u32| self.month.get(*row as usize).copied().unwrap_or_default();
        rows.chunk_by(|one, other| month_of(one) == month_of(other))
            .map(|rows| {
                let month = rows.first().map(month_of).unwrap_or_default();
                let name = format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1);
                let chosen = UInt32Array::from(rows.to_vec());
                Part { month: Some(name), rows: self.events.clone(), chosen, sequence }
            })
            .collect()
    }
}

/// Whether a batch has the expected columns. Texts may come as dictionaries, and where there are none as nothing.
fn is_as_expected(events: &RecordBatch, expected: &Schema) -> bool {
    let found = events.schema();
    let is_one = |(found, expected): (&FieldRef, &FieldRef)| {
        let is_text = expected.data_type() == &DataType::Utf8;
        let kind = match found.data_type() {
            DataType::Dictionary(key, value) if is_text => **key == DataType::Int32 && **value == DataType::Utf8,
            DataType::Null if is_text => expected.is_nullable() || events.num_rows() == 0,
            kind => kind == expected.data_type(),
        };
        kind && found.name() == expected.name()
    };
    found.fields().len() == expected.fields().len() && found.fields().iter().zip(expected.fields()).all(is_one)
}

/// Of each row the place of its text among all texts in order, so that sorting compares numbers.
fn ranks(column: &dyn Array) -> Result<Vec<u32>, LakeError> {
    if column.data_type() == &DataType::Null {
        return Ok(vec![0; column.len()]);
    }
    let numbered = cast(column, &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))?;
    let numbered = numbered.as_dictionary::<Int32Type>();
    let texts = numbered.values().as_string::<i32>();
    let mut ordered: Vec<usize> = (0..texts.len()).collect();
    ordered.sort_unstable_by_key(|number| texts.value(*number));
    let mut rank = vec![0_u32; ordered.len()];
    for (place, number) in ordered.into_iter().enumerate() {
        if let Some(slot) = rank.get_mut(number) {
            *slot = u32::try_from(place).unwrap_or(u32::MAX);
        }
    }
    let rank_of = |number: &i32| usize::try_from(*number).ok().and_then(|number| rank.get(number)).copied();
    Ok(numbered.keys().values().iter().map(|number| rank_of(number).unwrap_or(u32::MAX)).collect())
}

/// Months counted from year 0. Dates of one batch hardly differ, so the last one is remembered.
fn months(dates: &Date32Array) -> Vec<i32> {
    let mut last = (i32::MIN, 0);
    dates
        .values()
        .iter()
        .map(|date| {
            if *date != last.0 {
                let (year, month, _) = Timestamp(i64::from(*date) * 86_400_000_000).civil();
                last = (*date, i32::try_from(year).unwrap_or(0) * 12 + i32::from(month) - 1);
            }
            last.1
        })
        .collect()
}

/// The rows by month, event, person, time, and for equal ones in the total order.
fn sort(events: &RecordBatch, month: &[i32]) -> Result<Vec<u32>, LakeError> {
    let of_row = ranks(column::any(events, columns::EVENT)?)?;
    let person = column::long(events, columns::PERSON_KEY)?.values();
    let timestamp = column::instant(events, columns::TIMESTAMP)?.values();
    let received = column::instant(events, columns::RECEIVED_AT)?.values();
    let position = column::integer(events, columns::POSITION)?.values();
    let rows = month.iter().zip(&of_row).zip(person).zip(timestamp).zip(received).zip(position).enumerate();
    let mut keys: Vec<_> = rows
        .map(|(row, (((((month, rank), person), timestamp), received), position))| {
            (*month, *rank, *person, *timestamp, *received, *position, u32::try_from(row).unwrap_or(u32::MAX))
        })
        .collect();
    keys.sort_unstable();
    Ok(keys.into_iter().map(|key| key.6).collect())
}
