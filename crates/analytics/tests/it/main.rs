//! What the engine answers, on tables in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod funnel_oracle;
mod memory;
mod oracle;
mod oracle_active;
mod oracle_activity;
mod oracle_paths;
mod oracle_retention;
mod plans;
mod scenarios;
