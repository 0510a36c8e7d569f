//! A second opinion on funnels: every attempt followed by a loop of its own, written from the semantics and sharing
//! nothing with the engine, compared with it on random data and questions.

use std::collections::{BTreeMap, BTreeSet};

use analytics::ProjectSettings;
use event_model::Timestamp;
use event_model::project::WeekStart;
use fastrand::Rng;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use test_support::rows;
use test_support::scenario::{Expected, ProjectPart, Scenario};

use crate::memory::{self, Texts};
use crate::oracle::{Condition, plain, rounds, shown};

/// 2026-03-27T00:00:00Z: the change of the clock in Berlin is two days later.
const BEGIN: i64 = 1_774_569_600;
const MINUTE: i64 = 60_000_000;
const DAYS: i64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_agrees_with_plain_loops_on_random_funnels() {
    let (mut telling, mut deep): (u64, u64) = (0, 0);
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
        let (entered, went_on) = counted(&answer["result"]);
        telling += u64::from(entered);
        deep += u64::from(went_on);
    }
    assert!(telling > rounds() / 2, "only {telling} answers say anything");
    assert!(deep > rounds() / 8, "only in {deep} answers anybody converts");
}

/// Whether anybody is counted in an answer, and whether anybody gets beyond the step from which is counted.
fn counted(result: &Value) -> (bool, bool) {
    let some = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|count| count.as_u64() > Some(0)));
    let persons = |step: &Value| step["persons"].as_u64() > Some(0);
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let converted = list(result, "bins").iter().any(persons);
    let (mut entered, mut went_on) = (converted, converted);
    for group in list(result, "groups") {
        let steps = list(&group, "steps");
        entered |= steps.first().is_some_and(persons) || some(&group["entered"]);
        went_on |= steps.iter().skip(1).any(persons) || some(&group["converted"]);
    }
    (entered, went_on)
}

fn random_events(rng: &mut Rng) -> Vec<(Value, Timestamp)> {
    let count = rng.usize(0..240);
    let event = |rng: &mut Rng| {
        // Few instants, so that many events share one, some of them at the very ends of windows and periods.
        let spread = if rng.bool() { 60 } else { DAYS * 24 * 12 };
        let seconds = BEGIN + 86_400 + 300 * rng.i64(0..spread);
        let timestamp = Timestamp(seconds * 1_000_000 - i64::from(rng.u8(0..8) == 0));
        let (user, visitor) = (format!("u{}", rng.u8(0..4)), format!("a{}", rng.u8(0..3)));
        let name = ["a", "b", "c", "x"][rng.usize(..4)];
        let mut event = match rng.u8(0..24) {
            0 => json!({ "type": "identify", "user_id": user, "anonymous_id": visitor }),
            1 => {
                json!({ "type": "identify", "user_id": user, "traits": { "plan": (["pro", "free"][rng.usize(..2)]) } })
            }
            2 => json!({ "type": "page", "user_id": user }),
            3..18 => json!({ "event": name, "user_id": user }),
            _ => json!({ "event": name, "anonymous_id": visitor }),
        };
        event["timestamp"] = Value::String(timestamp.to_string());
        event["properties"] = Value::Object(random_properties(rng));
        if rng.u8(0..3) == 0 {
            event["session_id"] = json!(format!("s{}", rng.u8(0..3)));
        }
        (event, Timestamp(timestamp.0 + 3_600_000_000 * rng.i64(1..4)))
    };
    (0..count).map(|_| event(rng)).collect()
}

fn random_properties(rng: &mut Rng) -> Map<String, Value> {
    let values = [json!("x"), json!("y"), json!(1), json!(1.0), json!("1"), json!(true), json!(null), json!(2.5)];
    let mut properties = Map::new();
    for name in ["p", "q"] {
        if rng.u8(0..4) > 0 {
            let some = if rng.bool() { 2 } else { values.len() };
            properties.insert(name.to_owned(), values[rng.usize(..some)].clone());
        }
    }
    properties
}

/// A matcher: names (none: every event) and a condition.
#[derive(Clone)]
struct Match {
    names: Vec<&'static str>,
    condition: Option<Condition>,
}

impl Match {
    fn random(rng: &mut Rng) -> Self {
        let names = match rng.u8(0..10) {
            0 => vec![],
            1 => vec!["a", "b"],
            2 => vec!["page", "c"],
            place => vec![["a", "b", "c", "x"][usize::from(place) % 4]],
        };
        Self { names, condition: (rng.u8(0..6) == 0).then(|| Condition::random(rng)) }
    }

    fn json(&self) -> Value {
        let mut json = match self.names.as_slice() {
            [] => json!({}),
            [name] => json!({ "event": name }),
            names => json!({ "any_of": names }),
        };
        json["filters"] = self.condition.iter().map(|condition| condition.json()).collect();
        json
    }

    fn takes(&self, event: &Event) -> bool {
        (self.names.is_empty() || self.names.contains(&event.name.as_str()))
            && self.condition.is_none_or(|condition| (condition.holds)(event.get(condition.property)))
    }
}

#[derive(Clone)]
struct Event {
    name: String,
    micros: i64,
    order: (i64, i64, usize),
    session: Option<String>,
    properties: Map<String, Value>,
}

impl Event {
    fn get(&self, name: &str) -> Option<&Value> {
        self.properties.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(shown)
    }
}

struct Asked {
    zone: &'static str,
    /// Local dates, or instants.
    dates: Option<(Date, Date)>,
    exact: (i64, i64),
    steps: Vec<(Match, bool)>,
    window: i64,
    order: &'static str,
    exclusions: Vec<(Match, usize, usize)>,
    hold: Vec<&'static str>,
    filter: Option<Condition>,
    only_pro: bool,
    breakdown: Vec<(&'static str, usize)>,
    attribution: Value,
    count: &'static str,
    view: &'static str,
    from_to: (usize, usize),
    bins: usize,
    compare: bool,
}

/// An attempt as it counts: each step with the place of its event and its time.
#[derive(Clone)]
struct Attempt {
    served: Vec<(usize, usize, i64)>,
    is_clean: bool,
}

/// What counts, with the group of each property and the interval.
struct Unit {
    groups: Vec<String>,
    label: String,
    attempt: Attempt,
}

impl Asked {
    fn random(rng: &mut Rng) -> Self {
        let zone = ["UTC", "Europe/Berlin", "Asia/Kolkata"][rng.usize(..3)];
        let zoned = TimeZone::get(zone).unwrap();
        let dates = (rng.u8(0..3) > 0).then(|| {
            let day = |days: i64| jiff::Timestamp::from_second(BEGIN + days * 86_400).unwrap().to_zoned(TimeZone::UTC);
            let first = rng.i64(0..3);
            (day(first).date(), day(first + rng.i64(0..3)).date())
        });
        let exact = match dates {
            Some((from, to)) => (start(from, &zoned), start(to.tomorrow().unwrap(), &zoned) - 1),
            None => {
                let from = (BEGIN + 86_400 + 300 * rng.i64(0..60)) * 1_000_000;
                (from, from + 300_000_000 * rng.i64(0..400))
            }
        };
        let order = ["any_between", "any_between", "strict", "any_order"][rng.usize(..4)];
        let count = rng.usize(2..5);
        let mut steps: Vec<(Match, bool)> = (0..count)
            .map(|place| (Match::random(rng), place > 0 && order != "any_order" && rng.u8(0..5) == 0))
            .collect();
        if rng.bool() {
            // The usual funnel of different names.
            for ((step, _), name) in steps.iter_mut().zip(["a", "b", "c", "a"]) {
                step.names = vec![name];
            }
        }
        let exclusions = (0..[0, 0, 1, 2][rng.usize(..4)])
            .map(|_| {
                let from = if order == "any_order" { 0 } else { rng.usize(..count - 1) };
                let to = if order == "any_order" { count - 1 } else { rng.usize(from + 1..count) };
                (Match::random(rng), from, to)
            })
            .collect();
        let view = ["steps", "steps", "trend", "time_to_convert"][rng.usize(..4)];
        let breakdown: Vec<(&str, usize)> = match view {
            "time_to_convert" => Vec::new(),
            _ => ["p", "q"][..[0, 1, 1, 2][rng.usize(..4)]].iter().map(|name| (*name, rng.usize(1..4))).collect(),
        };
        let from = rng.usize(..count - 1);
        Self {
            zone,
            dates,
            exact,
            steps,
            window: MINUTE * [5, 30, 60, 180, 1_440][rng.usize(..5)],
            order,
            exclusions,
            hold: [vec![], vec![], vec!["q"], vec!["p", "q"]][rng.usize(..4)].clone(),
            filter: (rng.u8(0..5) == 0).then(|| Condition::random(rng)),
            only_pro: rng.u8(0..8) == 0,
            breakdown,
            attribution: [
                json!("first_touch"),
                json!("last_touch"),
                json!("all_steps"),
                json!({ "step": rng.usize(..count) }),
            ][rng.usize(..4)]
            .clone(),
            count: ["persons", "persons", "sessions", "totals"][rng.usize(..4)],
            view,
            from_to: (from, rng.usize(from + 1..count)),
            bins: rng.usize(1..6),
            compare: dates.is_some() && rng.u8(0..3) == 0,
        }
    }

    fn json(&self) -> Value {
        let step = |(step, optional): &(Match, bool)| {
            let mut json = step.json();
            json["optional"] = json!(optional);
            json
        };
        let exclusion = |(excluded, from, to): &(Match, usize, usize)| {
            let mut json = excluded.json();
            json["from_step"] = json!(from);
            json["to_step"] = json!(to);
            json
        };
        let (from, to) = match self.dates {
            Some((from, to)) => (from.to_string(), to.to_string()),
            None => (Timestamp(self.exact.0).to_string(), Timestamp(self.exact.1).to_string()),
        };
        let mut filters: Vec<Value> = self.filter.iter().map(|filter| filter.json()).collect();
        if self.only_pro {
            filters.push(json!({ "property": "plan", "of": "person", "op": "is", "value": "pro" }));
        }
        let breakdown: Vec<Value> =
            self.breakdown.iter().map(|(name, limit)| json!({ "property": name, "limit": limit })).collect();
        let mut json = json!({
            "kind": "funnel", "period": { "from": from, "to": to }, "filters": filters, "breakdown": breakdown,
            "steps": self.steps.iter().map(step).collect::<Vec<_>>(), "order": self.order, "view": self.view,
            "window": { "value": self.window / MINUTE, "unit": "minute" }, "hold_constant": self.hold,
            "exclusions": self.exclusions.iter().map(exclusion).collect::<Vec<_>>(),
            "attribution": self.attribution, "count": self.count,
        });
        if self.view != "steps" {
            json["from_step"] = json!(self.from_to.0);
            json["to_step"] = json!(self.from_to.1);
        }
        if self.view == "time_to_convert" {
            json["bins"] = json!(self.bins);
        }
        if self.compare {
            json["compare"] = json!({ "to": "previous_period" });
        }
        json
    }

    fn answer(&self, events: &[(Value, Timestamp)]) -> Value {
        let persons = self.persons(events);
        let mut periods = vec![("current", self.exact)];
        if let Some((from, to)) = self.dates.filter(|_| self.compare) {
            let days = jiff::Span::new().days(i64::from((to - from).get_days()) + 1);
            let zone = TimeZone::get(self.zone).unwrap();
            let until = start(to.checked_sub(days).unwrap().tomorrow().unwrap(), &zone);
            periods.push(("previous", (start(from.checked_sub(days).unwrap(), &zone), until - 1)));
        }
        let labels = self.labels(self.exact);
        let mut groups = Vec::new();
        let mut times = Vec::new();
        for (name, exact) in periods {
            let rankings: Vec<Vec<String>> = self
                .breakdown
                .iter()
                .map(|(property, limit)| self.ranking(&persons, exact, property, *limit))
                .collect();
            let properties: Vec<&str> = self.breakdown.iter().map(|(property, _)| *property).collect();
            let label = |place: usize, value: Option<String>| match value {
                None => "none".to_owned(),
                Some(value) if rankings[place].contains(&value) => format!("={value}"),
                Some(_) => "other".to_owned(),
            };
            let units = self.units(&persons, exact, &properties, &label, self.view == "trend");
            if self.view == "time_to_convert" {
                times.push(self.times(&units));
                continue;
            }
            let rank = |groups: &Vec<String>| -> Vec<usize> {
                let place = |(place, group): (usize, &String)| match group.strip_prefix('=') {
                    Some(value) => rankings[place].iter().position(|ranked| ranked == value).unwrap(),
                    None if group == "other" => rankings[place].len(),
                    None => rankings[place].len() + 1,
                };
                groups.iter().enumerate().map(place).collect()
            };
            let mut keys: Vec<Vec<String>> =
                units.iter().map(|unit| unit.groups.clone()).collect::<BTreeSet<_>>().into_iter().collect();
            if self.breakdown.is_empty() {
                keys = vec![Vec::new()];
            }
            keys.sort_by_key(rank);
            for key in keys {
                let units: Vec<&Unit> = units.iter().filter(|unit| unit.groups == key).collect();
                let breakdown: Vec<Value> = key
                    .iter()
                    .map(|group| match group.strip_prefix('=') {
                        Some(value) => json!({ "value": value }),
                        None if group == "other" => json!({ "other": true }),
                        None => json!({ "none": true }),
                    })
                    .collect();
                let mut group = json!({ "breakdown": breakdown, "period": name });
                if self.view == "steps" {
                    group["steps"] = self.numbers(&units);
                } else {
                    let labels = self.labels(exact);
                    let at = |label: &String, converted: bool| {
                        let reached = |unit: &&&Unit| {
                            let has = |step| unit.attempt.served.iter().any(|(served, ..)| *served == step);
                            unit.label == *label && has(self.from_to.0) && (!converted || has(self.from_to.1))
                        };
                        units.iter().filter(reached).count()
                    };
                    let entered: Vec<usize> = labels.iter().map(|label| at(label, false)).collect();
                    let converted: Vec<usize> = labels.iter().map(|label| at(label, true)).collect();
                    group["rate"] =
                        entered.iter().zip(&converted).map(|(entered, converted)| rate(*converted, *entered)).collect();
                    group["entered"] = json!(entered);
                    group["converted"] = json!(converted);
                }
                groups.push(group);
            }
        }
        match self.view {
            "steps" => json!({ "groups": groups }),
            "trend" => json!({ "intervals": labels, "groups": groups }),
            _ => {
                let mut answer = times[0].clone();
                if let Some(previous) = times.get(1) {
                    answer["previous"] = previous.clone();
                }
                answer
            }
        }
    }

    /// The values with most units at the first step.
    fn ranking(&self, persons: &[Vec<Event>], exact: (i64, i64), property: &str, limit: usize) -> Vec<String> {
        let label = |_: usize, value: Option<String>| value.map_or(String::new(), |value| format!("={value}"));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for unit in self.units(persons, exact, &[property], &label, false) {
            if let Some(value) = unit.groups[0].strip_prefix('=') {
                *counts.entry(value.to_owned()).or_default() += 1;
            }
        }
        let mut ranked: Vec<(String, usize)> = counts.into_iter().collect();
        ranked.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
        ranked.into_iter().take(limit).map(|(value, _)| value).collect()
    }

    /// Everything that counts in a period, in the groups that `label` gives.
    fn units(
        &self,
        persons: &[Vec<Event>],
        exact: (i64, i64),
        properties: &[&str],
        label: &dyn Fn(usize, Option<String>) -> String,
        by_interval: bool,
    ) -> Vec<Unit> {
        let mut units = Vec::new();
        for person in persons {
            let person: Vec<Event> =
                person.iter().filter(|event| event.micros <= exact.1 + self.window).cloned().collect();
            for events in self.scopes(person) {
                let all = self.attempts(&events, exact, properties);
                let group = |attempt: &Attempt| -> Vec<String> {
                    let value = |property: &&str| {
                        let on = |place: usize| events[place].text(property);
                        let touching = || {
                            let in_period = |event: &&Event| (exact.0..=exact.1).contains(&event.micros);
                            let matching = |event: &&Event| self.steps.iter().any(|(step, _)| step.takes(event));
                            events
                                .iter()
                                .filter(in_period)
                                .filter(matching)
                                .filter_map(|event| event.text(property))
                                .collect::<Vec<_>>()
                        };
                        match self.attribution.as_str() {
                            Some("first_touch") => touching().first().cloned(),
                            Some("last_touch") => touching().last().cloned(),
                            Some(_) => on(attempt.served[0].1),
                            None => {
                                let step = self.attribution["step"].as_u64().unwrap() as usize;
                                attempt
                                    .served
                                    .iter()
                                    .find(|(served, ..)| *served == step)
                                    .and_then(|served| on(served.1))
                            }
                        }
                    };
                    properties.iter().map(value).enumerate().map(|(place, value)| label(place, value)).collect()
                };
                let interval = |attempt: &Attempt| {
                    if by_interval { self.label(attempt.served[0].2) } else { String::new() }
                };
                let made = |attempt: &Attempt| Unit {
                    groups: group(attempt),
                    label: interval(attempt),
                    attempt: attempt.clone(),
                };
                if self.count == "totals" {
                    units.extend(all.iter().map(made));
                    continue;
                }
                // One a group (where the value is the attempt's) and interval: the best attempt.
                let mut best: BTreeMap<(Vec<String>, String), &Attempt> = BTreeMap::new();
                for attempt in &all {
                    let place = if self.attribution == "all_steps" { group(attempt) } else { Vec::new() };
                    let slot = best.entry((place, interval(attempt))).or_insert(attempt);
                    if self.is_better(attempt, slot, by_interval) {
                        *slot = attempt;
                    }
                }
                units.extend(best.into_values().map(made));
            }
        }
        units
    }

    fn is_better(&self, one: &Attempt, other: &Attempt, by_interval: bool) -> bool {
        let rank = |attempt: &Attempt| {
            let has = |step| by_interval && attempt.served.iter().any(|(served, ..)| *served == step);
            let (entered, converted) = (has(self.from_to.0), has(self.from_to.0) && has(self.from_to.1));
            (converted, entered, attempt.served.last().unwrap().0, attempt.is_clean, -(attempt.served[0].1 as i64))
        };
        rank(one) > rank(other)
    }

    /// All that counts together: a person's events, or a session's.
    fn scopes(&self, person: Vec<Event>) -> Vec<Vec<Event>> {
        let looked_at = |event: &Event| self.filter.is_none_or(|filter| (filter.holds)(event.get(filter.property)));
        if self.count != "sessions" {
            return vec![person.into_iter().filter(looked_at).collect()];
        }
        let mut sessions: Vec<(Option<String>, Vec<Event>)> = Vec::new();
        for event in person {
            let goes_on = |(name, events): &&mut (Option<String>, Vec<Event>)| {
                *name == event.session
                    && (name.is_some() || event.micros - events.last().unwrap().micros <= 30 * MINUTE)
            };
            match sessions.iter_mut().find(goes_on) {
                Some((_, events)) => events.push(event),
                None => sessions.push((event.session.clone(), vec![event])),
            }
        }
        sessions.into_iter().map(|(_, events)| events.into_iter().filter(looked_at).collect()).collect()
    }

    /// Every attempt that counts, followed from its start.
    fn attempts(&self, events: &[Event], exact: (i64, i64), properties: &[&str]) -> Vec<Attempt> {
        let last = self.steps.len() - 1;
        let mut attempts = Vec::new();
        for (begin, first) in events.iter().enumerate() {
            let is_entry = if self.order == "any_order" {
                self.steps.iter().any(|(step, _)| step.takes(first))
            } else {
                self.steps[0].0.takes(first)
            };
            let is_held = self.hold.iter().all(|property| first.get(property).is_some());
            if !is_entry || !is_held || !(exact.0..=exact.1).contains(&first.micros) {
                continue;
            }
            let fits = |event: &Event| {
                let same = |property: &&str| event.text(property) == first.text(property);
                self.hold.iter().all(same) && (self.attribution != "all_steps" || properties.iter().all(same))
            };
            let window: Vec<(usize, &Event)> = events
                .iter()
                .enumerate()
                .skip(begin)
                .take_while(|(_, event)| event.micros <= first.micros + self.window)
                .collect();
            let served = if self.order == "any_order" {
                self.in_any_order(&window, &fits)
            } else {
                self.in_order(&window, &fits)
            };
            let voids = |(place, event): &(usize, &Event)| {
                let serves = served.iter().any(|(_, served, _)| served == place);
                let deepest = served.iter().filter(|(_, served, _)| served < place).map(|(step, ..)| *step).max();
                let counts = |(excluded, from, to): &(Match, usize, usize)| {
                    deepest.is_some_and(|deepest| (*from..*to).contains(&deepest)) && excluded.takes(event)
                };
                !serves && self.exclusions.iter().any(counts)
            };
            if !window.iter().any(voids) {
                attempts.push(Attempt { served, is_clean: true });
            } else if self.order == "any_order" {
                attempts.push(Attempt { served: served[..1].to_vec(), is_clean: false });
            }
        }
        assert!(attempts.iter().all(|attempt| attempt.served.last().unwrap().0 <= last));
        attempts
    }

    fn in_order(&self, window: &[(usize, &Event)], fits: &dyn Fn(&Event) -> bool) -> Vec<(usize, usize, i64)> {
        let mut served = vec![(0, window[0].0, window[0].1.micros)];
        for (place, event) in &window[1..] {
            let at = served.last().unwrap().0;
            let required = (at + 1..self.steps.len()).find(|step| !self.steps[*step].1);
            let optional = at + 1..required.unwrap_or(self.steps.len());
            let taken =
                required.into_iter().chain(optional).find(|step| self.steps[*step].0.takes(event) && fits(event));
            match taken {
                Some(step) => served.push((step, *place, event.micros)),
                None if self.order == "strict" => break,
                None => {}
            }
        }
        served
    }

    /// Step n is reached by the event with which n different steps can be met, whatever the assignment.
    fn in_any_order(&self, window: &[(usize, &Event)], fits: &dyn Fn(&Event) -> bool) -> Vec<(usize, usize, i64)> {
        let mut possible: BTreeSet<BTreeSet<usize>> = BTreeSet::from([BTreeSet::new()]);
        let mut served = Vec::new();
        for (place, event) in window.iter().filter(|(_, event)| fits(event)) {
            let mut more = possible.clone();
            for met in &possible {
                for step in (0..self.steps.len()).filter(|step| self.steps[*step].0.takes(event)) {
                    more.insert(met.iter().copied().chain([step]).collect());
                }
            }
            possible = more;
            if possible.iter().any(|met| met.len() > served.len()) {
                served.push((served.len(), *place, event.micros));
            }
        }
        served
    }

    fn numbers(&self, units: &[&Unit]) -> Value {
        let reached = |step: usize| -> Vec<&Attempt> {
            let has = |attempt: &&Attempt| attempt.served.iter().any(|(served, ..)| *served == step);
            units.iter().map(|unit| &unit.attempt).filter(has).collect()
        };
        let time =
            |attempt: &Attempt, step: usize| attempt.served.iter().find(|(served, ..)| *served == step).unwrap().2;
        let step = |place: usize| {
            let here = reached(place);
            let mut json = json!({
                "persons": here.len(), "from_first": rate(here.len(), reached(0).len()),
                "from_previous": rate(here.len(), here.len()), "drop_off": 0,
            });
            for name in ["first", "previous"] {
                json[format!("average_seconds_from_{name}")] = Value::Null;
                json[format!("median_seconds_from_{name}")] = Value::Null;
            }
            if place > 0 {
                let previous = (0..place).rev().find(|step| !self.steps[*step].1).unwrap();
                json["from_previous"] = json!(rate(here.len(), reached(previous).len()));
                json["drop_off"] = json!(reached(previous).len() - here.len());
                for (name, since) in [("first", 0), ("previous", previous)] {
                    let times: Vec<i64> =
                        here.iter().map(|attempt| time(attempt, place) - time(attempt, since)).collect();
                    json[format!("average_seconds_from_{name}")] = average(&times);
                    json[format!("median_seconds_from_{name}")] = median(&times);
                }
            }
            json
        };
        (0..self.steps.len()).map(step).collect()
    }

    fn times(&self, units: &[Unit]) -> Value {
        let time = |unit: &Unit, step: usize| {
            unit.attempt.served.iter().find(|(served, ..)| *served == step).map(|(_, _, time)| *time)
        };
        let (from, to) = self.from_to;
        let times: Vec<i64> = units.iter().filter_map(|unit| Some(time(unit, to)? - time(unit, from)?)).collect();
        let (Some(least), Some(most)) = (times.iter().min(), times.iter().max()) else {
            return json!({ "bins": [], "average_seconds": null, "median_seconds": null });
        };
        let bins = if least == most { 1 } else { self.bins as i64 };
        let bin = |place: i64| {
            // Ends as fractions of the width, compared without dividing.
            let above = |time: &&i64| (**time - least) * bins >= (most - least) * place;
            let below = |time: &&i64| place + 1 == bins || (**time - least) * bins < (most - least) * (place + 1);
            let end = |place: i64| (*least as f64 + (most - least) as f64 * place as f64 / bins as f64) / 1e6;
            json!({ "from_seconds": end(place), "to_seconds": end(place + 1), "persons": times.iter().filter(above).filter(below).count() })
        };
        json!({ "bins": (0..bins).map(bin).collect::<Vec<_>>(), "average_seconds": average(&times), "median_seconds": median(&times) })
    }

    /// The counted events of each person in their order, only of those whom a condition on persons leaves.
    fn persons(&self, events: &[(Value, Timestamp)]) -> Vec<Vec<Event>> {
        let who = plain(events);
        let counted = events
            .iter()
            .enumerate()
            .filter(|(_, (event, _))| !["identify", "alias"].contains(&event["type"].as_str().unwrap_or("")));
        let mut persons: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        for ((place, (event, received_at)), plain) in counted.zip(who) {
            persons.entry(plain.person).or_default().push(Event {
                name: plain.name,
                micros: plain.micros,
                order: (plain.micros, received_at.0, place),
                session: event["session_id"].as_str().map(str::to_owned),
                properties: plain.properties,
            });
        }
        // The identify rows as events of the same ids, to learn whose traits they are.
        let mut plans: BTreeMap<String, ((i64, i64, usize), String)> = BTreeMap::new();
        for (place, (event, received_at)) in events.iter().enumerate() {
            let Some(plan) = event["traits"]["plan"].as_str() else { continue };
            let mut probed = events.to_vec();
            probed.push((json!({ "event": "probe", "user_id": event["user_id"], "timestamp": event["timestamp"], "properties": {} }), *received_at));
            let probe = plain(&probed).pop().unwrap();
            let order = (probe.micros, received_at.0, place);
            if plans.get(&probe.person).is_none_or(|(before, _)| *before < order) {
                plans.insert(probe.person, (order, plan.to_owned()));
            }
        }
        let is_pro = |person: &String| plans.get(person).is_some_and(|(_, plan)| plan == "pro");
        let mut chosen: Vec<Vec<Event>> = persons
            .into_iter()
            .filter(|(person, _)| !self.only_pro || is_pro(person))
            .map(|(_, events)| events)
            .collect();
        chosen.iter_mut().for_each(|events| events.sort_by_key(|event| event.order));
        chosen
    }

    /// Every label between the ends of a period, found by walking through it.
    fn labels(&self, exact: (i64, i64)) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        let steps = (exact.1 - exact.0) / (30 * MINUTE);
        for label in
            (0..=steps).map(|step| exact.0 + step * 30 * MINUTE).chain([exact.1]).map(|micros| self.label(micros))
        {
            if labels.last() != Some(&label) {
                labels.push(label);
            }
        }
        labels
    }

    fn label(&self, micros: i64) -> String {
        jiff::Timestamp::from_microsecond(micros).unwrap().in_tz(self.zone).unwrap().date().to_string()
    }
}

fn start(date: Date, zone: &TimeZone) -> i64 {
    date.to_zoned(zone.clone()).unwrap().timestamp().as_microsecond()
}

fn rate(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn average(times: &[i64]) -> Value {
    if times.is_empty() { Value::Null } else { json!(times.iter().sum::<i64>() as f64 / times.len() as f64 / 1e6) }
}

fn median(times: &[i64]) -> Value {
    let mut times = times.to_vec();
    times.sort_unstable();
    match times.len() {
        0 => Value::Null,
        odd if odd % 2 == 1 => json!(times[odd / 2] as f64 / 1e6),
        even => json!((times[even / 2 - 1] + times[even / 2]) as f64 / 2e6),
    }
}
