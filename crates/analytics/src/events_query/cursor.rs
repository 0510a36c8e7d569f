//! Where a page ended: the place of its last row in the total order, as text that callers pass back.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use event_model::{ErrorCode, EventId, Problem, columns};
use query_model::events::EventsOrder;

use crate::events_table::{column, instant};
use crate::source::Source;

/// A row's place in the total order. Times are microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) timestamp: i64,
    pub(super) received_at: i64,
    pub(super) position: i32,
    pub(super) event_id: EventId,
}

impl Cursor {
    /// `n` or `o` for the order, then the four parts.
    pub(super) fn write(self, order: EventsOrder) -> String {
        let Self { timestamp, received_at, position, event_id } = self;
        format!("{}.{timestamp}.{received_at}.{position}.{event_id}", letter(order))
    }

    /// The inverse of [`Self::write`].
    ///
    /// # Errors
    /// `invalid_cursor` if it is none of ours, or of the other order.
    pub(super) fn read(text: &str, order: EventsOrder) -> Result<Self, Problem> {
        Self::parse(text, order).ok_or_else(|| Problem::from(ErrorCode::InvalidCursor))
    }

    fn parse(text: &str, order: EventsOrder) -> Option<Self> {
        let mut parts = text.split('.');
        if parts.next()? != letter(order) {
            return None;
        }
        let cursor = Self {
            timestamp: parts.next()?.parse().ok()?,
            received_at: parts.next()?.parse().ok()?,
            position: parts.next()?.parse().ok()?,
            event_id: EventId::parse_uuid(parts.next()?)?,
        };
        parts.next().is_none().then_some(cursor)
    }

    /// The rows that come after it. The first condition is implied by the second; it is the one that prunes files.
    pub(super) fn beyond(self, source: &Source, order: EventsOrder) -> Expr {
        let after = |left: Expr, right: Expr| match order {
            EventsOrder::NewestFirst => left.lt(right),
            EventsOrder::OldestFirst => left.gt(right),
        };
        let timestamp = || (column(columns::TIMESTAMP), instant(source, self.timestamp));
        let received_at = || (column(columns::RECEIVED_AT), instant(source, self.received_at));
        let position = || (column(columns::POSITION), lit(self.position));
        let id = Expr::Literal(ScalarValue::Binary(Some(self.event_id.0.to_vec())), None);
        let mut beyond = after(column(columns::EVENT_ID), id);
        for (left, right) in [position(), received_at(), timestamp()] {
            beyond = after(left.clone(), right.clone()).or(left.eq(right).and(beyond));
        }
        let (left, right) = timestamp();
        let prunes = match order {
            EventsOrder::NewestFirst => left.lt_eq(right),
            EventsOrder::OldestFirst => left.gt_eq(right),
        };
        prunes.and(beyond)
    }
}

fn letter(order: EventsOrder) -> &'static str {
    match order {
        EventsOrder::NewestFirst => "n",
        EventsOrder::OldestFirst => "o",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let cursor = Cursor { timestamp: -5, received_at: 7, position: 3, event_id: EventId([9; 16]) };
        let text = cursor.write(EventsOrder::NewestFirst);
        assert_eq!(Cursor::read(&text, EventsOrder::NewestFirst).unwrap(), cursor);
        for wrong in
            ["", "n", "n.1.2.3", "n.1.2.3.x", &text.replace('n', "o"), &format!("{text}.1"), "n.1.2.9999999999.09"]
        {
            assert_eq!(Cursor::read(wrong, EventsOrder::NewestFirst).unwrap_err().code, ErrorCode::InvalidCursor);
        }
    }
}
