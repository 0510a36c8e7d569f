//! Which files may hold a row that passes a filter, by the log's statistics alone.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use event_model::columns;

use crate::files::DataFile;

/// The log cuts timestamps to milliseconds; the row behind an upper bound may lie this much later.
pub(super) const LAST_MICROSECOND: i64 = 999;

/// Leaves out the files that the statistics rule out. A filter that cannot be judged by statistics keeps all.
pub(super) fn keep(filter: Arc<dyn PhysicalExpr>, schema: &SchemaRef, files: &[Arc<DataFile>]) -> Vec<Arc<DataFile>> {
    let verdicts = PruningPredicateBuilder::new()
        .with_file_schema(Arc::clone(schema))
        .try_build(filter)
        .and_then(|predicate| predicate.prune(&Containers { files }));
    match verdicts {
        Ok(verdicts) => {
            files.iter().zip(verdicts).filter(|(_, keep)| *keep).map(|(file, _)| Arc::clone(file)).collect()
        }
        Err(error) => {
            tracing::debug!(%error, "the filter does not prune files");
            files.to_vec()
        }
    }
}

struct Containers<'a> {
    files: &'a [Arc<DataFile>],
}

impl Containers<'_> {
    /// One end of a column's bounds in every file; a file without it contributes null, which prunes nothing.
    fn ends(&self, column: &str, largest: bool) -> Option<ArrayRef> {
        fn end<T: Clone>(pair: Option<&(T, T)>, largest: bool) -> Option<T> {
            pair.map(|(low, high)| if largest { high.clone() } else { low.clone() })
        }
        let files = self.files.iter();
        Some(match column {
            columns::DATE => {
                Arc::new(files.map(|file| end(file.bounds.date.as_ref(), largest)).collect::<Date32Array>())
            }
            columns::TIMESTAMP | columns::RECEIVED_AT => {
                let slack = if largest { LAST_MICROSECOND } else { 0 };
                let bounds = |file: &'_ DataFile| match column {
                    columns::TIMESTAMP => file.bounds.timestamp,
                    _ => file.bounds.received_at,
                };
                let ends = files.map(|file| end(bounds(file).as_ref(), largest));
                let instants = ends.map(|end| end.map(|instant| instant.saturating_add(slack)));
                Arc::new(instants.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
            }
            columns::EVENT => {
                Arc::new(files.map(|file| end(file.bounds.event.as_ref(), largest)).collect::<StringArray>())
            }
            columns::PERSON_KEY => {
                Arc::new(files.map(|file| end(file.bounds.person_key.as_ref(), largest)).collect::<Int64Array>())
            }
            columns::INGEST_SEQ => {
                Arc::new(files.map(|file| end(file.bounds.ingest_seq.as_ref(), largest)).collect::<Int64Array>())
            }
            columns::MONTH => Arc::new(files.map(|file| file.month.clone()).collect::<StringArray>()),
            _ => return None,
        })
    }
}

impl PruningStatistics for Containers<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.ends(&column.name, false)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.ends(&column.name, true)
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        // Every column that has bounds here is one that is never null.
        self.ends(&column.name, false)?;
        Some(Arc::new(UInt64Array::from(vec![0; self.files.len()])))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.files.iter().map(|file| file.rows).collect::<UInt64Array>()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
