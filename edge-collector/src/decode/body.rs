//! Bytes become text: by what they are, not by what the headers call them.

use std::borrow::Cow;
use std::io::Read as _;

use event_model::{ErrorCode, Problem};
use flate2::bufread::GzDecoder;

use crate::request::{Limits, Request};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// The body as text: decompressed where it is gzip, whatever the labels say, and always UTF-8.
///
/// # Errors
/// `unsupported_encoding`, `invalid_encoding`, `body_too_large` or `invalid_json`.
pub(super) fn read<'a>(request: &Request<'a>, limits: &Limits) -> Result<Cow<'a, str>, Problem> {
    check_labels(request)?;
    let too_large = || {
        let detail = format!("At most {} bytes are taken after decompression.", limits.decoded_body_bytes);
        Problem::new(ErrorCode::BodyTooLarge, detail)
    };
    let bytes = if request.body.starts_with(GZIP_MAGIC) {
        Cow::Owned(gunzip(request.body, limits.decoded_body_bytes)?.ok_or_else(too_large)?)
    } else if request.body.len() > limits.decoded_body_bytes {
        return Err(too_large());
    } else {
        Cow::Borrowed(request.body)
    };
    let not_utf8 = || Problem::new(ErrorCode::InvalidJson, "The body is not UTF-8.");
    match bytes {
        Cow::Borrowed(bytes) => {
            let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| not_utf8())
        }
        Cow::Owned(mut bytes) => {
            if bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
            String::from_utf8(bytes).map(Cow::Owned).map_err(|_| not_utf8())
        }
    }
}

/// The only labels that are believed are those that say that the body is something else than gzip or UTF-8.
fn check_labels(request: &Request<'_>) -> Result<(), Problem> {
    let unsupported = |detail: &str| Err(Problem::new(ErrorCode::UnsupportedEncoding, detail));
    let mut encodings = request.headers.get_all("content-encoding").iter();
    match (encodings.next().map(|value| value.to_str().map(str::trim)), encodings.next()) {
        (None, _) => {}
        (Some(Ok(one)), None) if ["gzip", "x-gzip", "identity", ""].iter().any(|ok| one.eq_ignore_ascii_case(ok)) => {}
        _ => return unsupported("Content-Encoding may be gzip or identity."),
    }
    let Some(content_type) = request.header("content-type") else { return Ok(()) };
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    match charset {
        Some(other) if !["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|ok| other.eq_ignore_ascii_case(ok)) => {
            unsupported("The charset may be UTF-8.")
        }
        _ => Ok(()),
    }
}

/// Decompresses one gzip stream; `None` if it is larger than the limit. Memory stays below the limit and a chunk.
fn gunzip(compressed: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Problem> {
    let invalid = |detail: &str| Problem::new(ErrorCode::InvalidEncoding, detail);
    let mut bytes = Vec::with_capacity(compressed.len().saturating_mul(4).min(limit));
    let mut decoder = GzDecoder::new(compressed);
    let allowed = u64::try_from(limit).unwrap_or(u64::MAX);
    (&mut decoder)
        .take(allowed + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| invalid("The gzip stream is cut short or damaged.").because(error))?;
    if bytes.len() > limit {
        return Ok(None);
    }
    if !decoder.into_inner().is_empty() {
        return Err(invalid("There is something after the gzip stream."));
    }
    Ok(Some(bytes))
}
