//! The stores: the suite that each passes, and what is left on a disk after a power cut.

use std::fs;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event_model::ProjectId;
use lake::store::{Disk, DurableStore, conformance};
use lake::{Lake, LakeSettings};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use test_support::faulty_store::FaultyStore;
use test_support::power_cut::PowerCut;
use url::Url;

use crate::drains::{batch, memory, message};
use crate::hooked::hooked;
use crate::made::track;

/// A place in a store whose root is the file system's.
fn below(folder: &FilePath) -> Path {
    Path::from_absolute_path(folder.canonicalize().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_store_keeps_the_promises_that_the_lake_relies_on() {
    let folder = tempfile::tempdir().unwrap();
    let durable = Arc::new(DurableStore::open(&folder.path().join("lake")).unwrap());
    assert_eq!(conformance::run(durable, &below(&folder.path().join("lake"))).await, Ok(()));
    assert_eq!(conformance::run(memory(), &Path::from("any")).await, Ok(()));
    assert_eq!(conformance::run(Arc::new(FaultyStore::new(memory())), &Path::from("any")).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_looks_before_it_puts_is_found_out() {
    let looks_first = hooked(memory(), |store, path, payload, options| async move {
        if options.mode == PutMode::Create && store.head(&path).await.is_ok() {
            return store.put_opts(&path, payload, options).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        store.put(&path, payload).await
    });
    let found = conformance::run(looks_first, &Path::from("any")).await;
    assert!(found.unwrap_err().starts_with("of many that create one object, one does"));
}

/// Which fsyncs reach the disk.
#[derive(Clone, Copy)]
enum Kept {
    All,
    NoFiles,
    NoFolders,
    /// Only of the folder that an object lies in, not of those that lead to it.
    NoNewFolders,
}

struct Watched {
    cut: PowerCut,
    kept: Kept,
}

impl Disk for Watched {
    fn sync_file(&self, path: &FilePath) -> io::Result<()> {
        match self.kept {
            Kept::NoFiles => Ok(()),
            _ => self.cut.sync_file(path),
        }
    }

    fn sync_folder(&self, path: &FilePath) -> io::Result<()> {
        let is_leaf = fs::read_dir(path)?.any(|entry| entry.is_ok_and(|entry| entry.path().is_file()));
        match self.kept {
            Kept::NoFolders => Ok(()),
            Kept::NoNewFolders if !is_leaf => Ok(()),
            _ => self.cut.sync_folder(path),
        }
    }
}

/// Writes in every way there is, cuts the power, and says what is not as it was acknowledged.
async fn cut_after_writing(kept: Kept) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let cut = PowerCut::watch(&base).unwrap();
    let store = DurableStore::with_disk(&base, Watched { cut: cut.clone(), kept }).unwrap();
    let place = |name: &str| name.split('/').fold(below(&base), |path, part| path.join(part));
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put(&place("put/new/folder/object"), "put".into()).await.unwrap();
    store.put(&place("put/new/folder/object"), "put again".into()).await.unwrap();
    store.put_opts(&place("log/0.json"), "created".into(), create).await.unwrap();
    let mut upload = store.put_multipart(&place("upload/of/object")).await.unwrap();
    upload.put_part(Bytes::from_static(b"large").into()).await.unwrap();
    upload.complete().await.unwrap();
    store.copy(&place("log/0.json"), &place("copy/of/object")).await.unwrap();
    store.put(&place("old/name"), "moved".into()).await.unwrap();
    store.rename(&place("old/name"), &place("moved/to/object")).await.unwrap();
    drop(store);
    cut.cut().unwrap();
    let expected = [
        ("put/new/folder/object", Some("put again")),
        ("log/0.json", Some("created")),
        ("upload/of/object", Some("large")),
        ("copy/of/object", Some("created")),
        ("moved/to/object", Some("moved")),
        ("old/name", None),
    ];
    let found = expected.map(|(name, content)| (name, content, fs::read_to_string(base.join(name)).ok()));
    let wrong = found.iter().filter(|(_, content, found)| found.as_deref() != *content);
    wrong.map(|(name, _, found)| format!("{name} holds {found:?}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_survives_a_power_cut_and_not_if_an_fsync_is_left_out() {
    assert_eq!(cut_after_writing(Kept::All).await, Vec::<String>::new());
    assert!(!cut_after_writing(Kept::NoFiles).await.is_empty());
    assert!(!cut_after_writing(Kept::NoFolders).await.is_empty());
    assert!(!cut_after_writing(Kept::NoNewFolders).await.is_empty());
}

/// Looks, whenever a file is fsynced, whether its content can be seen under its own name already.
struct SeenEarly(Arc<std::sync::atomic::AtomicUsize>);

impl Disk for SeenEarly {
    fn sync_file(&self, path: &FilePath) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = name.split('#').next().unwrap_or_default();
        if path.with_file_name(target).exists() {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        Ok(())
    }

    fn sync_folder(&self, _: &FilePath) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_not_seen_before_its_bytes_are_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let seen = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let store = DurableStore::with_disk(folder.path(), SeenEarly(Arc::clone(&seen))).unwrap();
    let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&below(folder.path()).join("0.json"), "commit".into(), create).await.unwrap();
    assert_eq!(seen.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_was_answered_survives_a_power_cut() {
    for kept in [Kept::All, Kept::NoFiles, Kept::NoFolders] {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().canonicalize().unwrap();
        let cut = PowerCut::watch(&base).unwrap();
        let url = Url::from_directory_path(&base).unwrap();
        let shop = ProjectId::parse("shop").unwrap();
        let settings = LakeSettings::default();
        let store = Arc::new(DurableStore::with_disk(&base, Watched { cut: cut.clone(), kept }).unwrap());
        let lake = Lake::with_store(store, url, settings.clone()).await.unwrap();
        let drain = batch(&[message(1, "2026-03-10", vec![track(1, "Viewed", "u1", "2026-03-10")])]);
        lake.project(&shop).await.unwrap().ingest(drain.clone()).await.unwrap();
        drop(lake);
        cut.cut().unwrap();
        let found = async {
            let lake = Lake::open_local(&base, settings).await?;
            lake.project(&shop).await?.ledger().await
        };
        let stored = found.await.map(|totals| totals.stored);
        assert_eq!(matches!(stored, Ok(1)), matches!(kept, Kept::All), "{stored:?}");
    }
}
