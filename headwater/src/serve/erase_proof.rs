//! The proof of an erase: of 1,000 persons, each with marks of their own in every field, 100 are erased, and no byte of
//! the folder holds a mark of theirs any more.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use batch_compactor::{Compactor, CompactorSettings};
use event_model::project::{Directory, SharedDirectory};
use event_model::{Event, EventId, PersonId, ProjectId, Reason, Rejected, Timestamp};
use event_queue::disk::{DiskQueue, DiskSettings};
use event_queue::{Compression, Envelope, Geo, Outgoing, Queue as _};
use futures::StreamExt as _;
use lake::maintenance::MaintenanceSettings;
use lake::{At, Depth, Lake, LakeError, LakeSettings, PersonIds, ProjectLake};
use query_lambda::Control as _;
use serde_json::{Value, json};
use test_support::canaries::in_folder;

use super::control::LocalControl;

const PERSONS: u32 = 1_000;
/// Each event of theirs: an identify call, a page view, something bought; and one that is refused.
const EVENTS_EACH: u64 = 3;
/// Texts of an event that any client may fill.
const TEXTS: &[&str] = &[
    "event",
    "session_id",
    "group_id",
    "library",
    "library_version",
    "service",
    "service_version",
    "request_id",
    "url",
    "path",
    "host",
    "title",
    "referrer",
    "referrer_host",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_term",
    "utm_content",
    "click_id_type",
    "click_id",
    "channel",
    "browser",
    "browser_version",
    "os",
    "os_version",
    "device_type",
    "country",
    "region",
    "city",
    "timezone",
    "locale",
    "bot_reason",
];

fn project() -> ProjectId {
    ProjectId::parse("shop").unwrap()
}

fn mark(person: u32) -> String {
    format!("canary-{person:04}-z")
}

fn ids(persons: impl Iterator<Item = u32>) -> PersonIds {
    let both = |person| {
        [PersonId::User(format!("{}-user", mark(person))), PersonId::Anonymous(format!("{}-visitor", mark(person)))]
    };
    persons.flat_map(both).collect()
}

/// The first of each message among them: their marks are bounds in the log.
fn is_erased(person: u32) -> bool {
    person.is_multiple_of(10)
}

fn marks(erased: bool) -> Vec<String> {
    (0..PERSONS).filter(|person| is_erased(*person) == erased).map(mark).collect()
}

fn event(person: u32, number: u32, kind: &str) -> Event {
    let mark = mark(person);
    let position = person * 10 + number;
    let id = u128::from(position) | 7 << 100;
    let mut event = json!({
        "event_id": EventId(id.to_be_bytes()), "position": position, "type": kind,
        "timestamp": Timestamp::parse("2026-01-05T12:00:00Z").unwrap().0 + i64::from(position),
        "user_id": format!("{mark}-user"), "anonymous_id": format!("{mark}-visitor"), "source": "api",
        "properties": { "note": format!("{mark}-property") }, "context": { "ip": format!("{mark}-ip") },
    });
    let fields = event.as_object_mut().unwrap();
    for text in TEXTS {
        fields.insert((*text).to_owned(), Value::from(format!("{mark}-{text}")));
    }
    if kind == "identify" {
        fields.insert("traits".to_owned(), json!({ "name": format!("{mark}-trait"), format!("{mark}-key"): 1 }));
        fields.insert("event".to_owned(), Value::from("identify"));
    }
    serde_json::from_value(event).unwrap()
}

fn message(persons: &[u32], received_at: Timestamp) -> Outgoing {
    let events = |person: &u32| [event(*person, 0, "identify"), event(*person, 1, "page"), event(*person, 2, "track")];
    let refused = |person: &u32| {
        let mark = mark(*person);
        let original = json!({ "user_id": format!("{mark}-user"), "timestamp": format!("{mark}-soon") }).to_string();
        let id = EventId((u128::from(*person) | 9 << 100).to_be_bytes());
        Rejected::new(*person, id, Reason::TimestampInvalid, &mark, original.as_bytes())
    };
    let first = persons.first().copied().unwrap();
    let envelope = Envelope {
        message_id: EventId((u128::from(first) | 5 << 100).to_be_bytes()),
        project: project(),
        write_key_id: "default".to_owned(),
        protocol: "native".to_owned(),
        received_at,
        user_agent: Some(format!("{}-agent", mark(first))),
        geo: Geo::default(),
        events: persons.iter().flat_map(events).collect(),
        rejected: persons.iter().map(refused).collect(),
        replays: Vec::new(),
    };
    let body = envelope.encode(Compression::None).unwrap().into();
    Outgoing { message_id: envelope.message_id, project: project(), events: envelope.event_count(), body }
}

async fn start(folder: &Path) -> LocalControl {
    let settings = DiskSettings { max_receives: 1, ..DiskSettings::default() };
    let queue = Arc::new(DiskQueue::open(folder.join("queue"), settings).unwrap());
    let lake = Arc::new(Lake::open_local(folder.join("lake"), LakeSettings::default()).await.unwrap());
    let compactor = Arc::new(Compactor::new(queue.clone(), lake.clone(), CompactorSettings::default()));
    let directory = SharedDirectory::new(Directory::parse(r#"{"version": 1, "projects": []}"#).unwrap());
    LocalControl { queue, lake, compactor, directory }
}

/// How many rows of each table an export of these persons has.
async fn exported(shop: &ProjectLake, persons: PersonIds) -> [u64; 4] {
    let mut rows = shop.export(persons).await.unwrap().rows;
    let mut counts = [0; 4];
    while let Some(some) = rows.next().await {
        let some = some.unwrap();
        let place = ["events", "identities", "persons", "quarantine"].iter().position(|name| *name == some.table);
        counts[place.unwrap()] += some.rows;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_the_folder_holds_a_mark_of_an_erased_person_and_all_others_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let control = start(folder.path()).await;
    let shop = control.lake.project(&project()).await.unwrap();
    let now = crate::clock::now();
    let all: Vec<u32> = (0..PERSONS).collect();
    let settings = MaintenanceSettings {
        small_files: 4,
        checkpoint_commits: 4,
        derived_every: Duration::ZERO,
        bucket_rows: 300,
        ..MaintenanceSettings::default()
    };

    // 600 are stored, in files that were merged, with persons, sequences and activity built and checkpoints written.
    for some in all[..600].chunks(50) {
        control.queue.send(vec![message(some, now)]).await.unwrap();
        control.flush(&project()).await.unwrap();
        shop.maintain(&settings).await.unwrap();
    }
    // 200 are stored since, in small files. 100 are in dead letters, 8 of them in one of their own, and 100 wait.
    for some in all[600..800].chunks(50) {
        control.queue.send(vec![message(some, now)]).await.unwrap();
        control.flush(&project()).await.unwrap();
    }
    control.queue.send(vec![message(&all[800..892], now), message(&all[894..900], now)]).await.unwrap();
    let taken = control.queue.receive(9, Duration::from_secs(60), Duration::ZERO).await.unwrap();
    let receipts: Vec<_> = taken.into_iter().map(|delivery| delivery.receipt).collect();
    control.queue.extend(&receipts, Duration::ZERO).await.unwrap();
    control.queue.send(all[900..].chunks(25).map(|some| message(some, now)).collect()).await.unwrap();
    control.queue.send(vec![message(&all[892..894], now)]).await.unwrap();
    let status = control.queue_status().await.unwrap();
    assert_eq!((status.dead_messages, status.waiting_messages), (2, 5));
    let (found, _) = in_folder(folder.path(), &marks(true)).unwrap();
    assert!(
        found.iter().any(|place| place.contains(".letters")) || found.iter().any(|place| place.contains(".segment"))
    );
    assert!(found.iter().any(|place| place.contains("_delta_log")) && found.len() > 20, "{found:?}");
    for table in ["/sequences/month=", "/activity/month="] {
        assert!(found.iter().any(|place| place.contains(table)), "{found:?}");
    }
    let before = shop.read(At::Latest).await.unwrap().versions.events;

    // Some alone, the others together.
    let mut removed = 0;
    let erased: Vec<u32> = all.iter().copied().filter(|person| is_erased(*person)).collect();
    for some in [&erased[..1], &erased[1..2], &erased[2..]] {
        let receipt = control.erase(&project(), ids(some.iter().copied()), false).await.unwrap();
        removed += receipt.tables[0].rows;
    }
    assert!(removed > 200, "{removed}");

    let (found, bytes) = in_folder(folder.path(), &marks(true)).unwrap();
    assert_eq!(found, Vec::<String>::new());
    assert!(bytes > 100_000, "{bytes}");
    let (kept, _) = in_folder(folder.path(), &marks(false)).unwrap();
    assert!(!kept.is_empty(), "the search finds what is there");

    // The letter of six persons, none of whom was erased, is dead still: it is put back now.
    assert_eq!(control.queue_status().await.unwrap().dead_messages, 1);
    control.redrive().await.unwrap();
    control.flush(&project()).await.unwrap();
    let others = ids(all.iter().copied().filter(|person| !is_erased(*person)));
    let [events, identities, _, quarantine] = exported(&shop, others).await;
    assert_eq!((events, identities, quarantine), (900 * EVENTS_EACH, 900, 900));
    assert_eq!(exported(&shop, ids(erased.iter().copied())).await, [0; 4]);
    let view = shop.read(At::Latest).await.unwrap();
    assert_eq!((view.traits().await.unwrap().len(), view.keys().await.unwrap().len()), (900, 1_800));
    let gone = shop.read(At::Version(before)).await.unwrap_err();
    assert!(matches!(gone, LakeError::VersionGone { .. }), "{gone}");
    let report = control.lake.check(&project(), Depth::Rows).await.unwrap();
    assert!(report.is_sound() && report.unfinished_erasures == 0, "{:?}", report.damage);
    let (totals, side) = (shop.ledger().await.unwrap(), control.queue(&project()).await.unwrap());
    let counted = totals.stored + totals.quarantined + totals.duplicates + side.in_flight + side.dead;
    assert_eq!(
        (side.sent, counted),
        (Some(u64::from(PERSONS) * (EVENTS_EACH + 1)), u64::from(PERSONS) * (EVENTS_EACH + 1))
    );
}
