//! What comes in and what goes out, without a word about who carries it.

use std::net::IpAddr;

use event_queue::Geo;

/// A request as the host received it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// The query, without the question mark; empty if there is none.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a http::HeaderMap,
    /// The whole body, as it came over the wire.
    pub body: &'a [u8],
    /// The address of the other end, as the host knows it.
    pub remote_ip: Option<IpAddr>,
    /// Where the edge places that address.
    pub geo: &'a Geo,
}

impl<'a> Request<'a> {
    /// A header's value, if there is one and it is plain text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer for the host to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// 200 with JSON.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, content_type: "application/json", body: body.into() }
    }
}

/// How much one request may carry. The defaults are [`event_model::limits`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest body after decompression, in bytes.
    pub decoded_body_bytes: usize,
    /// Most events.
    pub batch_events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        use event_model::limits::{MAX_BATCH_EVENTS, MAX_DECODED_BODY_BYTES};
        Self { decoded_body_bytes: MAX_DECODED_BODY_BYTES, batch_events: MAX_BATCH_EVENTS }
    }
}
