//! What the log knows of a table's files: size, rows and bounds, parsed once a file.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake_core::kernel::LogicalFileView;
use event_model::{Timestamp, columns};
use serde::Deserialize;
use serde_json::Value;

use crate::derived::{Bucket, Part};
use crate::schema::{BUCKET, BUCKETS, COVERS, DAYS_TIMEZONE, PART_PERSONS, TIES};

/// One live file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its place under the table's folder.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its rows; `None` if the log does not say.
    pub rows: Option<u64>,
    /// When it was written, in milliseconds since 1970.
    pub modified_millis: i64,
    /// The partition, for tables that have one.
    pub month: Option<String>,
    /// The bounds of its columns, as far as the log knows them.
    pub bounds: Bounds,
}

/// The smallest and the largest value of the columns that the log keeps statistics of. Timestamps in the log are cut
/// to milliseconds, so the upper bound may lie up to 999 microseconds below the largest value; texts may be cut, the
/// upper bound then being rounded up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Days since 1970.
    pub date: Option<(i32, i32)>,
    /// Microseconds since 1970, cut to milliseconds.
    pub timestamp: Option<(i64, i64)>,
    /// When rows were received, in microseconds since 1970, cut to milliseconds.
    pub received_at: Option<(i64, i64)>,
    /// Names of events.
    pub event: Option<(String, String)>,
    /// Keys of persons.
    pub person_key: Option<(i64, i64)>,
    /// Numbers of ingest commits.
    pub ingest_seq: Option<(i64, i64)>,
    /// Which part the file is, in a derived table.
    pub part: Option<Box<Part>>,
}

/// The live files of one version of a table.
#[derive(Clone, Debug, Default)]
pub struct FileList {
    files: Vec<Arc<DataFile>>,
    by_path: HashMap<String, Arc<DataFile>>,
}

impl FileList {
    /// The files of a snapshot. Files that `earlier` knows already are not parsed again, so that the refresh after a
    /// commit costs what the commit added.
    #[must_use]
    pub fn new(views: impl Iterator<Item = LogicalFileView>, earlier: &Self) -> Self {
        let mut files = Vec::with_capacity(earlier.files.len() + 1);
        let mut by_path = HashMap::with_capacity(earlier.files.len() + 1);
        for view in views {
            let path = view.object_store_path().to_string();
            let file = earlier.by_path.get(&path).cloned().unwrap_or_else(|| Arc::new(DataFile::parse(&view)));
            by_path.insert(path, Arc::clone(&file));
            files.push(file);
        }
        Self { files, by_path }
    }

    /// All files.
    #[must_use]
    pub fn files(&self) -> &[Arc<DataFile>] {
        &self.files
    }

    /// The file at that place.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Arc<DataFile>> {
        self.by_path.get(path)
    }

    /// The sum of their sizes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The sum of their rows, as the log tells them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.files.iter().filter_map(|file| file.rows).sum()
    }

    /// The latest timestamp of any row, exact to the millisecond.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.files.iter().filter_map(|file| file.bounds.timestamp).map(|(_, latest)| Timestamp(latest)).max()
    }

    /// The largest number of an ingest commit.
    #[must_use]
    pub fn newest_seq(&self) -> Option<i64> {
        self.files.iter().filter_map(|file| file.bounds.ingest_seq).map(|(_, newest)| newest).max()
    }
}

impl DataFile {
    pub(crate) fn parse(view: &LogicalFileView) -> Self {
        let statistics: Statistics = view.stats().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let month = view.partition_values_map().remove(columns::MONTH).flatten();
        Self {
            path: view.object_store_path().to_string(),
            bytes: u64::try_from(view.size()).unwrap_or(0),
            rows: statistics.num_records,
            modified_millis: view.modification_time(),
            month,
            bounds: statistics.bounds(),
        }
    }
}

/// The statistics of an `add` action, as the Delta protocol writes them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Statistics {
    num_records: Option<u64>,
    min_values: HashMap<String, Value>,
    max_values: HashMap<String, Value>,
}

impl Statistics {
    fn bounds(&self) -> Bounds {
        let instant = |value: &Value| Timestamp::parse(value.as_str()?).map(|instant| instant.0);
        Bounds {
            date: self.pair(columns::DATE, |value| Timestamp::parse(value.as_str()?).map(Timestamp::days)),
            timestamp: self.pair(columns::TIMESTAMP, instant),
            received_at: self.pair(columns::RECEIVED_AT, instant),
            event: self.pair(columns::EVENT, |value| value.as_str().map(str::to_owned)),
            person_key: self.pair(columns::PERSON_KEY, Value::as_i64),
            ingest_seq: self.pair(columns::INGEST_SEQ, Value::as_i64),
            part: self.part().map(Box::new),
        }
    }

    /// What the columns say that are the same in every row of a file.
    fn part(&self) -> Option<Part> {
        let number = |column| self.min_values.get(column).and_then(Value::as_i64);
        let text = |column| self.min_values.get(column).and_then(Value::as_str).map(str::to_owned);
        Some(Part {
            bucket: Bucket::new(number(BUCKET)?, number(BUCKETS)?)?,
            covers: number(COVERS)?,
            ties: number(TIES)?,
            persons: u64::try_from(number(PART_PERSONS)?).ok()?,
            timezone: text(DAYS_TIMEZONE),
        })
    }

    fn pair<T>(&self, column: &str, read: impl Fn(&Value) -> Option<T>) -> Option<(T, T)> {
        Some((read(self.min_values.get(column)?)?, read(self.max_values.get(column)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_the_log_writes_them() {
        let statistics: Statistics = serde_json::from_str(
            r#"{"numRecords":3,
                "minValues":{"date":"2026-01-02","timestamp":"2026-01-02T03:04:05.006Z","event":"a","person_key":-5,"ingest_seq":1},
                "maxValues":{"date":"2026-01-03","timestamp":"2026-01-03T00:00:00Z","event":"b","person_key":7,"ingest_seq":2},
                "nullCount":{"event":0}}"#,
        )
        .unwrap();
        let bounds = statistics.bounds();
        assert_eq!(statistics.num_records, Some(3));
        assert_eq!(bounds.date, Some((20_455, 20_456)));
        assert_eq!(
            bounds.timestamp,
            Some((Timestamp::parse("2026-01-02T03:04:05.006Z").unwrap().0, Timestamp::parse("2026-01-03").unwrap().0))
        );
        assert_eq!(bounds.event, Some(("a".to_owned(), "b".to_owned())));
        assert_eq!((bounds.person_key, bounds.ingest_seq), (Some((-5, 7)), Some((1, 2))));
    }

    #[test]
    fn a_file_without_statistics_has_no_bounds() {
        assert_eq!(Statistics::default().bounds(), Bounds::default());
    }
}
