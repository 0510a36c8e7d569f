//! Answers as every host sends them: the core's, problems, and the headers that browsers need on all of them.

use std::borrow::Cow;

use event_model::problem::MEDIA_TYPE;
use event_model::project::hexadecimal;
use event_model::{ErrorCode, Problem};
use http::HeaderMap;

use crate::request::Response;

/// Seconds after which a client should try again when something of ours is down.
pub const RETRY_SECONDS: u32 = 5;

/// An answer with its headers, for the host to send as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header names, in small letters, and their values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

impl Reply {
    /// The core's answer.
    #[must_use]
    pub fn answer(response: Response) -> Self {
        Self::open(response.status, response.body).with("content-type", response.content_type)
    }

    /// A problem, with `Retry-After` where waiting helps and `Allow` where the method was wrong.
    #[must_use]
    pub fn problem(problem: &Problem) -> Self {
        let status = problem.code.status();
        let mut reply = Self::open(status, problem.to_json().into_bytes()).with("content-type", MEDIA_TYPE);
        if let Some(seconds) = problem.retry_after {
            reply = reply.with("retry-after", seconds.to_string());
        }
        if status == 405 {
            reply = reply.with("allow", "POST, OPTIONS");
        }
        if problem.code == ErrorCode::UpgradeRequired {
            reply = reply.with("upgrade", "websocket");
        }
        reply
    }

    /// The problem that a path takes other methods, which are named as in `Allow`.
    pub(crate) fn method_not_allowed(methods: &'static str) -> Self {
        let detail = format!("This path takes {}.", methods.replace(", ", " and "));
        let mut reply = Self::problem(&Problem::new(ErrorCode::MethodNotAllowed, detail));
        reply.headers.retain(|(name, _)| *name != "allow");
        reply.with("allow", methods)
    }

    /// The answer to a browser's preflight: the same for everybody, so no key is looked at, and kept for a day.
    #[must_use]
    pub fn preflight() -> Self {
        Self::open(204, Vec::new())
            .with("access-control-allow-methods", "GET, POST, OPTIONS")
            .with(
                "access-control-allow-headers",
                "Authorization, Content-Type, Content-Encoding, X-Write-Key, X-Retry-Count, X-Request-Id",
            )
            .with("access-control-max-age", "86400")
    }

    /// Names the request, as the log does.
    #[must_use]
    pub fn to_request(self, id: &str) -> Self {
        self.with("x-request-id", id.to_owned())
    }

    /// Lets browsers and caches keep it, as `Cache-Control` says.
    pub(crate) fn cached(self, how: &'static str) -> Self {
        self.with("cache-control", how)
    }

    /// Any origin, since no cookie is ever read: which origins a key takes is checked by the key.
    fn open(status: u16, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::with_capacity(7), body }
            .with("access-control-allow-origin", "*")
            .with("access-control-expose-headers", "Retry-After, X-Request-Id")
    }

    fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The request's id: the caller's own, where it is a short plain word, otherwise these random bytes.
#[must_use]
pub fn request_id(headers: &HeaderMap, random: [u8; 16]) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let own = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    let own = own.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(allowed));
    own.map_or_else(|| hexadecimal(&random), str::to_owned)
}
