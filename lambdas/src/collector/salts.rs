//! The salts of cookieless visitor ids in the bucket: one object a UTC day, made by whoever needs it first.
//!
//! A conditional put lets only one of several instances make it, so all of them agree from the first event of the day.
//! The bucket's lifecycle deletes the objects: from then on nobody can tell which visitor had which id.

use anyhow::{Context as _, anyhow};
use event_model::Timestamp;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt as _, PutMode};
use parking_lot::Mutex;

use super::random;
use crate::bucket::Place;

/// How often it is looked again where another instance was quicker to make the salt.
const LOOKS: u32 = 3;

/// The days' salts.
pub(super) struct Salts {
    folder: Place,
    last: Mutex<Option<(i32, [u8; 32])>>,
}

impl Salts {
    pub(super) fn new(folder: Place) -> Self {
        Self { folder, last: Mutex::default() }
    }

    /// The salt of the UTC day.
    ///
    /// # Errors
    /// If it can neither be read nor made: an event taken without it would count its visitor twice.
    pub(super) async fn of_day(&self, now: Timestamp) -> anyhow::Result<[u8; 32]> {
        let day = now.days();
        if let Some((_, salt)) = self.last.lock().filter(|(of, _)| *of == day) {
            return Ok(salt);
        }
        let (year, month, day_of_month) = now.civil();
        let path = self.folder.path.clone().join(format!("{year:04}-{month:02}-{day_of_month:02}"));
        let salt = self.read_or_make(&path).await.with_context(|| format!("the salt {path}"))?;
        *self.last.lock() = Some((day, salt));
        Ok(salt)
    }

    async fn read_or_make(&self, path: &Path) -> anyhow::Result<[u8; 32]> {
        for _ in 0..LOOKS {
            match self.folder.store.get(path).await {
                Ok(found) => {
                    let bytes = found.bytes().await?;
                    return bytes.as_ref().try_into().map_err(|_| anyhow!("does not have 32 bytes: delete it"));
                }
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let fresh: [u8; 32] = random().context("no random bytes are given")?;
            match self.folder.store.put_opts(path, fresh.to_vec().into(), PutMode::Create.into()).await {
                Ok(_) => return Ok(fresh),
                // Somebody else's, or our own, if only the answer was lost.
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(anyhow!("is there and is not there"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use test_support::faulty_store::{Fault, FaultyStore};
    use tokio::task::JoinSet;

    use super::*;

    fn salts(store: &Arc<InMemory>) -> Salts {
        Salts::new(Place { store: store.clone(), path: Path::from("config/salts") })
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[tokio::test]
    async fn all_instances_agree_on_the_salt_of_a_day_and_each_day_has_its_own() {
        let store = Arc::new(InMemory::new());
        let instances: Vec<Salts> = (0..8).map(|_| salts(&store)).collect();
        let of = async |now: &str| {
            let mut found = Vec::new();
            for instance in &instances {
                found.push(instance.of_day(at(now)).await.unwrap());
            }
            found.dedup();
            assert_eq!(found.len(), 1, "{now}");
            found.remove(0)
        };
        let first = of("2026-11-20T00:00:00Z").await;
        assert_eq!(of("2026-11-20T23:59:59.999Z").await, first);
        assert_ne!(of("2026-11-21T00:00:00Z").await, first);
        let names = ["config/salts/2026-11-20", "config/salts/2026-11-21"];
        for name in names {
            assert!(store.head(&Path::from(name)).await.is_ok(), "{name}");
        }
    }

    #[tokio::test]
    async fn instances_that_need_a_salt_at_the_same_moment_agree_too() {
        for seed in 0..50 {
            let store = Arc::new(FaultyStore::new(Arc::new(InMemory::new())).with_turns(seed, 4));
            let mut instances = JoinSet::new();
            for _ in 0..6 {
                let salts = Salts::new(Place { store: store.clone(), path: Path::from("config/salts") });
                instances.spawn(async move { salts.of_day(at("2026-11-20T00:00:00Z")).await.unwrap() });
            }
            let mut found = instances.join_all().await;
            found.dedup();
            assert_eq!(found.len(), 1, "seed {seed}");
        }
    }

    #[tokio::test]
    async fn a_salt_whose_put_was_answered_with_a_failure_is_still_the_one() {
        let store = Arc::new(FaultyStore::new(Arc::new(InMemory::new())).with_fault(0, Fault::After));
        let salts = Salts::new(Place { store: store.clone(), path: Path::from("config/salts") });
        let now = at("2026-11-20T00:00:00Z");
        assert!(salts.of_day(now).await.is_err());
        let kept = store.get(&Path::from("config/salts/2026-11-20")).await.unwrap().bytes().await.unwrap();
        assert_eq!(salts.of_day(now).await.unwrap(), kept.as_ref());
    }

    #[tokio::test]
    async fn what_is_no_salt_is_refused() {
        let store = Arc::new(InMemory::new());
        store.put(&Path::from("config/salts/2026-11-20"), b"short".to_vec().into()).await.unwrap();
        let error = salts(&store).of_day(at("2026-11-20T12:00:00Z")).await.unwrap_err();
        assert!(format!("{error:#}").contains("delete it"), "{error:#}");
    }
}
