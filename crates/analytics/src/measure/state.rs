//! What a measure remembers of the rows of one interval, and the number that it makes of them.

use std::collections::{HashMap, HashSet};
use std::mem::size_of;

use crate::number::{Exact, Sum, double_text};

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Rows,
    Persons,
    Sum,
    Average,
    Least,
    Greatest,
    /// Of the numbers, between the two nearest ones where it falls between them.
    Percentile(u8),
    /// Different texts.
    Distinct,
    /// Persons within a window of days that an interval has; rows come with their days.
    Window,
    /// Persons whose earliest row it is.
    First,
    /// Of the rows a person, or of the sum of their numbers.
    PerPerson(OfPersons),
}

/// What is computed of the persons' numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OfPersons {
    Average,
    Least,
    Greatest,
    Percentile(u8),
}

/// What is remembered of the rows of one interval.
#[derive(Clone, Debug)]
pub(super) enum State {
    Rows(u64),
    Persons(HashSet<i64>),
    Sum(Sum),
    Extreme(Option<Exact>),
    Numbers(Vec<f64>),
    /// The texts, and how many bytes they have.
    Texts(HashSet<Box<str>>, usize),
    PerPerson(HashMap<i64, Sum>),
    First(HashMap<i64, Earliest>),
}

/// The earliest row of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Earliest {
    pub(super) timestamp: i64,
    /// Its interval; [`OUTSIDE`] before the period.
    pub(super) slot: u32,
    /// Whether it lies in the exact period.
    pub(super) exact: bool,
}

/// No interval.
pub(super) const OUTSIDE: u32 = u32::MAX;

impl State {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Rows => Self::Rows(0),
            Kind::Persons | Kind::Window => Self::Persons(HashSet::new()),
            Kind::First => Self::First(HashMap::new()),
            Kind::Sum | Kind::Average => Self::Sum(Sum::default()),
            Kind::Least | Kind::Greatest => Self::Extreme(None),
            Kind::Percentile(_) => Self::Numbers(Vec::new()),
            Kind::Distinct => Self::Texts(HashSet::new(), 0),
            Kind::PerPerson(_) => Self::PerPerson(HashMap::new()),
        }
    }

    pub(super) fn add_number(&mut self, number: &Exact, kind: Kind) {
        match self {
            Self::Sum(sum) => sum.add(number),
            Self::Numbers(numbers) => numbers.push(number.to_f64()),
            Self::Extreme(extreme) => {
                let replaces = extreme.as_ref().is_none_or(|extreme| match kind {
                    Kind::Least => number < extreme,
                    _ => number > extreme,
                });
                if replaces {
                    *extreme = Some(number.clone());
                }
            }
            Self::Rows(_) | Self::Persons(_) | Self::Texts(..) | Self::PerPerson(_) | Self::First(_) => {}
        }
    }

    pub(super) fn add_text(&mut self, text: &str) {
        if let Self::Texts(texts, bytes) = self
            && !texts.contains(text)
        {
            *bytes += text.len();
            texts.insert(text.into());
        }
    }

    /// Adds a row of a person: one to their count, or their number to their sum. A row without a number adds nothing,
    /// but the person is there.
    pub(super) fn add_of_person(&mut self, person: i64, number: &Option<Option<Exact>>) {
        if let Self::PerPerson(persons) = self {
            let sum = persons.entry(person).or_default();
            match number {
                None => sum.add_one(),
                Some(Some(number)) => sum.add(number),
                Some(None) => {}
            }
        }
    }

    /// Adds a row of a person, of which the earliest is kept.
    pub(super) fn add_earliest(&mut self, person: i64, row: Earliest) {
        if let Self::First(persons) = self {
            persons.entry(person).and_modify(|earliest| *earliest = row.min(*earliest)).or_insert(row);
        }
    }

    pub(super) fn merge(&mut self, other: Self, kind: Kind) {
        match (self, other) {
            (Self::Rows(count), Self::Rows(more)) => *count += more,
            (Self::Persons(persons), Self::Persons(more)) => persons.extend(more),
            (Self::Sum(sum), Self::Sum(more)) => sum.merge(&more),
            (this @ Self::Extreme(_), Self::Extreme(Some(number))) => this.add_number(&number, kind),
            (Self::Numbers(numbers), Self::Numbers(more)) => numbers.extend(more),
            (this @ Self::Texts(..), Self::Texts(more, _)) => more.iter().for_each(|text| this.add_text(text)),
            (this @ Self::First(_), Self::First(more)) => {
                more.iter().for_each(|(person, row)| this.add_earliest(*person, *row));
            }
            (Self::PerPerson(persons), Self::PerPerson(more)) => {
                more.iter().for_each(|(person, sum)| persons.entry(*person).or_default().merge(sum));
            }
            _ => {}
        }
    }

    /// The number as JSON text; `None` where there is none.
    pub(super) fn number(&self, kind: Kind) -> Option<String> {
        match (self, kind) {
            (Self::Rows(count), _) => Some(count.to_string()),
            (Self::Persons(persons), _) => Some(persons.len().to_string()),
            (Self::Sum(sum), Kind::Average) => sum.average(),
            (Self::Sum(sum), _) => sum.text(),
            (Self::Extreme(extreme), _) => extreme.as_ref().map(Exact::text),
            (Self::Numbers(numbers), Kind::Percentile(percent)) => percentile(numbers.clone(), percent),
            (Self::Texts(texts, _), _) => Some(texts.len().to_string()),
            (Self::PerPerson(persons), Kind::PerPerson(of)) => of_persons(persons, of),
            (Self::Numbers(_) | Self::PerPerson(_) | Self::First(_), _) => None,
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            Self::Rows(_) | Self::Sum(_) => 0,
            // A hash table keeps up to twice its entries, and a byte of control for each.
            Self::Persons(persons) => persons.capacity() * (size_of::<i64>() + 1),
            Self::Extreme(_) => 64,
            Self::Numbers(numbers) => numbers.capacity() * size_of::<f64>(),
            Self::Texts(texts, bytes) => texts.capacity() * (size_of::<Box<str>>() + 1) + bytes,
            Self::First(persons) => persons.capacity() * (size_of::<(i64, Earliest)>() + 1),
            Self::PerPerson(persons) => persons.capacity() * (size_of::<(i64, Sum)>() + 1),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Rows(count) => out.extend(count.to_le_bytes()),
            Self::Persons(persons) => persons.iter().for_each(|person| out.extend(person.to_le_bytes())),
            Self::Sum(sum) => write_sum(sum, out),
            Self::Extreme(extreme) => {
                out.extend(extreme.as_ref().map(Exact::text).unwrap_or_default().as_bytes());
            }
            Self::Numbers(numbers) => numbers.iter().for_each(|number| out.extend(number.to_le_bytes())),
            Self::Texts(texts, _) => {
                for text in texts {
                    out.extend((text.len() as u64).to_le_bytes());
                    out.extend(text.as_bytes());
                }
            }
            Self::First(persons) => {
                for (person, row) in persons {
                    out.extend(person.to_le_bytes());
                    out.extend(row.timestamp.to_le_bytes());
                    out.extend(row.slot.to_le_bytes());
                    out.push(u8::from(row.exact));
                }
            }
            Self::PerPerson(persons) => {
                for (person, sum) in persons {
                    out.extend(person.to_le_bytes());
                    write_sum(sum, out);
                }
            }
        }
    }

    pub(super) fn read(kind: Kind, bytes: &[u8]) -> Option<Self> {
        Some(match Self::new(kind) {
            Self::Rows(_) => Self::Rows(u64::from_le_bytes(bytes.try_into().ok()?)),
            Self::Persons(_) => {
                let person = |chunk: &[u8]| Some(i64::from_le_bytes(chunk.try_into().ok()?));
                Self::Persons(bytes.chunks(size_of::<i64>()).map(person).collect::<Option<_>>()?)
            }
            Self::Sum(_) => Self::Sum(read_sum(bytes)?),
            Self::Extreme(_) => Self::Extreme(Exact::parse(std::str::from_utf8(bytes).ok()?)),
            Self::Numbers(_) => {
                let number = |chunk: &[u8]| Some(f64::from_le_bytes(chunk.try_into().ok()?));
                Self::Numbers(bytes.chunks(size_of::<f64>()).map(number).collect::<Option<_>>()?)
            }
            mut texts @ Self::Texts(..) => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let (length, after) = rest.split_first_chunk::<8>()?;
                    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
                    let (text, after) = after.split_at_checked(length)?;
                    texts.add_text(std::str::from_utf8(text).ok()?);
                    rest = after;
                }
                texts
            }
            Self::First(_) => {
                let person = |chunk: &[u8]| {
                    let (person, rest) = chunk.split_first_chunk::<8>()?;
                    let (timestamp, rest) = rest.split_first_chunk::<8>()?;
                    let (slot, exact) = rest.split_first_chunk::<4>()?;
                    let (timestamp, slot) = (i64::from_le_bytes(*timestamp), u32::from_le_bytes(*slot));
                    let row = Earliest { timestamp, slot, exact: exact.first()? == &1 };
                    Some((i64::from_le_bytes(*person), row))
                };
                Self::First(bytes.chunks(21).map(person).collect::<Option<_>>()?)
            }
            Self::PerPerson(_) => {
                let person = |chunk: &[u8]| {
                    let (person, sum) = chunk.split_first_chunk::<8>()?;
                    Some((i64::from_le_bytes(*person), read_sum(sum)?))
                };
                Self::PerPerson(bytes.chunks(8 + SUM_BYTES).map(person).collect::<Option<_>>()?)
            }
        })
    }
}

const SUM_BYTES: usize = 32;

fn write_sum(sum: &Sum, out: &mut Vec<u8>) {
    out.extend(sum.exact.to_le_bytes());
    out.extend(sum.rest.to_le_bytes());
    out.extend(sum.count.to_le_bytes());
}

fn read_sum(bytes: &[u8]) -> Option<Sum> {
    Some(Sum {
        exact: i128::from_le_bytes(bytes.get(..16)?.try_into().ok()?),
        rest: f64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?),
        count: u64::from_le_bytes(bytes.get(24..SUM_BYTES)?.try_into().ok()?),
    })
}

/// The percentile of some numbers: at the rank `percent / 100 * (n - 1)`, between the two nearest where it is no whole
/// one.
fn percentile(mut numbers: Vec<f64>, percent: u8) -> Option<String> {
    let hundredths = numbers.len().checked_sub(1)? * usize::from(percent);
    let (rank, part) = (hundredths / 100, hundredths % 100);
    let (_, lower, above) = numbers.select_nth_unstable_by(rank, f64::total_cmp);
    let lower = *lower;
    if part == 0 {
        return double_text(lower);
    }
    let upper = above.iter().copied().min_by(f64::total_cmp).unwrap_or(lower);
    #[allow(clippy::cast_precision_loss, reason = "below 100")]
    let part = part as f64 / 100.0;
    double_text(lower + (upper - lower) * part)
}

fn of_persons(persons: &HashMap<i64, Sum>, of: OfPersons) -> Option<String> {
    let numbers = || persons.values().filter_map(Sum::text).filter_map(|text| Exact::parse(&text));
    match of {
        OfPersons::Average => {
            let mut all = Sum::default();
            persons.values().for_each(|sum| all.merge(sum));
            all.count = persons.len() as u64;
            all.average()
        }
        OfPersons::Least => numbers().min().map(|number| number.text()),
        OfPersons::Greatest => numbers().max().map(|number| number.text()),
        OfPersons::Percentile(percent) => percentile(numbers().map(|number| number.to_f64()).collect(), percent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_between_the_two_nearest_numbers() {
        let check = |numbers: &[f64], percent: u8, expect: Option<&str>| {
            assert_eq!(percentile(numbers.to_vec(), percent).as_deref(), expect, "p{percent} of {numbers:?}");
        };
        check(&[], 50, None);
        check(&[7.5], 99, Some("7.5"));
        check(&[3.0, 1.0, 2.0], 50, Some("2"));
        check(&[4.0, 1.0, 2.0, 3.0], 50, Some("2.5"));
        check(&[0.0, 10.0], 75, Some("7.5"));
        check(&[-1.0, -3.0, 5.0], 75, Some("2"));
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let one = Some(Exact::parse("1.5"));
        for kind in [Kind::Percentile(50), Kind::Distinct, Kind::PerPerson(OfPersons::Greatest), Kind::Average] {
            let mut state = State::new(kind);
            state.add_number(&Exact::parse("2.5").unwrap(), kind);
            state.add_text("ü");
            state.add_of_person(7, &one);
            state.add_of_person(7, &one);
            let mut bytes = Vec::new();
            state.write(&mut bytes);
            let read = State::read(kind, &bytes).unwrap();
            assert_eq!(read.number(kind), state.number(kind), "{kind:?}");
            assert!(read.number(kind).is_some(), "{kind:?}");
        }
    }
}
