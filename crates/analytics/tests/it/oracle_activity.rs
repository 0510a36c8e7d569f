//! A second opinion on stickiness and lifecycle: plain loops over each person's events, sharing nothing with the
//! engine.

use std::collections::{BTreeMap, BTreeSet};

use analytics::ProjectSettings;
use event_model::Timestamp;
use event_model::project::WeekStart;
use fastrand::Rng;
use serde_json::{Value, json};
use test_support::rows;

use crate::memory::{self, Texts};
use crate::oracle::{BEGIN, Condition, label, plain, random_events, rounds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_agrees_with_plain_loops_on_random_stickiness() {
    let telling = compare(Asked::stickiness).await;
    assert!(telling > rounds() * 3 / 5, "only {telling} answers say anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_agrees_with_plain_loops_on_random_lifecycles() {
    let telling = compare(Asked::lifecycle).await;
    assert!(telling > rounds() * 3 / 5, "only {telling} answers say anything");
}

/// Compares on random data; gives how many answers have a number in them.
async fn compare(expected: fn(&Asked, &Activity) -> (&'static str, Value)) -> u64 {
    let mut telling = 0;
    for seed in 0..rounds() {
        let mut rng = Rng::with_seed(seed);
        let events = random_events(&mut rng);
        let asked = Asked::random(&mut rng);
        let (kind, expect) = expected(&asked, &asked.activity(&events));
        let mut question = asked.json();
        question["kind"] = json!(kind);
        if kind == "stickiness" {
            question["cumulative"] = json!(asked.cumulative);
        }
        let source = memory::source(
            &rows::collect(&events).unwrap(),
            [Texts::Plain, Texts::View, Texts::Dictionary][rng.usize(..3)],
        );
        let settings = ProjectSettings { timezone: asked.zone.to_owned(), week_start: WeekStart::Monday };
        let answer = memory::answer(question.to_string().as_bytes(), &settings, Timestamp(asked.now), &source).await;
        let answer = answer.unwrap_or_else(|problem| panic!("seed {seed}: {problem:?}\n{question}"));
        assert_eq!(answer["result"], expect, "seed {seed}, now {}\n{question}", Timestamp(asked.now));
        telling += u64::from(any(&expect));
    }
    telling
}

/// Whether any person is counted.
fn any(result: &Value) -> bool {
    let buckets = result["buckets"].as_array().into_iter().flatten();
    let states = ["new", "returning", "resurrecting", "dormant"];
    let counts = states.iter().flat_map(|state| result[*state].as_array().into_iter().flatten());
    buckets.map(|bucket| &bucket["persons"]).chain(counts).any(|count| count != 0)
}

/// A random question.
struct Asked {
    zone: &'static str,
    interval: &'static str,
    now: i64,
    from: i64,
    to: i64,
    cumulative: bool,
    matcher: Value,
    own: Option<Condition>,
    filter: Option<Condition>,
}

/// In which intervals each person was active; places count from the first interval of the period.
struct Activity {
    labels: Vec<String>,
    persons: Vec<BTreeSet<i64>>,
}

impl Asked {
    fn random(rng: &mut Rng) -> Self {
        let from = (BEGIN + rng.i64(0..14) * 86_400 + 1_800 * rng.i64(0..48)) * 1_000_000;
        let interval = ["day", "day", "day", "hour", "week", "month", "year"][rng.usize(..7)];
        let matchers = [json!({}), json!({ "event": "buy" }), json!({ "any_of": ["view", "page"] })];
        Self {
            zone: ["UTC", "Europe/Berlin", "America/New_York"][rng.usize(..3)],
            interval,
            now: (BEGIN + if rng.bool() { 90 * 86_400 } else { 1_800 * rng.i64(0..48 * 30) }) * 1_000_000,
            from,
            to: from + (rng.i64(0..9) * 86_400 + 1_800 * rng.i64(0..48)) * 1_000_000,
            cumulative: rng.bool(),
            matcher: matchers[rng.usize(..3)].clone(),
            own: (rng.u8(0..5) == 0).then(|| Condition::random(rng)),
            filter: (rng.u8(0..5) == 0).then(|| Condition::random(rng)),
        }
    }

    fn json(&self) -> Value {
        let mut series = self.matcher.clone();
        series["filters"] = self.own.iter().map(|condition| condition.json()).collect();
        json!({
            "interval": self.interval, "series": [series],
            "period": { "from": Timestamp(self.from).to_string(), "to": Timestamp(self.to).to_string() },
            "filters": self.filter.iter().map(|filter| filter.json()).collect::<Vec<_>>(),
        })
    }

    fn label(&self, micros: i64) -> String {
        label(micros, self.zone, self.interval)
    }

    /// All intervals from well before any event to the end of the period, found by walking through time.
    fn activity(&self, events: &[(Value, Timestamp)]) -> Activity {
        let step = if self.interval == "hour" { 1_800 } else { 6 * 3_600 } * 1_000_000;
        let mut line: Vec<String> = Vec::new();
        let begin = (BEGIN - 3 * 86_400) * 1_000_000;
        let walk = (0..).map(|count| begin + count * step).take_while(|micros| *micros < self.to).chain([self.to]);
        for label in walk.map(|micros| self.label(micros)) {
            if line.last() != Some(&label) {
                line.push(label);
            }
        }
        let first = line.iter().position(|label| *label == self.label(self.from)).unwrap();
        let mut persons: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for row in plain(events) {
            let named = self.matcher["event"].as_str().is_none_or(|name| name == row.name)
                && self.matcher["any_of"].as_array().is_none_or(|names| names.contains(&json!(row.name)));
            let holds = |condition: Option<Condition>| {
                condition.is_none_or(|condition| (condition.holds)(row.get(condition.property)))
            };
            let label = self.label(row.micros);
            let place = line.iter().position(|one| *one == label);
            if let (true, Some(place)) = (named && holds(self.own) && holds(self.filter), place) {
                persons.entry(row.person.clone()).or_default().insert(place as i64 - first as i64);
            }
        }
        Activity { labels: line.split_off(first), persons: persons.into_values().collect() }
    }

    fn stickiness(&self, activity: &Activity) -> (&'static str, Value) {
        let days = |person: &BTreeSet<i64>| person.iter().filter(|place| **place >= 0).count();
        let bucket = |intervals: usize| {
            let counts = |person: &&BTreeSet<i64>| match self.cumulative {
                true => days(person) >= intervals,
                false => days(person) == intervals,
            };
            json!({ "intervals": intervals, "persons": activity.persons.iter().filter(counts).count() })
        };
        ("stickiness", json!({ "buckets": (1..=activity.labels.len()).map(bucket).collect::<Vec<_>>() }))
    }

    fn lifecycle(&self, activity: &Activity) -> (&'static str, Value) {
        let count = |state: &dyn Fn(&BTreeSet<i64>, i64) -> bool| -> Vec<i64> {
            let places = 0..activity.labels.len() as i64;
            places.map(|place| activity.persons.iter().filter(|person| state(person, place)).count() as i64).collect()
        };
        let today = self.label(self.now);
        let is_new = |person: &BTreeSet<i64>, place: i64| person.first() == Some(&place);
        let before = |person: &BTreeSet<i64>, place: i64| person.contains(&(place - 1));
        let dormant = count(&|person, place| !person.contains(&place) && before(person, place));
        let begun = |(place, count): (usize, i64)| if activity.labels[place] <= today { -count } else { 0 };
        (
            "lifecycle",
            json!({
                "intervals": activity.labels,
                "new": count(&is_new),
                "returning": count(&|person, place| person.contains(&place) && before(person, place)),
                "resurrecting": count(&|person, place| {
                    person.contains(&place) && !before(person, place) && !is_new(person, place)
                }),
                "dormant": dormant.into_iter().enumerate().map(begun).collect::<Vec<_>>(),
            }),
        )
    }
}
