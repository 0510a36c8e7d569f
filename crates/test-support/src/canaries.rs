//! Looks for texts in every byte of a folder or store: as they stand, in Parquet pages after decompression, and in what
//! is written in base64 or deflated.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

/// Where the texts were found: the place, and the first text. Parquet files that cannot be read are named too.
#[must_use]
pub fn in_object(place: &str, bytes: &Bytes, texts: &[String]) -> Option<String> {
    if let Some(text) = first(bytes, texts) {
        return Some(format!("{place}: {text}"));
    }
    if place.ends_with(".parquet") {
        return match pages(bytes) {
            Ok(pages) => {
                pages.iter().find_map(|page| first(page, texts)).map(|text| format!("{place}, a page: {text}"))
            }
            Err(error) => Some(format!("{place} cannot be read: {error}")),
        };
    }
    None
}

/// Everything in a store.
///
/// # Panics
/// If the store fails.
#[allow(clippy::expect_used, reason = "a test's look at its own store")]
pub async fn in_store(store: &Arc<dyn ObjectStore>, texts: &[String]) -> Vec<String> {
    let listed: Vec<_> = store.list(None).try_collect().await.expect("the store lists");
    let mut found = Vec::new();
    for object in listed {
        let bytes = store.get(&object.location).await.expect("it was listed").bytes().await.expect("it reads");
        found.extend(in_object(object.location.as_ref(), &bytes, texts));
    }
    found
}

/// Everything in a folder, and how many bytes that were.
///
/// # Errors
/// Of the file system.
pub fn in_folder(folder: &Path, texts: &[String]) -> io::Result<(Vec<String>, u64)> {
    let (mut found, mut size) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            let (inside, bytes) = in_folder(&path, texts)?;
            found.extend(inside);
            size += bytes;
            continue;
        }
        let bytes = Bytes::from(std::fs::read(&path)?);
        size += bytes.len() as u64;
        found.extend(in_object(&path.to_string_lossy(), &bytes, texts));
    }
    Ok((found, size))
}

/// The pages of a file, dictionaries included, decompressed.
fn pages(bytes: &Bytes) -> Result<Vec<Bytes>, ParquetError> {
    let file = SerializedFileReader::new(bytes.clone())?;
    let mut pages = Vec::new();
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group)?;
        for column in 0..group.num_columns() {
            let mut reader = group.get_column_page_reader(column)?;
            while let Some(page) = reader.get_next_page()? {
                pages.push(page.buffer().clone());
            }
        }
    }
    Ok(pages)
}

/// The first of the texts that stands in the bytes. All texts share their first bytes, which are looked for once.
fn first<'a>(bytes: &[u8], texts: &'a [String]) -> Option<&'a str> {
    let shared = shared_start(texts);
    let places = bytes.windows(shared.len().max(1)).enumerate().filter(|(_, window)| *window == shared.as_bytes());
    for (at, _) in places {
        let rest = bytes.get(at..).unwrap_or_default();
        if let Some(text) = texts.iter().find(|text| rest.starts_with(text.as_bytes())) {
            return Some(text);
        }
    }
    None
}

fn shared_start(texts: &[String]) -> String {
    let Some(one) = texts.first() else { return String::new() };
    let shared = |text: &String| one.bytes().zip(text.bytes()).take_while(|(left, right)| left == right).count();
    let length = texts.iter().map(shared).min().unwrap_or(0);
    one.get(..length).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_wherever_they_stand() {
        let texts = ["canary-1-x".to_owned(), "canary-22-x".to_owned()];
        let found = |bytes: &'static [u8]| in_object("file", &Bytes::from_static(bytes), &texts).is_some();
        assert!(found(b"\0\xffcanary-22-x") && found(b"canary-1-x"));
        assert!(!found(b"canary-2-x canary-1-") && !found(b""));
        assert!(in_object("a.parquet", &Bytes::from_static(b"no Parquet"), &texts).is_some());
    }
}
