//! Lists the end of a Delta log on a local folder without reading the whole folder.
//!
//! A folder knows no order: to find the newest entries all names are read, hundreds of thousands after some days of a
//! commit a second, several times a commit. But entries of a log are numbered without holes, so those from a version on
//! are found by their names. A process lists each log whole once, which lets the reader of the log find a hole; after
//! that it looks at the end only.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path as FilePath;

use object_store::path::Path;
use object_store::{Error, ObjectMeta, Result};
use parking_lot::Mutex;

/// What may belong to a version, in the order of names. Other writers' checkpoints of several files are not among them:
/// where the first version has neither entry nor checkpoint of these names, the whole folder is listed.
const KINDS: [&str; 3] = ["checkpoint.parquet", "crc", "json"];

/// The logs that this process has listed whole.
#[derive(Debug, Default)]
pub(super) struct LogListing(Mutex<HashSet<Path>>);

impl LogListing {
    /// The version from which a listing after `offset` starts, if it is one of a log that was listed whole before.
    pub(super) fn starts_at(&self, prefix: Option<&Path>, offset: &Path) -> Option<u64> {
        let log = prefix.filter(|prefix| prefix.filename() == Some("_delta_log"))?;
        let name = offset.filename().filter(|name| name.len() == 20)?;
        let version = name.parse().ok()?;
        (!self.0.lock().insert(log.clone())).then_some(version)
    }
}

/// The entries of the log in `folder` from a version on, until the first version without one. `None` if there is
/// nothing at that version, so that nothing can be said.
pub(super) fn entries(folder: &FilePath, log: &Path, version: u64) -> Result<Option<Vec<ObjectMeta>>> {
    let mut entries = Vec::new();
    for next in version.. {
        let mut has_entry = false;
        for kind in KINDS {
            let name = format!("{next:020}.{kind}");
            let path = folder.join(&name);
            let metadata = match fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failure(&path, error)),
            };
            let last_modified = metadata.modified().map_err(|error| failure(&path, error))?.into();
            has_entry |= kind == "json";
            entries.push(ObjectMeta {
                location: log.clone().join(name),
                last_modified,
                size: metadata.len(),
                e_tag: None,
                version: None,
            });
        }
        if entries.is_empty() {
            return Ok(None);
        }
        // The first may be a checkpoint whose entry was cleaned away.
        if !has_entry && next > version {
            break;
        }
    }
    Ok(Some(entries))
}

fn failure(path: &FilePath, error: std::io::Error) -> Error {
    Error::Generic { store: "durable", source: format!("{}: {error}", path.display()).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(files: &[&str], version: u64) -> Option<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(folder.path().join(file), b"x").unwrap();
        }
        let entries = entries(folder.path(), &Path::from("t/_delta_log"), version).unwrap()?;
        Some(
            entries.iter().map(|entry| entry.location.filename().unwrap().trim_start_matches('0').to_owned()).collect(),
        )
    }

    const LOG: &[&str] = &[
        "00000000000000000001.json",
        "00000000000000000002.json",
        "00000000000000000003.checkpoint.parquet",
        "00000000000000000003.json",
        "00000000000000000004.json",
        "_last_checkpoint",
    ];

    #[test]
    fn entries_from_a_version_on_are_found_by_their_names() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(listed(LOG, 2), names(&["2.json", "3.checkpoint.parquet", "3.json", "4.json"]));
        assert_eq!(listed(LOG, 4), names(&["4.json"]));
        assert_eq!(listed(LOG, 5), None);
        assert_eq!(listed(&LOG[2..3], 3), names(&["3.checkpoint.parquet"]));
        assert_eq!(listed(&[LOG[2], LOG[4]], 3), names(&["3.checkpoint.parquet", "4.json"]));
    }

    #[test]
    fn only_a_log_that_was_listed_whole_is_looked_at_from_its_end() {
        let listing = LogListing::default();
        let (log, other) = (Path::from("t/_delta_log"), Path::from("t/month=2026-01"));
        let offset = |name: &str| log.clone().join(name);
        assert_eq!(listing.starts_at(Some(&log), &offset("00000000000000000007")), None);
        assert_eq!(listing.starts_at(Some(&log), &offset("00000000000000000007")), Some(7));
        assert_eq!(listing.starts_at(Some(&log), &offset("_last")), None);
        assert_eq!(listing.starts_at(Some(&other), &offset("00000000000000000007")), None);
        assert_eq!(listing.starts_at(None, &offset("00000000000000000007")), None);
    }
}
