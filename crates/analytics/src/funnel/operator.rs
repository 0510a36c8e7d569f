//! The operators of a funnel, and the table that brings them into a plan.
//!
//! ```text
//! TallyExec       one partition     puts the tallies together; gives one row, the summary
//!   PersonsExec     by person         gathers the events, counts person by person; gives one row, the tally
//!     (the plan of the events)
//! ```
//!
//! They are operators and not aggregate functions because the engine runs a grouped aggregate twice, before and after it
//! sends the rows to where their group is, and so would send every event twice. An operator says that it needs its rows by
//! person, and is asked once. A table whose scan is an operator is the engine's own way to bring one into a plan.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use arrow::array::{ArrayRef, AsArray, LargeBinaryArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements, PlanProperties,
};
use futures::{StreamExt as _, stream};

use super::gather::{Gathered, Layout};
use super::person::evaluate;
use super::rules::Rules;
use super::summary::Summary;
use super::tally::Tally;

/// How many persons are counted before the engine may stop or attend to others.
const BREATH: usize = 1_024;

/// What a funnel counts, as a table of one row: the bytes of its summary.
pub(super) struct FunnelTable {
    /// The events, as the layout says.
    pub(super) events: LogicalPlan,
    pub(super) rules: Arc<Rules>,
    pub(super) layout: Layout,
}

impl fmt::Debug for FunnelTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunnelTable").field("layout", &self.layout).finish_non_exhaustive()
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("numbers", DataType::LargeBinary, false)]))
}

#[async_trait]
impl TableProvider for FunnelTable {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let events = session.create_physical_plan(&self.events).await?;
        let (rules, layout) = (Arc::clone(&self.rules), self.layout);
        let persons = Operator::new(events, Part::Persons(layout), Arc::clone(&rules));
        Ok(Arc::new(Operator::new(Arc::new(persons), Part::Tally, rules)))
    }
}

/// Which of the two it is.
#[derive(Clone, Copy, Debug)]
enum Part {
    Persons(Layout),
    Tally,
}

/// One of the two operators.
#[derive(Debug)]
struct Operator {
    input: Arc<dyn ExecutionPlan>,
    part: Part,
    rules: Arc<Rules>,
    properties: Arc<PlanProperties>,
}

impl Operator {
    fn new(input: Arc<dyn ExecutionPlan>, part: Part, rules: Arc<Rules>) -> Self {
        let partitions = match part {
            Part::Persons(_) => input.output_partitioning().partition_count(),
            Part::Tally => 1,
        };
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Self { input, part, rules, properties }
    }
}

impl DisplayAs for Operator {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Operator {
    fn name(&self) -> &str {
        match self.part {
            Part::Persons(_) => "PersonsExec",
            Part::Tally => "TallyExec",
        }
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![match self.part {
            Part::Persons(_) => {
                let person =
                    self.input.schema().fields().first().map_or_else(String::new, |field| field.name().clone());
                Distribution::KeyPartitioned(vec![Arc::new(Column::new(&person, 0))])
            }
            Part::Tally => Distribution::SinglePartition,
        }])
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().ok_or_else(|| damaged("has no input"))?;
        Ok(Arc::new(Self::new(input, self.part, Arc::clone(&self.rules))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let memory = MemoryConsumer::new(self.name()).register(context.memory_pool());
        let input = self.input.execute(partition, context)?;
        let rules = Arc::clone(&self.rules);
        let row = match self.part {
            Part::Persons(layout) => stream::once(count(input, layout, rules, memory)).boxed(),
            Part::Tally => stream::once(put_together(input, rules, memory)).boxed(),
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), row)))
    }
}

/// Gathers all events of a partition, then counts.
async fn count(
    mut events: SendableRecordBatchStream,
    layout: Layout,
    rules: Arc<Rules>,
    memory: MemoryReservation,
) -> Result<RecordBatch> {
    let mut gathered = Gathered::new(layout);
    while let Some(batch) = events.next().await {
        gathered.add(&batch?)?;
        memory.try_resize(gathered.size())?;
    }
    let mut persons = gathered.by_person();
    let mut tally = Tally::of_persons(&rules.view);
    memory.try_resize(persons.size())?;
    for person in 0..persons.len() {
        evaluate(&rules, persons.events(person), &mut tally);
        if person.is_multiple_of(BREATH) {
            memory.try_resize(persons.size() + tally.size())?;
            breathe().await;
        }
    }
    row(&tally.write(persons.values()))
}

/// Adds up the tallies of all partitions.
async fn put_together(
    mut tallies: SendableRecordBatchStream,
    rules: Arc<Rules>,
    memory: MemoryReservation,
) -> Result<RecordBatch> {
    let mut all = Tally::of_tallies(&rules.view);
    while let Some(batch) = tallies.next().await {
        let batch = batch?;
        for bytes in numbers(&batch)?.iter().flatten() {
            memory.try_resize(all.size() + 2 * bytes.len())?;
            all.merge(bytes).ok_or_else(|| damaged("got a damaged tally"))?;
        }
    }
    memory.try_resize(all.size())?;
    row(&Summary::new(&rules.view, all).write())
}

/// The only column of what the operators give.
pub(super) fn numbers(batch: &RecordBatch) -> Result<&LargeBinaryArray> {
    let column = batch.columns().first().ok_or_else(|| damaged("has no column"))?;
    column.as_binary_opt::<i64>().ok_or_else(|| damaged("has a wrong column"))
}

fn row(bytes: &[u8]) -> Result<RecordBatch> {
    let column: ArrayRef = Arc::new(LargeBinaryArray::from_vec(vec![bytes]));
    Ok(RecordBatch::try_new(schema(), vec![column])?)
}

fn damaged(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("a funnel's operator {what}"))
}

/// Comes back at once, but lets others run before: here a question that nobody waits for any more ends.
async fn breathe() {
    let mut is_back = false;
    poll_fn(|context| {
        if is_back {
            return Poll::Ready(());
        }
        is_back = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
