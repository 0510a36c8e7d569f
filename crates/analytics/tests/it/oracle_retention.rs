//! A second opinion on retention: plain loops over each person's events, sharing nothing with the engine.

use std::collections::{BTreeMap, BTreeSet};

use analytics::ProjectSettings;
use event_model::Timestamp;
use event_model::project::WeekStart;
use fastrand::Rng;
use serde_json::{Value, json};
use test_support::rows;

use crate::memory::{self, Texts};
use crate::oracle::{BEGIN, Condition, Plain, label, plain, random_events, rounds, shown};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_agrees_with_plain_loops_on_random_retentions() {
    let (mut telling, mut came_back) = (0, 0);
    for seed in 0..rounds() {
        let mut rng = Rng::with_seed(seed);
        let events = random_events(&mut rng);
        let asked = Asked::random(&mut rng);
        let made = rows::collect(&events).unwrap();
        let texts = [Texts::Plain, Texts::View, Texts::Dictionary][rng.usize(..3)];
        let settings = ProjectSettings { timezone: asked.zone.to_owned(), week_start: WeekStart::Monday };
        let question = asked.json();
        let source = memory::source(&made, texts);
        let answer = memory::answer(question.to_string().as_bytes(), &settings, Timestamp(asked.now), &source).await;
        let answer = answer.unwrap_or_else(|problem| panic!("seed {seed}: {problem:?}\n{question}"));
        let expect = asked.answer(&events);
        assert_eq!(answer["result"], expect, "seed {seed}, now {}\n{question}", Timestamp(asked.now));
        let cells = |from: usize| {
            let cohorts = expect["cohorts"].as_array().unwrap().iter();
            let numbers = cohorts.flat_map(|cohort| cohort["returned"].as_array().unwrap().iter().skip(from));
            numbers.filter(|number| number.as_u64() > Some(0)).count()
        };
        telling += u64::from(cells(0) > 0);
        came_back += u64::from(cells(1) > 0);
    }
    assert!(telling > rounds() / 2, "only {telling} answers say anything");
    assert!(came_back > rounds() / 3, "in only {came_back} answers anybody comes back");
}

/// A random question.
struct Asked {
    zone: &'static str,
    interval: &'static str,
    now: i64,
    from: i64,
    to: i64,
    periods: usize,
    mode: &'static str,
    or_after: bool,
    minimum: usize,
    start: (Value, Option<Condition>),
    back: (Value, Option<Condition>),
    filter: Option<Condition>,
    breakdown: Vec<(&'static str, usize)>,
}

fn names(matcher: &Value, row: &Plain) -> bool {
    matcher["event"].as_str().is_none_or(|name| name == row.name)
        && matcher["any_of"].as_array().is_none_or(|names| names.contains(&json!(row.name)))
}

fn holds(condition: Option<Condition>, row: &Plain) -> bool {
    condition.is_none_or(|condition| (condition.holds)(row.get(condition.property)))
}

impl Asked {
    fn random(rng: &mut Rng) -> Self {
        let matcher = |rng: &mut Rng| {
            let named = [json!({}), json!({ "event": "buy" }), json!({ "any_of": ["view", "page"] })];
            (named[rng.usize(..3)].clone(), (rng.u8(0..6) == 0).then(|| Condition::random(rng)))
        };
        let from = (BEGIN + rng.i64(0..5) * 86_400 + 1_800 * rng.i64(0..48)) * 1_000_000;
        let interval = ["day", "day", "day", "hour", "week", "month", "year"][rng.usize(..7)];
        let days = if interval == "hour" { 0 } else { rng.i64(1..10) };
        Self {
            zone: ["UTC", "Europe/Berlin", "America/New_York"][rng.usize(..3)],
            interval,
            now: (BEGIN + if rng.u8(0..4) > 0 { 90 * 86_400 } else { 1_800 * rng.i64(0..48 * 30) }) * 1_000_000,
            from,
            to: from + (days * 86_400 + 1_800 * rng.i64(0..48)) * 1_000_000,
            periods: rng.usize(1..if interval == "day" { 12 } else { 5 }),
            mode: ["recurring", "first_time", "first_ever"][rng.usize(..3)],
            or_after: rng.u8(0..3) == 0,
            minimum: if rng.u8(0..4) == 0 { rng.usize(2..4) } else { 1 },
            start: matcher(rng),
            back: matcher(rng),
            filter: (rng.u8(0..6) == 0).then(|| Condition::random(rng)),
            breakdown: ["p", "q"][..rng.usize(..3)].iter().map(|name| (*name, rng.usize(1..4))).collect(),
        }
    }

    fn json(&self) -> Value {
        let matcher = |(named, condition): &(Value, Option<Condition>)| {
            let mut matcher = named.clone();
            matcher["filters"] = condition.iter().map(|condition| condition.json()).collect();
            matcher
        };
        let breakdown: Vec<Value> =
            self.breakdown.iter().map(|(name, limit)| json!({ "property": name, "limit": limit })).collect();
        json!({
            "kind": "retention", "interval": self.interval, "periods": self.periods, "cohort_by": self.mode,
            "period": { "from": Timestamp(self.from).to_string(), "to": Timestamp(self.to).to_string() },
            "return_on": (if self.or_after { "on_or_after" } else { "on" }), "minimum_occurrences": self.minimum,
            "start": matcher(&self.start), "return": matcher(&self.back), "breakdown": breakdown,
            "filters": self.filter.iter().map(|filter| filter.json()).collect::<Vec<_>>(),
        })
    }

    fn label(&self, micros: i64) -> String {
        label(micros, self.zone, self.interval)
    }

    /// The labels of all intervals from `from` on, found by walking through time, far enough for every column and all
    /// events. Labels sort as time goes.
    fn line(&self) -> Vec<String> {
        let step = if self.interval == "hour" { 1_800 } else { 6 * 3_600 } * 1_000_000;
        let mut line: Vec<String> = Vec::new();
        let mut cohorts = 0;
        for micros in (0..).map(|count| self.from + count * step) {
            let label = self.label(micros);
            if line.last() != Some(&label) {
                line.push(label);
            }
            if micros <= self.to {
                cohorts = line.len();
            } else if line.len() > cohorts + self.periods + 1 && micros > (BEGIN + 40 * 86_400) * 1_000_000 {
                return line;
            }
        }
        unreachable!()
    }

    /// The answer by plain loops.
    fn answer(&self, events: &[(Value, Timestamp)]) -> Value {
        let line = self.line();
        let last = line.iter().position(|label| *label == self.label(self.to)).unwrap();
        let today = self.label(self.now);
        let begun = |place: usize| line[place] <= today;
        let matching = |(named, condition): &(Value, Option<Condition>), row: &Plain| {
            names(named, row) && holds(*condition, row) && holds(self.filter, row)
        };

        // Each row with the place of its interval.
        let mut persons: BTreeMap<String, Vec<(Option<usize>, Plain)>> = BTreeMap::new();
        for row in plain(events) {
            let label = self.label(row.micros);
            let place = line.iter().position(|one| *one == label);
            persons.entry(row.person.clone()).or_default().push((place, row));
        }
        // Rows come in the order of the request, so a stable sort by time is the order of events.
        persons.values_mut().for_each(|rows| rows.sort_by_key(|(_, row)| row.micros));

        let mut starts: Vec<(&String, usize, &Plain)> = Vec::new();
        for (person, rows) in &persons {
            let chosen: Vec<&(Option<usize>, Plain)> = match self.mode {
                "recurring" => rows.iter().filter(|(_, row)| matching(&self.start, row)).collect(),
                "first_time" => rows.iter().find(|(_, row)| matching(&self.start, row)).into_iter().collect(),
                _ => {
                    let first = rows.iter().find(|(_, row)| names(&self.start.0, row));
                    first.filter(|(_, row)| matching(&self.start, row)).into_iter().collect()
                }
            };
            for (place, row) in chosen {
                if let Some(cohort) = place.filter(|cohort| *cohort <= last && begun(*cohort)) {
                    starts.push((person, cohort, row));
                }
            }
        }

        let rankings: Vec<Vec<String>> = self
            .breakdown
            .iter()
            .map(|(name, limit)| {
                let mut values: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
                for (person, _, row) in &starts {
                    if let Some(value) = row.get(name) {
                        values.entry(shown(value)).or_default().insert(person);
                    }
                }
                let mut ranked: Vec<(String, usize)> =
                    values.into_iter().map(|(value, persons)| (value, persons.len())).collect();
                ranked.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
                ranked.into_iter().take(*limit).map(|(value, _)| value).collect()
            })
            .collect();
        let group = |row: &Plain| -> Vec<usize> {
            let rank = |(ranked, (name, _)): (&Vec<String>, &(&str, usize))| {
                row.get(name).map_or(ranked.len() + 1, |value| {
                    ranked.iter().position(|ranked| *ranked == shown(value)).unwrap_or(ranked.len())
                })
            };
            rankings.iter().zip(&self.breakdown).map(rank).collect()
        };
        let came = |person: &String, place_of: usize| {
            let there = persons[person].iter().filter(|(place, _)| *place == Some(place_of));
            there.filter(|(_, row)| matching(&self.back, row)).count() >= self.minimum
        };

        let mut groups: BTreeSet<Vec<usize>> = starts.iter().map(|(_, _, row)| group(row)).collect();
        if self.breakdown.is_empty() {
            groups.insert(Vec::new());
        }
        let mut cohorts = Vec::new();
        for key in groups {
            for cohort in 0..=last {
                let members = starts.iter().filter(|(_, place, row)| *place == cohort && group(row) == key);
                let members: BTreeSet<&String> = members.map(|(person, _, _)| *person).collect();
                let mut returned = Vec::new();
                for column in (0..self.periods).take_while(|column| begun(cohort + column)) {
                    let until = if self.or_after { line.len() - 1 } else { cohort + column };
                    let back =
                        |person: &&&String| (cohort + column..=until).any(|place| begun(place) && came(person, place));
                    returned.push(if column == 0 { members.len() } else { members.iter().filter(back).count() });
                }
                let breakdown: Vec<Value> = key
                    .iter()
                    .zip(&rankings)
                    .map(|(rank, ranked)| match ranked.get(*rank) {
                        Some(value) => json!({ "value": value }),
                        None if *rank == ranked.len() => json!({ "other": true }),
                        None => json!({ "none": true }),
                    })
                    .collect();
                let running = (0..self.periods).find(|column| line[cohort + column] == today);
                cohorts.push(json!({
                    "interval": line[cohort], "breakdown": breakdown, "period": "current", "returned": returned,
                    "running": running,
                }));
            }
        }
        json!({ "cohorts": cohorts })
    }
}
