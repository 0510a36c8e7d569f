//! The tables of a project: their columns, their order, their Delta properties.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::{DataType as DeltaType, MetadataValue, PrimitiveType, StructField};
use event_model::columns::{self, Column, ColumnType};

use crate::batch::MESSAGE;

/// The layout that this build writes, and the newest it reads: the table property `headwater.layout`.
pub const LAYOUT: u64 = 1;
/// The name of that property.
pub const LAYOUT_PROPERTY: &str = "headwater.layout";
/// A checkpoint is due after this many commits.
pub const CHECKPOINT_INTERVAL: u64 = 100;
/// How long the log and removed files are kept, and so how far back a version can be read, in days.
pub const RETENTION_DAYS: u32 = 7;

/// One kind of table.
#[derive(Debug)]
pub struct TableSpec {
    /// The table's name and folder.
    pub name: &'static str,
    /// What it holds, for people.
    pub meaning: &'static str,
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// Whether it is partitioned by its last column, `month`.
    pub partitioned: bool,
    /// The columns that have statistics in the log. Ids stay out of it, which erasure needs.
    pub statistics: &'static [&'static str],
    /// The columns by which the rows of every file are sorted, ascending, nulls last; none if they lie as they came.
    pub order: &'static [&'static str],
    /// The application id whose transaction numbers its appends.
    pub application: &'static str,
}

/// What happened: one row an event.
pub static EVENTS: TableSpec = TableSpec {
    name: "events",
    meaning: "One row an event.",
    columns: columns::EVENTS,
    partitioned: true,
    statistics: &[
        columns::DATE,
        columns::TIMESTAMP,
        columns::EVENT,
        columns::PERSON_KEY,
        columns::INGEST_SEQ,
        columns::RECEIVED_AT,
    ],
    order: &[columns::EVENT, columns::PERSON_KEY, columns::TIMESTAMP],
    application: "ingest",
};

/// What could not be used, with the original bytes. Append-only: a replay adds a row that says so.
pub static QUARANTINE: TableSpec = TableSpec {
    name: "quarantine",
    meaning: "One row an event that cannot be used, and one more when it is replayed.",
    columns: QUARANTINE_COLUMNS,
    partitioned: true,
    statistics: &[columns::RECEIVED_AT, columns::INGEST_SEQ],
    order: &[],
    application: "quarantine",
};

/// Which ids are one person: ties and undos. Append-only.
pub static IDENTITIES: TableSpec = TableSpec {
    name: "identities",
    meaning: "One row a tie between two ids, and one a tie taken back.",
    columns: IDENTITIES_COLUMNS,
    partitioned: true,
    statistics: &[columns::RECEIVED_AT, columns::INGEST_SEQ],
    order: &[],
    application: "identities",
};

/// What became of each message's events. Rolled up from the log of `events` before that is cleaned.
pub static LEDGER: TableSpec = TableSpec {
    name: "ledger",
    meaning: "One row a message: what became of its events.",
    columns: LEDGER_COLUMNS,
    partitioned: true,
    statistics: &[columns::RECEIVED_AT, columns::INGEST_SEQ],
    order: &[],
    application: "ledger",
};

/// Who: derived from `events`, up to the `ingest_seq` that its last commit names.
pub static PERSONS: TableSpec = TableSpec {
    name: "persons",
    meaning: "One row an id of a person: first and last seen, latest traits. Derived from events.",
    columns: PERSONS_COLUMNS,
    partitioned: false,
    statistics: &[columns::PERSON_KEY],
    order: &[],
    application: "persons",
};

/// Who was erased and stays out. It names nobody: it holds hashes.
pub static KEPT_OUT: TableSpec = TableSpec {
    name: "kept_out",
    meaning: "One row a hash of an id that was erased: of a person, or of an event.",
    columns: KEPT_OUT_COLUMNS,
    partitioned: true,
    statistics: &[columns::RECEIVED_AT, columns::INGEST_SEQ],
    order: &[],
    application: "kept_out",
};

/// What each person did, one after the other: derived from `events` for months that are over.
pub static SEQUENCES: TableSpec = TableSpec {
    name: "sequences",
    meaning: "One row a track, page or screen event of a month that is over, sorted by person and order. Derived from events.",
    columns: SEQUENCES_COLUMNS,
    partitioned: true,
    statistics: &[columns::PERSON_KEY, columns::TIMESTAMP, BUCKET, BUCKETS, COVERS, TIES, PART_PERSONS],
    order: &[columns::PERSON_KEY, columns::TIMESTAMP, PLACE],
    application: "sequences",
};

/// On which days each person did what: derived from `events` for months that are over.
pub static ACTIVITY: TableSpec = TableSpec {
    name: "activity",
    meaning: "One row a person, event name and month that is over: a bit for each day on which it happened. Derived from events.",
    columns: ACTIVITY_COLUMNS,
    partitioned: true,
    statistics: &[columns::PERSON_KEY, BUCKET, BUCKETS, COVERS, TIES, PART_PERSONS, FIRST_DAY, DAYS_TIMEZONE],
    order: &[columns::PERSON_KEY, columns::EVENT],
    application: "activity",
};

/// All tables of a project, in the order in which they are made. The last two are made when they are first needed.
pub static TABLES: [&TableSpec; 8] =
    [&EVENTS, &QUARANTINE, &IDENTITIES, &LEDGER, &PERSONS, &KEPT_OUT, &SEQUENCES, &ACTIVITY];

/// Whether a table is made of parts, each of which stands for the events of some persons in a month that is over.
#[must_use]
pub fn is_derived(spec: &TableSpec) -> bool {
    [SEQUENCES.name, ACTIVITY.name].contains(&spec.name)
}

/// Names a row of `quarantine`: a hash of the message id and the position.
pub const ROW_ID: &str = "row_id";
/// What a row of `quarantine` or `identities` does.
pub const ACTION: &str = "action";
/// The name of a message.
pub const MESSAGE_ID: &str = "message_id";
/// Names a row of `identities`.
pub const EDGE_ID: &str = "edge_id";
/// Where in the total order the calls stand that set the traits of a row of `persons`.
pub const TRAITS_PLACES: &str = "traits_places";

/// Among events of a person at the very same timestamp, the place of this one in the total order.
pub const PLACE: &str = "place";
/// One bit a day, in `activity`.
pub const DAYS: &str = "days";
/// The date of the lowest bit of [`DAYS`].
pub const FIRST_DAY: &str = "first_day";
/// The time zone of these dates.
pub const DAYS_TIMEZONE: &str = "days_timezone";
/// How often it happened, in `activity`.
pub const TIMES: &str = "times";
/// When it first happened, in `activity`.
pub const FIRST_AT: &str = "first_at";
/// Which part of a derived table the file is: the persons whose keys lie in this range.
pub const BUCKET: &str = "bucket";
/// Into how many ranges the keys of persons are cut.
pub const BUCKETS: &str = "buckets";
/// Up to which ingest commit a part of a derived table has taken in `events`.
pub const COVERS: &str = "covers";
/// Up to which commit to `identities` its keys are resolved.
pub const TIES: &str = "ties";
/// How many persons a part has.
pub const PART_PERSONS: &str = "part_persons";

/// The hash of an id in `kept_out`.
pub const KEPT_OUT_HASH: &str = "hash";
/// What the id in a row of `kept_out` names.
pub const KEPT_OUT_KIND: &str = "kind";
/// Until when what is received stays out.
pub const KEPT_OUT_UNTIL: &str = "until";

const fn column(name: &'static str, kind: ColumnType, nullable: bool, meaning: &'static str) -> Column {
    Column { name, kind, nullable, meaning }
}

const MONTH_RECEIVED: Column =
    column(columns::MONTH, ColumnType::Utf8, false, "`YYYY-MM` of `received_at` in UTC: the partition.");

const QUARANTINE_COLUMNS: &[Column] = &[
    column(ROW_ID, ColumnType::Binary, false, "Names the rejected event: a hash of its message id and position."),
    column(ACTION, ColumnType::Utf8, false, "`reject`, or `replayed` once the event was decoded again and stored."),
    column(MESSAGE_ID, ColumnType::Binary, true, "The queue message that carried it; null on `replayed`."),
    column("write_key_id", ColumnType::Utf8, true, "The key it came in by (its id, not the key)."),
    column(columns::PROTOCOL, ColumnType::Utf8, true, "The protocol it came in by."),
    column(
        columns::RECEIVED_AT,
        ColumnType::Timestamp,
        false,
        "When it was received; on `replayed`: when that was noted.",
    ),
    column(columns::POSITION, ColumnType::Int32, true, "Index in the client's request."),
    column(columns::EVENT_ID, ColumnType::Binary, true, "The id given before quarantine, so that a replay lands once."),
    column("reason", ColumnType::Utf8, true, "Why it cannot be used: a stable code."),
    column("detail", ColumnType::Utf8, true, "Why, in a sentence, without the offending value."),
    column("original", ColumnType::Binary, true, "The original bytes, or their first 64 KiB."),
    column("full_length", ColumnType::Int64, true, "How long the original was, in bytes."),
    column("sha256", ColumnType::Utf8, true, "SHA-256 of the whole original, in hexadecimal."),
    column("replayable", ColumnType::Boolean, true, "Whether the original is whole, so that it can be decoded again."),
    // Filled from QuarantineRow::events, so that rows and ledger can be compared.
    column(
        "events",
        ColumnType::Int64,
        true,
        "How many accepted events the row stands for: 1, or all of an unreadable message.",
    ),
    column(columns::INGEST_SEQ, ColumnType::Int64, false, "The number of the commit to this table that added the row."),
    MONTH_RECEIVED,
];

const IDENTITIES_COLUMNS: &[Column] = &[
    column(EDGE_ID, ColumnType::Binary, false, "Names the row: a hash of the action, the event and the pair."),
    column(ACTION, ColumnType::Utf8, false, "`tie`, or `undo`, which voids the earlier ties of its pair."),
    column("left_type", ColumnType::Utf8, false, "`user` or `anonymous`."),
    column("left_id", ColumnType::Utf8, false, "The smaller id of the pair."),
    column("right_type", ColumnType::Utf8, false, "`user` or `anonymous`."),
    column("right_id", ColumnType::Utf8, false, "The larger id of the pair."),
    column("cause", ColumnType::Utf8, false, "`identify`, `alias` or `undo_merge`."),
    column(columns::EVENT_ID, ColumnType::Binary, false, "The event that made it."),
    column(columns::RECEIVED_AT, ColumnType::Timestamp, false, "When that event was received."),
    column(columns::INGEST_SEQ, ColumnType::Int64, false, "The number of the commit to this table that added the row."),
    MONTH_RECEIVED,
];

const LEDGER_COLUMNS: &[Column] = &[
    column(MESSAGE_ID, ColumnType::Binary, false, "The message's name, made by the collector."),
    column(columns::RECEIVED_AT, ColumnType::Timestamp, false, "When the collector received its events."),
    column("stored", ColumnType::Int64, false, "How many of its events this ingest commit added to `events`."),
    column("quarantined", ColumnType::Int64, false, "How many of its events are in `quarantine`."),
    column("duplicates", ColumnType::Int64, false, "How many of its events were there already, or twice in the batch."),
    column(
        "complete",
        ColumnType::Boolean,
        false,
        "Whether the message is done. Exactly one row a message is; an import over many months has others before it.",
    ),
    column(
        "named_by",
        ColumnType::Int64,
        false,
        "The ingest commit that names the message: an `ingest_seq` of `events`.",
    ),
    column(columns::INGEST_SEQ, ColumnType::Int64, false, "The number of the commit to this table that added the row."),
    MONTH_RECEIVED,
];

const KEPT_OUT_COLUMNS: &[Column] = &[
    column(KEPT_OUT_HASH, ColumnType::Binary, false, "The first 16 bytes of SHA-256 over the kind and the id."),
    column(KEPT_OUT_KIND, ColumnType::Utf8, false, "`person` or `event`."),
    column(
        KEPT_OUT_UNTIL,
        ColumnType::Timestamp,
        true,
        "Of a person: what was received until then stays out; null: everything. The newest row of an id counts.",
    ),
    column(
        columns::RECEIVED_AT,
        ColumnType::Timestamp,
        false,
        "Of a person: when the row was added. Of an event: when it was received.",
    ),
    column(columns::INGEST_SEQ, ColumnType::Int64, false, "The number of the commit to this table that added the row."),
    MONTH_RECEIVED,
];

const PERSONS_COLUMNS: &[Column] = &[
    column(columns::PERSON_KEY, ColumnType::Int64, false, "The key of the id, before ties."),
    column(columns::USER_ID, ColumnType::Utf8, true, "The id, if it is a user's."),
    column(columns::ANONYMOUS_ID, ColumnType::Utf8, true, "The id, if it is a visitor's."),
    column("first_seen", ColumnType::Timestamp, false, "The earliest event of this id."),
    column("last_seen", ColumnType::Timestamp, false, "The latest event of this id."),
    column(
        columns::TRAITS,
        ColumnType::Utf8,
        true,
        "The traits of all its identify calls, later ones on top: JSON as text.",
    ),
    column(
        TRAITS_PLACES,
        ColumnType::Utf8,
        true,
        "For each trait the place of its call in the order of events: JSON as text.",
    ),
    column(columns::INGEST_SEQ, ColumnType::Int64, false, "The newest ingest commit that the row has taken in."),
];

// What each file of a derived table says of itself: the same in every row, so that its bounds in the log say it too.
const BUCKET_COLUMN: Column = column(
    BUCKET,
    ColumnType::Int32,
    false,
    "The part of the month that the row is in: the number of its key's range, in the order of keys.",
);
const BUCKETS_COLUMN: Column =
    column(BUCKETS, ColumnType::Int32, false, "Into how many equal ranges of keys the month is cut: a power of two.");
const COVERS_COLUMN: Column =
    column(COVERS, ColumnType::Int64, false, "The ingest commit up to which the part has taken in `events`.");
const TIES_COLUMN: Column =
    column(TIES, ColumnType::Int64, false, "The commit to `identities` up to which its keys are resolved.");
const PART_PERSONS_COLUMN: Column = column(PART_PERSONS, ColumnType::Int64, false, "How many persons the part has.");

const PERSON_RESOLVED: Column =
    column(columns::PERSON_KEY, ColumnType::Int64, false, "The key of the person, by the ties up to `ties`.");
const MONTH_OF_EVENTS: Column =
    column(columns::MONTH, ColumnType::Utf8, false, "`YYYY-MM` of the events' `timestamp` in UTC: the partition.");

const SEQUENCES_COLUMNS: &[Column] = &[
    PERSON_RESOLVED,
    column(columns::TIMESTAMP, ColumnType::Timestamp, false, "When it happened; UTC, microseconds."),
    column(
        PLACE,
        ColumnType::Int32,
        false,
        "0, or the place in the total order among several events of the person at the same microsecond.",
    ),
    column(columns::EVENT, ColumnType::Utf8, false, "The event's name, as in `events`."),
    column(columns::NAMESPACE, ColumnType::Utf8, false, "As in `events`."),
    column(columns::CHANNEL, ColumnType::Utf8, true, "As in `events`."),
    column(columns::UTM_SOURCE, ColumnType::Utf8, true, "As in `events`."),
    column(columns::BROWSER, ColumnType::Utf8, true, "As in `events`."),
    column(columns::OS, ColumnType::Utf8, true, "As in `events`."),
    column(columns::DEVICE_TYPE, ColumnType::Utf8, true, "As in `events`."),
    column(columns::COUNTRY, ColumnType::Utf8, true, "As in `events`."),
    BUCKET_COLUMN,
    BUCKETS_COLUMN,
    COVERS_COLUMN,
    TIES_COLUMN,
    PART_PERSONS_COLUMN,
    MONTH_OF_EVENTS,
];

const ACTIVITY_COLUMNS: &[Column] = &[
    PERSON_RESOLVED,
    column(columns::EVENT, ColumnType::Utf8, false, "The event's name, as in `events`."),
    column(
        DAYS,
        ColumnType::Int32,
        false,
        "Bit n (of 32, the lowest is 0) is set if it happened on the n-th day after `first_day`.",
    ),
    column(TIMES, ColumnType::Int64, false, "How often it happened in the month."),
    column(FIRST_AT, ColumnType::Timestamp, false, "When it first happened in the month; UTC, microseconds."),
    column(FIRST_DAY, ColumnType::Date32, false, "The date, in `days_timezone`, on which the month began in UTC."),
    column(DAYS_TIMEZONE, ColumnType::Utf8, false, "The IANA time zone of the days: the project's when it was built."),
    BUCKET_COLUMN,
    BUCKETS_COLUMN,
    COVERS_COLUMN,
    TIES_COLUMN,
    PART_PERSONS_COLUMN,
    MONTH_OF_EVENTS,
];

impl TableSpec {
    /// The columns as Arrow sees them.
    #[must_use]
    pub fn arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(arrow_field).collect::<Vec<_>>()))
    }

    /// The columns as Delta sees them; what they mean becomes their comment.
    #[must_use]
    pub fn delta(&self) -> Vec<StructField> {
        self.columns.iter().map(delta_field).collect()
    }

    /// The columns that the table is partitioned by.
    #[must_use]
    pub fn partition_columns(&self) -> Vec<String> {
        if self.partitioned { vec![columns::MONTH.to_owned()] } else { Vec::new() }
    }

    /// The table's Delta properties.
    #[must_use]
    pub fn properties(&self) -> Vec<(String, Option<String>)> {
        let retention = format!("interval {RETENTION_DAYS} days");
        [
            (LAYOUT_PROPERTY, LAYOUT.to_string()),
            ("delta.dataSkippingStatsColumns", self.statistics.join(",")),
            ("delta.checkpointInterval", CHECKPOINT_INTERVAL.to_string()),
            ("delta.logRetentionDuration", retention.clone()),
            ("delta.deletedFileRetentionDuration", retention),
            // Clean-up belongs to maintenance: the ledger must have taken in what a commit says before it goes.
            ("delta.enableExpiredLogCleanup", "false".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Some(value)))
        .collect()
    }
}

/// The columns of `events`.
#[must_use]
pub fn events() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| EVENTS.arrow());
    Arc::clone(&SCHEMA)
}

/// The columns of [`crate::IngestBatch::events`]: those of `events` without `ingest_seq`, which the commit gives, and
/// [`MESSAGE`] last. A column of texts may instead be a dictionary of them with 32-bit keys, or of type Null if no row has
/// one.
#[must_use]
pub fn incoming_events() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let mut fields: Vec<Field> =
            columns::EVENTS.iter().filter(|column| column.name != columns::INGEST_SEQ).map(arrow_field).collect();
        fields.push(Field::new(MESSAGE, DataType::UInt32, false));
        Arc::new(Schema::new(fields))
    });
    Arc::clone(&SCHEMA)
}

/// The Arrow type of instants: microseconds in UTC.
#[must_use]
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn arrow_field(column: &Column) -> Field {
    let kind = match column.kind {
        ColumnType::Binary => DataType::Binary,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Date32 => DataType::Date32,
        ColumnType::Int32 => DataType::Int32,
        ColumnType::Int64 => DataType::Int64,
        ColumnType::Timestamp => instant(),
        ColumnType::Utf8 => DataType::Utf8,
    };
    Field::new(column.name, kind, column.nullable)
}

fn delta_field(column: &Column) -> StructField {
    let kind = match column.kind {
        ColumnType::Binary => PrimitiveType::Binary,
        ColumnType::Boolean => PrimitiveType::Boolean,
        ColumnType::Date32 => PrimitiveType::Date,
        ColumnType::Int32 => PrimitiveType::Integer,
        ColumnType::Int64 => PrimitiveType::Long,
        ColumnType::Timestamp => PrimitiveType::Timestamp,
        ColumnType::Utf8 => PrimitiveType::String,
    };
    StructField::new(column.name, DeltaType::Primitive(kind), column.nullable)
        .with_metadata([("comment", MetadataValue::String(column.meaning.to_owned()))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incoming_events_lack_the_number_of_the_commit_and_end_with_the_message() {
        let incoming: Vec<String> = incoming_events().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(incoming.len(), columns::EVENTS.len());
        assert!(!incoming.iter().any(|name| name == columns::INGEST_SEQ));
        assert_eq!(incoming.last().map(String::as_str), Some(MESSAGE));
    }

    #[test]
    fn statistics_name_columns_that_exist_and_never_an_id() {
        for table in TABLES {
            for name in table.statistics {
                let column = table.columns.iter().find(|column| column.name == *name).unwrap();
                assert_ne!(column.kind, ColumnType::Binary, "{} of {}", name, table.name);
            }
            assert_eq!(table.partitioned, table.columns.last().unwrap().name == columns::MONTH, "{}", table.name);
        }
    }
}
