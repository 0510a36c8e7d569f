//! `DIR/serve.json`: where the process that serves the folder listens, for those who start it with port 0.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::folder::{DataFolder, FolderError, write_durably};

/// The file, removed when the server ends.
#[derive(Debug)]
pub(crate) struct AddressFile(PathBuf);

impl AddressFile {
    pub(crate) fn write(folder: &DataFolder, address: SocketAddr) -> Result<Self, FolderError> {
        let path = folder.join("serve.json");
        let text = json!({ "url": format!("http://{address}"), "pid": std::process::id() }).to_string();
        write_durably(&path, text.as_bytes(), 0o644)?;
        Ok(Self(path))
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// The address of the server that uses this folder, as it wrote it down. After a crash it may be out of date.
#[must_use]
pub(crate) fn read(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("serve.json")).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    value.get("url")?.as_str().map(str::to_owned)
}
