//! How much is taken: every limit of the collector, in one place.

/// Largest request body on the wire, in bytes.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Largest body after decompression, in bytes (PostHog and Segment clients stay well below).
pub const MAX_DECODED_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Most events in one request (Segment's documented limit).
pub const MAX_BATCH_EVENTS: usize = 2_500;
/// Largest event after decoding, in bytes of JSON.
pub const MAX_EVENT_BYTES: usize = 128 * 1024;
/// How much of an oversize event is kept in quarantine, in bytes.
pub const OVERSIZE_KEPT_BYTES: usize = 64 * 1024;
/// Deepest nesting of objects and lists inside an event.
pub const MAX_DEPTH: usize = 32;
/// Most keys in `properties`, `traits` or `context`, nested ones included.
pub const MAX_KEYS: usize = 2_000;
/// Longest property key, in bytes.
pub const MAX_KEY_BYTES: usize = 1_024;
/// Longest event name, in bytes.
pub const MAX_EVENT_NAME_BYTES: usize = 1_024;
/// Longest user, anonymous, group or session id, in bytes.
pub const MAX_ID_BYTES: usize = 1_024;
/// Longest text in place of an event id, in bytes.
pub const MAX_EVENT_ID_BYTES: usize = 512;
/// Longest path and query of a request, in bytes.
pub const MAX_URI_BYTES: usize = 8 * 1024;
/// Largest queue message, in bytes before base64 (SQS takes 256 KiB; base64 adds a third).
pub const MAX_MESSAGE_BYTES: usize = 190 * 1024;
