//! The numbers of a funnel as they grow: how many reached each step and after how long, in each group.
//!
//! Times are kept one by one, because a median is exact here: 8 bytes a conversion, and as many again for the time from
//! the step before where that is not the first one. Each partition of the data fills a tally; they meet as bytes.

use std::collections::{BTreeMap, HashMap};
use std::mem::size_of;
use std::sync::Arc;

use super::attempts::Served;
use super::bytes::{Reader, put, put_text};
use super::rules::{Codes, Rules, View};

/// What is counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    /// An estimate of the memory behind it, in bytes.
    size: usize,
}

/// By view.
#[derive(Debug)]
pub(super) enum Counts {
    /// By a value's code, where the values are known.
    Codes(HashMap<u32, u64>),
    /// By a value.
    Values(HashMap<String, u64>),
    Steps(BTreeMap<Codes, Vec<StepCounts>>),
    /// How many entered and converted, by group and interval.
    Trend(BTreeMap<(Codes, u32), (u64, u64)>),
    Times(Times),
}

/// Of one step.
#[derive(Clone, Debug, Default)]
pub(super) struct StepCounts {
    pub(super) reached: u64,
    pub(super) from_first: Times,
    /// Empty where the previous step is the first.
    pub(super) from_previous: Times,
}

/// Lengths of time in microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Times(pub(super) Vec<u64>);

impl Default for Counts {
    fn default() -> Self {
        Self::Times(Times::default())
    }
}

/// What an entry of a map costs beside its value.
const ENTRY: usize = 64;

impl Tally {
    /// Nothing yet, of persons whose values have codes.
    pub(super) fn of_persons(view: &View) -> Self {
        match view {
            View::Values { .. } => Self { counts: Counts::Codes(HashMap::new()), size: 0 },
            other => Self::of_tallies(other),
        }
    }

    /// Nothing yet, to put tallies together.
    pub(super) fn of_tallies(view: &View) -> Self {
        let counts = match view {
            View::Values { .. } => Counts::Values(HashMap::new()),
            View::Steps => Counts::Steps(BTreeMap::new()),
            View::Trend { .. } => Counts::Trend(BTreeMap::new()),
            View::Times { .. } => Counts::Times(Times::default()),
        };
        Self { counts, size: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Adds an attempt that counts.
    pub(super) fn add(&mut self, rules: &Rules, codes: Codes, interval: u32, served: &[Served]) {
        let size = &mut self.size;
        let time = |step: u8| served.iter().find(|served| served.step == step).map(|served| served.time);
        match (&mut self.counts, &rules.view) {
            (Counts::Codes(counts), _) => {
                let [code, ..] = codes;
                if code != 0 {
                    *counts.entry(code).or_insert_with(|| grown(size, ENTRY)) += 1;
                }
            }
            (Counts::Steps(groups), _) => {
                let steps = groups.entry(codes).or_insert_with(|| grown(size, ENTRY));
                for one in served {
                    let counts = at(steps, usize::from(one.step), size);
                    counts.reached += 1;
                    let Some(first) = served.first().filter(|first| first.step != one.step) else { continue };
                    counts.from_first.push(elapsed(first.time, one.time), size);
                    if let Some(previous) = rules.previous(one.step).filter(|previous| *previous != 0).and_then(time) {
                        counts.from_previous.push(elapsed(previous, one.time), size);
                    }
                }
            }
            (Counts::Trend(counts), View::Trend { from, to, .. }) => {
                let (entered, converted) =
                    counts.entry((codes, interval)).or_insert_with(|| (grown(size, ENTRY), u64::default()));
                if time(*from).is_some() {
                    *entered += 1;
                    *converted += u64::from(time(*to).is_some());
                }
            }
            (Counts::Times(times), View::Times { from, to, .. }) => {
                if let (Some(from), Some(to)) = (time(*from), time(*to)) {
                    times.push(elapsed(from, to), size);
                }
            }
            _ => {}
        }
    }

    /// The bytes that [`Self::merge`] takes. `values` are the values that codes stand for, from 1.
    pub(super) fn write(&self, values: &[Arc<str>]) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.counts {
            Counts::Codes(counts) => {
                for (code, count) in counts {
                    put_text(&mut out, values.get((*code as usize).saturating_sub(1)).map_or("", AsRef::as_ref));
                    put(&mut out, *count);
                }
            }
            Counts::Values(counts) => {
                for (value, count) in counts {
                    put_text(&mut out, value);
                    put(&mut out, *count);
                }
            }
            Counts::Steps(groups) => {
                for (codes, steps) in groups {
                    codes.iter().for_each(|code| put(&mut out, u64::from(*code)));
                    put(&mut out, steps.len() as u64);
                    for step in steps {
                        put(&mut out, step.reached);
                        step.from_first.write(&mut out);
                        step.from_previous.write(&mut out);
                    }
                }
            }
            Counts::Trend(counts) => {
                for ((codes, interval), (entered, converted)) in counts {
                    codes.iter().for_each(|code| put(&mut out, u64::from(*code)));
                    put(&mut out, u64::from(*interval));
                    put(&mut out, *entered);
                    put(&mut out, *converted);
                }
            }
            Counts::Times(times) => times.write(&mut out),
        }
        out
    }

    /// Adds another tally; `None` if the bytes are damaged.
    pub(super) fn merge(&mut self, bytes: &[u8]) -> Option<()> {
        let size = &mut self.size;
        let mut reader = Reader(bytes);
        while !reader.is_empty() {
            match &mut self.counts {
                Counts::Codes(_) => return None,
                Counts::Values(counts) => {
                    let (value, count) = (reader.text()?, reader.number()?);
                    match counts.get_mut(value) {
                        Some(before) => *before += count,
                        None => {
                            let before: u64 = grown(size, ENTRY + value.len());
                            counts.insert(value.to_owned(), before + count);
                        }
                    }
                }
                Counts::Steps(groups) => {
                    let codes = [reader.place()?, reader.place()?, reader.place()?];
                    let steps = groups.entry(codes).or_insert_with(|| grown(size, ENTRY));
                    for step in 0..usize::try_from(reader.number()?).ok()? {
                        let counts = at(steps, step, size);
                        counts.reached += reader.number()?;
                        counts.from_first.read(&mut reader, size)?;
                        counts.from_previous.read(&mut reader, size)?;
                    }
                }
                Counts::Trend(counts) => {
                    let codes = [reader.place()?, reader.place()?, reader.place()?];
                    let place = (codes, reader.place()?);
                    let counts = counts.entry(place).or_insert_with(|| (grown(size, ENTRY), 0));
                    counts.0 += reader.number()?;
                    counts.1 += reader.number()?;
                }
                Counts::Times(times) => times.read(&mut reader, size)?,
            }
        }
        Some(())
    }
}

/// A new entry of a map, its memory counted.
fn grown<T: Default>(size: &mut usize, by: usize) -> T {
    *size += by;
    T::default()
}

/// The counts of a step, which are made if it is the first that got there.
fn at<'a>(steps: &'a mut Vec<StepCounts>, step: usize, size: &mut usize) -> &'a mut StepCounts {
    while steps.len() < step {
        *size += size_of::<StepCounts>();
        steps.push(StepCounts::default());
    }
    if steps.len() == step {
        *size += size_of::<StepCounts>();
        steps.push(StepCounts::default());
    }
    #[allow(clippy::indexing_slicing, reason = "the loop above has made it")]
    &mut steps[step]
}

fn elapsed(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

impl Times {
    fn push(&mut self, time: u64, size: &mut usize) {
        let before = self.0.capacity();
        self.0.push(time);
        *size += (self.0.capacity() - before) * size_of::<u64>();
    }

    fn write(&self, out: &mut Vec<u8>) {
        put(out, self.0.len() as u64);
        self.0.iter().for_each(|time| put(out, *time));
    }

    fn read(&mut self, reader: &mut Reader<'_>, size: &mut usize) -> Option<()> {
        for _ in 0..reader.number()? {
            self.push(reader.number()?, size);
        }
        Some(())
    }

    /// The mean in seconds; `None` of nothing.
    pub(super) fn average(&self) -> Option<f64> {
        let sum: u128 = self.0.iter().map(|time| u128::from(*time)).sum();
        #[allow(clippy::cast_precision_loss, reason = "an average is a double")]
        let average = sum as f64 / self.0.len() as f64 / 1e6;
        (!self.0.is_empty()).then_some(average)
    }

    /// The median in seconds, of an even number the middle between two; `None` of nothing.
    pub(super) fn median(&mut self) -> Option<f64> {
        let (is_even, middle) = (self.0.len().is_multiple_of(2), self.0.len() / 2);
        if self.0.is_empty() {
            return None;
        }
        let (below, upper, _) = self.0.select_nth_unstable(middle);
        let lower = below.iter().copied().max().filter(|_| is_even).unwrap_or(*upper);
        #[allow(clippy::cast_precision_loss, reason = "seconds are a double")]
        let median = (u128::from(lower) + u128::from(*upper)) as f64 / 2e6;
        Some(median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_and_medians_are_exact() {
        let check = |times: &[u64], average: Option<f64>, median: Option<f64>| {
            let mut times = Times(times.to_vec());
            assert_eq!((times.average(), times.median()), (average, median), "{times:?}");
        };
        check(&[], None, None);
        check(&[3_000_000], Some(3.0), Some(3.0));
        check(&[4_000_000, 1_000_000], Some(2.5), Some(2.5));
        check(&[9_000_000, 1_000_000, 2_000_000], Some(4.0), Some(2.0));
        check(&[1, 2], Some(1.5e-6), Some(1.5e-6));
        check(&[5, 5, 5, 1, 9, 9], Some(34.0 / 6.0 / 1e6), Some(5e-6));
    }
}
