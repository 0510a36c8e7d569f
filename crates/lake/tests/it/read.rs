//! One consistent view of a project: newest, at a version, as of a moment.

use std::collections::BTreeMap;

use event_model::{Action, PersonId, PersonKey, Timestamp};
use lake::{At, Clock, LakeError, ReadView};

use crate::made::{Made, Row, at, identify, tie, track};

async fn traits(view: &ReadView) -> BTreeMap<i64, String> {
    view.traits().await.unwrap().iter().map(|(key, traits)| (*key, traits.as_str().to_owned())).collect()
}

fn key(user: &str) -> i64 {
    PersonId::User(user.to_owned()).key().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_sees_every_commit_before_it() {
    let made = Made::new().await;
    let reader = made.reader();
    let empty = reader.read(At::Latest).await.unwrap();
    assert_eq!((empty.versions.events, empty.newest_event, empty.file_count, empty.bytes), (0, None, 0, 0));
    for commit in 1..=5_u64 {
        let version = made.add(&[track(commit, "open", "u1", &format!("2026-01-0{commit}T10:00:00.123Z"))]).await;
        let view = reader.read(At::Latest).await.unwrap();
        assert_eq!((view.versions.events, version, view.file_count), (commit, commit, commit as usize));
        assert_eq!(view.newest_event, Some(at(&format!("2026-01-0{commit}T10:00:00.123Z"))));
    }
    assert_eq!(empty.file_count, 0, "a view never changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn ties_are_those_of_the_view() {
    let made = Made::new().await;
    let reader = made.reader();
    made.add_ties(&[tie(Action::Tie, "u1", "a1", "2026-01-01T00:00:00Z")]).await;
    let first = made.add(&[track(1, "open", "u1", "2026-01-01T00:00:00Z")]).await;
    // Commit times are in milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    made.add_ties(&[tie(Action::Undo, "u1", "a1", "2026-01-03T00:00:00Z")]).await;
    made.add_ties(&[tie(Action::Tie, "u2", "a2", "2026-01-03T00:00:00Z")]).await;
    made.add(&[track(2, "open", "u2", "2026-01-03T00:00:00Z")]).await;

    let visitor = |id: &str| PersonId::Anonymous(id.to_owned()).key();
    let tied = async |at: At| {
        let keys = reader.read(at).await.unwrap().keys().await.unwrap();
        let same = |user: &str, other: &str| keys.resolve(PersonKey(key(user))) == keys.resolve(visitor(other));
        (same("u1", "a1"), same("u2", "a2"))
    };
    assert_eq!(tied(At::Latest).await, (false, true));
    assert_eq!(tied(At::Version(first)).await, (true, false));
    assert_eq!(tied(At::AsOf(at("2026-01-02T00:00:00Z"))).await, (true, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn traits_are_the_latest_of_each_over_all_ids_of_a_person() {
    let made = Made::new().await;
    let reader = made.reader();
    let visitor = Row {
        user: None,
        anonymous: Some("a1".to_owned()),
        ..identify(1, "", "2026-01-02T00:00:00Z", r#"{"plan":"free","seen":"web"}"#)
    };
    made.add(&[identify(2, "u1", "2026-01-01T00:00:00Z", r#"{"plan":"trial","name":"Ada"}"#), visitor]).await;
    let before = reader.read(At::Latest).await.unwrap();
    assert_eq!(traits(&before).await.len(), 2, "without a tie they are two persons");

    made.add_ties(&[tie(Action::Tie, "u1", "a1", "2026-01-02T00:00:00Z")]).await;
    // Late, but happened first: it names a trait that nobody else does.
    let late = Row {
        received_at: at("2026-01-09T00:00:00Z"),
        ..identify(3, "u1", "2025-12-31T00:00:00Z", r#"{"plan":"none","age":7}"#)
    };
    made.add(&[late, track(4, "open", "u1", "2026-01-09T00:00:00Z")]).await;
    let view = reader.read(At::Latest).await.unwrap();
    let all = traits(&view).await;
    assert_eq!(all.values().collect::<Vec<_>>(), [r#"{"age":7,"name":"Ada","plan":"free","seen":"web"}"#]);
    let canonical = view.keys().await.unwrap().resolve(PersonKey(key("u1"))).0;
    assert!(all.contains_key(&canonical));

    let then = reader.read(At::AsOf(at("2026-01-08T00:00:00Z"))).await.unwrap();
    assert_eq!(traits(&then).await.values().collect::<Vec<_>>(), [r#"{"name":"Ada","plan":"free","seen":"web"}"#]);
    let earlier = reader.read(At::Version(1)).await.unwrap();
    assert_eq!(traits(&earlier).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_identify_calls_set_traits_and_junk_ids_keep_their_own() {
    let made = Made::new().await;
    let group = Row { kind: "group", ..identify(1, "u1", "2026-01-01T00:00:00Z", r#"{"seats":5}"#) };
    let named = Row { kind: "track", ..identify(2, "u1", "2026-01-01T00:00:00Z", r#"{"wrong":1}"#) };
    made.add(&[
        Row { event: "group".to_owned(), ..group },
        named,
        identify(3, "undefined", "2026-01-01T00:00:00Z", r#"{"a":1}"#),
        identify(4, "u2", "2026-01-01T00:00:00Z", r#"{}"#),
    ])
    .await;
    let view = made.reader().read(At::Latest).await.unwrap();
    assert_eq!(traits(&view).await, BTreeMap::from([(key("undefined"), r#"{"a":1}"#.to_owned())]));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_are_not_kept_or_not_there_are_refused_by_name() {
    let made = Made::new().await;
    for commit in 1..=3_u64 {
        made.add(&[track(commit, "open", "u1", "2026-01-01T00:00:00Z")]).await;
    }
    let reader = made.reader();
    for version in 0..=3 {
        assert_eq!(reader.read(At::Version(version)).await.unwrap().versions.events, version);
    }
    let unknown = reader.read(At::Version(4)).await.unwrap_err();
    assert!(matches!(unknown, LakeError::VersionUnknown { requested: 4, newest: 3, .. }), "{unknown}");

    // Eight days later only the newest is left; it was never replaced.
    let later = Clock::new(|| Timestamp(Clock::system().now().0 + 8 * 86_400_000_000));
    let reader = made.reader_at(later);
    let gone = reader.read(At::Version(1)).await.unwrap_err();
    assert!(matches!(gone, LakeError::VersionGone { requested: 1, oldest: 3, .. }), "{gone}");
    assert_eq!(reader.read(At::Version(3)).await.unwrap().versions.events, 3);
}
