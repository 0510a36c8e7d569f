//! Words for the refusals that hyper gives by itself, which have none.
//!
//! A head that hyper cannot read, or that is larger than it takes, never reaches the application: hyper answers with a
//! status and an empty body. Such an answer is found on its way out and replaced by the problem that it means.

use event_model::problem::MEDIA_TYPE;
use event_model::{ErrorCode, Problem};

/// The answer in full, if these bytes are one of hyper's refusals: a head that names no content.
pub(super) fn worded(bytes: &[u8]) -> Option<Vec<u8>> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?.get(..4)?;
    let code = match status {
        b"400 " => ErrorCode::InvalidRequest,
        b"414 " => ErrorCode::UriTooLong,
        b"431 " => ErrorCode::HeadersTooLarge,
        _ => return None,
    };
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let (first, headers) = head.split_once("\r\n")?;
    let kept: Vec<&str> = headers.lines().filter(|line| !is(line, "content-length")).collect();
    if headers.lines().count() == kept.len() || headers.lines().any(|line| is(line, "content-type")) {
        return None;
    }
    let body = Problem::from(code).to_json();
    let length = body.len();
    let mut answer = format!("{first}\r\n");
    for line in kept {
        answer.push_str(line);
        answer.push_str("\r\n");
    }
    answer.push_str(&format!("content-type: {MEDIA_TYPE}\r\ncontent-length: {length}\r\n\r\n{body}"));
    Some(answer.into_bytes())
}

fn is(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(own, _)| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_a_body_gets_one_and_nothing_else_is_touched() {
        let refusal = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let answer = String::from_utf8(worded(refusal).unwrap()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n"), "{head}");
        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
        assert!(body.contains("\"headers_too_large\""));
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 90\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n",
            "HTTP/1.1 400",
            "",
        ] {
            assert_eq!(worded(other.as_bytes()), None, "{other}");
        }
    }
}
