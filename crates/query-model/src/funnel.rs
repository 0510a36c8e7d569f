//! The funnel: how many persons do these steps one after the other, and how fast.

use event_model::Problem;
use serde::Serialize;

use crate::interval::{Length, LengthUnit};
use crate::json::Node;
use crate::limits::FUNNEL_STEPS;
use crate::matcher::Matcher;
use crate::read::{At, Fields, choices, refuse};

/// The entry event lies in the period; later steps may follow within the window after its end. The window starts with
/// the entry event, its end is inclusive.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Funnel {
    /// What is to be done, 2 to 50 steps.
    pub steps: Vec<Step>,
    /// How much time an attempt has; 14 days unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Length>"))]
    pub window: Length,
    /// Whether other events may lie between the steps.
    #[serde(default)]
    pub order: StepOrder,
    /// Events that void an attempt.
    #[serde(default)]
    pub exclusions: Vec<Exclusion>,
    /// Properties whose value, present and the same, all steps of an attempt carry.
    #[serde(default)]
    pub hold_constant: Vec<String>,
    /// What is answered.
    #[serde(default)]
    pub view: FunnelView,
    /// For the views `trend` and `time_to_convert`: the step from which is counted; the first unless it says
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_step: Option<u32>,
    /// For the views `trend` and `time_to_convert`: the step to which is counted; the last unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_step: Option<u32>,
    /// For the view `time_to_convert`: the number of bars, from 1 to 100; 20 unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bins: Option<u32>,
    /// Which of a person's values a breakdown by an event's property takes.
    #[serde(default)]
    pub attribution: Attribution,
    /// What is counted.
    #[serde(default)]
    pub count: FunnelCount,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// Its name in the answer; the event's name unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub name: String,
    /// Which events.
    #[serde(flatten)]
    pub matcher: Matcher,
    /// Whether the step may be left out. Not the first one.
    #[serde(default)]
    pub optional: bool,
}

/// An event that voids an attempt if it comes while the deepest matched step k satisfies `from_step <= k < to_step`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Exclusion {
    /// Which events.
    #[serde(flatten)]
    pub matcher: Matcher,
    /// The step after which it counts, from 0; 0 unless it says otherwise.
    pub from_step: u32,
    /// The step before which it counts; the last unless it says otherwise.
    pub to_step: u32,
}

choices! {
    /// How the steps follow each other.
    #[derive(Default)]
    StepOrder {
        /// In order, whatever else lies between.
        #[default]
        AnyBetween = "any_between",
        /// Directly one after the other among the person's events.
        Strict = "strict",
        /// In any order.
        AnyOrder = "any_order",
    }
}

choices! {
    /// What a funnel answers.
    #[derive(Default)]
    FunnelView {
        /// Persons, conversion and times a step.
        #[default]
        Steps = "steps",
        /// Conversion an interval.
        Trend = "trend",
        /// How long it took, as a histogram.
        TimeToConvert = "time_to_convert",
    }
}

choices! {
    /// What a funnel counts.
    #[derive(Default)]
    FunnelCount {
        /// Persons.
        #[default]
        Persons = "persons",
        /// Sessions.
        Sessions = "sessions",
        /// Attempts.
        Totals = "totals",
    }
}

/// Which of a person's values a breakdown takes: a word, or `{"step": 1}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// On the earliest event of the period that matches any step and has the property.
    #[default]
    FirstTouch,
    /// On the latest such event.
    LastTouch,
    /// On the event that served this step, counted from 0.
    Step(u32),
    /// One funnel a value, in which all steps' events must carry it.
    AllSteps,
}

choices! {
    /// The attributions that are a word.
    AttributionWord {
        /// [`Attribution::FirstTouch`].
        FirstTouch = "first_touch",
        /// [`Attribution::LastTouch`].
        LastTouch = "last_touch",
        /// [`Attribution::AllSteps`].
        AllSteps = "all_steps",
    }
}

impl Funnel {
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let takes = "steps such as [{\"event\": \"view_item\"}, {\"event\": \"purchase\"}]";
        let steps = fields.require("steps", takes)?.list_of(takes, FUNNEL_STEPS, Step::read)?;
        if steps.first().is_some_and(|step| step.optional) {
            return Err(refuse("steps[0].optional", "the first step cannot be optional"));
        }
        let last = u32::try_from(steps.len()).unwrap_or(u32::MAX).saturating_sub(1);
        let window = fields.take("window").map(Length::read).transpose()?;
        let order = fields.choice("order")?;
        if let Some(place) = steps.iter().position(|step| step.optional).filter(|_| order == StepOrder::AnyOrder) {
            let because = "with `any_order` no step is optional: step n is the n-th that is met, whichever that is";
            return Err(refuse(&format!("steps[{place}].optional"), because));
        }
        let exclusions = fields
            .take("exclusions")
            .map(|at| at.list_of("exclusions", 0..=50, |item| Exclusion::read(item, last, order)))
            .transpose()?
            .unwrap_or_default();
        let hold_constant = fields
            .take("hold_constant")
            .map(|at| at.list_of("names of properties", 0..=10, |item| item.name("the name of a property")))
            .transpose()?
            .unwrap_or_default();
        let view: FunnelView = fields.choice("view")?;
        let (mut from_step, mut to_step, mut bins) = (None, None, None);
        if view == FunnelView::Steps {
            let because = "goes with the views `trend` and `time_to_convert`";
            fields.forbid("from_step", because)?;
            fields.forbid("to_step", because)?;
        } else {
            let from = fields.take("from_step").map(|at| at.small(0..=i64::from(last) - 1)).transpose()?.unwrap_or(0);
            let to = fields.take("to_step").map(|at| at.small(i64::from(from) + 1..=i64::from(last))).transpose()?;
            (from_step, to_step) = (Some(from), Some(to.unwrap_or(last)));
        }
        if view == FunnelView::TimeToConvert {
            bins = Some(fields.take("bins").map(|at| at.small(1..=100)).transpose()?.unwrap_or(20));
        } else {
            fields.forbid("bins", "goes with the view `time_to_convert`")?;
        }
        let attribution =
            fields.take("attribution").map(|at| Attribution::read(at, last)).transpose()?.unwrap_or_default();
        let count = fields.choice("count")?;
        let window = window.unwrap_or(Length { value: 14, unit: LengthUnit::Day });
        Ok(Self { steps, window, order, exclusions, hold_constant, view, from_step, to_step, bins, attribution, count })
    }
}

impl Step {
    fn read(at: At) -> Result<Self, Problem> {
        let mut fields = at.object("a step such as {\"event\": \"purchase\"}")?;
        let matcher = Matcher::take(&mut fields)?;
        let name = fields.take("name").map(|at| at.name("a name")).transpose()?;
        let optional = fields.boolean("optional")?;
        fields.finish()?;
        Ok(Self { name: name.unwrap_or_else(|| matcher.title()), matcher, optional })
    }
}

impl Exclusion {
    fn read(at: At, last: u32, order: StepOrder) -> Result<Self, Problem> {
        let path = at.path.clone();
        let mut fields = at.object("an exclusion such as {\"event\": \"refund\", \"from_step\": 0, \"to_step\": 1}")?;
        let matcher = Matcher::take(&mut fields)?;
        let from_step = fields.take("from_step").map(|at| at.small(0..=i64::from(last) - 1)).transpose()?.unwrap_or(0);
        let to_step =
            fields.take("to_step").map(|at| at.small(i64::from(from_step) + 1..=i64::from(last))).transpose()?;
        let to_step = to_step.unwrap_or(last);
        fields.finish()?;
        if order == StepOrder::AnyOrder && (from_step, to_step) != (0, last) {
            return Err(refuse(&path, "with `any_order` an exclusion spans the whole funnel; leave the steps out"));
        }
        Ok(Self { matcher, from_step, to_step })
    }
}

impl Attribution {
    fn read(at: At, last: u32) -> Result<Self, Problem> {
        if !matches!(at.node, Node::Object(_)) {
            return at.choice().map(|word| match word {
                AttributionWord::FirstTouch => Self::FirstTouch,
                AttributionWord::LastTouch => Self::LastTouch,
                AttributionWord::AllSteps => Self::AllSteps,
            });
        }
        let mut fields = at.object("{\"step\": 1}")?;
        let step = fields.require("step", "the number of a step, from 0")?.small(0..=i64::from(last))?;
        fields.finish()?;
        Ok(Self::Step(step))
    }
}
