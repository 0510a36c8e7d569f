//! Follows where requests begin and end on a connection, to find those that give their length in two ways.
//!
//! hyper resolves a request with both Transfer-Encoding and Content-Length in favour of the first and drops the
//! second before anybody sees it. A proxy in front that resolves it the other way would let a client smuggle one
//! request inside another (RFC 9112, section 6.3), so such a request is refused: 400 `ambiguous_length`.

/// The longest start of a line that is kept; what matters here is shorter.
const LINE_BYTES: usize = 128;

/// The place in the stream of requests.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
    line: Vec<u8>,
    head: Head,
    /// Heads read to their end.
    requests: u64,
    /// The number, from 1, of the first request that gives its length twice.
    ambiguous: Option<u64>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Body(u64),
    ChunkSize,
    /// The rest of a chunk, its line end included.
    Chunk(u64),
    Trailer,
    /// Not HTTP/1 as we know it, or upgraded: hyper decides alone.
    Lost,
}

#[derive(Debug, Default)]
struct Head {
    started: bool,
    chunked: bool,
    length: Option<Option<u64>>,
    upgrade: bool,
}

impl Framing {
    /// Takes the next bytes from the client.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Lost => return,
                State::Body(left) | State::Chunk(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= taken as u64;
                    if *left == 0 {
                        let in_chunks = matches!(self.state, State::Chunk(_));
                        self.state = if in_chunks { State::ChunkSize } else { State::Head };
                    }
                    bytes.get(taken..).unwrap_or_default()
                }
                State::Head | State::ChunkSize | State::Trailer => self.take_line(bytes),
            };
        }
    }

    /// The number, from 1, of the first request that gives its length twice.
    pub(super) fn ambiguous(&self) -> Option<u64> {
        self.ambiguous
    }

    /// Whether the client is in the middle of a request, so that closing now could destroy the answer on its way.
    pub(super) fn is_inside_request(&self) -> bool {
        !matches!(self.state, State::Head) || self.head.started || !self.line.is_empty()
    }

    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let room = LINE_BYTES.saturating_sub(self.line.len()).min(part.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or_default());
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            self.end_line(line.trim_ascii_end());
            self.line = line;
            self.line.clear();
        }
        rest
    }

    fn end_line(&mut self, line: &[u8]) {
        match self.state {
            State::Head if line.is_empty() && self.head.started => self.end_head(),
            // Empty lines before a request are allowed.
            State::Head if line.is_empty() => {}
            State::Head if !self.head.started => self.head.started = true,
            State::Head => self.head.take(line),
            State::ChunkSize => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                let size = std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
                self.state = match size {
                    Some(0) => State::Trailer,
                    Some(size) => State::Chunk(size.saturating_add(2)),
                    None => State::Lost,
                };
            }
            State::Trailer if line.is_empty() => self.state = State::Head,
            State::Trailer | State::Body(_) | State::Chunk(_) | State::Lost => {}
        }
    }

    fn end_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.requests += 1;
        if head.chunked && head.length.is_some() {
            self.ambiguous.get_or_insert(self.requests);
        }
        self.state = match head {
            Head { upgrade: true, .. } | Head { chunked: false, length: Some(None), .. } => State::Lost,
            Head { chunked: true, .. } => State::ChunkSize,
            Head { length: Some(Some(length)), .. } if length > 0 => State::Body(length),
            Head { .. } => State::Head,
        };
    }
}

impl Head {
    fn take(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            self.length = Some(std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text whole and byte by byte, which must agree.
    fn check(text: &str, requests: u64, ambiguous: Option<u64>, inside: bool) {
        for step in [text.len().max(1), 1, 7] {
            let mut framing = Framing::default();
            text.as_bytes().chunks(step).for_each(|part| framing.advance(part));
            assert_eq!(
                (framing.requests, framing.ambiguous(), framing.is_inside_request()),
                (requests, ambiguous, inside),
                "{text:?} in steps of {step}"
            );
        }
    }

    #[test]
    fn a_request_with_one_length_passes() {
        check("", 0, None, false);
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, None, false);
        check("\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n", 2, None, false);
        check("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc", 1, None, true);
        check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\nGET /", 1, None, true);
        check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n", 1, None, false);
    }

    #[test]
    fn a_request_with_both_lengths_is_found_in_either_order_and_behind_others() {
        let both = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n";
        let reverse = "POST / HTTP/1.1\r\ncontent-length:5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        check(both, 1, Some(1), false);
        check(reverse, 1, Some(1), false);
        check(&format!("GET / HTTP/1.1\r\n\r\n{reverse}"), 2, Some(2), false);
    }

    #[test]
    fn a_body_that_looks_like_a_head_is_a_body() {
        let trap = "POST / HTTP/1.1\r\nContent-Length: 43\r\n\r\nX\r\nTransfer-Encoding: x\r\nContent-Length:1\r\n\r\n";
        check(trap, 1, None, false);
    }

    #[test]
    fn what_cannot_be_followed_is_left_to_hyper() {
        check("POST / HTTP/1.1\r\nContent-Length: many\r\n\r\nabc", 1, None, true);
        check("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n\u{1}\u{2}", 1, None, true);
        check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 1, None, true);
    }
}
