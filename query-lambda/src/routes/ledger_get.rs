//! `GET /api/v1/ledger`: is anything lost? Answered by one equation.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use event_model::Problem;
use lake::LedgerTotals;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::answer::{Asking, run};
use crate::auth::Reader;
use crate::control::QueueSide;
use crate::lake_problem::lake_problem;
use crate::problem::Failure;
use crate::service::QueryService;

/// How often both sides are read before a difference is reported. They cannot be read at the same moment: a message
/// that is stored but not yet acknowledged counts on both, for some milliseconds.
const ATTEMPTS: u32 = 10;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// What became of every event that was ever accepted: `sent = stored + quarantined + duplicates + in_flight + dead`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Ledger {
    /// Events that the queue made durable, rejected ones and replays included; null where the queue does not count
    /// them.
    sent: Option<u64>,
    /// Rows added to `events`.
    stored: u64,
    /// Rows added to `quarantine`.
    quarantined: u64,
    /// Events that were there already and were removed.
    duplicates: u64,
    /// Events that wait in the queue or are being stored.
    in_flight: u64,
    /// Events in dead letters: kept, but no longer tried.
    dead: u64,
    /// Rows of quarantine that were replayed and are events now; each is in `quarantined` and, as the replay's event,
    /// in `sent` and `stored`.
    replayed: u64,
    /// Whether the equation holds; null where `sent` is.
    balanced: Option<bool>,
    /// The version of `events` up to which this counts.
    version: u64,
}

pub(crate) async fn handle(
    State(service): State<Arc<QueryService>>,
    Reader(project): Reader,
) -> Result<Response, Failure> {
    Ok(json(&run(&service, &project, "ledger", ledger).await?)?)
}

async fn ledger(asking: Asking) -> Result<Ledger, Problem> {
    let lake = asking.lake().await?;
    let mut attempt = 1;
    loop {
        let queue = asking.service.control.queue(&asking.project.id).await?;
        let totals = lake.ledger().await.map_err(lake_problem)?;
        let ledger = Ledger::new(queue, totals);
        if ledger.balanced != Some(false) || attempt == ATTEMPTS {
            return Ok(ledger);
        }
        attempt += 1;
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
    }
}

impl Ledger {
    fn new(queue: QueueSide, totals: LedgerTotals) -> Self {
        let LedgerTotals { stored, quarantined, duplicates, replayed, covers, .. } = totals;
        let QueueSide { sent, in_flight, dead } = queue;
        let found = stored + quarantined + duplicates + in_flight + dead;
        let balanced = sent.map(|sent| sent == found);
        Self { sent, stored, quarantined, duplicates, in_flight, dead, replayed, balanced, version: covers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equation_holds_or_not_or_is_not_known() {
        let totals = LedgerTotals { stored: 7, quarantined: 2, duplicates: 1, ..LedgerTotals::default() };
        let balanced = |sent| Ledger::new(QueueSide { sent, in_flight: 3, dead: 1 }, totals).balanced;
        assert_eq!([balanced(Some(14)), balanced(Some(15)), balanced(None)], [Some(true), Some(false), None]);
    }
}
