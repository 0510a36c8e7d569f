//! What is answered at once: without a key, without a body, without asking anything outside the core.

use http::HeaderMap;
use http::header::{HOST, IF_NONE_MATCH};

use crate::protocol::segment::browser;
use crate::reply::Reply;
use crate::tracker::{TRACKER_PATH, tracker};

/// The answer, where there is one: a browser's preflight, the tracker's script, what Segment's libraries ask besides
/// sending. Hosts call this first, before they read a body or look up a key.
#[must_use]
pub fn at_once(method: &str, path: &str, headers: &HeaderMap) -> Option<Reply> {
    if method == "OPTIONS" {
        return Some(Reply::preflight());
    }
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if path == TRACKER_PATH {
        return Some(tracker(method, header(IF_NONE_MATCH)));
    }
    browser::answer(method, path, header(HOST))
}
