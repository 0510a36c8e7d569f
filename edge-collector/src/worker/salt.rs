//! The salt of cookieless visitor ids in Workers KV: tomorrow's is written 12 hours ahead, so that every place has it by
//! midnight, and is deleted after 48 hours, so that nobody can recognise yesterday's visitors.

use std::cell::Cell;

use event_model::{Problem, Timestamp};
use worker::{Env, KvStore};

use super::{entropy, keys, unavailable};

/// Seconds until KV deletes a salt.
const KEPT_SECONDS: u64 = 48 * 3_600;
/// How far ahead the cron looks: 12 hours before midnight it is tomorrow.
const AHEAD_MICROS: i64 = 12 * 3_600 * 1_000_000;
/// A salt that this isolate had to make is looked up again after this long: another place may have made one too, and
/// all are to use the one that KV kept.
const OWN_KEPT_MICROS: i64 = 60 * 1_000_000;

#[derive(Clone, Copy)]
struct Salt {
    day: i32,
    bytes: [u8; 32],
    /// Until when it is used without asking.
    until: i64,
}

thread_local! {
    static LAST: Cell<Option<Salt>> = const { Cell::new(None) };
}

/// The salt of the day.
///
/// # Errors
/// `snapshot_unavailable`, if KV cannot be read: the event would count a visitor twice.
pub(super) async fn of_day(env: &Env, now: Timestamp) -> Result<[u8; 32], Problem> {
    let day = now.days();
    if let Some(salt) = LAST.get().filter(|salt| salt.day == day && now.0 < salt.until) {
        return Ok(salt.bytes);
    }
    let store = env.kv(keys::NAMESPACE).map_err(unavailable)?;
    let (bytes, until) = match read(&store, day).await? {
        Some(bytes) => (bytes, i64::MAX),
        // The cron has not run yet: the first day of a deployment.
        None => (write(&store, day).await?, now.0.saturating_add(OWN_KEPT_MICROS)),
    };
    LAST.set(Some(Salt { day, bytes, until }));
    Ok(bytes)
}

/// Writes the salt of the day that begins next, unless it is there.
///
/// # Errors
/// `snapshot_unavailable` or `internal`; the next run tries again.
pub(super) async fn prepare(env: &Env, now: Timestamp) -> Result<(), Problem> {
    let store = env.kv(keys::NAMESPACE).map_err(unavailable)?;
    let day = Timestamp(now.0.saturating_add(AHEAD_MICROS)).days();
    if read(&store, day).await?.is_none() {
        write(&store, day).await?;
    }
    Ok(())
}

async fn read(store: &KvStore, day: i32) -> Result<Option<[u8; 32]>, Problem> {
    let bytes = store.get(&name(day)).bytes().await.map_err(unavailable)?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()))
}

async fn write(store: &KvStore, day: i32) -> Result<[u8; 32], Problem> {
    let bytes = entropy::random()?;
    let put = store.put_bytes(&name(day), &bytes).map_err(unavailable)?;
    put.expiration_ttl(KEPT_SECONDS).execute().await.map_err(unavailable)?;
    Ok(bytes)
}

fn name(day: i32) -> String {
    format!("salt/{day}")
}
