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
    application: "ingest",
};

/// What could not be used, with the original bytes. Append-only: a replay adds a row that says so.
pub static QUARANTINE: TableSpec = TableSpec {
    name: "quarantine",
    meaning: "One row an event that cannot be used, and one more when it is replayed.",
    columns: QUARANTINE_COLUMNS,
    partitioned: true,
    statistics: &[columns::RECEIVED_AT, columns::INGEST_SEQ],
    application: "quarantine",
};

/// Which ids are one person: ties and undos. Append-only.
pub static IDENTITIES: TableSpec = TableSpec {
    name: "identities",
    meaning: "One row a tie between two ids, and one a tie taken back.",
    columns: IDENTITIES_COLUMNS,
    partitioned: true,
    statistics: &[columns::RECEIVED_AT, columns::INGEST_SEQ],
    application: "identities",
};

/// What became of each message's events. Rolled up from the log of `events` before that is cleaned.
pub static LEDGER: TableSpec = TableSpec {
    name: "ledger",
    meaning: "One row a message: what became of its events.",
    columns: LEDGER_COLUMNS,
    partitioned: true,
    statistics: &[columns::RECEIVED_AT, columns::INGEST_SEQ],
    application: "ledger",
};

/// Who: derived from `events`, up to the `ingest_seq` that its last commit names.
pub static PERSONS: TableSpec = TableSpec {
    name: "persons",
    meaning: "One row an id of a person: first and last seen, latest traits. Derived from events.",
    columns: PERSONS_COLUMNS,
    partitioned: false,
    statistics: &[columns::PERSON_KEY],
    application: "persons",
};

/// Who was erased and stays out. It names nobody: it holds hashes.
pub static KEPT_OUT: TableSpec = TableSpec {
    name: "kept_out",
    meaning: "One row a hash of an id that was erased: of a person, or of an event.",
    columns: KEPT_OUT_COLUMNS,
    partitioned: true,
    statistics: &[columns::RECEIVED_AT, columns::INGEST_SEQ],
    application: "kept_out",
};

/// All tables of a project, in the order in which they are made.
pub static TABLES: [&TableSpec; 6] = [&EVENTS, &QUARANTINE, &IDENTITIES, &LEDGER, &PERSONS, &KEPT_OUT];

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
