//! A second opinion on trends: plain loops over the events, written from the semantics and sharing nothing with the
//! engine, compared with it on random data and questions.

use std::collections::{BTreeMap, BTreeSet};

use analytics::ProjectSettings;
use event_model::Timestamp;
use event_model::project::WeekStart;
use fastrand::Rng;
use jiff::Zoned;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use test_support::rows;
use test_support::scenario::{Expected, ProjectPart, Scenario};

use crate::memory::{self, Texts};

/// Data sets and questions that are compared: 300, or as many as `SEEDS` says.
pub(crate) fn rounds() -> u64 {
    std::env::var("SEEDS").map_or(300, |seeds| seeds.parse().expect("SEEDS takes a number"))
}

/// 2026-03-20T00:00:00Z: the change of the clock in Berlin is nine days later, that in New York twelve days before.
pub(crate) const BEGIN: i64 = 1_773_964_800;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_agrees_with_plain_loops_on_random_trends() {
    let mut telling: u64 = 0;
    for seed in 0..rounds() {
        let mut rng = Rng::with_seed(seed);
        let events = random_events(&mut rng);
        let asked = Asked::random(&mut rng);
        let made = rows::collect(&events).unwrap();
        let texts = [Texts::Plain, Texts::View, Texts::Dictionary][rng.usize(..3)];
        let settings = ProjectSettings { timezone: asked.zone.to_owned(), week_start: WeekStart::Monday };
        let question = asked.json();
        let source = memory::source(&made, texts);
        let answer = memory::answer(question.to_string().as_bytes(), &settings, Timestamp(0), &source).await;
        let answer = answer.unwrap_or_else(|problem| panic!("seed {seed}: {problem:?}\n{question}"));
        let scenario = Scenario {
            path: format!("seed {seed}").into(),
            name: question.to_string(),
            why: "plain loops say so".to_owned(),
            project: ProjectPart::default(),
            now: Timestamp(0),
            memory_only: true,
            events: Vec::new(),
            question: question.clone(),
            expected: Expected::Result(asked.answer(&events)),
        };
        scenario.check(&answer.to_string()).unwrap_or_else(|difference| panic!("{difference}\n{answer}"));
        let series = answer["result"]["series"].as_array().unwrap();
        telling += u64::from(series.iter().any(|one| one["total"].as_f64().is_some_and(|total| total != 0.0)));
    }
    assert!(telling > rounds() * 3 / 4, "only {telling} answers say anything");
}

pub(crate) fn random_events(rng: &mut Rng) -> Vec<(Value, Timestamp)> {
    let count = rng.usize(0..250);
    let event = |rng: &mut Rng| {
        // Half hours, so that many lie exactly on a boundary of an interval or share an instant.
        let seconds = BEGIN + 1_800 * rng.i64(0..48 * 24);
        let timestamp = Timestamp(seconds * 1_000_000 - rng.i64(0..2));
        let (user, visitor) = (format!("u{}", rng.u8(0..5)), format!("a{}", rng.u8(0..5)));
        let mut event = match rng.u8(0..20) {
            0 => json!({ "type": "identify", "user_id": user, "anonymous_id": visitor }),
            1 => json!({ "type": "alias", "user_id": user, "previous_id": format!("u{}", rng.u8(0..5)) }),
            2 => json!({ "type": "page", "user_id": user }),
            3..12 => json!({ "event": (["view", "buy"][rng.usize(..2)]), "user_id": user }),
            _ => json!({ "event": (["view", "buy"][rng.usize(..2)]), "anonymous_id": visitor }),
        };
        event["timestamp"] = Value::String(timestamp.to_string());
        event["properties"] = Value::Object(random_properties(rng));
        (event, Timestamp(timestamp.0 + 3_600_000_000))
    };
    (0..count).map(|_| event(rng)).collect()
}

fn random_properties(rng: &mut Rng) -> Map<String, Value> {
    let values = [
        json!("x"),
        json!("Xy"),
        json!("é"),
        json!(1),
        json!(1.0),
        json!(2.5),
        json!(-3),
        json!("1"),
        json!(true),
        json!(Value::Null),
        json!(250_000),
    ];
    let mut properties = Map::new();
    for name in ["p", "q"] {
        if rng.u8(0..5) > 0 {
            properties.insert(name.to_owned(), values[rng.usize(..values.len())].clone());
        }
    }
    properties
}

/// A random question.
struct Asked {
    zone: &'static str,
    interval: &'static str,
    from: String,
    to: String,
    exact: (i64, i64),
    series: Vec<(Value, &'static str, Option<&'static str>, Option<Condition>)>,
    filter: Option<Condition>,
    breakdown: Vec<(&'static str, usize)>,
}

#[derive(Clone, Copy)]
pub(crate) struct Condition {
    op: &'static str,
    pub(crate) property: &'static str,
    value: &'static str,
    pub(crate) holds: fn(Option<&Value>) -> bool,
}

pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            if number.fract() == 0.0 { format!("{number:.0}") } else { number.to_string() }
        }
        other => other.to_string(),
    }
}

fn number(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64)
}

fn conditions(property: &'static str) -> Vec<Condition> {
    let make = |op, value, holds| Condition { op, property, value, holds };
    vec![
        make("is", "1", |value| value.is_some_and(|value| shown(value) == "1")),
        make("is", "[\"x\", true]", |value| value.is_some_and(|value| ["x", "true"].contains(&shown(value).as_str()))),
        make("is_not", "\"x\"", |value| value.is_none_or(|value| shown(value) != "x")),
        make("contains", "\"X\"", |value| value.is_some_and(|value| shown(value).to_lowercase().contains('x'))),
        make("not_contains", "\"É\"", |value| value.is_none_or(|value| !shown(value).contains('é'))),
        make("matches", "\"^[a-z]$\"", |value| {
            value.is_some_and(|value| matches!(shown(value).as_bytes(), [b'a'..=b'z']))
        }),
        make("not_matches", "\"y\"", |value| value.is_none_or(|value| !shown(value).contains('y'))),
        make("gt", "1", |value| number(value).is_some_and(|value| value > 1.0)),
        make("gte", "1.0", |value| number(value).is_some_and(|value| value >= 1.0)),
        make("lt", "2.5", |value| number(value).is_some_and(|value| value < 2.5)),
        make("lte", "-3", |value| number(value).is_some_and(|value| value <= -3.0)),
        make("between", "[-3, 1]", |value| number(value).is_some_and(|value| (-3.0..=1.0).contains(&value))),
        make("is_set", "", |value| value.is_some()),
        make("is_not_set", "", |value| value.is_none()),
    ]
}

impl Condition {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let all = conditions(["p", "q"][rng.usize(..2)]);
        all[rng.usize(..all.len())]
    }

    pub(crate) fn json(self) -> Value {
        let mut filter = json!({ "property": self.property, "op": self.op });
        if !self.value.is_empty() {
            filter["value"] = serde_json::from_str(self.value).unwrap();
        }
        filter
    }
}

/// An event as the loops see it.
pub(crate) struct Plain {
    pub(crate) name: String,
    pub(crate) micros: i64,
    pub(crate) person: String,
    pub(crate) properties: Map<String, Value>,
}

impl Plain {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.properties.get(name).filter(|value| !value.is_null())
    }
}

impl Asked {
    fn random(rng: &mut Rng) -> Self {
        let zone = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"][rng.usize(..4)];
        let intervals = ["day", "day", "week", "month", "quarter", "year", "hour"];
        let interval = intervals[rng.usize(..if zone == "UTC" { 7 } else { 6 })];
        let zoned = TimeZone::get(zone).unwrap();
        let (first, length) = (rng.i64(0..20), rng.i64(0..12));
        let (from, to, exact) = if rng.bool() {
            let date =
                |days: i64| jiff::Timestamp::from_second(BEGIN + days * 86_400).unwrap().to_zoned(TimeZone::UTC).date();
            let start = |date: jiff::civil::Date| date.to_zoned(zoned.clone()).unwrap().timestamp().as_microsecond();
            let (from, to) = (date(first), date(first + length));
            (from.to_string(), to.to_string(), (start(from), start(to.tomorrow().unwrap()) - 1))
        } else {
            let from = (BEGIN + first * 86_400 + 1_800 * rng.i64(0..48)) * 1_000_000;
            let to = from + length * 86_400_000_000 + 1_800_000_000 * rng.i64(0..48);
            (Timestamp(from).to_string(), Timestamp(to).to_string(), (from, to))
        };
        let series = (0..rng.usize(1..3))
            .map(|_| {
                let matcher = [json!({}), json!({ "event": "buy" }), json!({ "any_of": ["view", "page"] })]
                    [rng.usize(..3)]
                .clone();
                let measures = [
                    "total",
                    "unique_persons",
                    "sum",
                    "avg",
                    "min",
                    "max",
                    "median",
                    "p75",
                    "p99",
                    "distinct",
                    "per_person avg",
                    "per_person median",
                    "per_person p90",
                    "per_person min",
                    "per_person max",
                ];
                let measure = measures[rng.usize(..measures.len())];
                let has = !["total", "unique_persons"].contains(&measure);
                let property = (has && (!measure.starts_with("per_person") || rng.bool())).then_some("p");
                (matcher, measure, property, (rng.u8(0..3) == 0).then(|| Condition::random(rng)))
            })
            .collect();
        let filter = (rng.u8(0..4) == 0).then(|| Condition::random(rng));
        let breakdown = ["p", "q"][..rng.usize(..3)].iter().map(|name| (*name, rng.usize(1..4))).collect();
        Self { zone, interval, from, to, exact, series, filter, breakdown }
    }

    fn json(&self) -> Value {
        let series: Vec<Value> = self
            .series
            .iter()
            .map(|(matcher, measure, property, condition)| {
                let mut series = matcher.clone();
                let mut words = measure.split(' ');
                series["measure"] = json!(words.next());
                if let Some(of) = words.next() {
                    series["of"] = json!(of);
                }
                series["property"] = json!(property);
                series["filters"] = condition.iter().map(|condition| condition.json()).collect();
                series
            })
            .collect();
        let breakdown: Vec<Value> =
            self.breakdown.iter().map(|(name, limit)| json!({ "property": name, "limit": limit })).collect();
        json!({
            "kind": "trend", "interval": self.interval, "period": { "from": self.from, "to": self.to },
            "series": series, "breakdown": breakdown,
            "filters": self.filter.iter().map(|filter| filter.json()).collect::<Vec<_>>(),
        })
    }

    /// The answer by plain loops.
    fn answer(&self, events: &[(Value, Timestamp)]) -> Value {
        let labels = self.labels();
        let rows: Vec<Plain> = plain(events)
            .into_iter()
            .filter(|row| labels.contains(&self.label(row.micros)))
            .filter(|row| self.filter.is_none_or(|filter| (filter.holds)(row.get(filter.property))))
            .collect();
        let of_series = |place: usize, row: &Plain| {
            let (matcher, _, _, condition) = &self.series[place];
            let named = matcher["event"].as_str().is_none_or(|name| name == row.name)
                && matcher["any_of"].as_array().is_none_or(|names| names.contains(&json!(row.name)));
            named && condition.is_none_or(|condition| (condition.holds)(row.get(condition.property)))
        };
        let is_exact = |row: &Plain| (self.exact.0..=self.exact.1).contains(&row.micros);
        let number = |place: usize, rows: &[&Plain]| self.measure(place, rows);

        let any_series = |row: &&Plain| (0..self.series.len()).any(|place| of_series(place, row));
        let rankings: Vec<Vec<String>> = self
            .breakdown
            .iter()
            .map(|(name, limit)| {
                let values: BTreeSet<String> =
                    rows.iter().filter(any_series).filter_map(|row| row.get(name).map(shown)).collect();
                let total = |value: &String| {
                    let rows: Vec<&Plain> = rows
                        .iter()
                        .filter(|row| is_exact(row) && of_series(0, row))
                        .filter(|row| row.get(name).map(shown).as_ref() == Some(value))
                        .collect();
                    number(0, &rows).as_f64().unwrap_or(f64::NEG_INFINITY)
                };
                let mut ranked: Vec<String> = values.into_iter().collect();
                ranked.sort_by(|one, other| total(other).partial_cmp(&total(one)).unwrap().then(one.cmp(other)));
                ranked.truncate(*limit);
                ranked
            })
            .collect();
        // A group is the rank of each value; `other` and `none` come after the ranks.
        let group = |row: &Plain| -> Vec<usize> {
            let rank = |place: usize| {
                let ranked: &Vec<String> = &rankings[place];
                row.get(self.breakdown[place].0).map_or(ranked.len() + 1, |value| {
                    ranked.iter().position(|ranked| *ranked == shown(value)).unwrap_or(ranked.len())
                })
            };
            (0..self.breakdown.len()).map(rank).collect()
        };
        let mut groups: BTreeSet<Vec<usize>> = rows.iter().filter(any_series).map(group).collect();
        if self.breakdown.is_empty() {
            groups.insert(Vec::new());
        }
        let mut series = Vec::new();
        for place in 0..self.series.len() {
            for key in &groups {
                let members: Vec<&Plain> =
                    rows.iter().filter(|row| of_series(place, row) && group(row) == *key).collect();
                let at = |label: &String| -> Value {
                    let rows: Vec<&Plain> =
                        members.iter().copied().filter(|row| self.label(row.micros) == *label).collect();
                    number(place, &rows)
                };
                let exact: Vec<&Plain> = members.iter().copied().filter(|row| is_exact(row)).collect();
                let breakdown: Vec<Value> = key
                    .iter()
                    .zip(&rankings)
                    .map(|(rank, ranked)| match ranked.get(*rank) {
                        Some(value) => json!({ "value": value }),
                        None if *rank == ranked.len() => json!({ "other": true }),
                        None => json!({ "none": true }),
                    })
                    .collect();
                series.push(json!({
                    "name": (["A", "B"][place]), "breakdown": breakdown, "period": "current",
                    "values": labels.iter().map(at).collect::<Vec<_>>(), "total": number(place, &exact),
                }));
            }
        }
        json!({ "intervals": labels, "series": series })
    }

    fn measure(&self, place: usize, rows: &[&Plain]) -> Value {
        let (_, measure, property, _) = &self.series[place];
        let mut numbers: Vec<f64> = rows.iter().filter_map(|row| number(row.get((*property)?))).collect();
        let mut measure = *measure;
        if let Some(of) = measure.strip_prefix("per_person ") {
            let mut persons: BTreeMap<&String, f64> = BTreeMap::new();
            for row in rows {
                let one = property.map_or(1.0, |name| number(row.get(name)).unwrap_or(0.0));
                *persons.entry(&row.person).or_default() += one;
            }
            (numbers, measure) = (persons.into_values().collect(), of);
        }
        let sum: f64 = numbers.iter().sum();
        numbers.sort_by(f64::total_cmp);
        let percentile = |part: f64| {
            let rank = part * (numbers.len() - 1) as f64;
            let (lower, upper) = (numbers[rank.floor() as usize], numbers[rank.ceil() as usize]);
            json!(lower + (upper - lower) * rank.fract())
        };
        match measure {
            "distinct" => {
                let values = rows.iter().filter_map(|row| row.get((*property)?)).map(shown);
                json!(values.collect::<BTreeSet<_>>().len())
            }
            "total" => json!(rows.len()),
            "unique_persons" => json!(rows.iter().map(|row| &row.person).collect::<BTreeSet<_>>().len()),
            "sum" => json!(sum),
            _ if numbers.is_empty() => Value::Null,
            "avg" => json!(sum / numbers.len() as f64),
            "median" => percentile(0.5),
            "p75" => percentile(0.75),
            "p90" => percentile(0.9),
            "p99" => percentile(0.99),
            "min" => json!(numbers.iter().copied().fold(f64::INFINITY, f64::min)),
            _ => json!(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        }
    }

    /// Every label between the ends of the period, found by walking through it in half hours.
    fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        let steps = (self.exact.1 - self.exact.0) / 1_800_000_000;
        let instants = (0..=steps).map(|step| self.exact.0 + step * 1_800_000_000).chain([self.exact.1]);
        for label in instants.map(|micros| self.label(micros)) {
            if labels.last() != Some(&label) {
                labels.push(label);
            }
        }
        labels
    }

    fn label(&self, micros: i64) -> String {
        label(micros, self.zone, self.interval)
    }
}

/// The local start of the interval that contains an instant; weeks begin on monday.
pub(crate) fn label(micros: i64, zone: &str, interval: &str) -> String {
    let zoned: Zoned = jiff::Timestamp::from_microsecond(micros).unwrap().in_tz(zone).unwrap();
    let mut date = zoned.date();
    match interval {
        "hour" => return format!("{date}T{:02}:00:00", zoned.hour()),
        "day" => {}
        "week" => {
            while date.weekday() != Weekday::Monday {
                date = date.yesterday().unwrap();
            }
        }
        "month" => return format!("{}-{:02}-01", date.year(), date.month()),
        "quarter" => return format!("{}-{:02}-01", date.year(), [1, 4, 7, 10][(date.month() as usize - 1) / 3]),
        _ => return format!("{}-01-01", date.year()),
    }
    date.to_string()
}

/// The counted events, each with its person: the smallest of all ids that ties lead to.
pub(crate) fn plain(events: &[(Value, Timestamp)]) -> Vec<Plain> {
    let text = |event: &Value, name: &str| event[name].as_str().map(str::to_owned);
    let mut persons: Vec<BTreeSet<String>> = Vec::new();
    let mut tie = |one: String, other: String| {
        let mut joined = BTreeSet::from([one, other]);
        persons.retain(|person| {
            let meets = !person.is_disjoint(&joined);
            if meets {
                joined.extend(person.iter().cloned());
            }
            !meets
        });
        persons.push(joined);
    };
    for (event, _) in events {
        match (text(event, "type").as_deref(), text(event, "user_id")) {
            // Without a visitor it only sets traits.
            (Some("identify"), Some(user)) => {
                text(event, "anonymous_id").into_iter().for_each(|visitor| tie(user.clone(), visitor));
            }
            (Some("alias"), Some(user)) => tie(user, text(event, "previous_id").unwrap()),
            _ => {}
        }
    }
    events
        .iter()
        .filter(|(event, _)| !matches!(event["type"].as_str(), Some("identify" | "alias")))
        .map(|(event, _)| {
            let id = text(event, "user_id").or_else(|| text(event, "anonymous_id")).unwrap();
            let person = persons.iter().find(|person| person.contains(&id));
            Plain {
                name: text(event, "event").unwrap_or_else(|| "page".to_owned()),
                micros: Timestamp::parse(event["timestamp"].as_str().unwrap()).unwrap().0,
                person: person.and_then(|person| person.first().cloned()).unwrap_or(id),
                properties: event["properties"].as_object().unwrap().clone(),
            }
        })
        .collect()
}
