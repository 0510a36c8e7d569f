//! The numbers of a funnel once all is counted: the one row that its plan gives.

use super::bytes::{Reader, put, put_text};
use super::rules::{Codes, View};
use super::tally::{Counts, Tally, Times};

/// By view.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Summary {
    /// The values that most have, in the order of their rank.
    Values(Vec<String>),
    /// Of each group its steps, as far as anybody got.
    Steps(Vec<(Codes, Vec<StepSummary>)>),
    /// Of each group and interval how many entered and converted.
    Trend(Vec<(Codes, u32, u64, u64)>),
    Times {
        lengths: Lengths,
        bins: Vec<Bin>,
    },
}

/// How many reached a step, and after how long.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct StepSummary {
    pub(super) reached: u64,
    pub(super) from_first: Lengths,
    /// Of nothing where the previous step is the first.
    pub(super) from_previous: Lengths,
}

/// Mean and median in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lengths {
    pub(super) average: Option<f64>,
    pub(super) median: Option<f64>,
}

/// A bar: its ends in seconds and how many lie between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bin {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: u64,
}

impl Summary {
    /// Of everything that was counted.
    pub(super) fn new(view: &View, tally: Tally) -> Self {
        match tally.counts {
            Counts::Codes(_) => Self::Values(Vec::new()),
            Counts::Values(counts) => {
                let limit = if let View::Values { limit } = view { *limit } else { 0 };
                let mut ranked: Vec<(String, u64)> = counts.into_iter().collect();
                ranked.sort_unstable_by(|(one, count), (other, more)| more.cmp(count).then_with(|| one.cmp(other)));
                ranked.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                Self::Values(ranked.into_iter().map(|(value, _)| value).collect())
            }
            Counts::Steps(groups) => {
                let step = |mut counts: super::tally::StepCounts| StepSummary {
                    reached: counts.reached,
                    from_first: Lengths::of(&mut counts.from_first),
                    from_previous: Lengths::of(&mut counts.from_previous),
                };
                Self::Steps(
                    groups.into_iter().map(|(codes, steps)| (codes, steps.into_iter().map(step).collect())).collect(),
                )
            }
            Counts::Trend(counts) => {
                let one = |((codes, interval), (entered, converted))| (codes, interval, entered, converted);
                Self::Trend(counts.into_iter().map(one).collect())
            }
            Counts::Times(mut times) => {
                let bins = if let View::Times { bins, .. } = view { *bins } else { 0 };
                Self::Times { bins: histogram(&times, bins), lengths: Lengths::of(&mut times) }
            }
        }
    }

    /// As bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Values(values) => values.iter().for_each(|value| put_text(&mut out, value)),
            Self::Steps(groups) => {
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
            Self::Trend(counts) => {
                for (codes, interval, entered, converted) in counts {
                    codes.iter().for_each(|code| put(&mut out, u64::from(*code)));
                    put(&mut out, u64::from(*interval));
                    put(&mut out, *entered);
                    put(&mut out, *converted);
                }
            }
            Self::Times { lengths, bins } => {
                lengths.write(&mut out);
                for bin in bins {
                    put(&mut out, bin.from.to_bits());
                    put(&mut out, bin.to.to_bits());
                    put(&mut out, bin.count);
                }
            }
        }
        out
    }

    /// Reads what was written; `None` if it is damaged.
    pub(super) fn read(view: &View, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let codes = |reader: &mut Reader<'_>| Some([reader.place()?, reader.place()?, reader.place()?]);
        let mut summary = match view {
            View::Values { .. } => Self::Values(Vec::new()),
            View::Steps => Self::Steps(Vec::new()),
            View::Trend { .. } => Self::Trend(Vec::new()),
            View::Times { .. } => Self::Times { lengths: Lengths::read(&mut reader)?, bins: Vec::new() },
        };
        while !reader.is_empty() {
            match &mut summary {
                Self::Values(values) => values.push(reader.text()?.to_owned()),
                Self::Steps(groups) => {
                    let codes = codes(&mut reader)?;
                    let mut steps = Vec::new();
                    for _ in 0..reader.number()? {
                        steps.push(StepSummary {
                            reached: reader.number()?,
                            from_first: Lengths::read(&mut reader)?,
                            from_previous: Lengths::read(&mut reader)?,
                        });
                    }
                    groups.push((codes, steps));
                }
                Self::Trend(counts) => {
                    counts.push((codes(&mut reader)?, reader.place()?, reader.number()?, reader.number()?));
                }
                Self::Times { bins, .. } => {
                    let (from, to) = (f64::from_bits(reader.number()?), f64::from_bits(reader.number()?));
                    bins.push(Bin { from, to, count: reader.number()? });
                }
            }
        }
        Some(summary)
    }
}

impl Lengths {
    fn of(times: &mut Times) -> Self {
        Self { average: times.average(), median: times.median() }
    }

    fn write(self, out: &mut Vec<u8>) {
        for number in [self.average, self.median] {
            put(out, u64::from(number.is_some()));
            put(out, number.unwrap_or_default().to_bits());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut number = || {
            let is_there = reader.number()? != 0;
            let bits = reader.number()?;
            Some(is_there.then(|| f64::from_bits(bits)))
        };
        Some(Self { average: number()?, median: number()? })
    }
}

/// Bars of equal width from the shortest to the longest time, which the last one includes. One bar if all are equal,
/// none if there are none.
fn histogram(times: &Times, bins: u32) -> Vec<Bin> {
    let (Some(least), Some(greatest)) = (times.0.iter().min().copied(), times.0.iter().max().copied()) else {
        return Vec::new();
    };
    let width = greatest - least;
    let bins = if width == 0 { 1 } else { bins.max(1) };
    let mut counts = vec![0_u64; usize::try_from(bins).unwrap_or(1)];
    let last = counts.len() - 1;
    for time in &times.0 {
        let place = u128::from(time - least) * u128::from(bins) / u128::from(width.max(1));
        let place = usize::try_from(place).unwrap_or(usize::MAX).min(last);
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "seconds are a double")]
    let end = |place: u32| (least as f64 + width as f64 * f64::from(place) / f64::from(bins)) / 1e6;
    (0..bins).zip(counts).map(|(place, count)| Bin { from: end(place), to: end(place + 1), count }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_equal_width_and_the_last_includes_the_longest() {
        let bars = |times: &[u64], bins| {
            let bars = histogram(&Times(times.iter().map(|seconds| seconds * 1_000_000).collect()), bins);
            bars.into_iter().map(|bin| (bin.from, bin.to, bin.count)).collect::<Vec<_>>()
        };
        assert_eq!(bars(&[0, 1, 5, 10], 2), [(0.0, 5.0, 2), (5.0, 10.0, 2)]);
        assert_eq!(bars(&[3, 3], 20), [(3.0, 3.0, 2)]);
        assert_eq!(bars(&[], 20), []);
    }

    #[test]
    fn a_summary_is_read_as_it_was_written() {
        let lengths = Lengths { average: Some(0.1), median: None };
        let step = StepSummary { reached: 300, from_first: lengths, from_previous: Lengths::default() };
        let times = View::Times { from: 0, to: 1, bins: 2 };
        let trend = View::Trend { from: 0, to: 1, boundaries: Vec::new() };
        for (view, summary) in [
            (View::Values { limit: 2 }, Summary::Values(vec![String::new(), "a".to_owned()])),
            (View::Steps, Summary::Steps(vec![([1, 0, 1000], vec![step; 3]), ([2, 0, 0], Vec::new())])),
            (trend, Summary::Trend(vec![([0, 1, 0], 3, 4, 5)])),
            (times, Summary::Times { lengths, bins: vec![Bin { from: 0.0, to: 0.5, count: 9 }] }),
        ] {
            let bytes = summary.write();
            assert_eq!(Summary::read(&view, &bytes), Some(summary));
            assert_eq!(Summary::read(&view, bytes.get(..bytes.len() - 1).unwrap()), None);
        }
    }
}
