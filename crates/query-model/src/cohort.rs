//! Cohorts: sets of persons, listed or described by a rule.

use event_model::Problem;
use serde::Serialize;

use crate::filter::{Filter, Number, Of, PropertyFilter};
use crate::funnel::Funnel;
use crate::interval::Interval;
use crate::json::Node;
use crate::limits::MAX_LIST_VALUES;
use crate::matcher::Matcher;
use crate::period::Period;
use crate::read::{At, Fields, choices, refuse};
use crate::retention::Retention;

/// A list of persons, or a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Cohort {
    /// These persons, by any of their ids.
    Static {
        /// User or anonymous ids.
        persons: Vec<String>,
    },
    /// Those of whom a rule is true.
    Rule {
        /// The rule.
        rule: Box<Rule>,
    },
}

/// What must be true of a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// At least one rule is true.
    Any(Vec<Rule>),
    /// All rules are true.
    All(Vec<Rule>),
    /// The rule is not true.
    Not(Box<Rule>),
    /// The person's latest traits satisfy this.
    Has(PropertyFilter),
    /// Some event of the person (in the period, if there is one) satisfied this.
    Had(Had),
    /// The person did an event.
    Did(Box<Did>),
    /// The person did not do an event, or not so often.
    DidNot(Box<Did>),
    /// The person reached a step of a funnel.
    InFunnelStep(Box<InFunnelStep>),
    /// The person was retained.
    Retained(Box<Retained>),
}

/// A value that one of the person's events carried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Had {
    /// The condition.
    #[serde(flatten)]
    pub filter: PropertyFilter,
    /// When; at any time if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
}

/// An event that a person did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Did {
    /// Which event.
    #[serde(flatten)]
    pub matcher: Matcher,
    /// How often; at least once if it is left out. With `relative_to` it is the count divided by the other's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<Threshold>,
    /// The event that the count is divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative_to: Option<Matcher>,
    /// A number computed of a property of the events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregate>,
    /// When; at any time if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
}

/// A number compared with a bound: `{"op": "gte", "value": 3}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Threshold {
    /// The comparison.
    pub op: Comparison,
    /// The bound.
    pub value: Number,
}

choices! {
    /// How a number is compared with a bound.
    Comparison {
        /// Equal.
        Is = "is",
        /// Greater.
        Gt = "gt",
        /// Greater or equal.
        Gte = "gte",
        /// Less.
        Lt = "lt",
        /// Less or equal.
        Lte = "lte",
    }
}

/// A number computed of a property: `{"measure": "sum", "property": "price", "op": "gt", "value": 100}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Aggregate {
    /// How it is computed.
    pub measure: AggregateMeasure,
    /// Of which property.
    pub property: String,
    /// What it is compared with.
    #[serde(flatten)]
    pub threshold: Threshold,
}

choices! {
    /// How a number is computed of a property of a person's events.
    AggregateMeasure {
        /// The sum.
        Sum = "sum",
        /// The average.
        Avg = "avg",
        /// The least.
        Min = "min",
        /// The greatest.
        Max = "max",
        /// How many different values.
        Distinct = "distinct",
    }
}

/// A step of a funnel that the person reached.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InFunnelStep {
    /// The funnel.
    pub funnel: Funnel,
    /// The step, counted from 0.
    pub step: u32,
    /// Whether the person must have gone no further.
    #[serde(default)]
    pub dropped: bool,
    /// When the funnel is entered; at any time if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
}

/// A cell of a retention table in which the person is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Retained {
    /// The retention.
    pub retention: Retention,
    /// The interval of its columns.
    #[serde(default)]
    pub interval: Interval,
    /// The column, counted from 0.
    pub column: u32,
    /// When the person started; at any time if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
}

impl Cohort {
    /// Reads a cohort from JSON text.
    ///
    /// # Errors
    /// As [`crate::Question::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        Self::read(At::root(body)?)
    }

    pub(crate) fn read(at: At) -> Result<Self, Problem> {
        let path = at.path.clone();
        let mut fields = at.object("{\"persons\": [..]} or {\"rule\": {..}}")?;
        let cohort = match (fields.take("persons"), fields.take("rule")) {
            (Some(persons), None) => {
                Self::Static { persons: persons.list_of("ids", 0..=MAX_LIST_VALUES, |item| item.name("an id"))? }
            }
            (None, Some(rule)) => Self::Rule { rule: Box::new(Rule::read(rule)?) },
            _ => return Err(refuse(&path, "takes either `persons` or `rule`")),
        };
        fields.finish()?;
        Ok(cohort)
    }
}

choices! {
    /// The names of the rules.
    RuleWord {
        /// [`Rule::Any`].
        Any = "any",
        /// [`Rule::All`].
        All = "all",
        /// [`Rule::Not`].
        Not = "not",
        /// [`Rule::Has`].
        Has = "has",
        /// [`Rule::Had`].
        Had = "had",
        /// [`Rule::Did`].
        Did = "did",
        /// [`Rule::DidNot`].
        DidNot = "did_not",
        /// [`Rule::InFunnelStep`].
        InFunnelStep = "in_funnel_step",
        /// [`Rule::Retained`].
        Retained = "retained",
    }
}

impl Rule {
    fn read(at: At) -> Result<Self, Problem> {
        let takes = "a rule such as {\"did\": {\"event\": \"purchase\"}}";
        let Node::Object(members) = at.node else { return Err(at.takes(takes)) };
        let mut members = members.into_iter();
        let (Some((word, node)), None) = (members.next(), members.next()) else {
            return Err(refuse(&at.path, format_args!("takes exactly one field: {takes}")));
        };
        let word: RuleWord = At { path: at.path.clone(), node: Node::Text(word) }.choice()?;
        let at = At { path: format!("{}.{}", at.path, word.as_str()), node };
        Ok(match word {
            RuleWord::Any => Self::Any(at.list_of("rules", 1..=100, Self::read)?),
            RuleWord::All => Self::All(at.list_of("rules", 1..=100, Self::read)?),
            RuleWord::Not => Self::Not(Box::new(Self::read(at)?)),
            RuleWord::Has => Self::Has(property(Filter::read(at.clone())?, &at.path, Of::Person)?),
            RuleWord::Had => {
                let path = at.path.clone();
                let mut fields =
                    at.object("a condition such as {\"property\": \"plan\", \"op\": \"is\", \"value\": \"pro\"}")?;
                let period = fields.take("period").map(Period::read).transpose()?;
                let filter = property(Filter::read(fields.rest())?, &path, Of::Event)?;
                Self::Had(Had { filter, period })
            }
            RuleWord::Did => Self::Did(Box::new(Did::read(at)?)),
            RuleWord::DidNot => Self::DidNot(Box::new(Did::read(at)?)),
            RuleWord::InFunnelStep => Self::InFunnelStep(Box::new(InFunnelStep::read(at)?)),
            RuleWord::Retained => Self::Retained(Box::new(Retained::read(at)?)),
        })
    }
}

/// A condition on a property whose owner the rule itself names.
fn property(filter: Filter, path: &str, of: Of) -> Result<PropertyFilter, Problem> {
    match filter {
        Filter::Property(filter) => Ok(PropertyFilter { of, ..filter }),
        _ => Err(refuse(path, "takes a condition on one property")),
    }
}

impl Did {
    fn read(at: At) -> Result<Self, Problem> {
        let mut fields = at.object("an event matcher such as {\"event\": \"purchase\"}")?;
        let matcher = Matcher::take(&mut fields)?;
        let count = fields
            .take("count")
            .map(|at| {
                let mut fields = at.object("{\"op\": \"gte\", \"value\": 3}")?;
                let threshold = Threshold::take(&mut fields)?;
                fields.finish()?;
                Ok::<_, Problem>(threshold)
            })
            .transpose()?;
        let relative_to = match fields.take("relative_to") {
            Some(at) if count.is_none() => return Err(at.refuse("needs a `count`")),
            Some(at) => {
                let mut fields = at.object("an event matcher")?;
                let matcher = Matcher::take(&mut fields)?;
                fields.finish()?;
                Some(matcher)
            }
            None => None,
        };
        let aggregate = fields.take("aggregate").map(Aggregate::read).transpose()?;
        let period = fields.take("period").map(Period::read).transpose()?;
        fields.finish()?;
        Ok(Self { matcher, count, relative_to, aggregate, period })
    }
}

impl Threshold {
    fn take(fields: &mut Fields) -> Result<Self, Problem> {
        let op = fields.require("op", "is, gt, gte, lt or lte")?.choice()?;
        let value = fields.require("value", "a number")?;
        match value.node {
            Node::Number(text) => Ok(Self { op, value: Number(text) }),
            _ => Err(value.takes("a number")),
        }
    }
}

impl Aggregate {
    fn read(at: At) -> Result<Self, Problem> {
        let mut fields =
            at.object("{\"measure\": \"sum\", \"property\": \"price\", \"op\": \"gt\", \"value\": 100}")?;
        let measure = fields.require("measure", "sum, avg, min, max or distinct")?.choice()?;
        let property = fields.require("property", "the name of a property")?.name("the name of a property")?;
        let threshold = Threshold::take(&mut fields)?;
        fields.finish()?;
        Ok(Self { measure, property, threshold })
    }
}

impl InFunnelStep {
    fn read(at: At) -> Result<Self, Problem> {
        let mut fields = at.object("{\"funnel\": {..}, \"step\": 1}")?;
        let mut inner = fields.require("funnel", "a funnel")?.object("a funnel with its steps")?;
        let funnel = Funnel::read(&mut inner)?;
        inner.finish()?;
        let last = i64::try_from(funnel.steps.len()).unwrap_or(i64::MAX) - 1;
        let step = fields.require("step", "the number of a step, from 0")?.small(0..=last)?;
        let dropped = fields.boolean("dropped")?;
        let period = fields.take("period").map(Period::read).transpose()?;
        fields.finish()?;
        Ok(Self { funnel, step, dropped, period })
    }
}

impl Retained {
    fn read(at: At) -> Result<Self, Problem> {
        let mut fields = at.object("{\"retention\": {..}, \"column\": 1}")?;
        let mut inner = fields.require("retention", "a retention")?.object("a retention with start and return")?;
        let retention = Retention::read(&mut inner)?;
        inner.finish()?;
        let interval = fields.choice("interval")?;
        let column = fields.require("column", "the number of a column, from 0")?;
        let column = column.small(0..=i64::from(retention.periods) - 1)?;
        let period = fields.take("period").map(Period::read).transpose()?;
        fields.finish()?;
        Ok(Self { retention, interval, column, period })
    }
}
