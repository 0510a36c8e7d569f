//! How this crate says no: questions that are not answered yet, and failures of the engine.

use event_model::{ErrorCode, Problem};

/// A valid question whose `part` this version cannot answer. Never guessed instead.
pub(crate) fn not_supported(part: impl std::fmt::Display) -> Problem {
    Problem::new(ErrorCode::NotSupported, format!("{part} is not answered by this version."))
}

/// A failure of the engine; the cause is for the log.
pub(crate) fn internal(cause: impl std::fmt::Display) -> Problem {
    Problem::new(ErrorCode::Internal, "").because(cause)
}
