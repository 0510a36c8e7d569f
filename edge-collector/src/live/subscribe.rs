//! A request to watch: its key, its filter, and whether it may.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event_model::project::{Key, Scope};
use event_model::{Problem, Timestamp};
use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;

use super::filter::Filter;
use crate::decode::{agreed, authorization_keys};

/// Where to subscribe.
pub const PATH: &str = "/api/v1/live";
/// The subprotocol that the server speaks. A browser that offers any must be answered with one it offered.
pub const SUBPROTOCOL: &str = "headwater.live.v1";
/// A browser cannot set headers on a WebSocket, so it offers its key as a second subprotocol: this, then the key in
/// base64url without padding. It is not taken from the address: addresses are in logs and histories.
const KEY_SUBPROTOCOL: &str = "headwater.key.";

/// A request to watch, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The key, for the host to look up.
    pub key: String,
    /// What is asked for.
    pub filter: Filter,
    /// Whether the answer must choose [`SUBPROTOCOL`].
    pub offers_subprotocol: bool,
}

/// Reads a request to watch. The host has seen that it is a `GET` that upgrades to a WebSocket.
///
/// # Errors
/// `key_missing`, `key_mismatch`, or `invalid_question` about the filter.
pub fn subscribe(query: &str, headers: &HeaderMap) -> Result<Subscription, Problem> {
    let offered: Vec<&str> = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let as_subprotocol = offered.iter().filter_map(|name| key_in(name)).map(Cow::Owned);
    let key = agreed(authorization_keys(headers)?.map(|(_, key)| key).chain(as_subprotocol))?.into_owned();
    let filter = Filter::from_query(query)?;
    Ok(Subscription { key, filter, offers_subprotocol: offered.contains(&SUBPROTOCOL) })
}

/// Lets a watcher in, or says why not. A key that is disabled or has ended answers like one that never was.
///
/// # Errors
/// `key_unknown`, `scope_missing` or `origin_not_allowed`.
pub fn admit_watcher(key: Option<&Key>, origin: Option<&str>, now: Timestamp) -> Result<(), Problem> {
    crate::admit::admit_to(Scope::Read, key, origin, now)
}

fn key_in(subprotocol: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(subprotocol.strip_prefix(KEY_SUBPROTOCOL)?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use event_model::ErrorCode;

    use super::*;

    fn check(headers: &[(&'static str, &str)], expect: Result<(&str, bool), ErrorCode>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = subscribe("event=a", &map);
        let found = found.as_ref().map(|one| (one.key.as_str(), one.offers_subprotocol)).map_err(|one| one.code);
        assert_eq!(found, expect, "{headers:?}");
    }

    #[test]
    fn the_key_stands_in_authorization_or_among_the_subprotocols() {
        let offered = format!("headwater.live.v1, headwater.key.{}", URL_SAFE_NO_PAD.encode("hw_r_1"));
        check(&[("authorization", "Bearer hw_r_1")], Ok(("hw_r_1", false)));
        check(&[("authorization", "Basic aHdfcl8xOg==")], Ok(("hw_r_1", false)));
        check(&[("sec-websocket-protocol", &offered)], Ok(("hw_r_1", true)));
        check(&[("sec-websocket-protocol", &offered), ("authorization", "Bearer hw_r_1")], Ok(("hw_r_1", true)));
        check(&[("sec-websocket-protocol", &offered), ("authorization", "Bearer b")], Err(ErrorCode::KeyMismatch));
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], Err(ErrorCode::KeyMismatch));
        for nothing in ["headwater.live.v1", "headwater.key.", "headwater.key.!!", ""] {
            check(&[("sec-websocket-protocol", nothing)], Err(ErrorCode::KeyMissing));
        }
        assert_eq!(subscribe("key=hw_r_1", &HeaderMap::new()).unwrap_err().code, ErrorCode::KeyMissing);
    }
}
