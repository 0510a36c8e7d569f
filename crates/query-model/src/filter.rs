//! Which events count: conditions on properties, nested with any, all and not.

use event_model::{ErrorCode, Problem};
use regex::RegexBuilder;
use serde::Serialize;

use crate::cohort::Cohort;
use crate::json::Node;
use crate::limits::{MAX_LIST_VALUES, MAX_REGEX_BYTES};
use crate::period::Bound;
use crate::read::{At, Fields, choices};

/// One condition. In a list of filters all must hold.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Filter {
    /// At least one holds.
    Any {
        /// At least one condition.
        any: Vec<Filter>,
    },
    /// All hold.
    All {
        /// At least one condition.
        all: Vec<Filter>,
    },
    /// It does not hold.
    Not {
        /// The condition.
        not: Box<Filter>,
    },
    /// The person is, or is not, in a cohort.
    Cohort(CohortFilter),
    /// A condition on a property.
    Property(PropertyFilter),
}

/// A condition on one property. A missing property and JSON null are the same; `is_not`, `not_contains` and
/// `not_matches` keep rows without the property.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PropertyFilter {
    /// The property's name. Dots reach into nested objects, unless a property has the dotted name itself.
    pub property: String,
    /// Whose property; the event's unless it says otherwise.
    #[serde(default)]
    pub of: Of,
    /// The comparison.
    pub op: Operator,
    /// What it is compared with; `is_set` and `is_not_set` take none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Operand>,
}

/// `{"op": "in_cohort", "value": "power-users"}` or the same with a cohort written out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CohortFilter {
    /// `in_cohort` or `not_in_cohort`.
    pub op: Operator,
    /// The cohort's name, or the cohort itself.
    pub value: CohortReference,
}

/// A cohort by name or written out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum CohortReference {
    /// The name of a saved cohort.
    Named(String),
    /// A cohort.
    Inline(Box<Cohort>),
}

choices! {
    /// Whose property.
    #[derive(Default)]
    Of {
        /// The event's value, as it was then.
        #[default]
        Event = "event",
        /// The person's latest trait at the answered version, across all ids of the person.
        Person = "person",
        /// The trait of the group on the event.
        Group = "group",
        /// The value of the event's session.
        Session = "session",
    }
}

choices! {
    /// A comparison.
    Operator {
        /// Equal to one of the values, as text: `true`, `95`; 1 and 1.0 are the same.
        Is = "is",
        /// Equal to none of them, or missing.
        IsNot = "is_not",
        /// Contains the text, whatever the case.
        Contains = "contains",
        /// Does not contain it, or is missing.
        NotContains = "not_contains",
        /// A regular expression (Rust syntax) finds a match in it.
        Matches = "matches",
        /// It finds none, or the property is missing.
        NotMatches = "not_matches",
        /// Greater than a number, or later than a time.
        Gt = "gt",
        /// Greater or equal.
        Gte = "gte",
        /// Less than a number, or earlier than a time.
        Lt = "lt",
        /// Less or equal.
        Lte = "lte",
        /// From the first to the second value, both included.
        Between = "between",
        /// Earlier than a time; a date is its first instant.
        Before = "before",
        /// Later than a time; a date is its first instant.
        After = "after",
        /// There, and not null.
        IsSet = "is_set",
        /// Missing, or null.
        IsNotSet = "is_not_set",
        /// The person is in the cohort.
        InCohort = "in_cohort",
        /// The person is not in the cohort.
        NotInCohort = "not_in_cohort",
    }
}

/// What a property is compared with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Operand {
    /// `is`, `is_not`: any of these. `between`: exactly two.
    List(Vec<Scalar>),
    /// Everything else.
    One(Scalar),
}

impl Operand {
    /// All values, one or many.
    #[must_use]
    pub fn values(&self) -> &[Scalar] {
        match self {
            Self::List(values) => values,
            Self::One(value) => std::slice::from_ref(value),
        }
    }
}

/// A text, a number or a boolean.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
}

/// A number as the text it was written in, so that no digit gets lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(pub String);

impl Serialize for Number {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::value::RawValue::from_string(self.0.clone()) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => serializer.serialize_str(&self.0),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Number {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number" })
    }
}

impl Filter {
    /// The field `filters`: absent means none.
    pub(crate) fn read_all(fields: &mut Fields) -> Result<Vec<Self>, Problem> {
        fields.take("filters").map_or_else(|| Ok(Vec::new()), Self::read_list)
    }

    pub(crate) fn read_list(at: At) -> Result<Vec<Self>, Problem> {
        at.list("a list of filters")?.into_iter().map(Self::read).collect()
    }

    pub(crate) fn read(at: At) -> Result<Self, Problem> {
        let takes = "a filter such as {\"property\": \"plan\", \"op\": \"is\", \"value\": \"pro\"}";
        let mut fields = at.object(takes)?;
        let nested = |at: At| {
            let path = at.path.clone();
            let filters = Self::read_list(at)?;
            if filters.is_empty() { Err(crate::read::refuse(&path, "takes at least one filter")) } else { Ok(filters) }
        };
        let filter = if let Some(any) = fields.take("any") {
            Self::Any { any: nested(any)? }
        } else if let Some(all) = fields.take("all") {
            Self::All { all: nested(all)? }
        } else if let Some(not) = fields.take("not") {
            Self::Not { not: Box::new(Self::read(not)?) }
        } else {
            let op_path = fields.path_of("op");
            let op: Operator = fields.require("op", "a comparison such as is")?.choice()?;
            if matches!(op, Operator::InCohort | Operator::NotInCohort) {
                let value = fields.require("value", "a cohort's name or a cohort")?;
                fields.forbid("property", "does not go with a cohort")?;
                let value = match value.node {
                    Node::Text(_) => CohortReference::Named(value.name("a cohort's name")?),
                    _ => CohortReference::Inline(Box::new(Cohort::read(value)?)),
                };
                Self::Cohort(CohortFilter { op, value })
            } else {
                Self::Property(PropertyFilter::read(&mut fields, op, &op_path)?)
            }
        };
        fields.finish()?;
        Ok(filter)
    }
}

impl PropertyFilter {
    fn read(fields: &mut Fields, op: Operator, op_path: &str) -> Result<Self, Problem> {
        let property = fields.require("property", "the name of a property")?.name("the name of a property")?;
        let of = fields.choice("of")?;
        let value = fields.take("value");
        let missing = || crate::read::refuse(op_path, format_args!("`{}` needs a `value`", op.as_str()));
        let value = match op {
            Operator::IsSet | Operator::IsNotSet => {
                if let Some(value) = value {
                    return Err(value.refuse(format_args!("`{}` takes no value", op.as_str())));
                }
                None
            }
            Operator::Is | Operator::IsNot => Some(equals(value.ok_or_else(missing)?)?),
            Operator::Contains | Operator::NotContains => {
                Some(Operand::One(Scalar::Text(value.ok_or_else(missing)?.name("a text")?)))
            }
            Operator::Matches | Operator::NotMatches => {
                Some(Operand::One(Scalar::Text(pattern(value.ok_or_else(missing)?)?)))
            }
            Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => {
                Some(Operand::One(ordered(value.ok_or_else(missing)?)?))
            }
            Operator::Between => Some(between(value.ok_or_else(missing)?)?),
            Operator::Before | Operator::After => Some(Operand::One(time(value.ok_or_else(missing)?)?)),
            // Read by the caller.
            Operator::InCohort | Operator::NotInCohort => None,
        };
        Ok(Self { property, of, op, value })
    }
}

fn scalar(at: At) -> Result<Scalar, Problem> {
    match at.node {
        Node::Text(text) => Ok(Scalar::Text(text)),
        Node::Bool(value) => Ok(Scalar::Bool(value)),
        Node::Number(text) => Ok(Scalar::Number(Number(text))),
        Node::Null => Err(at.refuse("takes no null; a missing value is asked for with `is_not_set`")),
        Node::List(_) | Node::Object(_) => Err(at.takes("a text, a number or a boolean")),
    }
}

fn equals(at: At) -> Result<Operand, Problem> {
    match at.node {
        Node::List(_) => at.list_of("values", 1..=MAX_LIST_VALUES, scalar).map(Operand::List),
        _ => scalar(at).map(Operand::One),
    }
}

fn ordered(at: At) -> Result<Scalar, Problem> {
    match at.node {
        Node::Number(text) => Ok(Scalar::Number(Number(text))),
        Node::Text(_) => time(at),
        _ => Err(at.takes("a number or a time")),
    }
}

fn time(at: At) -> Result<Scalar, Problem> {
    let path = at.path.clone();
    let takes = "a number or a time such as 2026-01-31 or 2026-01-31T18:30:00Z";
    let text = at.text("a time such as 2026-01-31 or 2026-01-31T18:30:00Z")?;
    if Bound::parse(&text).is_none() {
        return Err(crate::read::refuse(&path, format_args!("takes {takes}")));
    }
    Ok(Scalar::Text(text))
}

fn between(at: At) -> Result<Operand, Problem> {
    let path = at.path.clone();
    let values = at.list_of("two numbers or two times", 2..=2, ordered)?;
    let kinds: Vec<bool> = values.iter().map(|value| matches!(value, Scalar::Number(_))).collect();
    if kinds.first() != kinds.last() {
        return Err(crate::read::refuse(&path, "takes two numbers or two times, not one of each"));
    }
    Ok(Operand::List(values))
}

fn pattern(at: At) -> Result<String, Problem> {
    let path = at.path.clone();
    let text = at.text("a regular expression")?;
    compile(&text).map_err(|problem| Problem { detail: format!("{path}: {}", problem.detail), ..problem })?;
    Ok(text)
}

/// Compiles a regular expression within the limits of a question.
///
/// # Errors
/// `invalid_regex` if it is not one, or too large.
pub fn compile(pattern: &str) -> Result<regex::Regex, Problem> {
    // The parser's own depth and the body's limit of 1 MiB bound what it costs to refuse one.
    RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).nest_limit(100).build().map_err(|error| {
        let sentence = match &error {
            regex::Error::CompiledTooBig(_) => {
                format!("it needs more than {} KiB compiled.", MAX_REGEX_BYTES / 1024)
            }
            // The last line says what is wrong; those before draw a picture of the pattern.
            other => {
                let text = other.to_string();
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned() + "."
            }
        };
        Problem::new(ErrorCode::InvalidRegex, sentence)
    })
}
