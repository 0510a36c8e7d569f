//! The trend: one number an interval, for each series and group.

use event_model::{ErrorCode, Problem};
use serde::Serialize;

use crate::formula::Formula;
use crate::interval::Interval;
use crate::json::Node;
use crate::limits::{MAX_FORMULAS, MAX_SERIES};
use crate::matcher::Matcher;
use crate::read::{At, Fields, choices, refuse};

/// How often, by how many, how much: over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trend {
    /// What is counted, 1 to 26 of them.
    pub series: Vec<Series>,
    /// Numbers computed from the series, such as `100 * A / B`.
    #[serde(default)]
    pub formulas: Vec<Formula>,
    /// How the numbers are shown.
    #[serde(default)]
    pub display: Display,
}

/// One series of a trend.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Series {
    /// Its name, by which formulas call it; `A`, `B`, ... unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub name: String,
    /// Which events.
    #[serde(flatten)]
    pub matcher: Matcher,
    /// What is computed of them.
    #[serde(default)]
    pub measure: Measure,
    /// The property that `sum`, `avg`, `min`, `max`, `median`, the percentiles and `distinct` need, and `per_person`
    /// may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// For `per_person`: what is computed of the persons' counts or sums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<PerPerson>,
}

choices! {
    /// What is computed of the matching events. The average, min, max or percentile of nothing is null; the sum and
    /// the count of nothing is 0.
    #[derive(Default)]
    Measure {
        /// How many events.
        #[default]
        Total = "total",
        /// How many persons.
        UniquePersons = "unique_persons",
        /// In how many sessions.
        Sessions = "sessions",
        /// Sum of a property's numbers.
        Sum = "sum",
        /// Their average.
        Avg = "avg",
        /// The least of them.
        Min = "min",
        /// The greatest of them.
        Max = "max",
        /// The 50th percentile, exact, linearly interpolated, as the others.
        Median = "median",
        /// The 75th percentile.
        P75 = "p75",
        /// The 90th percentile.
        P90 = "p90",
        /// The 95th percentile.
        P95 = "p95",
        /// The 99th percentile.
        P99 = "p99",
        /// How many different values a property has.
        Distinct = "distinct",
        /// Of the count a person (or the sum of a property a person): what `of` says.
        PerPerson = "per_person",
        /// Persons in the 7 days ending with the day, or in the calendar week. Intervals day and week only.
        Wau = "wau",
        /// Persons in the 30 days ending with the interval's last day, or in the calendar month. Intervals day, week
        /// and month only.
        Mau = "mau",
        /// Persons whose first matching event ever falls in the interval.
        FirstTime = "first_time",
    }
}

impl Measure {
    /// Whether it needs a property, may have one, or has none.
    fn property(self) -> PropertyUse {
        match self {
            Self::Sum
            | Self::Avg
            | Self::Min
            | Self::Max
            | Self::Median
            | Self::P75
            | Self::P90
            | Self::P95
            | Self::P99
            | Self::Distinct => PropertyUse::Required,
            Self::PerPerson => PropertyUse::Optional,
            Self::Total | Self::UniquePersons | Self::Sessions | Self::Wau | Self::Mau | Self::FirstTime => {
                PropertyUse::None
            }
        }
    }
}

enum PropertyUse {
    Required,
    Optional,
    None,
}

choices! {
    /// What `per_person` computes of the persons' numbers.
    PerPerson {
        /// The average.
        Avg = "avg",
        /// The 50th percentile.
        Median = "median",
        /// The 90th percentile.
        P90 = "p90",
        /// The least.
        Min = "min",
        /// The greatest.
        Max = "max",
    }
}

/// How the numbers are shown: a word, or `{"rolling_average": 7}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Display {
    /// As they are.
    #[default]
    Linear,
    /// Each interval with all before it in the period; for distinct measures, distinct so far.
    Cumulative,
    /// The mean of so many intervals ending with this one, from 2 to 365. At the beginning of the period the mean of
    /// those there are.
    RollingAverage(u32),
    /// As they are, on a logarithmic axis.
    Log,
    /// One number over the whole period.
    Total,
}

choices! {
    /// The displays that are a word.
    DisplayWord {
        /// [`Display::Linear`].
        Linear = "linear",
        /// [`Display::Cumulative`].
        Cumulative = "cumulative",
        /// [`Display::Log`].
        Log = "log",
        /// [`Display::Total`].
        Total = "total",
    }
}

impl Trend {
    pub(crate) fn read(fields: &mut Fields, interval: Interval) -> Result<Self, Problem> {
        let takes = "a list of series such as [{\"event\": \"purchase\"}]";
        let mut place = 0;
        let series = fields.require("series", takes)?.list_of(takes, 1..=MAX_SERIES, |at| {
            place += 1;
            Series::read(at, place - 1, interval)
        })?;
        for (place, one) in series.iter().enumerate() {
            if series.iter().take(place).any(|other| other.name == one.name) {
                let path = format!("{}[{place}].name", fields.path_of("series"));
                return Err(refuse(&path, format_args!("stands twice: `{}`", one.name)));
            }
        }
        let names: Vec<&str> = series.iter().map(|one| one.name.as_str()).collect();
        let formulas = fields
            .take("formulas")
            .map(|at| at.list_of("formulas such as \"A / B\"", 0..=MAX_FORMULAS, |item| Formula::read(item, &names)))
            .transpose()?
            .unwrap_or_default();
        let display = fields.take("display").map(Display::read).transpose()?.unwrap_or_default();
        Ok(Self { series, formulas, display })
    }
}

impl Series {
    fn read(at: At, place: usize, interval: Interval) -> Result<Self, Problem> {
        let mut fields = at.object("a series such as {\"event\": \"purchase\", \"measure\": \"total\"}")?;
        let matcher = Matcher::take(&mut fields)?;
        let measure: Measure = fields.choice("measure")?;
        let property = fields.take("property").map(|at| at.name("the name of a property")).transpose()?;
        match (measure.property(), &property) {
            (PropertyUse::Required, None) => {
                let path = fields.path_of("property");
                return Err(refuse(&path, format_args!("is missing; `{}` needs it", measure.as_str())));
            }
            (PropertyUse::None, Some(_)) => {
                let path = fields.path_of("property");
                return Err(refuse(&path, format_args!("`{}` has no property", measure.as_str())));
            }
            _ => {}
        }
        let of = match measure {
            Measure::PerPerson => Some(fields.require("of", "avg, median, p90, min or max")?.choice()?),
            _ => {
                fields.forbid("of", "goes with the measure `per_person` only")?;
                None
            }
        };
        let name = fields.take("name").map(|at| at.name("a name")).transpose()?;
        let path = fields.path().to_owned();
        fields.finish()?;
        check_interval(&path, measure, interval)?;
        let letter = u8::try_from(place).ok().and_then(|place| b'A'.checked_add(place)).map_or('A', char::from);
        Ok(Self { name: name.unwrap_or_else(|| letter.to_string()), matcher, measure, property, of })
    }
}

fn check_interval(path: &str, measure: Measure, interval: Interval) -> Result<(), Problem> {
    let takes: &[Interval] = match measure {
        Measure::Wau => &[Interval::Day, Interval::Week],
        Measure::Mau => &[Interval::Day, Interval::Week, Interval::Month],
        _ => return Ok(()),
    };
    if takes.contains(&interval) {
        return Ok(());
    }
    let words = takes.iter().map(|interval| interval.as_str()).collect::<Vec<_>>().join(", ");
    let (measure, interval) = (measure.as_str(), interval.as_str());
    let detail = format!("{path}.measure: `{measure}` exists at the intervals {words}, not at {interval}.");
    Err(Problem::new(ErrorCode::IntervalNotSupported, detail))
}

impl Display {
    fn read(at: At) -> Result<Self, Problem> {
        if !matches!(at.node, Node::Object(_)) {
            return at.choice().map(|word| match word {
                DisplayWord::Linear => Self::Linear,
                DisplayWord::Cumulative => Self::Cumulative,
                DisplayWord::Log => Self::Log,
                DisplayWord::Total => Self::Total,
            });
        }
        let mut fields = at.object("{\"rolling_average\": 7}")?;
        let intervals = fields.require("rolling_average", "a number of intervals")?.small(2..=365)?;
        fields.finish()?;
        Ok(Self::RollingAverage(intervals))
    }
}
