//! Reads one event's JSON into the row that is being written.

use std::borrow::Cow;

use event_model::{EventId, EventType, Timestamp};

use crate::fields::{FIELDS, Field, KEYS, NAMESPACE, SOURCE, field};
use crate::json::{Key, Scanner, Wrong};
use crate::rows::{RequestFacts, RowProblem, Rows, Scalars};
use crate::text_column::Form;

/// Why an event did not become a row. The rows are then broken and must be thrown away: columns may differ in length.
pub(crate) enum EventProblem {
    /// The JSON is not what this project's collectors write.
    Wrong(Wrong),
    /// It can be read, but not stored.
    Unusable,
}

impl From<Wrong> for EventProblem {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

/// Reads one event of an envelope into the next row.
pub(crate) fn read_event(scanner: &mut Scanner<'_>, rows: &mut Rows, facts: &RequestFacts) -> Result<(), EventProblem> {
    let mut scalars = Scalars::default();
    let mut first = true;
    scanner.expect(b'{', "not an event")?;
    let mut last = 0;
    loop {
        let guess = rows.after.get(last).copied().unwrap_or_default();
        let guessed = KEYS.get(guess).map_or(b"".as_slice(), |key| key.as_bytes());
        let found = match scanner.key_or_other(&mut first, guessed)? {
            None => break,
            Some(Key::Guessed) => guess,
            Some(Key::Other(key)) => match field(&key) {
                Some(found) => found,
                None => {
                    scanner.value()?;
                    continue;
                }
            },
        };
        if let Some(after) = rows.after.get_mut(last) {
            *after = found;
        }
        last = found + 1;
        if let (Some((_, field)), false) = (FIELDS.get(found), scanner.null()?) {
            read_field(scanner, rows, &mut scalars, *field)?;
        }
    }
    rows.end_row(scalars, facts).map_err(|problem| match problem {
        RowProblem::Damaged(what) => EventProblem::Wrong(scanner.wrong(what)),
        RowProblem::Unusable => EventProblem::Unusable,
    })
}

fn read_field(scanner: &mut Scanner<'_>, rows: &mut Rows, scalars: &mut Scalars, field: Field) -> Result<(), Wrong> {
    match field {
        Field::Text(index) => {
            if rows.put_if_same(index, scanner).map_err(|what| scanner.wrong(what))? {
                return Ok(());
            }
            let text = scanner.string()?;
            // An empty namespace or source counts as absent, as in `Event`.
            if !(text.is_empty() && matches!(index, NAMESPACE | SOURCE)) {
                let form = if matches!(text, Cow::Borrowed(_)) { Form::Quoted } else { Form::Different };
                rows.put(index, &text, form).map_err(|what| scanner.wrong(what))?;
            }
        }
        Field::Json(index) => {
            if rows.put_if_same(index, scanner).map_err(|what| scanner.wrong(what))? {
                return Ok(());
            }
            let json = scanner.value()?;
            // A bracket says where the value ends; a number might go on.
            let form = if json.starts_with(['{', '[']) { Form::Bare } else { Form::Different };
            rows.put(index, json, form).map_err(|what| scanner.wrong(what))?;
        }
        Field::EventId => {
            let id = EventId::parse_uuid(&scanner.string()?);
            scalars.event_id = Some(id.ok_or_else(|| scanner.wrong("an event id is a UUID"))?);
        }
        Field::Position => scalars.position = scanner.integer()?,
        Field::Type => {
            let kind = EventType::parse(&scanner.string()?);
            scalars.kind = kind.ok_or_else(|| scanner.wrong("no such type of event"))?;
        }
        Field::Timestamp => scalars.timestamp = Some(Timestamp(scanner.integer()?)),
        Field::OriginalTimestamp => scalars.original_timestamp = Some(Timestamp(scanner.integer()?)),
        Field::PreviousId => scalars.previous_id = Some(scanner.string()?.into_owned()),
        Field::IsBot => scalars.is_bot = scanner.parse()?,
    }
    Ok(())
}
