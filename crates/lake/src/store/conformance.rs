//! What the lake relies on in an object store. Every implementation passes [`run`].
//!
//! That an acknowledged write survives a power cut cannot be asked of a store alone; the wrapper for local folders is
//! held to that on a disk that forgets what was not fsynced.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};

/// How many writers race for one name.
const RACERS: usize = 16;
/// Larger than what a store may put at once: S3 wants parts of 5 MiB.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Holds a store to its promises, below a folder that nobody else uses.
///
/// # Errors
/// A sentence that names the promise which it broke.
pub async fn run(store: Arc<dyn ObjectStore>, folder: &Path) -> Result<(), String> {
    reads_back(&*store, folder).await.map_err(|what| format!("reads back what was put: {what}"))?;
    creates_once(&store, folder).await.map_err(|what| format!("of many that create one object, one does: {what}"))?;
    lists(&*store, folder).await.map_err(|what| format!("lists what was put: {what}"))?;
    uploads(&*store, folder).await.map_err(|what| format!("shows a large object when it is complete: {what}"))?;
    moves(&*store, folder).await.map_err(|what| format!("copies and renames: {what}"))?;
    deletes(&*store, folder).await.map_err(|what| format!("deletes: {what}"))
}

async fn reads_back(store: &dyn ObjectStore, folder: &Path) -> Result<(), String> {
    let path = folder.clone().join("read").join("a=b c").join("object");
    for content in ["first", "", "the third is longer"] {
        store.put(&path, content.into()).await.map_err(text)?;
        expect(store, &path, content.as_bytes()).await?;
    }
    let part = store.get_range(&path, 4..9).await.map_err(text)?;
    same(&part.as_ref(), &b"third".as_slice())?;
    same(&store.head(&path).await.map_err(text)?.size, &19)?;
    absent(store, &folder.clone().join("read").join("nothing")).await
}

async fn creates_once(store: &Arc<dyn ObjectStore>, folder: &Path) -> Result<(), String> {
    for round in 0..8 {
        let path = folder.clone().join("create").join(format!("{round}"));
        let race = |racer: usize| {
            let (store, path) = (Arc::clone(store), path.clone());
            tokio::spawn(async move {
                let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
                match store.put_opts(&path, format!("racer {racer}").into(), create).await {
                    Ok(_) => Ok(Some(racer)),
                    Err(Error::AlreadyExists { .. }) => Ok(None),
                    Err(error) => Err(error.to_string()),
                }
            })
        };
        let racers: Vec<_> = (0..RACERS).map(race).collect();
        let mut winners = Vec::new();
        for racer in racers {
            winners.extend(racer.await.map_err(text)??);
        }
        let [winner] = winners.as_slice() else { return Err(format!("{winners:?} did")) };
        expect(&**store, &path, format!("racer {winner}").as_bytes()).await?;
    }
    Ok(())
}

async fn lists(store: &dyn ObjectStore, folder: &Path) -> Result<(), String> {
    let listed = folder.clone().join("list");
    let names = ["0001.json", "0002.json", "0003.json", "deep/er/0004.json"];
    for name in names {
        let path = name.split('/').fold(listed.clone(), |path, part| path.join(part));
        store.put(&path, name.into()).await.map_err(text)?;
    }
    let found = async |from: Option<&Path>| {
        let all = match from {
            Some(from) => store.list_with_offset(Some(&listed), from),
            None => store.list(Some(&listed)),
        };
        let mut all: Vec<Path> = all.map_ok(|meta| meta.location).try_collect().await.map_err(text)?;
        all.sort();
        let names = all.iter().map(|path| path.as_ref().rsplit('/').next().unwrap_or_default().to_owned());
        Ok::<Vec<String>, String>(names.collect())
    };
    same(&found(None).await?, &["0001.json", "0002.json", "0003.json", "0004.json"].map(str::to_owned).to_vec())?;
    let later = found(Some(&listed.clone().join("0002.json"))).await?;
    same(&later, &["0003.json", "0004.json"].map(str::to_owned).to_vec())?;
    let level = store.list_with_delimiter(Some(&listed)).await.map_err(text)?;
    same(&(level.objects.len(), level.common_prefixes.len()), &(3, 1))
}

async fn uploads(store: &dyn ObjectStore, folder: &Path) -> Result<(), String> {
    let path = folder.clone().join("upload").join("large");
    let mut upload = store.put_multipart(&path).await.map_err(text)?;
    for letter in [b'a', b'b', b'c'] {
        upload.put_part(Bytes::from(vec![letter; PART_BYTES]).into()).await.map_err(text)?;
    }
    absent(store, &path).await?;
    upload.complete().await.map_err(text)?;
    let found = store.get(&path).await.map_err(text)?.bytes().await.map_err(text)?;
    same(&found.len(), &(3 * PART_BYTES))?;
    same(&(found.first(), found.get(PART_BYTES), found.last()), &(Some(&b'a'), Some(&b'b'), Some(&b'c')))?;
    let path = folder.clone().join("upload").join("given-up");
    let mut upload = store.put_multipart(&path).await.map_err(text)?;
    upload.put_part(Bytes::from_static(b"part").into()).await.map_err(text)?;
    upload.abort().await.map_err(text)?;
    absent(store, &path).await
}

async fn moves(store: &dyn ObjectStore, folder: &Path) -> Result<(), String> {
    let [from, copy, moved] = ["from", "new/copy", "newer/moved"]
        .map(|name| name.split('/').fold(folder.clone().join("move"), |path, part| path.join(part)));
    store.put(&from, "content".into()).await.map_err(text)?;
    store.copy(&from, &copy).await.map_err(text)?;
    expect(store, &copy, b"content").await?;
    if !matches!(store.copy_if_not_exists(&from, &copy).await, Err(Error::AlreadyExists { .. })) {
        return Err("a copy replaced an object that it must not".to_owned());
    }
    store.rename(&from, &moved).await.map_err(text)?;
    expect(store, &moved, b"content").await?;
    absent(store, &from).await
}

async fn deletes(store: &dyn ObjectStore, folder: &Path) -> Result<(), String> {
    let paths: Vec<Path> = (0..3).map(|number| folder.clone().join("delete").join(format!("{number}"))).collect();
    for path in &paths {
        store.put(path, "content".into()).await.map_err(text)?;
    }
    let gone: Vec<_> = paths.iter().take(2).cloned().map(Ok).collect();
    let gone: Vec<Path> = store.delete_stream(stream::iter(gone).boxed()).try_collect().await.map_err(text)?;
    same(&gone.len(), &2)?;
    for path in &gone {
        absent(store, path).await?;
    }
    expect(store, &folder.clone().join("delete").join("2"), b"content").await
}

async fn expect(store: &dyn ObjectStore, path: &Path, content: &[u8]) -> Result<(), String> {
    let found = store.get(path).await.map_err(text)?.bytes().await.map_err(text)?;
    same(&found.as_ref(), &content)
}

async fn absent(store: &dyn ObjectStore, path: &Path) -> Result<(), String> {
    match store.head(path).await {
        Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err(format!("{path} is there")),
    }
}

fn same<T: PartialEq<U> + std::fmt::Debug + ?Sized, U: std::fmt::Debug + ?Sized>(
    found: &T,
    expected: &U,
) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("found {found:?}, expected {expected:?}")) }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
