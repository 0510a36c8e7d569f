//! Retention: of those who started in an interval, how many come back in the intervals after it.

use event_model::Problem;
use serde::Serialize;

use crate::limits::MAX_RETENTION_PERIODS;
use crate::matcher::Matcher;
use crate::read::{At, Fields, choices};

/// The period bounds the cohorts, one row an interval; returns after its end count. Column 0 is the size of the cohort.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retention {
    /// What puts a person into the cohort of its interval.
    pub start: Matcher,
    /// What counts as coming back.
    #[serde(rename = "return")]
    pub back: Matcher,
    /// How many columns, column 0 included, from 1 to 400; 12 unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>"))]
    pub periods: u32,
    /// Which of a person's starts count.
    #[serde(default)]
    pub cohort_by: CohortBy,
    /// In which interval the return must lie.
    #[serde(default)]
    pub return_on: ReturnOn,
    /// How many return events an interval must have, from 1; column 0 ignores it. 1 unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>"))]
    pub minimum_occurrences: u32,
}

choices! {
    /// Which of a person's starts count.
    #[derive(Default)]
    CohortBy {
        /// Every interval in which start happened.
        #[default]
        Recurring = "recurring",
        /// The interval of the person's first event in all data that matches start and the question's filters.
        FirstTime = "first_time",
        /// The person's first event in all data that has start's name must itself match start and the filters.
        FirstEver = "first_ever",
    }
}

choices! {
    /// In which interval the return must lie.
    #[derive(Default)]
    ReturnOn {
        /// In the k-th interval.
        #[default]
        On = "on",
        /// In the k-th interval or a later one.
        OnOrAfter = "on_or_after",
    }
}

impl Retention {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let matcher = |at: At| {
            let mut fields = at.object("an event matcher such as {\"event\": \"purchase\"}")?;
            let matcher = Matcher::take(&mut fields)?;
            fields.finish()?;
            Ok::<_, Problem>(matcher)
        };
        let takes = "an event matcher such as {\"event\": \"purchase\"}";
        let start = matcher(fields.require("start", takes)?)?;
        let back = matcher(fields.require("return", takes)?)?;
        let periods = fields.take("periods").map(|at| at.small(1..=MAX_RETENTION_PERIODS)).transpose()?;
        let cohort_by = fields.choice("cohort_by")?;
        let return_on = fields.choice("return_on")?;
        let minimum = fields.take("minimum_occurrences").map(|at| at.small(1..=1_000_000)).transpose()?;
        Ok(Self {
            start,
            back,
            periods: periods.unwrap_or(12),
            cohort_by,
            return_on,
            minimum_occurrences: minimum.unwrap_or(1),
        })
    }
}
