//! What an operator says of one value. A missing value satisfies exactly the negative operators.

use std::cmp::Ordering;
use std::collections::HashSet;

use event_model::{ErrorCode, Problem};
use jiff::tz::TimeZone;
use query_model::{Bound, Operand, Operator, PropertyFilter, Scalar};
use regex::Regex;

use crate::number::Exact;
use crate::problem::{internal, not_supported};
use crate::value::Value;

/// An operator with its operand, ready to be asked about values.
#[derive(Debug)]
pub(crate) struct Predicate {
    test: Test,
    /// Whether the answer is turned round: `is_not`, `not_contains`, `not_matches`, `is_not_set`.
    negated: bool,
    timezone: TimeZone,
}

#[derive(Debug)]
enum Test {
    Is(HashSet<String>),
    Contains(String),
    Matches(Regex),
    Numbers(Order<Exact>),
    Times(Order<i64>),
    IsSet,
}

/// Where a value must lie: each end with whether it is included.
#[derive(Debug)]
struct Order<T> {
    above: Option<(T, bool)>,
    below: Option<(T, bool)>,
}

impl<T: Ord> Order<T> {
    fn holds(&self, value: &T) -> bool {
        let beyond = |bound: &Option<(T, bool)>, wanted: Ordering| {
            bound.as_ref().is_none_or(|(bound, included)| {
                let order = value.cmp(bound);
                order == wanted || (*included && order == Ordering::Equal)
            })
        };
        beyond(&self.above, Ordering::Greater) && beyond(&self.below, Ordering::Less)
    }
}

impl Predicate {
    /// Compiles a filter. Times without an offset, in the question as in properties, are in the question's zone.
    pub(crate) fn new(filter: &PropertyFilter, timezone: &TimeZone) -> Result<Self, Problem> {
        let values = filter.value.as_ref().map_or(&[][..], Operand::values);
        let first = values.first();
        let text = || match first {
            Some(Scalar::Text(text)) => Ok(text.as_str()),
            _ => Err(internal("an operand is not a text")),
        };
        let (test, negated) = match filter.op {
            Operator::Is => (Test::Is(texts(values)), false),
            Operator::IsNot => (Test::Is(texts(values)), true),
            Operator::Contains => (Test::Contains(text()?.to_lowercase()), false),
            Operator::NotContains => (Test::Contains(text()?.to_lowercase()), true),
            Operator::Matches => (Test::Matches(query_model::filter::compile(text()?)?), false),
            Operator::NotMatches => (Test::Matches(query_model::filter::compile(text()?)?), true),
            Operator::Gt | Operator::After => (order(first, None, false, timezone)?, false),
            Operator::Gte => (order(first, None, true, timezone)?, false),
            Operator::Lt | Operator::Before => (order(None, first, false, timezone)?, false),
            Operator::Lte => (order(None, first, true, timezone)?, false),
            Operator::Between => (order(first, values.get(1), true, timezone)?, false),
            Operator::IsSet => (Test::IsSet, false),
            Operator::IsNotSet => (Test::IsSet, true),
            Operator::InCohort | Operator::NotInCohort => return Err(not_supported("A filter by cohort")),
        };
        Ok(Self { test, negated, timezone: timezone.clone() })
    }

    /// What it says of a value; `None` is a missing one.
    pub(crate) fn holds(&self, value: Option<&Value<'_>>) -> bool {
        value.is_some_and(|value| self.test(value)) != self.negated
    }

    fn test(&self, value: &Value<'_>) -> bool {
        match &self.test {
            Test::Is(texts) => texts.contains(value.text().as_ref()),
            Test::Contains(needle) => value.text().to_lowercase().contains(needle),
            Test::Matches(regex) => regex.is_match(&value.text()),
            Test::Numbers(order) => match value {
                Value::Number(text) => Exact::parse(text).is_some_and(|number| order.holds(&number)),
                _ => false,
            },
            Test::Times(order) => match value {
                Value::Time(micros) => order.holds(micros),
                Value::Text(text) => Bound::parse(text)
                    .and_then(|time| time.start(&self.timezone))
                    .is_some_and(|time| order.holds(&time)),
                _ => false,
            },
            Test::IsSet => true,
        }
    }
}

fn texts(values: &[Scalar]) -> HashSet<String> {
    values.iter().map(scalar_text).collect()
}

/// The text form of a value of the question.
fn scalar_text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) => text.clone(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Number(number) => Exact::parse(&number.0).map_or_else(|| number.0.clone(), |number| number.text()),
    }
}

fn order(above: Option<&Scalar>, below: Option<&Scalar>, included: bool, timezone: &TimeZone) -> Result<Test, Problem> {
    // The shape was checked when the question was read; a number or a time may still lie beyond what can be compared.
    let invalid = || {
        let sentence = "A filter's number has too large an exponent, or its time lies beyond the calendar.";
        Problem::new(ErrorCode::InvalidQuestion, sentence)
    };
    if let Some(Scalar::Number(_)) = above.or(below) {
        let end = |scalar: Option<&Scalar>| match scalar {
            Some(Scalar::Number(number)) => {
                Exact::parse(&number.0).map(|value| Some((value, included))).ok_or_else(invalid)
            }
            Some(_) => Err(invalid()),
            None => Ok(None),
        };
        return Ok(Test::Numbers(Order { above: end(above)?, below: end(below)? }));
    }
    let end = |scalar: Option<&Scalar>| match scalar {
        Some(Scalar::Text(text)) => {
            let time = Bound::parse(text).and_then(|time| time.start(timezone)).ok_or_else(invalid)?;
            Ok(Some((time, included)))
        }
        Some(_) => Err(invalid()),
        None => Ok(None),
    };
    Ok(Test::Times(Order { above: end(above)?, below: end(below)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(json: &str) -> PropertyFilter {
        let body = format!(
            r#"{{"kind": "trend", "period": {{"from": "2026-01-01", "to": "2026-01-01"}}, "series": [{{}}],
                 "filters": [{json}]}}"#
        );
        match query_model::Question::parse(body.as_bytes()).unwrap().common.filters.remove(0) {
            query_model::Filter::Property(filter) => filter,
            other => panic!("{other:?}"),
        }
    }

    /// Checks an operator against raw JSON values (`null` is a missing one).
    fn check(condition: &str, yes: &[&str], no: &[&str]) {
        let json = format!("{{\"property\": \"p\", {condition}}}");
        let predicate = Predicate::new(&filter(&json), &TimeZone::get("Europe/Berlin").unwrap()).unwrap();
        for (values, expect) in [(yes, true), (no, false)] {
            for raw in values {
                assert_eq!(predicate.holds(Value::of_json(raw).as_ref()), expect, "{condition} of {raw}");
            }
        }
    }

    #[test]
    fn is_compares_text_forms() {
        check(r#""op": "is", "value": 1"#, &["1", "1.0", "1e0", "\"1\""], &["\"1.0\"", "2", "true", "null", "[1]"]);
        check(r#""op": "is", "value": "true""#, &["true", "\"true\""], &["\"True\"", "false", "null"]);
        check(r#""op": "is", "value": ["a", 2.50]"#, &["\"a\"", "2.5", "\"2.5\""], &["\"A\"", "\"\"", "null"]);
        check(r#""op": "is", "value": 9007199254740993"#, &["9007199254740993"], &["9007199254740992"]);
        check(r#""op": "is_not", "value": ["a", true]"#, &["\"b\"", "null", "1"], &["\"a\"", "true"]);
    }

    #[test]
    fn contains_ignores_case_and_matches_does_not() {
        check(r#""op": "contains", "value": "MÜN""#, &["\"münchen\"", "\"in München\""], &["\"Mun\"", "null"]);
        check(r#""op": "contains", "value": "9""#, &["95", "\"x9\""], &["true"]);
        check(
            r#""op": "not_contains", "value": "a""#,
            &["\"b\"", "null"],
            &["\"A\"", "true".replace("true", "\"xa\"").as_str()],
        );
        check(r#""op": "matches", "value": "^a+$""#, &["\"aa\""], &["\"A\"", "\"ab\"", "null"]);
        check(r#""op": "not_matches", "value": "^a""#, &["\"b\"", "null"], &["\"ab\""]);
    }

    #[test]
    fn ordering_needs_numbers_or_times() {
        check(r#""op": "gt", "value": 5"#, &["5.1", "1e1"], &["5", "\"6\"", "true", "null"]);
        check(r#""op": "lte", "value": 5"#, &["5.0", "-1"], &["5.01", "\"4\"", "null"]);
        check(r#""op": "between", "value": [1, 2]"#, &["1", "1.5", "2.0"], &["0.99", "2.01", "null"]);
        check(r#""op": "between", "value": [2, 1]"#, &[], &["1", "1.5", "2"]);
        check(r#""op": "gte", "value": 9007199254740993"#, &["9007199254740993"], &["9007199254740992"]);
        check(
            r#""op": "before", "value": "2026-01-02""#,
            &["\"2026-01-01\"", "\"2026-01-01T22:59:59Z\""],
            &["\"2026-01-02\"", "\"2026-01-01T23:00:00Z\"", "20260101", "\"soon\"", "null"],
        );
        check(
            r#""op": "gte", "value": "2026-01-02T00:00:00Z""#,
            &["\"2026-01-02T01:00:00\"", "\"2026-01-02T00:00:00Z\""],
            &["\"2026-01-02\""],
        );
        check(
            r#""op": "between", "value": ["2026-01-01", "2026-01-02"]"#,
            &["\"2026-01-01\"", "\"2026-01-02\""],
            &["\"2026-01-02T00:00:01\""],
        );
    }

    #[test]
    fn operands_beyond_what_can_be_compared_are_refused() {
        for value in ["1e99999999999999999999", "-1e-99999999999999999999", "\"9999-12-31T23:59:59\""] {
            let filter = filter(&format!(r#"{{"property": "p", "op": "gt", "value": {value}}}"#));
            let problem = Predicate::new(&filter, &TimeZone::get("America/New_York").unwrap()).unwrap_err();
            assert_eq!(problem.code, ErrorCode::InvalidQuestion, "{value}");
        }
    }

    #[test]
    fn null_and_missing_are_not_set() {
        check(r#""op": "is_set""#, &["\"\"", "0", "false", "[]"], &["null"]);
        check(r#""op": "is_not_set""#, &["null"], &["\"\"", "0"]);
    }
}
