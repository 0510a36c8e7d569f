//! Which key a request was sent with. It may say so in several places, but it must name one key.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use event_model::{ErrorCode, Problem};

use super::items::Items;
use crate::keys::is_key_field;
use crate::protocol::Endpoint;
use crate::request::Request;

/// Clients differ in whether they pad base64.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The key: from `Authorization: Basic` (user name, with or without the colon), `Authorization: Bearer`,
/// the header `X-Write-Key`, or the body's `writeKey`, `write_key` or `api_key`.
///
/// # Errors
/// `key_missing`, or `key_mismatch` if two places name different keys.
pub(super) fn one_key<'a>(
    request: &Request<'a>,
    endpoint: &Endpoint,
    items: &Items<'a>,
) -> Result<Cow<'a, str>, Problem> {
    let in_body = body_keys(items);
    let authorization = authorization_key(request).filter(|(bearer, key)| {
        // Segment's Node library sends an OAuth token beside the write key in the body.
        let foreign_token = *bearer && key.split('.').count() == 3;
        !(foreign_token && endpoint.protocol.takes_foreign_tokens() && !in_body.is_empty())
    });
    let in_headers = authorization.map(|(_, key)| key).into_iter();
    let named = in_headers.chain(request.header("x-write-key").map(|key| Cow::Borrowed(key.trim()))).chain(in_body);
    let mut found: Option<Cow<'a, str>> = None;
    for key in named.filter(|key| !key.is_empty()) {
        match &found {
            Some(other) if *other != key => return Err(ErrorCode::KeyMismatch.into()),
            Some(_) => {}
            None => found = Some(key),
        }
    }
    found.ok_or_else(|| ErrorCode::KeyMissing.into())
}

/// The key in `Authorization`, and whether it is a bearer token.
fn authorization_key<'a>(request: &Request<'a>) -> Option<(bool, Cow<'a, str>)> {
    let (scheme, rest) = request.header("authorization")?.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((true, Cow::Borrowed(rest)));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let mut text = String::from_utf8(BASE64.decode(rest).ok()?).ok()?;
    if let Some(colon) = text.find(':') {
        text.truncate(colon);
    }
    Some((false, Cow::Owned(text)))
}

/// Keys in the body: beside the list, and on each event, where browsers put them.
fn body_keys<'a>(items: &Items<'_>) -> Vec<Cow<'a, str>> {
    let mut keys: Vec<Cow<'a, str>> = Vec::new();
    let own = items.iter().flat_map(super::Item::fields);
    for (name, value) in items.outer().chain(own) {
        if !is_key_field(&name) {
            continue;
        }
        if let Some(key) = value.text()
            && !keys.contains(&key)
        {
            keys.push(Cow::Owned(key.into_owned()));
        }
    }
    keys
}
