//! How large a question may be: every limit of questions, in one place.

/// Largest body of a question, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Deepest nesting of objects and lists.
pub const MAX_DEPTH: usize = 16;
/// Most objects and lists in one question. Texts and numbers inside them are not counted.
pub const MAX_NODES: usize = 500;
/// Most values in all lists of a question together.
pub const MAX_LIST_VALUES: usize = 10_000;
/// Largest compiled size of a regular expression, in bytes.
pub const MAX_REGEX_BYTES: usize = 1024 * 1024;
/// Longest name of an event, a property, a series or a step, in bytes.
pub const MAX_NAME_BYTES: usize = 1_024;
/// Most series of a trend: as many as there are letters to name them.
pub const MAX_SERIES: usize = 26;
/// Most formulas of a trend.
pub const MAX_FORMULAS: usize = 26;
/// Longest formula, in bytes.
pub const MAX_FORMULA_BYTES: usize = 1_000;
/// Deepest nesting of parentheses and signs in a formula.
pub const MAX_FORMULA_DEPTH: usize = 32;
/// Most properties of a breakdown.
pub const MAX_BREAKDOWNS: usize = 3;
/// Values that a breakdown keeps unless it says otherwise.
pub const DEFAULT_BREAKDOWN_LIMIT: u32 = 25;
/// Most values that a breakdown may keep.
pub const MAX_BREAKDOWN_LIMIT: u32 = 1_000;
/// Most intervals of a series.
pub const MAX_INTERVALS: usize = 10_000;
/// Most units in `{"last": {"value", "unit"}}`, in windows and in shifts.
pub const MAX_SPAN_VALUE: i64 = 1_000_000;
/// Fewest and most steps of a funnel.
pub const FUNNEL_STEPS: std::ops::RangeInclusive<usize> = 2..=50;
/// Most columns of a retention table.
pub const MAX_RETENTION_PERIODS: i64 = 400;
/// Most rows that an events query answers.
pub const MAX_EVENTS: i64 = 10_000;
/// Rows that an events query answers unless it says otherwise.
pub const DEFAULT_EVENTS: u32 = 100;
/// Most rows that an events query may skip; a cursor goes on without end.
pub const MAX_OFFSET: i64 = 100_000;
