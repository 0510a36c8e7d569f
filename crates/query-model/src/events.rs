//! The events query: the rows themselves, newest first.

use event_model::project::WeekStart;
use event_model::{Problem, ProjectId, columns};
use serde::Serialize;

use crate::filter::Filter;
use crate::json::{Node, shortened};
use crate::limits::{DEFAULT_EVENTS, MAX_EVENTS, MAX_LIST_VALUES, MAX_OFFSET};
use crate::period::{Bound, Period};
use crate::question::{project, read_timezone, read_week_start};
use crate::read::{At, choices, refuse};
use crate::suggest::closest;

/// `{"period", "filters"?, "event"?, "person"?, "columns"?, "order"?, "limit"?, "cursor"?}`. The names `filter` and
/// `orderBy` are taken too.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventsQuestion {
    /// The project; needed only where the key does not name one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub project: Option<ProjectId>,
    /// The time in which the events happened.
    pub period: Period,
    /// The time zone of dates; the project's unless it says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// First day of a week, for periods such as the last two weeks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub week_start: Option<WeekStart>,
    /// Conditions, all of which must hold. `{"property": "type", ...}` chooses between track, identify and the others.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// The events' name, or several; any, if it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event: Vec<String>,
    /// Whose events: one of the person's ids, or `{"person_id": ".."}` as answers write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonReference>,
    /// Which columns a row has, nulls included. Left out: all that say something about the event, without nulls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Newest or oldest first.
    #[serde(default)]
    pub order: EventsOrder,
    /// How many rows at most, from 1 to 10,000; 100 unless it says otherwise.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u32>"))]
    pub limit: u32,
    /// How many rows are skipped, up to 100,000. A cursor is better: it misses nothing when rows come in between.
    #[serde(default)]
    pub offset: u32,
    /// `next_cursor` of the previous answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The version of `events` to answer from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_version: Option<u64>,
    /// Answer from what had been received until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Bound>,
}

/// A person, by any of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum PersonReference {
    /// A user or anonymous id.
    Id(String),
    /// The id by which answers name the person.
    PersonId {
        /// 16 hexadecimal digits.
        person_id: String,
    },
}

choices! {
    /// The order of rows: the total order of events (timestamp, received_at, position, event_id), or its reverse.
    #[derive(Default)]
    EventsOrder {
        /// The latest first.
        #[default]
        NewestFirst = "newest_first",
        /// The earliest first.
        OldestFirst = "oldest_first",
    }
}

/// A column that is computed from the row: the person, by the smallest key of all their ids.
pub const PERSON_ID: &str = "person_id";

impl EventsQuestion {
    /// Reads and validates the JSON text.
    ///
    /// # Errors
    /// As [`crate::Question::parse`].
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = At::root(body)?.object("an object with a `period`")?;
        let takes =
            "{\"from\": \"2026-01-01\", \"to\": \"2026-01-31\"} or {\"last\": {\"value\": 7, \"unit\": \"day\"}}";
        let project = fields.take("project").map(project).transpose()?;
        let limit = fields.take("limit").map(|at| at.small(1..=MAX_EVENTS)).transpose()?.unwrap_or(DEFAULT_EVENTS);
        let offset = fields.take("offset").map(|at| at.small(0..=MAX_OFFSET)).transpose()?.unwrap_or(0);
        let period = Period::read(fields.require("period", takes)?)?;
        let (timezone, week_start) = (read_timezone(&mut fields)?, read_week_start(&mut fields)?);
        let filters = match fields.take_either("filters", "filter")? {
            Some(at) if matches!(at.node, Node::Object(_)) => vec![Filter::read(at)?],
            Some(at) => Filter::read_list(at)?,
            None => Vec::new(),
        };
        let event = match fields.take("event") {
            Some(at) if matches!(at.node, Node::List(_)) => {
                at.list_of("event names", 1..=MAX_LIST_VALUES, |item| item.name("an event's name"))?
            }
            Some(at) => vec![at.name("an event's name")?],
            None => Vec::new(),
        };
        let person = fields.take("person").map(PersonReference::read).transpose()?;
        let columns = fields
            .take("columns")
            .map(|at| at.list_of("columns", 1..=columns::EVENTS.len() + 1, column))
            .transpose()?;
        let order = fields.take_either("order", "orderBy")?.map(EventsOrder::read).transpose()?.unwrap_or_default();
        let cursor = fields.take("cursor").map(|at| at.name("next_cursor of the previous answer")).transpose()?;
        if cursor.is_some() && offset > 0 {
            return Err(refuse("offset", "does not go with `cursor`"));
        }
        let table_version = fields.take("table_version").map(|at| at.integer(0..=i64::MAX)).transpose()?;
        let as_of = match fields.take("as_of") {
            Some(at) if table_version.is_some() => {
                return Err(at.refuse("does not go with `table_version`; give one of them"));
            }
            as_of => as_of.map(Bound::read).transpose()?,
        };
        fields.finish()?;
        Ok(Self {
            project,
            period,
            timezone,
            week_start,
            filters,
            event,
            person,
            columns,
            order,
            limit,
            offset,
            cursor,
            table_version: table_version.map(i64::unsigned_abs),
            as_of,
        })
    }
}

impl PersonReference {
    fn read(at: At) -> Result<Self, Problem> {
        if matches!(at.node, Node::Text(_)) {
            return at.name("a user or anonymous id").map(Self::Id);
        }
        let mut fields = at.object("a user or anonymous id, or {\"person_id\": \"..\"}")?;
        let path = fields.path_of("person_id");
        let person_id = fields.require("person_id", "16 hexadecimal digits")?.text("16 hexadecimal digits")?;
        fields.finish()?;
        if person_id.len() != 16 || !person_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refuse(&path, "takes 16 hexadecimal digits"));
        }
        Ok(Self::PersonId { person_id: person_id.to_ascii_lowercase() })
    }
}

impl EventsOrder {
    /// Also takes what other interfaces write: `desc`, `timestamp asc`, `-timestamp`.
    fn read(at: At) -> Result<Self, Problem> {
        if let Node::Text(text) = &at.node {
            match text.to_ascii_lowercase().as_str() {
                "desc" | "-timestamp" | "timestamp desc" | "timestamp:desc" => return Ok(Self::NewestFirst),
                "asc" | "timestamp" | "timestamp asc" | "timestamp:asc" => return Ok(Self::OldestFirst),
                _ => {}
            }
        }
        at.choice()
    }
}

fn column(at: At) -> Result<String, Problem> {
    let path = at.path.clone();
    let name = at.text("the name of a column")?;
    if name == PERSON_ID || columns::find(&name).is_some() {
        return Ok(name);
    }
    let known = columns::EVENTS.iter().map(|column| column.name).chain([PERSON_ID]);
    let meant = closest(&name, known).map(|word| format!(" (did you mean `{word}`?)")).unwrap_or_default();
    Err(refuse(&path, format_args!("there is no column `{}`{meant}", shortened(&name))))
}
