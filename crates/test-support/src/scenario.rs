//! The scenario reader: events, a question and its answer in one YAML file.
//!
//! A scenario is at once a test of the engine, a test of the whole pipeline, and documentation. It runs twice: the
//! engine answers it from a table in memory (`crates/analytics/tests`), and a server from the lake, over HTTP
//! (`tests/`).
//!
//! ```yaml
//! name: A day without events is a zero
//! why: Empty intervals are present with 0.
//! project: {timezone: Europe/Berlin, week_start: monday}
//! events:
//!   - {event: buy, user_id: ann, timestamp: "2026-01-01T10:00:00Z"}
//! question: {kind: trend, period: {from: "2026-01-01", to: "2026-01-02"}, series: [{event: buy}]}
//! answer:
//!   intervals: ["2026-01-01", "2026-01-02"]
//!   series: [{name: A, values: [1, 0], total: 1}]
//! ```
//!
//! `answer` is the expected `result`. Objects are compared by the fields that the scenario names, lists item by item,
//! numbers by value (doubles to 1e-9 of their size). `problem: not_supported` instead of `answer` expects that code.
//! A field of a series, group or cohort that is left out is not compared, except `breakdown` and `period`, which are then
//! `[]` and `current`.

use std::fs;
use std::path::{Path, PathBuf};

use event_model::Timestamp;
use event_model::project::WeekStart;
use serde::Deserialize;
use serde_json::{Map, Value};

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where it was read from.
    pub path: PathBuf,
    /// The sentence it proves.
    pub name: String,
    /// The rule it follows from.
    pub why: String,
    /// The project's time zone and start of the week.
    pub project: ProjectPart,
    /// The question's clock; midnight of 2026-06-01 UTC unless it says otherwise. A server has its own clock.
    pub now: Timestamp,
    /// Whether it can only run in memory, because it needs another `now` or `received_at` than a server would have.
    pub memory_only: bool,
    /// The events, in the native protocol's form. `received_at`, which no client can say, is taken out of them.
    pub events: Vec<ScenarioEvent>,
    /// The question.
    pub question: Value,
    /// What is expected.
    pub expected: Expected,
}

/// What a scenario says about its project.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectPart {
    /// IANA time zone.
    pub timezone: String,
    /// First day of a week.
    pub week_start: WeekStart,
}

impl Default for ProjectPart {
    fn default() -> Self {
        Self { timezone: "UTC".to_owned(), week_start: WeekStart::Monday }
    }
}

/// One event and when it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioEvent {
    /// The event as `POST /api/v1/events` takes it.
    pub json: Value,
    /// When it was received; an hour after its timestamp unless it says otherwise.
    pub received_at: Timestamp,
}

/// What a scenario expects.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// This `result`.
    Result(Value),
    /// A problem with this code.
    Problem(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    why: String,
    #[serde(default)]
    project: ProjectPart,
    #[serde(default)]
    now: Option<String>,
    #[serde(default)]
    memory_only: bool,
    #[serde(default)]
    events: Vec<Map<String, Value>>,
    question: Value,
    #[serde(default)]
    answer: Option<Value>,
    #[serde(default)]
    problem: Option<String>,
}

impl Scenario {
    /// Reads all scenarios of a folder and the folders in it, in the order of their paths.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be read.
    pub fn load_all(folder: &Path) -> Result<Vec<Self>, String> {
        let mut scenarios = Vec::new();
        let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                scenarios.extend(Self::load_all(&path)?);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
                scenarios.push(Self::parse(&path, &text)?);
            }
        }
        Ok(scenarios)
    }

    /// Reads one.
    ///
    /// # Errors
    /// As [`Self::load_all`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let wrong = |what: String| format!("{}: {what}", path.display());
        let file: File = serde_yaml_ng::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let expected = match (file.answer, file.problem) {
            (Some(answer), None) => Expected::Result(answer),
            (None, Some(code)) => Expected::Problem(code),
            _ => return Err(wrong("give either `answer` or `problem`".to_owned())),
        };
        let time = |text: &str| Timestamp::parse(text).ok_or_else(|| wrong(format!("`{text}` is no time")));
        let events = file.events.into_iter().map(|event| read_event(event, &time)).collect::<Result<_, _>>()?;
        Ok(Self {
            path: path.to_owned(),
            name: file.name,
            why: file.why,
            project: file.project,
            now: time(file.now.as_deref().unwrap_or("2026-06-01T00:00:00Z"))?,
            memory_only: file.memory_only,
            events,
            question: file.question,
            expected,
        })
    }

    /// The body for `POST /api/v1/events/batch`.
    #[must_use]
    pub fn events_json(&self) -> String {
        let events: Vec<&Value> = self.events.iter().map(|event| &event.json).collect();
        serde_json::json!({ "batch": events }).to_string()
    }

    /// The body for `POST /api/v1/insights/query`.
    #[must_use]
    pub fn question_json(&self) -> String {
        self.question.to_string()
    }

    /// Compares an answer: the whole answer of a server (its `result` is looked at), or a problem's body.
    ///
    /// # Errors
    /// The differences, one a line.
    pub fn check(&self, answer: &str) -> Result<(), String> {
        let answer: Value = serde_json::from_str(answer).map_err(|error| format!("not JSON: {error}"))?;
        let mut differences = Vec::new();
        match &self.expected {
            Expected::Problem(code) => {
                compare("code", &Value::String(code.clone()), answer.get("code"), &mut differences);
            }
            Expected::Result(expected) => match answer.get("result") {
                Some(result) => compare("result", &with_defaults(expected), Some(result), &mut differences),
                None => differences.push(format!("there is no result: {answer}")),
            },
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!("{}\n{}: {}\n  {}", self.path.display(), self.name, self.why, differences.join("\n  ")))
    }
}

fn read_event(
    mut event: Map<String, Value>,
    time: &impl Fn(&str) -> Result<Timestamp, String>,
) -> Result<ScenarioEvent, String> {
    let received_at = event.remove("received_at");
    let received_at = match (received_at.as_ref().and_then(Value::as_str), event.get("timestamp")) {
        (Some(text), _) => time(text)?,
        (None, Some(Value::String(text))) => Timestamp(time(text)?.0 + 3_600_000_000),
        _ => return Err("an event of a scenario needs a timestamp or received_at".to_owned()),
    };
    Ok(ScenarioEvent { json: Value::Object(event), received_at })
}

/// The expected result with what a series, group or cohort leaves out: no breakdown, the current period.
fn with_defaults(expected: &Value) -> Value {
    let mut expected = expected.clone();
    for name in ["series", "groups", "cohorts"] {
        let list = expected.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten();
        for one in list.filter_map(Value::as_object_mut) {
            one.entry("breakdown").or_insert_with(|| Value::Array(Vec::new()));
            one.entry("period").or_insert_with(|| Value::String("current".to_owned()));
        }
    }
    expected
}

fn compare(path: &str, expected: &Value, found: Option<&Value>, differences: &mut Vec<String>) {
    let Some(found) = found else {
        differences.push(format!("{path}: expected {expected}, found nothing"));
        return;
    };
    match (expected, found) {
        (Value::Object(fields), Value::Object(found)) => {
            for (name, value) in fields {
                compare(&format!("{path}.{name}"), value, found.get(name), differences);
            }
        }
        (Value::Array(items), Value::Array(found)) if items.len() == found.len() => {
            for (place, (item, found)) in items.iter().zip(found).enumerate() {
                compare(&format!("{path}[{place}]"), item, Some(found), differences);
            }
        }
        (Value::Number(number), Value::Number(other)) if same_number(number, other) => {}
        _ if expected == found => {}
        _ => differences.push(format!("{path}: expected {expected}, found {found}")),
    }
}

fn same_number(one: &serde_json::Number, other: &serde_json::Number) -> bool {
    if let (Some(one), Some(other)) = (one.as_i64(), other.as_i64()) {
        return one == other;
    }
    let (Some(one), Some(other)) = (one.as_f64(), other.as_f64()) else { return false };
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(answer: &str) -> Scenario {
        let text = format!(
            "{{name: n, why: w, events: [{{event: a, timestamp: '2026-01-01', user_id: u}}], question: {{}}, {answer}}}"
        );
        Scenario::parse(Path::new("s.yaml"), &text).unwrap()
    }

    #[test]
    fn differences_are_named_by_their_place() {
        let scenario = scenario("answer: {intervals: [a, b], series: [{name: A, values: [1, 0.3], total: null}]}");
        let found = |values: &str| {
            format!(
                r#"{{"result": {{"intervals": ["a", "b"], "series": [
                    {{"name": "A", "values": {values}, "total": null, "breakdown": [], "period": "current"}}]}}}}"#
            )
        };
        assert_eq!(scenario.check(&found("[1.0, 0.30000000000000004]")), Ok(()));
        let error = scenario.check(&found("[2, 0.3]")).unwrap_err();
        assert!(error.contains("result.series[0].values[0]: expected 1, found 2"), "{error}");
        assert!(scenario.check(&found("[1]")).is_err());
        assert!(scenario.check("{}").is_err());
    }

    #[test]
    fn problems_are_compared_by_code() {
        let scenario = scenario("problem: not_supported");
        assert_eq!(scenario.check(r#"{"code": "not_supported"}"#), Ok(()));
        assert!(scenario.check(r#"{"code": "invalid_question"}"#).is_err());
        assert!(scenario.check(r#"{"result": {}}"#).is_err());
    }

    #[test]
    fn events_are_received_an_hour_after_they_happened() {
        let scenario = scenario("answer: {}");
        assert_eq!(scenario.events[0].received_at.to_string(), "2026-01-01T01:00:00Z");
    }
}
