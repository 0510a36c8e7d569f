//! The registry of error codes: every problem that a user can meet, with its status and what to do.
//!
//! `docs/reference/error-codes.md` is generated from here; a test keeps it equal.

/// A stable code of `application/problem+json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The body is not JSON.
    InvalidJson,
    /// The body has the wrong shape.
    InvalidBody,
    /// The same key stands twice in one object.
    DuplicateKey,
    /// The body could not be decompressed.
    InvalidEncoding,
    /// This content encoding or charset is not taken.
    UnsupportedEncoding,
    /// The body is larger than what is taken.
    BodyTooLarge,
    /// The batch has more events than are taken.
    BatchTooLarge,
    /// The path and query are longer than 8 KiB.
    UriTooLong,
    /// The headers are larger than 32 KiB.
    HeadersTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The request gives its length in two ways.
    AmbiguousLength,
    /// This is not a request of HTTP/1.1.
    InvalidRequest,
    /// The request carries no key.
    KeyMissing,
    /// The key is not valid.
    KeyUnknown,
    /// The request names two different keys.
    KeyMismatch,
    /// The key may not do this.
    ScopeMissing,
    /// Requests from this origin are not allowed.
    OriginNotAllowed,
    /// The key belongs to another project.
    ProjectForbidden,
    /// There is nothing at this path.
    NotFound,
    /// This path does not take this method.
    MethodNotAllowed,
    /// This path is for WebSockets.
    UpgradeRequired,
    /// Too many requests for this project's tier.
    RateLimited,
    /// As many watch this project as may.
    TooManyWatchers,
    /// The queue has reached its size, or the disk its reserve.
    QueueFull,
    /// The events could not be made durable.
    QueueUnavailable,
    /// The project settings cannot be read.
    SnapshotUnavailable,
    /// The lake cannot be read or written.
    LakeUnavailable,
    /// The question cannot be understood.
    InvalidQuestion,
    /// The question is valid, but this version cannot answer it.
    NotSupported,
    /// This measure does not exist at this interval.
    IntervalNotSupported,
    /// The period has more intervals than are answered.
    TooManyIntervals,
    /// The regular expression is not valid or too large.
    InvalidRegex,
    /// The question is nested too deeply or has too many parts.
    QuestionTooComplex,
    /// The cursor is not one of ours.
    InvalidCursor,
    /// That version of the table is no longer kept.
    VersionGone,
    /// There is no such version of the table.
    VersionUnknown,
    /// As many questions run and wait as this server takes.
    TooManyQuestions,
    /// The answer took longer than is allowed.
    QuestionTimeout,
    /// The answer needs more memory than is allowed.
    QuestionMemory,
    /// The data was written by a newer version.
    DataNewer,
    /// Something went wrong on our side.
    Internal,
}

impl ErrorCode {
    /// Every code, in the order of the reference page.
    pub const ALL: &[Self] = &[
        Self::InvalidJson,
        Self::InvalidBody,
        Self::DuplicateKey,
        Self::InvalidEncoding,
        Self::UnsupportedEncoding,
        Self::BodyTooLarge,
        Self::BatchTooLarge,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::BodyTimeout,
        Self::AmbiguousLength,
        Self::InvalidRequest,
        Self::KeyMissing,
        Self::KeyUnknown,
        Self::KeyMismatch,
        Self::ScopeMissing,
        Self::OriginNotAllowed,
        Self::ProjectForbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UpgradeRequired,
        Self::RateLimited,
        Self::TooManyWatchers,
        Self::QueueFull,
        Self::QueueUnavailable,
        Self::SnapshotUnavailable,
        Self::LakeUnavailable,
        Self::InvalidQuestion,
        Self::NotSupported,
        Self::IntervalNotSupported,
        Self::TooManyIntervals,
        Self::InvalidRegex,
        Self::QuestionTooComplex,
        Self::InvalidCursor,
        Self::VersionGone,
        Self::VersionUnknown,
        Self::TooManyQuestions,
        Self::QuestionTimeout,
        Self::QuestionMemory,
        Self::DataNewer,
        Self::Internal,
    ];

    /// The stable text form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.entry().0
    }

    /// The HTTP status it is answered with.
    #[must_use]
    pub fn status(self) -> u16 {
        self.entry().1
    }

    /// One plain sentence.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.entry().2
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn what_to_do(self) -> &'static str {
        self.entry().3
    }

    fn entry(self) -> (&'static str, u16, &'static str, &'static str) {
        match self {
            Self::InvalidJson => (
                "invalid_json",
                400,
                "The body is not JSON.",
                "Send one JSON document in UTF-8; the detail names the place.",
            ),
            Self::InvalidBody => (
                "invalid_body",
                400,
                "The body has the wrong shape.",
                "Compare the body with the API reference; the detail names the field.",
            ),
            Self::DuplicateKey => (
                "duplicate_key",
                400,
                "The same key stands twice in one object.",
                "Send each key once: parsers disagree on which of the two wins.",
            ),
            Self::InvalidEncoding => (
                "invalid_encoding",
                400,
                "The body could not be decompressed.",
                "Send a whole gzip stream, or no compression.",
            ),
            Self::UnsupportedEncoding => (
                "unsupported_encoding",
                415,
                "This content encoding or charset is not taken.",
                "Send gzip or no compression, and UTF-8.",
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                413,
                "The body is larger than what is taken.",
                "Send smaller batches; the detail names the limit.",
            ),
            Self::BatchTooLarge => (
                "batch_too_large",
                413,
                "The batch has more events than are taken.",
                "Send at most 2,500 events a request.",
            ),
            Self::UriTooLong => {
                ("uri_too_long", 414, "The path and query are longer than 8 KiB.", "Put the data into the body.")
            }
            Self::HeadersTooLarge => {
                ("headers_too_large", 431, "The headers are larger than 32 KiB.", "Put the data into the body.")
            }
            Self::BodyTimeout => {
                ("body_timeout", 408, "The body did not arrive in time.", "Send the whole body within 10 seconds.")
            }
            Self::AmbiguousLength => (
                "ambiguous_length",
                400,
                "The request gives its length in two ways.",
                "Send either Content-Length or Transfer-Encoding.",
            ),
            Self::InvalidRequest => (
                "invalid_request",
                400,
                "This is not a request of HTTP/1.1.",
                "Check the first line, the names of headers and Content-Length.",
            ),
            Self::KeyMissing => (
                "key_missing",
                401,
                "The request carries no key.",
                "Send the key as Bearer token, Basic user or as the protocol says.",
            ),
            Self::KeyUnknown => (
                "key_unknown",
                401,
                "The key is not valid.",
                "Check the key; a revoked or expired key answers the same.",
            ),
            Self::KeyMismatch => ("key_mismatch", 401, "The request names two different keys.", "Send one key."),
            Self::ScopeMissing => {
                ("scope_missing", 403, "The key may not do this.", "Use a key with the scope that the detail names.")
            }
            Self::OriginNotAllowed => (
                "origin_not_allowed",
                403,
                "Requests from this origin are not allowed.",
                "Add the origin to the key's allowed origins.",
            ),
            Self::ProjectForbidden => (
                "project_forbidden",
                403,
                "The key belongs to another project.",
                "Leave the project out, or use a key of that project.",
            ),
            Self::NotFound => {
                ("not_found", 404, "There is nothing at this path.", "Compare the path with the API reference.")
            }
            Self::MethodNotAllowed => (
                "method_not_allowed",
                405,
                "This path does not take this method.",
                "Use a method from the Allow header.",
            ),
            Self::UpgradeRequired => (
                "upgrade_required",
                426,
                "This path is for WebSockets.",
                "Connect with a WebSocket client; docs/reference/live.md shows how.",
            ),
            Self::RateLimited => (
                "rate_limited",
                429,
                "Too many requests for this project's tier.",
                "Wait the seconds in Retry-After, then send again.",
            ),
            Self::TooManyWatchers => (
                "too_many_watchers",
                429,
                "As many watch this project as may.",
                "Close a watch, or ask the lake: POST /api/v1/events/query.",
            ),
            Self::QueueFull => (
                "queue_full",
                503,
                "The queue has reached its size, or the disk its reserve.",
                "Send again after Retry-After; nothing was taken.",
            ),
            Self::QueueUnavailable => (
                "queue_unavailable",
                503,
                "The events could not be made durable.",
                "Send again after Retry-After; nothing was taken.",
            ),
            Self::SnapshotUnavailable => {
                ("snapshot_unavailable", 503, "The project settings cannot be read.", "Send again after Retry-After.")
            }
            Self::LakeUnavailable => (
                "lake_unavailable",
                503,
                "The lake cannot be read or written.",
                "Try again; see the server's log for the cause.",
            ),
            Self::InvalidQuestion => (
                "invalid_question",
                400,
                "The question cannot be understood.",
                "The detail names the field and what it takes.",
            ),
            Self::NotSupported => (
                "not_supported",
                400,
                "The question is valid, but this version cannot answer it.",
                "The detail names the part; leave it out or upgrade.",
            ),
            Self::IntervalNotSupported => (
                "interval_not_supported",
                400,
                "This measure does not exist at this interval.",
                "Use an interval that the detail names.",
            ),
            Self::TooManyIntervals => (
                "too_many_intervals",
                400,
                "The period has more intervals than are answered.",
                "Use a longer interval or a shorter period.",
            ),
            Self::InvalidRegex => (
                "invalid_regex",
                400,
                "The regular expression is not valid or too large.",
                "Use the syntax of Rust's regex crate, without look-around, below 1 MiB compiled.",
            ),
            Self::QuestionTooComplex => (
                "question_too_complex",
                400,
                "The question is nested too deeply or has too many parts.",
                "Stay within 16 levels and 500 parts.",
            ),
            Self::InvalidCursor => (
                "invalid_cursor",
                400,
                "The cursor is not one of ours.",
                "Pass next_cursor of the previous answer as it is.",
            ),
            Self::VersionGone => (
                "version_gone",
                410,
                "That version of the table is no longer kept.",
                "Use the oldest available version, which the detail names.",
            ),
            Self::VersionUnknown => (
                "version_unknown",
                400,
                "There is no such version of the table.",
                "Use a version up to the newest, which the detail names.",
            ),
            Self::TooManyQuestions => (
                "too_many_questions",
                429,
                "As many questions run and wait as this server takes.",
                "Wait the seconds in Retry-After, then ask again; who runs the server sets how many it takes.",
            ),
            Self::QuestionTimeout => (
                "question_timeout",
                503,
                "The answer took longer than is allowed.",
                "Ask about a shorter period, or add filters.",
            ),
            Self::QuestionMemory => (
                "question_memory",
                503,
                "The answer needs more memory than is allowed.",
                "Ask about a shorter period, add filters, or ask again when fewer questions run.",
            ),
            Self::DataNewer => {
                ("data_newer", 500, "The data was written by a newer version.", "Upgrade; nothing was changed.")
            }
            Self::Internal => (
                "internal",
                500,
                "Something went wrong on our side.",
                "The log has the cause under the same request id.",
            ),
        }
    }
}
