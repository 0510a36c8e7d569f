//! Runs questions against a table in memory, in each form in which a table may store its text.

use std::sync::Arc;

use analytics::{Insight, ProjectSettings, Source, Step};
use arrow::array::RecordBatch;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionConfig;
use event_model::{Problem, Timestamp};
use query_model::Question;
use serde_json::Value;
use test_support::rows::{self, Row};

/// How a table stores text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Texts {
    Plain,
    View,
    Dictionary,
}

/// A source over these rows, in several partitions so that states are merged.
pub(crate) fn source(rows: &[Row], texts: Texts) -> Source {
    let keys = rows::key_map(rows);
    let traits = rows::traits(rows, &keys);
    let whole = stored(&rows::batch(rows).unwrap(), texts);
    let schema = whole.schema();
    let third = whole.num_rows().div_ceil(3).max(1);
    let cut = |start: usize| {
        let start = start.min(whole.num_rows());
        vec![whole.slice(start, third.min(whole.num_rows() - start))]
    };
    let partitions = vec![cut(0), cut(third), cut(2 * third)];
    assert_eq!(concat_batches(&schema, partitions.iter().flatten()).unwrap().num_rows(), whole.num_rows());
    let events = Arc::new(MemTable::try_new(schema, partitions).unwrap());
    Source { events, keys: Arc::new(keys), traits: Some(Arc::new(traits)) }
}

fn stored(batch: &RecordBatch, texts: Texts) -> RecordBatch {
    let kind = match texts {
        Texts::Plain => return batch.clone(),
        Texts::View => DataType::Utf8View,
        Texts::Dictionary => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    };
    let schema = batch.schema();
    let (fields, columns): (Vec<_>, Vec<_>) = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| match field.data_type() {
            DataType::Utf8 => {
                let field = Field::new(field.name(), kind.clone(), field.is_nullable());
                (Arc::new(field), cast(column, &kind).unwrap())
            }
            _ => (Arc::clone(field), Arc::clone(column)),
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

/// Runs one plan. Partitions of more than a few rows stop adding up for themselves and hand rows on as states, which
/// the engine otherwise does with many rows only.
pub(crate) async fn run(plan: LogicalPlan) -> Vec<RecordBatch> {
    let mut config = SessionConfig::new().with_target_partitions(3).with_batch_size(16);
    config.options_mut().execution.skip_partial_aggregation_probe_rows_threshold = 20;
    config.options_mut().execution.skip_partial_aggregation_probe_ratio_threshold = 0.1;
    let state = SessionContext::new_with_config(config).state();
    DataFrame::new(state, plan).collect().await.unwrap()
}

/// How the engine would run a plan, as text.
pub(crate) async fn physical(plan: &LogicalPlan) -> String {
    let config = SessionConfig::new().with_target_partitions(3);
    let plan = SessionContext::new_with_config(config).state().create_physical_plan(plan).await.unwrap();
    datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
}

/// Answers a question: `{"result": ..}`.
pub(crate) async fn answer(
    question: &[u8],
    settings: &ProjectSettings,
    now: Timestamp,
    source: &Source,
) -> Result<Value, Problem> {
    let mut insight = Insight::new(Question::parse(question)?, settings, now)?;
    let source = Source { traits: source.traits.clone().filter(|_| insight.needs_traits()), ..source.clone() };
    let mut batches = None;
    loop {
        match insight.next(&source, batches.take())? {
            Step::Run(plan) => batches = Some(run(plan).await),
            Step::Done(result) => {
                let result: Value = serde_json::from_str(result.get()).unwrap();
                return Ok(serde_json::json!({ "result": result }));
            }
        }
    }
}
