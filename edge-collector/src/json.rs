//! JSON as text: scanned once without a tree, read by field, rewritten by copying.
//!
//! ```text
//! body --scan--> spans of fields + findings --fields--> values as text --write--> new objects
//! ```
//!
//! No value is ever turned into a tree, so numbers keep every digit and nothing is allocated for what is not looked at.

pub(crate) mod fields;
pub(crate) mod rewrite;
pub(crate) mod scan;
pub(crate) mod write;

pub(crate) use fields::{Value, fields_of, means, raw_fields_of, unescape};
pub(crate) use scan::{Findings, Kind, Scanner, Span, Syntax, Walk};
