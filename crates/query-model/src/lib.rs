//! What one may ask, and the shape of an answer.
//!
//! A question is JSON. It is read once, at the rim, into types that cannot hold a wrong one; every mistake is answered
//! with the path of the field and what it takes. Written back as JSON a question has every default.
//!
//! ```text
//! bytes --json--> nodes --read--> Question --resolve--> Question, Calendar, Range --> analytics
//!         limits          Problem            settings, now
//! ```
//!
//! What a number means is documented at the field that asks for it.

mod json;
mod read;
mod suggest;

pub mod limits;

pub mod cohort;
pub mod events;
pub mod formula;
pub mod funnel;
pub mod paths;
pub mod persons;
pub mod question;
pub mod retention;
pub mod stickiness;
pub mod trend;

pub mod breakdown;
pub mod compare;
pub mod filter;
pub mod matcher;

pub mod calendar;
pub mod interval;
pub mod period;
pub mod settings;

pub mod answer;

pub use answer::{Answer, Group, Meta, Versions};
pub use breakdown::Breakdown;
pub use calendar::{Calendar, Intervals, Range};
pub use cohort::Cohort;
pub use events::EventsQuestion;
pub use filter::{Filter, Number, Of, Operand, Operator, PropertyFilter, Scalar};
pub use interval::Interval;
pub use matcher::Matcher;
pub use period::{Bound, Period};
pub use persons::PersonsQuestion;
pub use question::{Common, Insight, Kind, Question};
pub use settings::ProjectSettings;
pub use trend::{Display, Measure, Series, Trend};
