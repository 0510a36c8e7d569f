//! A second opinion on the measures that look back: `wau`, `mau` and `first_time`, by plain loops over dates.

use std::collections::{BTreeMap, BTreeSet};

use analytics::ProjectSettings;
use event_model::Timestamp;
use event_model::project::WeekStart;
use fastrand::Rng;
use jiff::civil::Date;
use serde_json::{Value, json};
use test_support::rows;

use crate::memory::{self, Texts};
use crate::oracle::{BEGIN, Condition, label, plain, random_events, rounds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_agrees_with_plain_loops_on_measures_that_look_back() {
    let mut telling = 0;
    for seed in 0..rounds() {
        let mut rng = Rng::with_seed(seed);
        let events = random_events(&mut rng);
        let asked = Asked::random(&mut rng);
        let texts = [Texts::Plain, Texts::View, Texts::Dictionary][rng.usize(..3)];
        let source = memory::source(&rows::collect(&events).unwrap(), texts);
        let settings = ProjectSettings { timezone: asked.zone.to_owned(), week_start: WeekStart::Monday };
        let question = asked.json();
        let answer = memory::answer(question.to_string().as_bytes(), &settings, Timestamp(0), &source).await;
        let answer = answer.unwrap_or_else(|problem| panic!("seed {seed}: {problem:?}\n{question}"));
        let (values, total) = asked.answer(&events);
        let series = &answer["result"]["series"][0];
        assert_eq!((&series["values"], &series["total"]), (&json!(values), &total), "seed {seed}\n{question}");
        telling += u64::from(values.iter().any(|value| *value > 0));
    }
    assert!(telling > rounds() / 3, "only {telling} answers say anything");
}

/// A random question with one series.
struct Asked {
    zone: &'static str,
    interval: &'static str,
    measure: &'static str,
    from: i64,
    to: i64,
    matcher: Value,
    condition: Option<Condition>,
}

impl Asked {
    fn random(rng: &mut Rng) -> Self {
        let measure = ["wau", "mau", "first_time"][rng.usize(..3)];
        let intervals = match measure {
            "wau" => ["day", "day", "week"],
            "mau" => ["day", "week", "month"],
            _ => ["day", "week", "hour"],
        };
        let from = (BEGIN + rng.i64(-5..30) * 86_400 + 1_800 * rng.i64(0..48)) * 1_000_000;
        Self {
            zone: ["UTC", "Europe/Berlin", "America/New_York"][rng.usize(..3)],
            interval: intervals[rng.usize(..3)],
            measure,
            from,
            to: from + (rng.i64(0..12) * 86_400 + 1_800 * rng.i64(0..48)) * 1_000_000,
            matcher: [json!({}), json!({ "event": "buy" })][rng.usize(..2)].clone(),
            condition: (rng.u8(0..4) == 0).then(|| Condition::random(rng)),
        }
    }

    fn json(&self) -> Value {
        let mut series = self.matcher.clone();
        series["measure"] = json!(self.measure);
        series["filters"] = self.condition.iter().map(|condition| condition.json()).collect();
        json!({
            "kind": "trend", "interval": self.interval, "series": [series],
            "period": { "from": Timestamp(self.from).to_string(), "to": Timestamp(self.to).to_string() },
        })
    }

    /// The numbers, and the total.
    fn answer(&self, events: &[(Value, Timestamp)]) -> (Vec<usize>, Value) {
        let rows: Vec<_> = plain(events)
            .into_iter()
            .filter(|row| self.matcher["event"].as_str().is_none_or(|name| name == row.name))
            .filter(|row| self.condition.is_none_or(|condition| (condition.holds)(row.get(condition.property))))
            .collect();
        let of = |micros: i64| label(micros, self.zone, self.interval);
        let day = |micros: i64| label(micros, self.zone, "day").parse::<Date>().unwrap();
        let mut labels: Vec<String> = Vec::new();
        let half_hours = (self.to - self.from) / 1_800_000_000;
        for micros in (0..=half_hours).map(|count| self.from + count * 1_800_000_000).chain([self.to]) {
            if labels.last() != Some(&of(micros)) {
                labels.push(of(micros));
            }
        }
        if self.measure == "first_time" {
            let mut first: BTreeMap<&String, i64> = BTreeMap::new();
            for row in &rows {
                let earliest = first.entry(&row.person).or_insert(row.micros);
                *earliest = row.micros.min(*earliest);
            }
            let in_interval = |label: &String| first.values().filter(|micros| of(**micros) == *label).count();
            let total = first.values().filter(|micros| (self.from..=self.to).contains(micros)).count();
            return (labels.iter().map(in_interval).collect(), json!(total));
        }
        let active = |label: &String| {
            let begin: Date = label.parse().unwrap();
            let (first, last) = match (self.measure, self.interval) {
                ("wau", "day") => (back(begin, 6), begin),
                ("wau", _) => (begin, back(begin, -6)),
                (_, "day") => (back(begin, 29), begin),
                (_, "week") => (back(back(begin, -6), 29), back(begin, -6)),
                _ => (begin, begin.last_of_month()),
            };
            let there = rows.iter().filter(|row| (first..=last).contains(&day(row.micros)));
            there.map(|row| &row.person).collect::<BTreeSet<_>>().len()
        };
        (labels.iter().map(active).collect(), Value::Null)
    }
}

/// So many days before.
fn back(date: Date, days: i64) -> Date {
    date.checked_sub(jiff::Span::new().days(days)).unwrap()
}
