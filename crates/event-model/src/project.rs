//! The snapshot: which projects there are, which keys open them, and by which rules their events are taken.
//!
//! One value: the file `projects.json` locally, one key-value entry in the cloud.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Timestamp;

/// The version of the snapshot's shape that this build reads and writes.
pub const SNAPSHOT_VERSION: u32 = 1;

/// A project's name in paths: 1 to 64 of `a-z`, `0-9`, `-` and `_`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProjectId(String);

impl ProjectId {
    /// Reads an id; `None` if it is not one (it becomes a folder's name, so nothing else passes).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        let first = text.bytes().next()?;
        (text.len() <= 64 && first != b'-' && first != b'_' && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ProjectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a project id is 1 to 64 of a-z, 0-9, - and _"))
    }
}

/// All projects, as the collector and the query side read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`SNAPSHOT_VERSION`]; a newer one is refused.
    pub version: u32,
    /// The projects.
    pub projects: Vec<Project>,
}

/// One project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its name in paths.
    pub id: ProjectId,
    /// Its name for people.
    #[serde(default)]
    pub name: String,
    /// IANA time zone of dates in questions.
    #[serde(default = "utc")]
    pub timezone: String,
    /// First day of a week: `monday` or `sunday`.
    #[serde(default)]
    pub week_start: WeekStart,
    /// How many requests it may send.
    #[serde(default)]
    pub tier: Tier,
    /// Keys to write and to read.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// What is kept of a visitor.
    #[serde(default)]
    pub privacy: Privacy,
}

/// First day of a week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeekStart {
    /// ISO weeks.
    #[default]
    Monday,
    /// American weeks.
    Sunday,
}

/// A rate limit in requests, one of a fixed set because the edge fixes them in its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// 100 requests a second.
    Small,
    /// 2,000 requests a second.
    Medium,
    /// 50,000 requests a second.
    #[default]
    Large,
}

impl Tier {
    /// Requests a second, which is also the burst.
    #[must_use]
    pub fn requests_per_second(self) -> u32 {
        match self {
            Self::Small => 100,
            Self::Medium => 2_000,
            Self::Large => 50_000,
        }
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Send events.
    Write,
    /// Ask questions.
    Read,
    /// Flush, replay, maintain.
    Admin,
}

impl Scope {
    /// The name in the file and in problems.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// One key. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Names the key in logs and in the lake; never the key itself.
    pub id: String,
    /// SHA-256 of the key, in lower-case hexadecimal.
    pub sha256: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends (RFC 3339); absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Whether it works.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Origins that browsers may use it from; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<String>,
    /// Whether it belongs to a server of the customer's own, whose `X-Forwarded-For` and `context.ip` are believed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub server_side: bool,
}

/// What is kept of a visitor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Privacy {
    /// Keep the IP address in `context.ip` instead of dropping it after use.
    pub keep_ip: bool,
    /// Give all visitors without any id a daily one, made from a keyed hash that cannot be taken back; otherwise only
    /// events that ask for it have one.
    pub cookieless: bool,
    /// Names of properties and traits whose values are replaced by `"[masked]"`.
    pub mask: Vec<String>,
    /// Names of properties and traits whose values are replaced by their SHA-256.
    pub hash: Vec<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

/// SHA-256 of a key in lower-case hexadecimal: how keys are kept and looked up.
#[must_use]
pub fn key_hash(key: &str) -> String {
    hexadecimal(&Sha256::digest(key.as_bytes()))
}

/// Bytes as hexadecimal digits in small letters, two a byte.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(if value < 10 { b'0' + value } else { b'a' + value - 10 });
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
    }
    text
}

/// When a key of ours was made: `hw_w_` or `hw_r_`, 8 hexadecimal digits of the second, 32 of randomness. `None` for
/// keys that somebody set.
#[must_use]
pub fn key_issued_at(key: &str) -> Option<Timestamp> {
    let rest = key.strip_prefix("hw_w_").or_else(|| key.strip_prefix("hw_r_"))?;
    let is_ours = rest.len() == 40 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let seconds = i64::from_str_radix(rest.get(..8)?, 16).ok()?;
    is_ours.then(|| Timestamp::from_millis(seconds * 1_000))
}

impl Key {
    /// Whether it works at this time.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        let ended = self.expires_at.as_deref().map(|text| Timestamp::parse(text).is_none_or(|end| end <= now));
        self.enabled && !ended.unwrap_or(false)
    }

    /// Whether it has the scope. Admin includes reading.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || (scope == Scope::Read && self.scopes.contains(&Scope::Admin))
    }
}

/// A snapshot made ready for look-ups by key.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    by_hash: HashMap<String, (std::sync::Arc<Project>, std::sync::Arc<Key>)>,
    projects: Vec<std::sync::Arc<Project>>,
    stale: Option<String>,
}

impl Directory {
    /// Reads the JSON text of a snapshot.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it: not JSON of this shape, a newer version, a project id or a key
    /// hash that stands twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_str(text).map_err(|error| format!("not a snapshot: {error}"))?;
        if version > SNAPSHOT_VERSION {
            return Err(format!("snapshot version {version} is newer than {SNAPSHOT_VERSION}, which this build reads"));
        }
        let snapshot: Snapshot = serde_json::from_str(text).map_err(|error| format!("not a snapshot: {error}"))?;
        Self::new(snapshot)
    }

    /// Indexes a snapshot.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn new(snapshot: Snapshot) -> Result<Self, String> {
        let mut directory = Self::default();
        for project in snapshot.projects {
            if directory.projects.iter().any(|other| other.id == project.id) {
                return Err(format!("project {} stands twice", project.id));
            }
            let project = std::sync::Arc::new(project);
            for key in &project.keys {
                let found = (std::sync::Arc::clone(&project), std::sync::Arc::new(key.clone()));
                if directory.by_hash.insert(key.sha256.to_ascii_lowercase(), found).is_some() {
                    return Err(format!("key {} of project {} stands twice", key.id, project.id));
                }
            }
            directory.projects.push(project);
        }
        Ok(directory)
    }

    /// The project and the key that a presented key names, whether valid or not.
    #[must_use]
    pub fn find(&self, presented: &str) -> Option<(std::sync::Arc<Project>, std::sync::Arc<Key>)> {
        self.find_hashed(&key_hash(presented))
    }

    /// As [`Self::find`], for whoever keeps only the hash of a key.
    #[must_use]
    pub fn find_hashed(&self, sha256: &str) -> Option<(std::sync::Arc<Project>, std::sync::Arc<Key>)> {
        self.by_hash.get(sha256).cloned()
    }

    /// Why the source cannot be read any more, where this is the last that could be: a key that is not found may be
    /// in what could not be read, so its sender is to try again and not to give up.
    #[must_use]
    pub fn stale(&self) -> Option<&str> {
        self.stale.as_deref()
    }

    /// All projects.
    #[must_use]
    pub fn projects(&self) -> &[std::sync::Arc<Project>] {
        &self.projects
    }
}

/// The snapshot as every part of a process shares it: set by whoever watches the source, read by request handlers.
#[derive(Clone, Debug)]
pub struct SharedDirectory(std::sync::Arc<std::sync::RwLock<Result<std::sync::Arc<Directory>, String>>>);

impl SharedDirectory {
    /// Starts with a snapshot.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self(std::sync::Arc::new(std::sync::RwLock::new(Ok(std::sync::Arc::new(directory)))))
    }

    /// The newest snapshot, or a sentence about why the source cannot be read now.
    ///
    /// # Errors
    /// The sentence given to [`Self::set`].
    pub fn get(&self) -> Result<std::sync::Arc<Directory>, String> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Keeps the newest one, and says that there is a newer one that cannot be read, and why.
    pub fn keep(&self, why: String) {
        let mut shared = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Ok(directory) = shared.as_mut() {
            std::sync::Arc::make_mut(directory).stale = Some(why);
        }
    }

    /// Replaces it.
    pub fn set(&self, directory: Result<Directory, String>) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = directory.map(std::sync::Arc::new);
    }
}
