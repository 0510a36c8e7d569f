//! A request as data: written and read as the recordings are, whatever bytes it holds.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The key that cases are sent with, where they name one.
pub(super) const KEY: &str = "hw_w_fuzz_0123456789";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl Case {
    pub(super) fn new(path: &str, body: &[u8]) -> Self {
        let headers = vec![("authorization".to_owned(), format!("Bearer {KEY}").into_bytes())];
        Self { method: "POST".to_owned(), target: path.to_owned(), headers, body: body.to_vec() }
    }

    /// Path and query.
    pub(super) fn place(&self) -> (&str, &str) {
        self.target.split_once('?').unwrap_or((&self.target, ""))
    }

    /// The headers that HTTP allows; a host never sees others.
    pub(super) fn header_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                map.append(name, value);
            }
        }
        map
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let mut lines = bytes[..end].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = String::from_utf8(lines.next()?.to_vec()).ok()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let value = line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]);
            Some((String::from_utf8(line[..colon].to_vec()).ok()?, value.to_vec()))
        };
        Some(Self { method, target, headers: lines.filter_map(header).collect(), body: bytes[end + 4..].to_vec() })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: ").as_bytes());
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}
