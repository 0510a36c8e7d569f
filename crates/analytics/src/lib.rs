//! A question becomes a plan: what every insight computes, with no input or output of its own.
//!
//! ```text
//! Question --Insight::new--> Insight --next--> Step::Run(LogicalPlan)    the caller runs it where the data is
//!                               ^  batches ------|
//!                               '--next--> Step::Done(result)
//! ```
//!
//! Plans are built from expressions, never from SQL text: names of events and properties are data. What is beyond the
//! engine's own expressions is a function of ours: which interval, which person, which group, what a property says.

mod problem;

pub mod insight;
pub mod source;

mod funnel;
mod lifecycle;
mod paths;
mod retention;
mod stickiness;
mod trend;

pub mod events_query;

mod events_table;
mod matching;
mod measure;
mod predicate;
mod property;
mod ranking;

mod earliest;
mod groups;
mod marks;
mod tally;

mod function;
mod json_text;
mod number;
mod value;

pub use events_query::EventsQuery;
pub use insight::{Insight, Step};
pub use query_model::ProjectSettings;
pub use source::Source;
