//! Derived tables: with what is left to `events` they say exactly what `events` says, whatever happened in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use event_model::{Action as TieAction, EventId, PersonId, PersonKey, Tie, Timestamp, columns};
use futures::TryStreamExt;
use lake::files::DataFile;
use lake::maintenance::Step;
use lake::rows::{Wanted, read};
use lake::{
    At, Clock, Depth, Derived, Guards, Lake, LakeSettings, MaintenanceReport, MaintenanceSettings, PersonIds,
    ProjectLake, ReadView,
};
use object_store::ObjectStore;
use test_support::faulty_store::{Fault, FaultyStore};

use crate::drains::{Message, batch, memory, project, start, url};
use crate::made::{Row, at, track};

pub const ZONES: &[&str] = &["UTC", "America/New_York", "Asia/Tokyo"];
const NAMES: &[&str] = &["open", "view", "buy"];

/// A lake with a clock of its own.
pub struct World {
    pub store: Arc<dyn ObjectStore>,
    pub settings: LakeSettings,
    pub shop: Arc<ProjectLake>,
    now: Arc<AtomicI64>,
    next: u64,
}

impl World {
    pub async fn new(guards: Guards) -> Self {
        Self::on(memory(), guards).await
    }

    async fn on(store: Arc<dyn ObjectStore>, guards: Guards) -> Self {
        let now = Arc::new(AtomicI64::new(at("2026-01-10").0));
        let clock = Clock::new({
            let now = Arc::clone(&now);
            move || Timestamp(now.load(Ordering::SeqCst))
        });
        let settings = LakeSettings { clock, guards, ..LakeSettings::default() };
        let shop = start(&store, &settings).await.unwrap();
        Self { store, settings, shop, now, next: 1 }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    pub fn pass(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }

    pub fn until(&self, time: &str) {
        self.now.store(at(time).0, Ordering::SeqCst);
    }

    /// One drain of one message, received now.
    pub async fn drain(&mut self, rows: Vec<Row>, ties: Vec<Tie>) {
        let number = self.next;
        self.next += 1;
        let message = Message { id: number, received_at: self.now(), events: rows, rejected: 0 };
        let mut drain = batch(&[message]);
        drain.ties = ties;
        self.shop.ingest(drain).await.unwrap();
    }

    pub fn id(&mut self) -> u64 {
        self.next += 1;
        self.next << 20
    }

    pub fn tie(&mut self, action: TieAction, one: PersonId, other: PersonId) -> Option<Tie> {
        let id = EventId(u128::from(self.id()).to_be_bytes());
        Tie::new(action, one, other, "identify", id, self.now())
    }

    pub async fn maintain(&self, settings: &MaintenanceSettings) -> MaintenanceReport {
        self.shop.maintain(settings).await.unwrap()
    }

    async fn erase(&self, id: PersonId, exact: bool) {
        let ids: PersonIds = self.shop.ids_of(&id, exact).await.unwrap();
        let erasure = self.shop.begin_erasure(ids, false).await.unwrap();
        self.shop.finish_erasure(&erasure, &MaintenanceSettings::default()).await.unwrap();
    }

    async fn sound(&self) {
        let lake = Lake::with_store(Arc::clone(&self.store), url(), self.settings.clone()).await.unwrap();
        let report = lake.check(&project(), Depth::Rows).await.unwrap();
        assert_eq!(report.damage, []);
    }
}

/// Makes everything at once, in parts of a few rows.
pub fn eager() -> MaintenanceSettings {
    MaintenanceSettings {
        derived_every: Duration::ZERO,
        bucket_rows: 8,
        derived_rows: 20,
        small_files: 3,
        checkpoint_commits: 5,
        ..MaintenanceSettings::default()
    }
}

pub fn derived(report: &MaintenanceReport, table: &str) -> Vec<(u64, u64, u64)> {
    let of_table = report.done.iter().filter(|done| done.step == Step::Derive && done.table == table);
    of_table.map(|done| (done.files_removed, done.files_added, done.rows)).collect()
}

/// An event as a derived table has it: every row here has a browser of its own.
type Seen = (i64, String, String);

/// What `events` has of a row, in the total order.
type Place = (i64, i64, i32, Vec<u8>);

async fn batches(store: Arc<dyn ObjectStore>, file: &DataFile) -> Vec<RecordBatch> {
    read(store, file, Wanted::default()).await.unwrap().try_collect().await.unwrap()
}

fn text(batch: &RecordBatch, name: &str, row: usize) -> String {
    let texts = batch.column_by_name(name).unwrap().as_string::<i32>();
    if texts.is_valid(row) { texts.value(row).to_owned() } else { String::new() }
}

fn long(batch: &RecordBatch, name: &str, row: usize) -> i64 {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(row)
}

fn instant(batch: &RecordBatch, name: &str, row: usize) -> i64 {
    batch.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>().value(row)
}

/// The events of each person in some files of `events`, in their order.
async fn of_events(
    view: &ReadView,
    files: &[Arc<DataFile>],
    needs: impl Fn(&str, i64, i64) -> bool,
) -> BTreeMap<i64, Vec<(Place, Seen)>> {
    let keys = view.keys().await.unwrap();
    let mut persons: BTreeMap<i64, Vec<(Place, Seen)>> = BTreeMap::new();
    for file in files {
        for batch in batches(Arc::clone(&view.event_files().store), file).await {
            for row in 0..batch.num_rows() {
                let own = long(&batch, columns::PERSON_KEY, row);
                let is_needed = needs(file.month.as_deref().unwrap(), own, long(&batch, columns::INGEST_SEQ, row));
                if !is_needed || text(&batch, columns::TYPE, row) == "identify" {
                    continue;
                }
                let timestamp = instant(&batch, columns::TIMESTAMP, row);
                let place = (
                    timestamp,
                    instant(&batch, columns::RECEIVED_AT, row),
                    batch.column_by_name(columns::POSITION).unwrap().as_primitive::<Int32Type>().value(row),
                    batch.column_by_name(columns::EVENT_ID).unwrap().as_binary::<i32>().value(row).to_vec(),
                );
                let seen = (timestamp, text(&batch, columns::EVENT, row), text(&batch, columns::BROWSER, row));
                persons.entry(keys.resolve(PersonKey(own)).0).or_default().push((place, seen));
            }
        }
    }
    persons.values_mut().for_each(|events| events.sort());
    persons
}

async fn plain(view: &ReadView) -> BTreeMap<i64, Vec<(Place, Seen)>> {
    of_events(view, view.event_files().files.files(), |_, _, _| true).await
}

async fn left(view: &ReadView, derived: &Derived) -> BTreeMap<i64, Vec<(Place, Seen)>> {
    of_events(view, derived.left(), |month, own, number| derived.is_left(month, own, number)).await
}

fn whole() -> (Timestamp, Timestamp) {
    (at("2000-01-01"), at("2100-01-01"))
}

/// What is wrong with what the table `sequences` says in a view, and how many rows came from it.
pub async fn wrong_sequences(view: &ReadView) -> (Vec<String>, usize) {
    let derived = view.sequences(whole().0, whole().1).await.unwrap();
    let mut persons: BTreeMap<i64, Vec<Seen>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut used = 0;
    for part in derived.parts() {
        for batch in batches(derived.store().unwrap(), &part.file).await {
            for row in 0..batch.num_rows() {
                let person = long(&batch, columns::PERSON_KEY, row);
                let month = part.file.month.as_deref().unwrap();
                if part.touched.contains(&person) {
                    continue;
                }
                if !derived.is_used(month, person) {
                    wrong.push("a person who is not touched is not used".to_owned());
                }
                let timestamp = instant(&batch, columns::TIMESTAMP, row);
                let seen = (timestamp, text(&batch, columns::EVENT, row), text(&batch, columns::BROWSER, row));
                persons.entry(person).or_default().push(seen);
                used += 1;
            }
        }
    }
    for (person, later) in left(view, &derived).await {
        let events = persons.entry(person).or_default();
        let known: std::collections::BTreeSet<i64> = events.iter().map(|seen| seen.0).collect();
        if later.iter().any(|(_, seen)| known.contains(&seen.0)) {
            wrong.push("a later event at the timestamp of an earlier one".to_owned());
        }
        events.extend(later.into_iter().map(|(_, seen)| seen));
        // Stable: those at the same timestamp stay in the order that they came in.
        events.sort_by_key(|seen| seen.0);
    }
    persons.values_mut().for_each(|events| events.sort_by_key(|seen| seen.0));
    let expected: BTreeMap<i64, Vec<Seen>> = plain(view)
        .await
        .into_iter()
        .map(|(person, events)| (person, events.into_iter().map(|(_, seen)| seen).collect()))
        .collect();
    if persons != expected {
        let differ = expected.keys().chain(persons.keys()).find(|key| persons.get(key) != expected.get(key)).unwrap();
        wrong.push(format!(
            "sequences at {:?}: {differ} did {:?}, not {:?}",
            view.versions,
            persons.get(differ),
            expected.get(differ)
        ));
    }
    (wrong, used)
}

/// Of each person and event name the dates, how often, and the first time.
type Activity = BTreeMap<(i64, String), (std::collections::BTreeSet<i32>, i64, i64)>;

fn local_date(timestamp: i64, timezone: &str) -> i32 {
    // By what the calendar says of a few fixed offsets; the histories here are in winter.
    let hours = match timezone {
        "America/New_York" => -5,
        "Asia/Tokyo" => 9,
        _ => 0,
    };
    Timestamp(timestamp + hours * 3_600_000_000).days()
}

pub async fn wrong_activity(view: &ReadView, timezone: &str) -> (Vec<String>, usize) {
    let derived = view.activity(whole().0, whole().1, timezone).await.unwrap();
    let mut found = Activity::new();
    let mut used = 0;
    for part in derived.parts() {
        for batch in batches(derived.store().unwrap(), &part.file).await {
            for row in 0..batch.num_rows() {
                let person = long(&batch, columns::PERSON_KEY, row);
                if part.touched.contains(&person) {
                    continue;
                }
                used += 1;
                let bits = batch.column_by_name("days").unwrap().as_primitive::<Int32Type>().value(row);
                let first = batch.column_by_name("first_day").unwrap().as_primitive::<Date32Type>().value(row);
                let days = (0..32).filter(|day| bits as u32 >> day & 1 == 1).map(|day| first + day);
                let sum = found.entry((person, text(&batch, columns::EVENT, row))).or_default();
                let first_at = instant(&batch, "first_at", row);
                sum.0.extend(days);
                sum.2 = if sum.1 == 0 { first_at } else { sum.2.min(first_at) };
                sum.1 += long(&batch, "times", row);
            }
        }
    }
    let add = |sums: &mut Activity, persons: BTreeMap<i64, Vec<(Place, Seen)>>| {
        for (person, (_, (timestamp, event, _))) in
            persons.into_iter().flat_map(|(person, events)| events.into_iter().map(move |event| (person, event)))
        {
            let sum = sums.entry((person, event)).or_default();
            sum.0.insert(local_date(timestamp, timezone));
            sum.2 = if sum.1 == 0 { timestamp } else { sum.2.min(timestamp) };
            sum.1 += 1;
        }
    };
    add(&mut found, left(view, &derived).await);
    let mut expected = Activity::new();
    add(&mut expected, plain(view).await);
    let mut wrong = Vec::new();
    if found != expected {
        wrong.push(format!("activity at {:?} is {found:?}, not {expected:?}", view.versions));
    }
    (wrong, used)
}

fn user(random: &mut fastrand::Rng) -> String {
    format!("u{}", random.u32(0..6))
}

fn visitor(random: &mut fastrand::Rng) -> String {
    format!("v{}", random.u32(0..6))
}

fn person(random: &mut fastrand::Rng) -> PersonId {
    if random.bool() { PersonId::User(user(random)) } else { PersonId::Anonymous(visitor(random)) }
}

/// Events of three months, many at the same moments, some twice in one request.
fn events(world: &mut World, random: &mut fastrand::Rng) -> Vec<Row> {
    let newest = world.now();
    let mut rows: Vec<Row> = (0..random.usize(1..10))
        .map(|_| {
            let id = world.id();
            let day = format!("2026-0{}-{:02}T0{}:00:00Z", random.u32(1..4), random.u32(1..4), random.u32(0..3));
            let moment = at(&day);
            let timestamp = if random.u8(0..4) == 0 {
                Timestamp(newest.0 - random.i64(0..86_400_000_000 * 40))
            } else {
                Timestamp(moment.0.min(newest.0))
            };
            Row {
                kind: random.choice(["track", "track", "page", "screen", "identify"].iter()).unwrap(),
                timestamp,
                received_at: newest,
                position: random.i32(0..3),
                user: random.bool().then(|| user(random)),
                anonymous: Some(visitor(random)),
                browser: Some(format!("b{id}")),
                ..track(id, random.choice(NAMES.iter()).unwrap(), "x", "2026-01-01")
            }
        })
        .collect();
    random.shuffle(&mut rows);
    rows
}

/// What goes wrong in a random history, and how many rows came from derived tables.
pub async fn history(seed: u64, guards: Guards) -> (Vec<String>, usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::new(guards).await;
    let mut timezone = *random.choice(ZONES.iter()).unwrap();
    let (mut versions, mut held): (Vec<u64>, Option<ReadView>) = (Vec::new(), None);
    let (mut wrong, mut used) = (Vec::new(), 0);
    for _ in 0..random.usize(15..35) {
        world.pass(random.i64(0..86_400_000_000 * 6));
        match random.u8(0..20) {
            0..8 => {
                let rows = events(&mut world, &mut random);
                let ties = (random.u8(0..4) == 0).then(|| (person(&mut random), person(&mut random)));
                let ties = ties.and_then(|(one, other)| world.tie(TieAction::Tie, one, other)).into_iter().collect();
                world.drain(rows, ties).await;
            }
            8..10 => {
                let (one, other) = (person(&mut random), person(&mut random));
                let action = if random.u8(0..3) == 0 { TieAction::Undo } else { TieAction::Tie };
                let ties = world.tie(action, one, other).into_iter().collect();
                world.drain(Vec::new(), ties).await;
            }
            10 => {
                // It waits for whoever reads what was before.
                held = None;
                versions.clear();
                let (id, exact) = (person(&mut random), random.bool());
                world.erase(id, exact).await;
            }
            11 => world.shop = start(&world.store, &world.settings).await.unwrap(),
            12 => timezone = *random.choice(ZONES.iter()).unwrap(),
            _ => {
                let settings = MaintenanceSettings {
                    derived_late_share: *random.choice([0.0, 0.3, 9.0].iter()).unwrap(),
                    derived_touched_share: *random.choice([0.0, 0.3, 9.0].iter()).unwrap(),
                    bucket_rows: random.u64(1..30),
                    derived_rows: random.u64(5..90),
                    timezone: Some(timezone.to_owned()),
                    ..eager()
                };
                world.maintain(&settings).await;
            }
        }
        let mut views = vec![world.shop.read(At::Latest).await.unwrap()];
        versions.push(views[0].versions.events);
        views.extend(held.clone());
        let earlier = *random.choice(versions.iter()).unwrap();
        views.push(world.shop.read(At::Version(earlier)).await.unwrap());
        if random.u8(0..8) == 0 {
            let moment = Timestamp(world.now().0 - random.i64(0..86_400_000_000 * 30));
            let view = world.shop.read(At::AsOf(moment)).await.unwrap();
            let nothing = view.sequences(whole().0, whole().1).await.unwrap();
            assert_eq!(nothing.parts().count(), 0, "what was received until a moment no part says");
        }
        for view in &views {
            for (more, rows) in [wrong_sequences(view).await, wrong_activity(view, timezone).await] {
                wrong.extend(more.into_iter().map(|what| format!("seed {seed}: {what}")));
                used += rows;
            }
        }
        if random.u8(0..5) == 0 {
            held = random.bool().then(|| views.swap_remove(0));
        }
        if !wrong.is_empty() {
            return (wrong, used);
        }
    }
    drop(held);
    if guards == Guards::default() {
        world.sound().await;
    }
    (wrong, used)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_what_is_left_to_events_derived_tables_say_what_events_says() {
    let mut used = 0;
    for seed in 0..30 {
        let (wrong, rows) = history(seed, Guards::default()).await;
        assert_eq!(wrong, Vec::<String>::new());
        used += rows;
    }
    assert!(used > 3_000, "{used} rows came from derived tables");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_guard_is_missed_when_it_is_off() {
    let on = Guards::default();
    for (name, guards) in [
        ("covers", Guards { derived_covers: false, ..on }),
        ("touched", Guards { derived_touched: false, ..on }),
        ("places", Guards { derived_places: false, ..on }),
        ("late", Guards { derived_late: false, ..on }),
    ] {
        let mut found = false;
        for seed in 0..40 {
            found = found || !history(seed, guards).await.0.is_empty();
        }
        assert!(found, "nothing went wrong without {name}");
    }
}

/// One closed month of a few persons.
async fn closed_month(guards: Guards) -> World {
    let mut world = World::new(guards).await;
    fill(&mut world).await;
    world
}

async fn fill(world: &mut World) {
    world.until("2026-01-31T00:00:00Z");
    let mut rows = Vec::new();
    for number in 0..40 {
        let id = world.id();
        let time = format!("2026-01-{:02}T10:00:00Z", number / 2 + 1);
        rows.push(Row { browser: Some(format!("b{id}")), ..track(id, "open", &format!("u{}", number % 10), &time) });
    }
    world.drain(rows, Vec::new()).await;
    world.until("2026-02-05T00:00:00Z");
}

async fn latest_is_right(world: &World) -> usize {
    let view = world.shop.read(At::Latest).await.unwrap();
    let (wrong, used) = wrong_sequences(&view).await;
    let (more, days) = wrong_activity(&view, "UTC").await;
    assert_eq!([wrong, more].concat(), Vec::<String>::new());
    used + days
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_is_over_is_made_once_and_an_open_one_is_not() {
    let mut world = closed_month(Guards::default()).await;
    world.until("2026-02-03T23:59:59Z");
    assert_eq!(derived(&world.maintain(&eager()).await, "sequences"), []);
    assert_eq!(latest_is_right(&world).await, 0);
    let names = async |world: &World| {
        let listed: Vec<_> = world.store.list(None).try_collect().await.unwrap();
        listed.iter().filter(|object| object.location.as_ref().contains("/sequences/")).count()
    };
    assert_eq!(names(&world).await, 0, "neither maintenance nor a reader makes the table before it is needed");
    world.until("2026-02-04T00:00:00Z");
    let report = world.maintain(&eager()).await;
    let made: u64 = derived(&report, "sequences").iter().map(|(_, _, rows)| rows).sum();
    let days: u64 = derived(&report, "activity").iter().map(|(_, _, rows)| rows).sum();
    assert_eq!((made, days), (40, 10));
    assert_eq!(derived(&world.maintain(&eager()).await, "sequences"), []);
    // Another process finds it.
    world.shop = start(&world.store, &world.settings).await.unwrap();
    assert_eq!(latest_is_right(&world).await, 50);
    assert_eq!(derived(&world.maintain(&eager()).await, "activity"), []);
    world.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_events_and_ties_make_those_parts_anew_that_have_enough_of_them() {
    let mut world = closed_month(Guards::default()).await;
    let settings = MaintenanceSettings { derived_late_share: 0.2, derived_touched_share: 0.4, ..eager() };
    world.maintain(&settings).await;
    let id = world.id();
    world.drain(vec![track(id, "late", "u3", "2026-01-15T12:00:00Z")], Vec::new()).await;
    assert_eq!(derived(&world.maintain(&settings).await, "sequences"), [], "one row is not worth it");
    let mut rows = Vec::new();
    for _ in 0..4 {
        let id = world.id();
        rows.push(track(id, "late", "u3", "2026-01-15T13:00:00Z"));
    }
    world.drain(rows, Vec::new()).await;
    assert_eq!(latest_is_right(&world).await, 50);
    let made = derived(&world.maintain(&settings).await, "sequences");
    assert_eq!((made.len(), made[0].0, made[0].1), (1, 1, 1), "the part of u3 alone: {made:?}");
    latest_is_right(&world).await;
    let ties = (0..10)
        .filter_map(|number| {
            let (user, visitor) = (PersonId::User(format!("u{number}")), PersonId::Anonymous(format!("v{number}")));
            world.tie(TieAction::Tie, user, visitor)
        })
        .collect();
    world.drain(Vec::new(), ties).await;
    assert_eq!(latest_is_right(&world).await, 0, "everybody is touched");
    let made: u64 = derived(&world.maintain(&settings).await, "sequences").iter().map(|made| made.2).sum();
    assert_eq!(made, 45);
    assert!(latest_is_right(&world).await > 50);
    world.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_time_zone_makes_activity_anew() {
    let world = closed_month(Guards::default()).await;
    world.maintain(&eager()).await;
    let tokyo = MaintenanceSettings { timezone: Some("Asia/Tokyo".to_owned()), ..eager() };
    let report = world.maintain(&tokyo).await;
    assert_eq!(derived(&report, "sequences"), []);
    assert!(!derived(&report, "activity").is_empty());
    let view = world.shop.read(At::Latest).await.unwrap();
    for (timezone, expected) in [("Asia/Tokyo", 10), ("UTC", 0)] {
        let (wrong, used) = wrong_activity(&view, timezone).await;
        assert_eq!((wrong, used), (Vec::new(), expected), "{timezone}");
    }
    let nowhere = MaintenanceSettings { timezone: Some("Mars/Olympus".to_owned()), ..eager() };
    assert_eq!(derived(&world.maintain(&nowhere).await, "activity"), [], "unknown zones have no days");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_without_events_that_count_is_looked_at_once() {
    let mut world = World::new(Guards::default()).await;
    let id = world.id();
    world.drain(vec![crate::made::identify(id, "u1", "2026-01-05T00:00:00Z", "{}")], Vec::new()).await;
    world.until("2026-02-05");
    let first = world.maintain(&eager()).await;
    assert_eq!(derived(&first, "sequences"), [(0, 1, 0)], "an empty part says that there is nothing");
    let again = start(&world.store, &world.settings).await.unwrap().maintain(&eager()).await.unwrap();
    assert_eq!(derived(&again, "sequences"), []);
    world.sound().await;
    assert_eq!(latest_is_right(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_few_persons_with_too_many_events_is_left_to_events() {
    let mut world = closed_month(Guards::default()).await;
    let mut rows = Vec::new();
    for number in 0..60 {
        let id = world.id();
        rows.push(track(id, "server", "u3", &format!("2026-01-10T10:{number:02}:00Z")));
    }
    world.drain(rows, Vec::new()).await;
    let settings = MaintenanceSettings { bucket_rows: 25, ..eager() };
    let report = world.maintain(&settings).await;
    assert!(
        report.done.iter().any(|done| done.gave_up.as_ref().is_some_and(|why| why.contains("too many"))),
        "{report:?}"
    );
    let used = latest_is_right(&world).await;
    assert!(used > 0 && used < 50, "{used}");
}

/// Two runs at a time, the first held before it commits to a table.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_that_make_the_same_part_one_gives_up() {
    for guarded in [true, false] {
        let guards = Guards { derived_alone: guarded, ..Guards::default() };
        let world = closed_month(guards).await;
        // The tables are there, and empty.
        world.maintain(&MaintenanceSettings { derived: false, ..eager() }).await;
        let inner = Arc::clone(&world.store);
        let (slow, arrived, go) = crate::erase::holding(&inner, "projects/shop/sequences/month=");
        let other = start(&slow, &world.settings).await.unwrap();
        let working = tokio::spawn(async move { other.maintain(&eager()).await.unwrap() });
        arrived.notified().await;
        world.maintain(&eager()).await;
        go.notify_one();
        let report = working.await.unwrap();
        let gave_up = report.done.iter().any(|done| done.table == "sequences" && done.gave_up.is_some());
        let view = world.shop.read(At::Latest).await.unwrap();
        let files: usize = view.sequences(whole().0, whole().1).await.unwrap().parts().count();
        let rows = crate::drains::rows_of(&world.store, &lake::schema::SEQUENCES).await;
        let rows: usize = rows.iter().map(RecordBatch::num_rows).sum();
        assert_eq!((gave_up, rows), if guarded { (true, 40) } else { (false, rows.max(41)) }, "{files} parts");
        if guarded {
            latest_is_right(&world).await;
            world.sound().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_operation_of_a_build_leaves_what_the_next_run_makes_good() {
    let counting = Arc::new(FaultyStore::new(memory()));
    let mut world = World::on(Arc::clone(&counting) as _, Guards::default()).await;
    fill(&mut world).await;
    let first = counting.counted().len();
    world.maintain(&eager()).await;
    let operations = first..counting.counted().len();
    assert!(operations.len() > 20, "{operations:?}");
    for fault in [Fault::CrashAfter, Fault::Before, Fault::After] {
        for operation in operations.clone().filter(|operation| fault == Fault::CrashAfter || operation % 4 == 0) {
            let inner = memory();
            let faulty = Arc::new(FaultyStore::new(Arc::clone(&inner)).with_fault(operation, fault));
            let mut world = World::on(Arc::clone(&faulty) as _, Guards::default()).await;
            fill(&mut world).await;
            let _ = world.shop.maintain(&eager()).await;
            assert_ne!(faulty.faults(), 0, "operation {operation}");
            let now = world.now();
            let mut next = World::on(inner, Guards::default()).await;
            next.now.store(now.0, Ordering::SeqCst);
            next.next = world.next;
            latest_is_right(&next).await;
            next.maintain(&eager()).await;
            assert_eq!(latest_is_right(&next).await, 50, "{fault:?} at {operation}");
            next.sound().await;
        }
    }
}

/// An erase that has been through `events` and no further.
#[tokio::test(flavor = "multi_thread")]
async fn no_part_is_used_that_an_erase_has_not_been_through() {
    for guarded in [true, false] {
        let guards = Guards { derived_erased: guarded, ..Guards::default() };
        let world = closed_month(guards).await;
        world.maintain(&eager()).await;
        let (slow, arrived, go) = crate::erase::holding(&world.store, "projects/shop/sequences/_delta_log/");
        let other = start(&slow, &world.settings).await.unwrap();
        let erasing = tokio::spawn(async move {
            let ids: PersonIds = [PersonId::User("u3".to_owned())].into_iter().collect();
            let erasure = other.begin_erasure(ids, false).await.unwrap();
            other.finish_erasure(&erasure, &MaintenanceSettings::default()).await.unwrap();
        });
        arrived.notified().await;
        let view = world.shop.read(At::Latest).await.unwrap();
        let (wrong, used) = wrong_sequences(&view).await;
        assert_eq!((wrong.is_empty(), used > 0), if guarded { (true, false) } else { (false, true) });
        // Nothing is built meanwhile that would say it has been through it.
        let report = world.shop.maintain(&MaintenanceSettings { erasures: false, ..eager() }).await.unwrap();
        assert_eq!(derived(&report, "sequences"), []);
        drop(view);
        go.notify_one();
        erasing.await.unwrap();
        if guarded {
            assert_eq!(latest_is_right(&world).await, 45, "all but those of u3");
            world.maintain(&eager()).await;
            assert_eq!(latest_is_right(&world).await, 45);
            world.sound().await;
        }
    }
}

/// As an older build would, which knows nothing of these tables.
#[tokio::test(flavor = "multi_thread")]
async fn parts_that_an_unknown_erase_has_passed_by_are_discarded() {
    let world = closed_month(Guards::default()).await;
    world.maintain(&eager()).await;
    let open = async |spec| {
        let url = url().join(&format!("projects/shop/{spec}/")).unwrap();
        lake::tables::Table::open(Arc::clone(&world.store), url, &lake::schema::EVENTS).await.unwrap()
    };
    let events = open("events").await;
    let snapshot = events.refresh().await.unwrap();
    let request = lake::commit::Request {
        actions: Vec::new(),
        transactions: vec![("readable_from".to_owned(), 2)],
        operation: lake::commit::append(Vec::new()),
        says: serde_json::Map::new(),
    };
    lake::commit::commit(&events, &snapshot, request, Guards::default()).await.unwrap();
    assert_eq!(latest_is_right(&world).await, 0);
    let report = world.maintain(&eager()).await;
    assert!(derived(&report, "sequences").iter().any(|(removed, added, _)| *removed > 0 && *added == 0), "{report:?}");
    world.maintain(&eager()).await;
    assert_eq!(latest_is_right(&world).await, 50);
}
