//! The data folder: whose it is, which version wrote it, and that only one process uses it.
//!
//! ```text
//! DIR/version        the layout's version; a newer one is refused before anything is written
//! DIR/lock           held by the process that serves the folder
//! DIR/projects.json  projects and hashes of keys
//! DIR/queue/         events that wait
//! DIR/lake/          events that rest: one folder of Delta tables a project
//! DIR/serve.json     address and process id, while it serves
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The version of the layout that this build reads and writes.
pub const VERSION: u32 = 1;

/// A data folder that this process may use, until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held for its lock: closing it gives the folder free.
    _lock: File,
    /// Whether this process made it what it is.
    pub is_new: bool,
}

/// Why a folder cannot be used. Each says what to do.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Another process has it.
    #[error(
        "{path} is in use by another headwater{holder}: stop that one, or give this one a folder of its own with --data-dir"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// ` (process 42)`, where it is known.
        holder: String,
    },
    /// Written by a newer version.
    #[error(
        "{path} was written by a newer version of headwater (layout {found}, this one reads up to {VERSION}): upgrade headwater; nothing was changed"
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Somebody else's files lie in it.
    #[error(
        "{path} holds other files (such as {example:?}) and is not a headwater folder: choose an empty or a new folder with --data-dir"
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
        /// One of those files.
        example: String,
    },
    /// It is not there.
    #[error("there is no headwater folder at {path}: check --data-dir (HEADWATER_DATA_DIR)")]
    Absent {
        /// The folder.
        path: PathBuf,
    },
    /// The version file holds something else.
    #[error(
        "{path} does not hold a version: restore it from a backup, or write 1 into it if the folder is of version 1"
    )]
    DamagedVersion {
        /// The version file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {source}. Check that it exists and that this user may write to it")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

impl DataFolder {
    /// Takes a folder for this process; makes it if it is not there.
    ///
    /// # Errors
    /// [`FolderError`]; a newer or a foreign folder is left as it is.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let known = read_version(path)?;
        if known.is_none() {
            refuse_foreign(path)?;
            make_private_folder(path)?;
        }
        let lock = take_lock(path)?;
        // Another process may have come between the look and the lock.
        let is_new = read_version(path)?.is_none();
        if is_new {
            write_durably(&path.join("version"), format!("{VERSION}\n").as_bytes(), 0o644)?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock, is_new })
    }

    /// The path inside the folder.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The version of a folder; `None` if it has none.
///
/// # Errors
/// [`FolderError::Newer`], [`FolderError::DamagedVersion`] or [`FolderError::Io`].
pub fn read_version(folder: &Path) -> Result<Option<u32>, FolderError> {
    let path = folder.join("version");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FolderError::Io { action: "read", path, source }),
    };
    match text.trim().parse() {
        Ok(found) if found > VERSION => Err(FolderError::Newer { path: folder.to_owned(), found }),
        Ok(found) => Ok(Some(found)),
        Err(_) => Err(FolderError::DamagedVersion { path }),
    }
}

/// Whether some process holds the folder, by its own words where it left any.
#[must_use]
pub fn holder(folder: &Path) -> Option<String> {
    let file = OpenOptions::new().read(true).write(true).open(folder.join("lock")).ok()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Some(describe_holder(folder)),
        _ => None,
    }
}

/// Writes a file so that it is there whole or not at all, also after a loss of power.
///
/// # Errors
/// [`FolderError::Io`].
pub(crate) fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FolderError> {
    let fail = |action, path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Io { action, path, source }
    };
    let new = path.with_extension("new");
    let mut file =
        private_options(mode).write(true).create(true).truncate(true).open(&new).map_err(fail("write", &new))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fail("write", &new))?;
    fs::rename(&new, path).map_err(fail("write", path))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail("write", folder))
}

fn take_lock(folder: &Path) -> Result<File, FolderError> {
    let path = folder.join("lock");
    let fail = |source| FolderError::Io { action: "lock", path: path.clone(), source };
    let mut file =
        private_options(0o600).read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(FolderError::InUse { path: folder.to_owned(), holder: describe_holder(folder) });
        }
        Err(TryLockError::Error(source)) => return Err(fail(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(fail)?;
    Ok(file)
}

fn describe_holder(folder: &Path) -> String {
    let process = fs::read_to_string(folder.join("lock")).unwrap_or_default();
    match process.trim().parse::<u32>() {
        Ok(process) => format!(" (process {process})"),
        Err(_) => String::new(),
    }
}

/// Only an empty folder becomes ours: a mistyped path must not end in somebody's home.
fn refuse_foreign(path: &Path) -> Result<(), FolderError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(FolderError::Io { action: "read", path: path.to_owned(), source }),
    };
    // `lock` and `version.new` are left by a start that was cut off, `lost+found` by the file system,
    // `projects.json` by an operator who writes the projects before the first start.
    let allowed = ["lock", "version.new", "lost+found", "projects.json"];
    let foreign = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| !allowed.contains(&name.as_str()));
    match foreign {
        Some(example) => Err(FolderError::NotOurs { path: path.to_owned(), example }),
        None => Ok(()),
    }
}

fn make_private_folder(path: &Path) -> Result<(), FolderError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| FolderError::Io { action: "make", path: path.to_owned(), source })
}

fn private_options(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(path: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_folder_is_made_and_reopened() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataFolder::open(&path).unwrap();
        assert!(first.is_new);
        drop(first);
        assert!(!DataFolder::open(&path).unwrap().is_new);
        assert_eq!(listing(&path), ["lock", "version"]);
    }

    #[test]
    fn a_second_process_is_told_who_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataFolder::open(folder.path()).unwrap();
        let error = DataFolder::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(holder(folder.path()).is_some());
        drop(held);
        assert_eq!(holder(folder.path()), None);
        DataFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn a_newer_folder_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("version"), "2\n").unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(FolderError::Newer { found: 2, .. })));
        assert_eq!(listing(folder.path()), ["version"]);
    }

    #[test]
    fn somebody_elses_folder_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "").unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(FolderError::NotOurs { .. })));
        assert_eq!(listing(folder.path()), ["thesis.txt"]);
    }
}
