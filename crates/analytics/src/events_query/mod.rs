//! The events query: the rows themselves, page by page, in the total order of events.
//!
//! ```text
//! Projection   the columns asked for, and those of the order
//!   Limit        offset, limit + 1: the one too many says that there is a next page
//!     Sort         timestamp, received_at, position, event_id
//!       Filter       timestamp, event, person_key: plain columns, which prune; then conditions on properties
//!         TableScan    events
//! ```

mod cursor;
mod rows;

use arrow::record_batch::RecordBatch;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, lit};
use event_model::{KeyMap, PersonId, PersonKey, Problem, Timestamp, columns};
use query_model::answer::EventRow;
use query_model::events::{EventsOrder, PERSON_ID, PersonReference};
use query_model::{Calendar, EventsQuestion, Period, ProjectSettings, Range};

use self::cursor::Cursor;
use crate::events_table::{column, happened_in, person, scan, text};
use crate::matching::{all, balanced, check_supported, reads_traits, truth};
use crate::problem::internal;
use crate::source::Source;

/// The total order of events.
const ORDER: [&str; 4] = [columns::TIMESTAMP, columns::RECEIVED_AT, columns::POSITION, columns::EVENT_ID];
/// Columns that say how a row is stored and not what happened: shown only where they are asked for.
const STORAGE: [&str; 5] = [columns::DATE, columns::MONTH, columns::INGEST_SEQ, columns::POSITION, columns::PERSON_KEY];

/// An events question on its way to an answer.
#[derive(Debug)]
pub struct EventsQuery {
    question: EventsQuestion,
    calendar: Calendar,
    range: Range,
    after: Option<Cursor>,
}

impl EventsQuery {
    /// Takes a question. `now` decides what `last` means.
    ///
    /// # Errors
    /// `not_supported` names the part that this version cannot answer; `invalid_question` if the period makes no
    /// sense in the project's time zone; `invalid_cursor`.
    pub fn new(mut question: EventsQuestion, settings: &ProjectSettings, now: Timestamp) -> Result<Self, Problem> {
        check_supported(&question.filters)?;
        let calendar = settings.calendar(question.timezone.as_deref(), question.week_start)?;
        let range = calendar.range(&question.period, now)?;
        question.timezone.get_or_insert_with(|| settings.timezone.clone());
        question.week_start = Some(calendar.week_start);
        if let (Period::Last { .. }, Some(absolute)) = (&question.period, Period::absolute(range)) {
            question.period = absolute;
        }
        let after = question.cursor.as_deref().map(|cursor| Cursor::read(cursor, question.order)).transpose()?;
        Ok(Self { question, calendar, range, after })
    }

    /// The question with every default written out and the period made absolute.
    #[must_use]
    pub fn question(&self) -> &EventsQuestion {
        &self.question
    }

    /// Where its days begin.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Whether [`Source::traits`] must be there.
    #[must_use]
    pub fn needs_traits(&self) -> bool {
        reads_traits(&self.question.filters)
    }

    /// The only plan.
    ///
    /// # Errors
    /// `internal` if it cannot be built.
    pub fn plan(&self, source: &Source) -> Result<LogicalPlan, Problem> {
        let ascending = self.question.order == EventsOrder::OldestFirst;
        let order: Vec<SortExpr> = ORDER.iter().map(|name| column(name).sort(ascending, false)).collect();
        let limit = usize::try_from(self.question.limit).unwrap_or(usize::MAX);
        let offset = usize::try_from(self.question.offset).unwrap_or(usize::MAX);
        scan(source)?
            .filter(self.condition(source)?)
            .and_then(|plan| plan.project(self.read(source)))
            .and_then(|plan| plan.sort(order))
            .and_then(|plan| plan.limit(offset, Some(limit.saturating_add(1))))
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)
    }

    /// The rows of the plan's batches as an answer has them, and the cursor of the next page.
    ///
    /// # Errors
    /// `internal` if the batches are not those of the plan.
    pub fn rows(&self, batches: &[RecordBatch]) -> Result<(Vec<EventRow>, Option<String>), Problem> {
        let limit = usize::try_from(self.question.limit).unwrap_or(usize::MAX);
        let keep_nulls = self.question.columns.is_some();
        rows::rows(batches, &self.shown(), keep_nulls, limit, self.question.order)
    }

    /// The columns of a row in the answer.
    fn shown(&self) -> Vec<&str> {
        match &self.question.columns {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => columns::EVENTS
                .iter()
                .map(|column| column.name)
                .filter(|name| !STORAGE.contains(name))
                .chain([PERSON_ID])
                .collect(),
        }
    }

    /// The columns that the plan reads: those shown, and those of the order for the cursor.
    fn read(&self, source: &Source) -> Vec<Expr> {
        let mut names = self.shown();
        names.extend(ORDER);
        let mut seen = Vec::with_capacity(names.len());
        for name in names {
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        seen.into_iter()
            .map(|name| if name == PERSON_ID { person(&source.keys).alias(PERSON_ID) } else { column(name) })
            .collect()
    }

    fn condition(&self, source: &Source) -> Result<Expr, Problem> {
        let mut conditions = vec![happened_in(source, self.range)];
        if !self.question.event.is_empty() {
            let names = self.question.event.iter().map(|name| text(name)).collect();
            conditions.push(column(columns::EVENT).in_list(names, false));
        }
        if let Some(reference) = &self.question.person {
            let keys = keys_of(reference, &source.keys).into_iter().map(|key| lit(key.0)).collect();
            conditions.push(column(columns::PERSON_KEY).in_list(keys, false));
        }
        conditions.extend(self.after.as_ref().map(|cursor| cursor.beyond(source, self.question.order)));
        conditions.extend(all(source, &self.question.filters, &self.calendar.timezone)?);
        Ok(balanced(conditions, Expr::and).unwrap_or_else(|| truth(true)))
    }
}

/// The keys of all ids of a person, so that the filter stays one on a plain column.
fn keys_of(reference: &PersonReference, keys: &KeyMap) -> Vec<PersonKey> {
    let named = match reference {
        // Nobody says whether the id is a user's or a visitor's: an id that nobody used has no events.
        PersonReference::Id(id) => vec![PersonId::User(id.clone()).key(), PersonId::Anonymous(id.clone()).key()],
        PersonReference::PersonId { person_id } => {
            u64::from_str_radix(person_id, 16).map(|key| PersonKey(key.cast_signed())).into_iter().collect()
        }
    };
    let mut all = Vec::new();
    for key in named {
        let canonical = keys.resolve(key);
        all.extend([key, canonical]);
        all.extend(keys.ids(canonical).iter().map(PersonId::key));
    }
    all.sort();
    all.dedup();
    all
}
