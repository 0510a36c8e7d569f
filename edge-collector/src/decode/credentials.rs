//! Which key a request was sent with. It may say so in several places, but it must name one key.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use event_model::{ErrorCode, Problem};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

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
    let authorization = authorization_keys(request.headers)?.filter(|(bearer, key)| {
        // Segment's Node library sends an OAuth token beside the write key in the body.
        let foreign_token = *bearer && key.split('.').count() == 3;
        !(foreign_token && endpoint.protocol.takes_foreign_tokens() && !in_body.is_empty())
    });
    let write_key = request.headers.get_all("x-write-key").iter().filter_map(|value| value.to_str().ok());
    let in_headers = authorization.map(|(_, key)| key).chain(write_key.map(|key| Cow::Borrowed(key.trim())));
    agreed(in_headers.chain(in_body.iter().cloned()))
}

/// The one key that all places name, where they name any.
///
/// # Errors
/// `key_missing`, or `key_mismatch` if two places name different keys.
pub(crate) fn agreed<'a>(named: impl Iterator<Item = Cow<'a, str>>) -> Result<Cow<'a, str>, Problem> {
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

/// The keys in `Authorization`, and whether each is a bearer token. The header may stand once; where it stands more
/// often, each must be readable: a proxy that reads another one than we do would see another sender.
///
/// # Errors
/// `key_mismatch`, if it stands more than once and one of them names no key.
pub(crate) fn authorization_keys(headers: &HeaderMap) -> Result<impl Iterator<Item = (bool, Cow<'_, str>)>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let repeated = values.nth(1).is_some();
    if repeated && headers.get_all(AUTHORIZATION).iter().any(|value| authorization_key(value).is_none()) {
        return Err(ErrorCode::KeyMismatch.into());
    }
    Ok(headers.get_all(AUTHORIZATION).iter().filter_map(authorization_key))
}

fn authorization_key(value: &HeaderValue) -> Option<(bool, Cow<'_, str>)> {
    let (scheme, rest) = value.to_str().ok()?.trim().split_once(' ')?;
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
