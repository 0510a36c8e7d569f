//! A second opinion on paths: plain loops over each person's events, sharing nothing with the engine.

use std::collections::BTreeMap;

use analytics::ProjectSettings;
use event_model::Timestamp;
use fastrand::Rng;
use serde_json::{Value, json};
use test_support::rows;
use test_support::scenario::{Expected, ProjectPart, Scenario};

use crate::memory::{self, Texts};
use crate::oracle::{BEGIN, Condition, Plain, plain, rounds, shown};

const MINUTE: i64 = 60_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_agrees_with_plain_loops_on_random_paths() {
    let mut telling = 0;
    for seed in 0..rounds() {
        let mut rng = Rng::with_seed(seed);
        let events = random_events(&mut rng);
        let asked = Asked::random(&mut rng);
        let texts = [Texts::Plain, Texts::View, Texts::Dictionary][rng.usize(..3)];
        let source = memory::source(&rows::collect(&events).unwrap(), texts);
        let question = asked.json();
        let settings = ProjectSettings::default();
        let answer = memory::answer(question.to_string().as_bytes(), &settings, Timestamp(0), &source).await;
        let answer = answer.unwrap_or_else(|problem| panic!("seed {seed}: {problem:?}\n{question}"));
        let edges = asked.edges(&events);
        telling += u64::from(edges.len() > 1);
        // Averages are compared as doubles.
        let scenario = Scenario {
            path: format!("seed {seed}").into(),
            name: question.to_string(),
            why: "plain loops say so".to_owned(),
            project: ProjectPart::default(),
            now: Timestamp(0),
            memory_only: true,
            events: Vec::new(),
            question,
            expected: Expected::Result(json!({ "edges": edges })),
        };
        scenario.check(&answer.to_string()).unwrap_or_else(|difference| panic!("{difference}\n{answer}"));
    }
    assert!(telling > rounds() * 2 / 5, "only {telling} answers say anything");
}

/// Events of few persons in ten hours, so that sessions have several items.
fn random_events(rng: &mut Rng) -> Vec<(Value, Timestamp)> {
    let event = |rng: &mut Rng| {
        let timestamp = Timestamp(BEGIN * 1_000_000 + 10 * MINUTE * rng.i64(0..60) + rng.i64(0..3));
        let (user, visitor) = (format!("u{}", rng.u8(0..3)), format!("a{}", rng.u8(0..3)));
        let path = ["/", "/a", "/a/", "/b", "/c/"][rng.usize(..5)];
        let mut event = match rng.u8(0..20) {
            0 => json!({ "type": "identify", "user_id": user, "anonymous_id": visitor }),
            1..9 => json!({ "type": "page", "user_id": user, "properties": { "path": path } }),
            9..11 => json!({ "type": "page", "anonymous_id": visitor, "properties": {} }),
            11..13 => {
                json!({ "type": "screen", "user_id": user, "properties": { "name": (["/b", "Home"][rng.usize(..2)]) } })
            }
            _ => json!({ "event": (["view", "buy"][rng.usize(..2)]), "anonymous_id": visitor, "properties": {} }),
        };
        for name in ["p", "q"] {
            let value = [json!("x"), json!(1), json!(2.5), json!(true), Value::Null][rng.usize(..5)].clone();
            event["properties"][name] = value;
        }
        if rng.u8(0..4) == 0 {
            event["session_id"] = json!(format!("s{}", rng.u8(0..2)));
        }
        event["timestamp"] = Value::String(timestamp.to_string());
        (event, Timestamp(timestamp.0 + 60 * MINUTE))
    };
    (0..rng.usize(0..200)).map(|_| event(rng)).collect()
}

/// A random question.
struct Asked {
    include: Vec<&'static str>,
    item: Option<&'static str>,
    exclude: Vec<&'static str>,
    start_at: Option<&'static str>,
    end_at: Option<&'static str>,
    steps: usize,
    most: usize,
    filter: Option<Condition>,
    from: i64,
    to: i64,
}

const ITEMS: [&str; 7] = ["/", "/a", "/b/", "/c", "view", "page", "x"];

impl Asked {
    fn random(rng: &mut Rng) -> Self {
        let some = |rng: &mut Rng| (rng.u8(0..6) == 0).then(|| ITEMS[rng.usize(..ITEMS.len())]);
        let (start_at, end_at) = (some(rng), some(rng));
        let from = BEGIN * 1_000_000 + rng.i64(0..200) * MINUTE;
        Self {
            include: match rng.u8(0..5) {
                0 => vec!["page"],
                1 => vec!["event", "screen"],
                _ => vec!["page", "screen", "event"],
            },
            item: (rng.u8(0..5) == 0).then_some("p"),
            exclude: (0..rng.usize(0..3)).map(|_| ITEMS[rng.usize(..ITEMS.len())]).collect(),
            start_at,
            end_at,
            steps: rng.usize(2..7),
            most: if rng.bool() { rng.usize(1..6) } else { 50 },
            filter: (rng.u8(0..4) == 0).then(|| Condition::random(rng)),
            from,
            to: from + rng.i64(60..600) * MINUTE,
        }
    }

    fn json(&self) -> Value {
        let mut question = json!({
            "kind": "paths", "include": self.include, "exclude": self.exclude, "steps": self.steps, "edges": self.most,
            "period": { "from": Timestamp(self.from).to_string(), "to": Timestamp(self.to).to_string() },
            "filters": self.filter.iter().map(|filter| filter.json()).collect::<Vec<_>>(),
        });
        for (name, value) in [("item", self.item), ("start_at", self.start_at), ("end_at", self.end_at)] {
            if let Some(value) = value {
                question[name] = json!(value);
            }
        }
        question
    }

    /// What a row is in the path.
    fn item(&self, row: &Plain, kind: &str) -> Option<String> {
        let text = match (self.item, kind) {
            (Some(name), _) => row.get(name).map(shown)?,
            (None, "page") => row.get("path").map_or_else(|| row.name.clone(), shown),
            (None, "screen") => row.get("name").map_or_else(|| row.name.clone(), shown),
            (None, _) => row.name.clone(),
        };
        Some(without_slash(&text))
    }

    /// The edges by plain loops.
    fn edges(&self, events: &[(Value, Timestamp)]) -> Vec<Value> {
        let kinds = |event: &Value| event["type"].as_str().unwrap_or("track").to_owned();
        let counted = events.iter().filter(|(event, _)| !["identify", "alias"].contains(&kinds(event).as_str()));
        let mut persons: BTreeMap<String, Vec<(i64, Option<String>, String)>> = BTreeMap::new();
        for (row, (event, _)) in plain(events).iter().zip(counted) {
            let kind = kinds(event);
            let included = self.include.contains(&if kind == "track" { "event" } else { kind.as_str() });
            let holds = self.filter.is_none_or(|filter| (filter.holds)(row.get(filter.property)));
            let in_period = (self.from..=self.to).contains(&row.micros);
            if let (true, Some(item)) = (included && holds && in_period, self.item(row, &kind)) {
                let session = event["session_id"].as_str().map(str::to_owned);
                persons.entry(row.person.clone()).or_default().push((row.micros, session, item));
            }
        }
        let mut edges: BTreeMap<(usize, String, String), Vec<i64>> = BTreeMap::new();
        for mut rows in persons.into_values() {
            // Rows come in the order of the request, so a stable sort by time is the order of events.
            rows.sort_by_key(|(micros, _, _)| *micros);
            for session in sessions(&rows) {
                for (step, pair) in self.kept(&session).windows(2).enumerate() {
                    let edge = (step + 1, pair[0].1.clone(), pair[1].1.clone());
                    edges.entry(edge).or_default().push(pair[1].0 - pair[0].0);
                }
            }
        }
        let mut ranked: Vec<((usize, String, String), Vec<i64>)> = edges.into_iter().collect();
        ranked.sort_by_key(|(_, times)| std::cmp::Reverse(times.len()));
        let shown = |((step, from, to), times): ((usize, String, String), Vec<i64>)| {
            let average = times.iter().sum::<i64>() as f64 / times.len() as f64 / 1e6;
            json!({ "step": step, "from": from, "to": to, "count": times.len(), "average_seconds": average })
        };
        ranked.into_iter().take(self.most).map(shown).collect()
    }

    /// What is left of a session.
    fn kept(&self, session: &[(i64, String)]) -> Vec<(i64, String)> {
        let is = |wanted: &&str, item: &str| without_slash(wanted) == item;
        let mut items: Vec<(i64, String)> = session.to_vec();
        items.retain(|(_, item)| !self.exclude.iter().any(|excluded| is(excluded, item)));
        items.dedup_by(|later, first| later.1 == first.1);
        if let Some(start) = &self.start_at {
            while items.first().is_some_and(|(_, item)| !is(start, item)) {
                items.remove(0);
            }
        }
        if let Some(end) = &self.end_at {
            while items.last().is_some_and(|(_, item)| !is(end, item)) {
                items.pop();
            }
        }
        items.truncate(self.steps);
        items
    }
}

fn without_slash(item: &str) -> String {
    if item.len() > 1 && item.ends_with('/') { item[..item.len() - 1].to_owned() } else { item.to_owned() }
}

/// The rows of each session of the client, and the runs without a gap of the other rows.
fn sessions(rows: &[(i64, Option<String>, String)]) -> Vec<Vec<(i64, String)>> {
    let mut named: BTreeMap<&String, Vec<(i64, String)>> = BTreeMap::new();
    let mut runs: Vec<Vec<(i64, String)>> = Vec::new();
    for (micros, session, item) in rows {
        let row = (*micros, item.clone());
        match session {
            Some(session) => named.entry(session).or_default().push(row),
            None => match runs.last_mut().filter(|run| micros - run.last().unwrap().0 <= 30 * MINUTE) {
                Some(run) => run.push(row),
                None => runs.push(vec![row]),
            },
        }
    }
    named.into_values().chain(runs).collect()
}
