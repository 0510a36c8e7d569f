//! A real folder that loses power: it remembers what was fsynced and, at the cut, takes everything else away.
//!
//! The lake's local store says what it fsyncs through a small trait; a test implements that trait by handing each call
//! to [`PowerCut`], or by leaving some out to see what the fsync was good for.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// What is durable of a folder. Clones are one.
#[derive(Clone)]
pub struct PowerCut {
    base: PathBuf,
    durable: Arc<Mutex<Durable>>,
}

#[derive(Default)]
struct Durable {
    /// Content by the file's number, so that it stays its own under any name.
    contents: HashMap<u64, Vec<u8>>,
    /// By folder, relative to nothing: the names in it and what they name.
    folders: HashMap<PathBuf, BTreeMap<OsString, Named>>,
}

#[derive(Clone, Copy)]
enum Named {
    File(u64),
    Folder,
}

impl PowerCut {
    /// Watches a folder; all that is in it now counts as durable.
    ///
    /// # Errors
    /// Of the file system.
    pub fn watch(base: &Path) -> io::Result<Self> {
        let cut = Self { base: base.canonicalize()?, durable: Arc::new(Mutex::new(Durable::default())) };
        cut.watch_folder(&cut.base)?;
        Ok(cut)
    }

    fn watch_folder(&self, folder: &Path) -> io::Result<()> {
        self.sync_folder(folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { self.watch_folder(&entry.path())? } else { self.sync_file(&entry.path())? }
        }
        Ok(())
    }

    /// The file's content is durable now.
    ///
    /// # Errors
    /// Of the file system.
    pub fn sync_file(&self, path: &Path) -> io::Result<()> {
        // Locked before the look: of two fsyncs at a time, the one that saw less must not have the last word.
        let mut durable = self.durable.lock();
        let content = fs::read(path)?;
        durable.contents.insert(fs::metadata(path)?.ino(), content);
        Ok(())
    }

    /// The names in the folder are durable now. What lies outside the watched folder is not looked at.
    ///
    /// # Errors
    /// Of the file system.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let path = path.canonicalize()?;
        if !path.starts_with(&self.base) {
            return Ok(());
        }
        let mut durable = self.durable.lock();
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Taken away since the folder was listed: it has no name to keep.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let named = if metadata.is_dir() { Named::Folder } else { Named::File(metadata.ino()) };
            names.insert(entry.file_name(), named);
        }
        durable.folders.insert(path, names);
        Ok(())
    }

    /// Cuts the power: names that were not fsynced are gone, deleted ones whose deletion was not are back, and files
    /// hold what they held at their last fsync, or nothing. Whoever still uses the folder must have stopped.
    ///
    /// # Errors
    /// Of the file system.
    pub fn cut(&self) -> io::Result<()> {
        let durable = self.durable.lock();
        fs::remove_dir_all(&self.base)?;
        restore(&durable, &self.base)
    }
}

fn restore(durable: &Durable, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, named) in durable.folders.get(folder).into_iter().flatten() {
        let path = folder.join(name);
        match named {
            Named::Folder => restore(durable, &path)?,
            Named::File(number) => fs::write(path, durable.contents.get(number).map_or(&[][..], Vec::as_slice))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_synced_with_its_name_survives() {
        let base = std::env::temp_dir().join(format!("power-cut-{}", std::process::id()));
        fs::create_dir_all(base.join("old")).unwrap();
        fs::write(base.join("old/kept"), "old").unwrap();
        let cut = PowerCut::watch(&base).unwrap();

        let write = |name: &str| fs::write(base.join(name), name).unwrap();
        for name in ["durable", "nameless", "empty"] {
            write(name);
        }
        cut.sync_file(&base.join("durable")).unwrap();
        fs::remove_file(base.join("nameless")).unwrap();
        cut.sync_folder(&base).unwrap();
        write("nameless");
        cut.sync_file(&base.join("nameless")).unwrap();
        fs::remove_file(base.join("old/kept")).unwrap();
        fs::create_dir(base.join("new")).unwrap();
        cut.cut().unwrap();

        let mut names: Vec<_> = fs::read_dir(&base).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["durable", "empty", "old"]);
        assert_eq!(fs::read_to_string(base.join("durable")).unwrap(), "durable");
        assert_eq!(fs::read_to_string(base.join("empty")).unwrap(), "");
        assert_eq!(fs::read_to_string(base.join("old/kept")).unwrap(), "old");
        fs::remove_dir_all(base).unwrap();
    }
}
