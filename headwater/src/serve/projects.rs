//! The file `projects.json`: made on the first start, watched from then on.
//!
//! The file is the authority on projects and keys. A change is seen within a second; a file that cannot be read or
//! understood changes nothing (the log says why), so that a slip of an editor stops no traffic. Until it is corrected an
//! unknown key is answered with 503 and not 401: it may be in what could not be read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use event_model::project::{
    Directory, Key, Privacy, SNAPSHOT_VERSION, Scope, SharedDirectory, Tier, WeekStart, key_hash,
};
use event_model::{Project, ProjectId, Snapshot};

use query_model::ProjectSettings;

use super::folder::write_durably;
use super::stop::Stop;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Its mode: it holds hashes of keys only, but nobody else has a reason to read it.
const MODE: u32 = 0o600;

/// The keys that the first start made. They are kept as hashes, so this is the only time they can be shown.
#[derive(Clone)]
pub struct NewKeys {
    /// Sends events.
    pub write: String,
    /// Asks, flushes and replays.
    pub api: String,
    /// Whether the first was made up here (and not given by the environment).
    pub write_is_random: bool,
    /// Whether the second was.
    pub api_is_random: bool,
}

/// What a start finds or makes.
pub(crate) struct Projects {
    pub(crate) directory: SharedDirectory,
    pub(crate) new_keys: Option<NewKeys>,
    path: PathBuf,
    seen: Option<Stamp>,
}

impl Projects {
    /// Reads the file, or makes it with one project `default` and these keys, where they are given.
    pub(crate) fn open(path: PathBuf, write: Option<&str>, api: Option<&str>) -> anyhow::Result<Self> {
        let new_keys = if path.exists() { None } else { Some(create(&path, write, api)?) };
        let seen = stamp(&path);
        let directory = read(&path)?;
        Ok(Self { directory: SharedDirectory::new(directory), new_keys, path, seen })
    }

    /// Follows changes of the file until the stop.
    pub(crate) async fn watch(mut self, mut stop: Stop) {
        loop {
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(LOOK_EVERY) => self.look(),
            }
        }
    }

    fn look(&mut self) {
        let now = stamp(&self.path);
        if now == self.seen {
            return;
        }
        self.seen = now;
        match read(&self.path) {
            Ok(directory) => {
                tracing::info!(projects = directory.projects().len(), "projects.json reloaded");
                self.directory.set(Ok(directory));
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(error = why, "projects.json cannot be read: the one before stays in force");
                self.directory.keep(why);
            }
        }
    }
}

fn read(path: &Path) -> anyhow::Result<Directory> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let directory = Directory::parse(&text).and_then(known_time_zones);
    directory.map_err(|error| {
        anyhow!("{} cannot be used: {error}. Correct the file, or move it away to start with new keys", path.display())
    })
}

/// A time zone that nobody knows would fail each question of its project.
fn known_time_zones(directory: Directory) -> Result<Directory, String> {
    for project in directory.projects() {
        if ProjectSettings::from(project.as_ref()).calendar(None, None).is_err() {
            return Err(format!("project {} names the unknown time zone {}", project.id, project.timezone));
        }
    }
    Ok(directory)
}

/// What tells one state of the file from another: time, size and inode, since an editor may keep any two.
type Stamp = (SystemTime, u64, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let data = fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&data);
    #[cfg(not(unix))]
    let inode = 0;
    Some((data.modified().ok()?, data.len(), inode))
}

fn create(path: &Path, write: Option<&str>, api: Option<&str>) -> anyhow::Result<NewKeys> {
    let keys = NewKeys {
        write: given_or_random(write, "HEADWATER_WRITE_KEY", "hw_w_")?,
        api: given_or_random(api, "HEADWATER_API_KEY", "hw_r_")?,
        write_is_random: write.is_none(),
        api_is_random: api.is_none(),
    };
    if keys.write == keys.api {
        bail!("HEADWATER_WRITE_KEY and HEADWATER_API_KEY are the same: a key that sits in a web page must not read");
    }
    let key = |id: &str, key: &str, scopes: &[Scope]| Key {
        id: id.to_owned(),
        sha256: key_hash(key),
        scopes: scopes.to_vec(),
        expires_at: None,
        enabled: true,
        allowed_origins: Vec::new(),
        server_side: false,
    };
    let id = ProjectId::parse("default").ok_or_else(|| anyhow!("the default project's id is not one"))?;
    let project = Project {
        id,
        name: "Default".to_owned(),
        timezone: "UTC".to_owned(),
        week_start: WeekStart::Monday,
        tier: Tier::Large,
        keys: vec![key("write", &keys.write, &[Scope::Write]), key("api", &keys.api, &[Scope::Read, Scope::Admin])],
        privacy: Privacy::default(),
    };
    let snapshot = Snapshot { version: SNAPSHOT_VERSION, projects: vec![project] };
    let mut text = serde_json::to_string_pretty(&snapshot)?;
    text.push('\n');
    write_durably(path, text.as_bytes(), MODE)?;
    Ok(keys)
}

fn given_or_random(given: Option<&str>, variable: &str, kind: &str) -> anyhow::Result<String> {
    match given {
        Some(key) if key.len() < 8 || !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
            bail!("{variable} must have at least 8 characters, all of them visible ASCII")
        }
        Some(key) => Ok(key.to_owned()),
        None => random_key(kind).map_err(|error| anyhow!("the system gives no randomness for keys: {error}")),
    }
}

/// The kind, 8 hexadecimal digits of the second it was made, 32 of randomness (128 bits).
fn random_key(kind: &str) -> io::Result<String> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{kind}{:08x}{random}", crate::clock::now().0 / 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_project_with_keys_that_work() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("projects.json");
        let projects = Projects::open(path.clone(), None, None).unwrap();
        let keys = projects.new_keys.unwrap();
        let directory = projects.directory.get().unwrap();
        let (project, key) = directory.find(&keys.write).unwrap();
        assert_eq!((project.id.as_str(), key.may(Scope::Write), key.may(Scope::Read)), ("default", true, false));
        let (_, key) = directory.find(&keys.api).unwrap();
        assert!(key.may(Scope::Read) && key.may(Scope::Admin) && !key.may(Scope::Write));
        assert!(event_model::project::key_issued_at(&keys.write).unwrap() <= crate::clock::now());
        assert!(!fs::read_to_string(&path).unwrap().contains(&keys.api));
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap()) & 0o777, 0o600);
        assert!(Projects::open(path, Some("other-key"), None).unwrap().new_keys.is_none());
    }

    #[test]
    fn given_keys_become_the_keys_of_the_first_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("projects.json");
        let projects = Projects::open(path, Some("write-key-1"), Some("api-key-12")).unwrap();
        let directory = projects.directory.get().unwrap();
        assert!(directory.find("write-key-1").is_some() && directory.find("api-key-12").is_some());
    }

    #[test]
    fn unusable_keys_are_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("projects.json");
        for (write, api) in [("short", "api-key-12"), ("with space", "api-key-12"), ("same-key-1", "same-key-1")] {
            assert!(Projects::open(path.clone(), Some(write), Some(api)).is_err(), "{write}");
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_change_is_seen_and_a_broken_file_keeps_the_last_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("projects.json");
        let mut projects = Projects::open(path.clone(), Some("write-key-1"), Some("api-key-12")).unwrap();
        let good = fs::read_to_string(&path).unwrap();
        fs::write(&path, good.replace(&key_hash("write-key-1"), &key_hash("write-key-22"))).unwrap();
        // An equal size within the clock's grain would look like no change.
        projects.seen = None;
        projects.look();
        assert!(projects.directory.get().unwrap().find("write-key-22").is_some());
        fs::write(&path, "{").unwrap();
        projects.look();
        let directory = projects.directory.get().unwrap();
        assert!(directory.find("write-key-22").is_some() && directory.stale().is_some());
        fs::write(&path, &good).unwrap();
        projects.look();
        let directory = projects.directory.get().unwrap();
        assert!(directory.find("write-key-1").is_some() && directory.stale().is_none());
    }
}
