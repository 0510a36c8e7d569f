//! `DIR/salt.json`: today's salt of cookieless visitor ids, so that a restart does not count the day's visitors again.
//!
//! It is replaced by the first visitor of the next day and taken away when a server starts on a later one: from then on
//! nobody can tell which visitor had which id.

use std::fs;
use std::path::PathBuf;

use edge_collector::native::DailySalt;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::folder::{DataFolder, write_durably};

/// One day's salt.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct OfDay {
    /// Days since 1970-01-01 in UTC.
    day: i32,
    salt: [u8; 32],
}

/// Keeps the salt in the data folder, readable by its owner only.
pub(crate) struct FileSalt {
    path: PathBuf,
    known: Mutex<Option<OfDay>>,
}

impl FileSalt {
    /// Takes over today's salt, and removes one of another day.
    pub(crate) fn open(folder: &DataFolder, today: i32) -> Self {
        let path = folder.join("salt.json");
        let known = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let known = known.filter(|known: &OfDay| known.day == today);
        if known.is_none()
            && let Err(error) = fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the salt of another day could not be removed");
        }
        Self { path, known: Mutex::new(known) }
    }
}

impl DailySalt for FileSalt {
    fn of_day(&self, day: i32) -> Option<[u8; 32]> {
        let mut known = self.known.lock();
        if let Some(known) = known.filter(|known| known.day == day) {
            return Some(known.salt);
        }
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).ok()?;
        let fresh = OfDay { day, salt };
        *known = Some(fresh);
        // Without the file the day goes on with the salt in memory; only a restart would count its visitors again.
        let written = serde_json::to_vec(&fresh).map_err(|error| error.to_string());
        let written =
            written.and_then(|text| write_durably(&self.path, &text, 0o600).map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::warn!(%error, "the day's salt could not be kept");
        }
        Some(salt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_outlives_a_restart_but_not_its_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let open = |today| FileSalt::open(&DataFolder::open(&path).unwrap(), today);
        let first = open(20_000).of_day(20_000).unwrap();
        assert_eq!(open(20_000).of_day(20_000), Some(first));
        let later = open(20_001);
        assert!(!path.join("salt.json").exists(), "yesterday's salt is still there");
        assert_ne!(later.of_day(20_001), Some(first));
    }
}
