//! Which rows of a table are a person's.

use std::collections::BTreeSet;

use arrow::array::{Array, BooleanArray, RecordBatch, StringArray};
use event_model::columns;

use super::{PersonIds, original};
use crate::column;
use crate::error::LakeError;
use crate::schema::{ACTIVITY, EVENTS, IDENTITIES, PERSONS, QUARANTINE, SEQUENCES, TableSpec, is_derived};

const OF_EVENTS: &[&str] = &[columns::USER_ID, columns::ANONYMOUS_ID];
const OF_IDENTITIES: &[&str] = &["left_type", "left_id", "right_type", "right_id"];
const OF_QUARANTINE: &[&str] = &["original"];

/// The tables that hold rows of persons, in the order in which a person is erased: `events` before `persons`, which is
/// made from it.
pub(crate) static TABLES: [&TableSpec; 4] = [&EVENTS, &IDENTITIES, &QUARANTINE, &PERSONS];

/// The tables that are made of events for months that are over: they name a person by key only, and say nothing that
/// `events` does not.
pub(crate) static DERIVED: [&TableSpec; 2] = [&SEQUENCES, &ACTIVITY];

/// Whose rows are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Whose {
    /// The ids of the person.
    pub(crate) ids: PersonIds,
    /// The keys under which derived tables may have rows of theirs.
    pub(crate) keys: BTreeSet<i64>,
}

impl Whose {
    /// By the keys of the ids alone.
    pub(crate) fn of(ids: &PersonIds) -> Self {
        Self { keys: ids.iter().map(|id| id.key().0).collect(), ids: ids.clone() }
    }

    /// Whether under all of the keys there are rows of this person only.
    pub(crate) fn is_alone(&self) -> bool {
        self.keys == Self::of(&self.ids).keys
    }
}

/// The columns that [`mask`] needs.
pub(crate) fn needs(spec: &TableSpec) -> &'static [&'static str] {
    match spec.name {
        _ if is_derived(spec) => &[columns::PERSON_KEY],
        name if name == QUARANTINE.name => OF_QUARANTINE,
        name if name == IDENTITIES.name => OF_IDENTITIES,
        _ => OF_EVENTS,
    }
}

/// For each row whether it is the person's.
///
/// # Errors
/// [`LakeError::Shape`] if the rows are not of that table.
pub(crate) fn mask(spec: &TableSpec, rows: &RecordBatch, whose: &Whose) -> Result<BooleanArray, LakeError> {
    let ids = &whose.ids;
    match spec.name {
        _ if is_derived(spec) => {
            let keys = column::long(rows, columns::PERSON_KEY)?.values();
            Ok(keys.iter().map(|key| Some(whose.keys.contains(key))).collect())
        }
        name if name == QUARANTINE.name => {
            let originals = column::bytes(rows, "original")?;
            Ok(originals.iter().map(|bytes| Some(bytes.is_some_and(|bytes| original::names(bytes, ids)))).collect())
        }
        name if name == IDENTITIES.name => {
            let side = |kind, id| {
                let (kinds, names) = (column::text(rows, kind)?, column::text(rows, id)?);
                Ok::<_, LakeError>(kinds.iter().zip(names).map(|(kind, id)| match (kind, id) {
                    (Some("user"), Some(id)) => ids.has_user(id),
                    (Some(_), Some(id)) => ids.has_visitor(id),
                    _ => false,
                }))
            };
            let sides = side("left_type", "left_id")?.zip(side("right_type", "right_id")?);
            Ok(sides.map(|(left, right)| Some(left || right)).collect())
        }
        _ => {
            let (users, visitors) = (column::text(rows, columns::USER_ID)?, column::text(rows, columns::ANONYMOUS_ID)?);
            let has = |column: &StringArray, row: usize, has: fn(&PersonIds, &str) -> bool| {
                column.is_valid(row) && has(ids, column.value(row))
            };
            let is_theirs = |row| has(users, row, PersonIds::has_user) || has(visitors, row, PersonIds::has_visitor);
            Ok((0..rows.num_rows()).map(|row| Some(is_theirs(row))).collect())
        }
    }
}
