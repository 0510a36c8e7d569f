//! From the edges of the plan to those of the answer.

use arrow::array::AsArray;
use arrow::record_batch::RecordBatch;
use event_model::Problem;
use query_model::answer::{PathEdge, PathsResult};

use super::edges::{Total, totals};
use crate::problem::internal;

/// The most frequent edges, as the plan has put them in order.
pub(super) fn result(batches: &[RecordBatch]) -> Result<PathsResult, Problem> {
    let mut edges = Vec::new();
    for batch in batches {
        let column = batch.columns().first().and_then(|column| column.as_binary_opt::<i64>());
        for bytes in column.ok_or_else(|| internal("edges are no bytes"))?.iter().flatten() {
            edges.extend(totals(bytes).ok_or_else(|| internal("edges are damaged"))?.into_iter().map(edge));
        }
    }
    Ok(PathsResult { edges })
}

#[allow(clippy::cast_precision_loss, reason = "an average is a double")]
fn edge(total: Total) -> PathEdge {
    let average_seconds = total.micros as f64 / total.count.max(1) as f64 / 1e6;
    PathEdge { step: total.step, from: total.from, to: total.to, count: total.count, average_seconds }
}
