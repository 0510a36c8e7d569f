//! First step of the collector: bytes become items whose fields are known, and the key they were sent with.
//!
//! The body is scanned exactly once. Nothing here knows a project: the host looks the key up between this step and
//! [`crate::collect`].

mod body;
mod credentials;
mod items;

use std::borrow::Cow;
use std::net::IpAddr;

use event_model::{ErrorCode, Problem};
use event_queue::Geo;

pub(crate) use self::credentials::{agreed, authorization_keys};
pub(crate) use self::items::{Item, Items};
use crate::protocol::{self, Endpoint};
use crate::request::{Limits, Request};

/// A request whose body has been read.
#[derive(Debug)]
pub struct Decoded<'a> {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) items: Items<'a>,
    pub(crate) facts: RequestFacts<'a>,
    key: Cow<'a, str>,
}

/// What the request says about its sender, apart from the body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestFacts<'a> {
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    pub(crate) forwarded_for: Option<&'a str>,
    pub(crate) remote_ip: Option<IpAddr>,
    pub(crate) geo: Option<&'a Geo>,
}

/// Reads a request.
///
/// # Errors
/// The problem to answer with. Only what makes the whole request useless is one (`not_found`, `method_not_allowed`,
/// `unsupported_encoding`, `invalid_encoding`, `body_too_large`, `batch_too_large`, `invalid_json`, `invalid_body`,
/// `duplicate_key`, `key_missing`, `key_mismatch`), because clients throw a batch away on any of them.
pub fn decode<'a>(request: &Request<'a>, limits: &Limits) -> Result<Decoded<'a>, Problem> {
    let endpoint = protocol::find(request.path).ok_or(ErrorCode::NotFound)?;
    if request.method != "POST" {
        return Err(Problem::new(ErrorCode::MethodNotAllowed, "This path takes POST."));
    }
    let text = body::read(request, limits)?;
    let items = items::scan(text, endpoint, limits)?;
    let key = credentials::one_key(request, endpoint, &items)?;
    Ok(Decoded { endpoint, items, facts: facts(request), key })
}

impl Decoded<'_> {
    /// The key that the request was sent with, for the host to look up.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The page's origin, where a browser named it.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.facts.origin
    }

    /// The protocol it came in by.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        self.endpoint.protocol.id()
    }
}

fn facts<'a>(request: &Request<'a>) -> RequestFacts<'a> {
    RequestFacts {
        user_agent: request.header("user-agent"),
        origin: request.header("origin"),
        forwarded_for: request.header("x-forwarded-for"),
        remote_ip: request.remote_ip,
        geo: Some(request.geo),
    }
}
