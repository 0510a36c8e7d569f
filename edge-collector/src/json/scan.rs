//! One pass over JSON text: whether it is valid, where its values lie, and what in them breaks our limits.
//!
//! There is no recursion: a bomb of a million brackets ends at [`DEEPEST`].

use xxhash_rust::xxh3::xxh3_64;

use super::unescape;

/// Text nested deeper than this is refused as a whole. Events are allowed far less, but an event that is only
/// somewhat too deep is kept in quarantine, and for that it has to be scanned to its end.
pub(crate) const DEEPEST: usize = 1_024;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    List,
    Object,
}

/// A piece of the scanned text, in bytes. Bodies are far smaller than 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub(crate) fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }
}

/// What was seen inside a value that JSON allows and we do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Levels of objects and lists.
    pub(crate) depth: usize,
    /// Keys, nested ones included.
    pub(crate) keys: usize,
    /// Longest key, in bytes as written.
    pub(crate) longest_key: usize,
    /// An escape that is half a surrogate pair.
    pub(crate) bad_text: bool,
    /// A number that no 64-bit float can hold.
    pub(crate) bad_number: bool,
    /// A key twice in one object.
    pub(crate) duplicate: bool,
}

impl Findings {
    /// The worse of both, for values that lie side by side.
    pub(crate) fn beside(&mut self, other: Self) {
        self.depth = self.depth.max(other.depth);
        self.keys = self.keys.max(other.keys);
        self.longest_key = self.longest_key.max(other.longest_key);
        self.bad_text |= other.bad_text;
        self.bad_number |= other.bad_number;
        self.duplicate |= other.duplicate;
    }
}

/// Why text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// Byte at which it stops being JSON.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

/// A cursor over text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open>,
    keys: Vec<u64>,
}

/// An object or list whose end has not been seen.
#[derive(Clone, Copy)]
struct Open {
    object: bool,
    keys_from: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, open: Vec::new(), keys: Vec::new() }
    }

    /// The next byte that is not white space, without taking it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Where the cursor stands, in bytes.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Refuses anything but white space up to the end.
    pub(crate) fn end(&mut self) -> Result<(), Syntax> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fail("more than one document"),
        }
    }

    /// Takes a whole value, whatever it is.
    pub(crate) fn value(&mut self, findings: &mut Findings) -> Result<(Span, Kind), Syntax> {
        let first = self.peek();
        let start = self.at;
        let kind = self.kind(first)?;
        self.open.clear();
        self.keys.clear();
        loop {
            let complete = match self.peek() {
                Some(b'{') => self.enter(true, b'}', findings)?,
                Some(b'[') => self.enter(false, b']', findings)?,
                Some(b'"') => {
                    self.string(findings)?;
                    true
                }
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                _ => self.number(findings)?,
            };
            if complete && self.climb(findings)? {
                return Ok((Span::new(start, self.at), kind));
            }
        }
    }

    /// After a complete value: leaves what it completes. True at the end of the outermost one.
    fn climb(&mut self, findings: &mut Findings) -> Result<bool, Syntax> {
        while let Some(open) = self.open.last().copied() {
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    if open.object {
                        self.key(findings)?;
                    }
                    return Ok(false);
                }
                Some(b'}') if open.object => {
                    self.at += 1;
                    self.leave(open, findings);
                }
                Some(b']') if !open.object => {
                    self.at += 1;
                    self.leave(open, findings);
                }
                _ => return self.fail("expected a comma or the end of the list or object"),
            }
        }
        Ok(true)
    }

    /// Goes into an object or list, up to its first value. True if it is empty, so complete.
    fn enter(&mut self, object: bool, end: u8, findings: &mut Findings) -> Result<bool, Syntax> {
        if self.open.len() >= DEEPEST {
            return self.fail("nested deeper than 1,024 levels");
        }
        self.at += 1;
        self.open.push(Open { object, keys_from: self.keys.len() });
        findings.depth = findings.depth.max(self.open.len());
        if self.peek() == Some(end) {
            self.at += 1;
            self.open.pop();
            return Ok(true);
        }
        if object {
            self.key(findings)?;
        }
        Ok(false)
    }

    fn leave(&mut self, open: Open, findings: &mut Findings) {
        self.open.pop();
        if open.object {
            if let Some(keys) = self.keys.get_mut(open.keys_from..) {
                findings.duplicate |= has_duplicates(keys);
            }
            self.keys.truncate(open.keys_from);
        }
    }

    fn key(&mut self, findings: &mut Findings) -> Result<(), Syntax> {
        let key = self.key_span(findings)?;
        self.keys.push(key_hash(key.of(self.text)));
        Ok(())
    }

    /// Takes a key and its colon; the key as written, without its quotes.
    fn key_span(&mut self, findings: &mut Findings) -> Result<Span, Syntax> {
        if self.peek() != Some(b'"') {
            return self.fail("expected a key in double quotes");
        }
        let start = self.at + 1;
        self.string(findings)?;
        let key = Span::new(start, self.at - 1);
        findings.keys += 1;
        findings.longest_key = findings.longest_key.max(key.len());
        if self.peek() != Some(b':') {
            return self.fail("expected a colon after the key");
        }
        self.at += 1;
        Ok(key)
    }

    /// Takes a text, its quotes included.
    fn string(&mut self, findings: &mut Findings) -> Result<(), Syntax> {
        self.at += 1;
        loop {
            self.at += plain_run(self.bytes.get(self.at..).unwrap_or_default());
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(findings)?,
                Some(_) => return self.fail("a control character inside a text"),
                None => return self.fail("a text without its end"),
            }
        }
    }

    fn escape(&mut self, findings: &mut Findings) -> Result<(), Syntax> {
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                match self.four_digits()? {
                    0xd800..=0xdbff => {
                        let low = self.bytes.get(self.at..self.at + 2) == Some(b"\\u");
                        if low {
                            self.at += 2;
                            findings.bad_text |= !(0xdc00..=0xdfff).contains(&self.four_digits()?);
                        } else {
                            findings.bad_text = true;
                        }
                    }
                    0xdc00..=0xdfff => findings.bad_text = true,
                    _ => {}
                }
            }
            _ => return self.fail("an escape that JSON does not have"),
        }
        Ok(())
    }

    fn four_digits(&mut self) -> Result<u32, Syntax> {
        let mut code = 0;
        for _ in 0..4 {
            match self.byte().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => code = code * 16 + digit,
                None => return self.fail("expected four hexadecimal digits"),
            }
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self, findings: &mut Findings) -> Result<bool, Syntax> {
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fail("expected a value"),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        let exponent = matches!(self.byte(), Some(b'e' | b'E'));
        if exponent {
            self.at += 1;
            if matches!(self.byte(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        // The largest float has 309 digits: without an exponent nothing shorter overflows.
        if exponent || self.at - start > 308 {
            let number = self.text.get(start..self.at).and_then(|text| text.parse::<f64>().ok());
            findings.bad_number |= !number.is_some_and(f64::is_finite);
        }
        Ok(true)
    }

    fn some_digits(&mut self) -> Result<(), Syntax> {
        if !self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fail("expected a digit");
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<bool, Syntax> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(true)
    }

    fn kind(&self, first: Option<u8>) -> Result<Kind, Syntax> {
        match first {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::List),
            Some(b'"') => Ok(Kind::Text),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            _ => self.fail("expected a value"),
        }
    }

    fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fail<T>(&self, what: &'static str) -> Result<T, Syntax> {
        Err(Syntax { at: self.at, what })
    }
}

/// Goes through one object or list by hand, so that the caller decides what to do with each value.
pub(crate) struct Walk {
    end: u8,
    started: bool,
}

impl Walk {
    /// Steps into the object or list at the cursor, whose first byte the caller has peeked at.
    pub(crate) fn into(scanner: &mut Scanner<'_>) -> Self {
        let end = if scanner.peek() == Some(b'{') { b'}' } else { b']' };
        scanner.at += 1;
        Self { end, started: false }
    }

    /// Whether there is another value; the cursor then stands before it (in an object before its key).
    pub(crate) fn next(&mut self, scanner: &mut Scanner<'_>) -> Result<bool, Syntax> {
        match scanner.peek() {
            Some(byte) if byte == self.end => {
                scanner.at += 1;
                Ok(false)
            }
            Some(b',') if self.started => {
                scanner.at += 1;
                if scanner.peek() == Some(self.end) {
                    return scanner.fail("a comma before the end");
                }
                Ok(true)
            }
            Some(_) if !self.started => {
                self.started = true;
                Ok(true)
            }
            _ => scanner.fail("expected a comma or the end of the list or object"),
        }
    }

    /// In an object: the next key as written, without its quotes.
    pub(crate) fn key(&mut self, scanner: &mut Scanner<'_>, findings: &mut Findings) -> Result<Option<Span>, Syntax> {
        if self.next(scanner)? { scanner.key_span(findings).map(Some) } else { Ok(None) }
    }
}

/// The hash by which keys are compared: of the text that is meant, so that escapes do not hide a second key.
pub(crate) fn key_hash(key: &str) -> u64 {
    if key.contains('\\') {
        return unescape(key).map_or_else(|| xxh3_64(key.as_bytes()), |key| xxh3_64(key.as_bytes()));
    }
    xxh3_64(key.as_bytes())
}

/// Whether a hash stands twice. Reorders them.
pub(crate) fn has_duplicates(hashes: &mut [u64]) -> bool {
    if hashes.len() > 12 {
        hashes.sort_unstable();
        return hashes.windows(2).any(|pair| pair.first() == pair.last());
    }
    hashes.iter().enumerate().any(|(place, hash)| hashes.get(place + 1..).is_some_and(|rest| rest.contains(hash)))
}

/// How many bytes from here need no look: neither a quote, nor a backslash, nor a control character. Eight at a time:
/// the text of an event is most of what it weighs.
pub(super) fn plain_run(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((eight, after)) = rest.split_first_chunk() {
        let seen = to_look_at(u64::from_le_bytes(*eight));
        if seen != 0 {
            return bytes.len() - rest.len() + (seen.trailing_zeros() / 8) as usize;
        }
        rest = after;
    }
    let needs_look = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    bytes.len() - rest.len() + rest.iter().position(needs_look).unwrap_or(rest.len())
}

/// Of eight bytes, those that need a look have their highest bit set. Bytes after the first of them may have it too: what
/// the subtraction borrows.
fn to_look_at(eight: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x80 * EACH;
    let below = |word: u64, bound: u8| word.wrapping_sub(u64::from(bound) * EACH) & !word & HIGHEST;
    let equal = |byte: u8| below(eight ^ (u64::from(byte) * EACH), 1);
    below(eight, 0x20) | equal(b'"') | equal(b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Result<Findings, Syntax> {
        let mut scanner = Scanner::new(text);
        let mut findings = Findings::default();
        scanner.value(&mut findings)?;
        scanner.end()?;
        Ok(findings)
    }

    #[test]
    fn plain_text_ends_where_a_look_at_each_byte_says() {
        let mut random = fastrand(3);
        for length in 0..40 {
            for _ in 0..500 {
                let mut bytes = vec![b'a'; length];
                for _ in 0..random() % 3 {
                    if let Some(byte) = bytes.get_mut(random() as usize % length.max(1)) {
                        *byte = [0, 0x1f, 0x20, b'!', b'"', b'#', b'[', b'\\', b']', 0x7f, 0x80, 0xa2, 0xff]
                            [random() as usize % 13];
                    }
                }
                let expect = bytes.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\');
                assert_eq!(plain_run(&bytes), expect.unwrap_or(length), "{bytes:?}");
            }
        }
    }

    #[test]
    fn what_is_json_is_what_serde_json_says() {
        let seeds = [
            r#"{"batch":[{"event":"a","user_id":7,"properties":{"v":[1,-0.5e+3,true,false,null,"x\n\u00e9"]}}],"n":{}}"#,
            r#"[[],{},"",0,-0,1e5,1E-5,12.25,"\"\\\/\b\f\n\r\t",{"a":{"b":[{"c":null}]}}]"#,
            " { \"a\" : [ 1 , 2 ] , \"b\" : \"\u{e9}\u{1f600}\" }\n",
        ];
        let alphabet = b"{}[]\",:\\ue0123456789.+-tfnlras \n\x01";
        let mut random = fastrand(17);
        for seed in seeds {
            for _ in 0..30_000 {
                let mut bytes = seed.as_bytes().to_vec();
                for _ in 0..1 + random() % 3 {
                    let place = random() as usize % bytes.len();
                    let letter = alphabet[random() as usize % alphabet.len()];
                    match random() % 3 {
                        0 => bytes[place] = letter,
                        1 => bytes.insert(place, letter),
                        _ => drop(bytes.remove(place)),
                    }
                }
                let Ok(text) = String::from_utf8(bytes) else { continue };
                let expect = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok();
                assert_eq!(scan(&text).is_ok(), expect, "{text:?}");
            }
        }
    }

    /// A small generator of its own, so that the same texts are tried every time.
    fn fastrand(mut state: u64) -> impl FnMut() -> u64 {
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 11
        }
    }

    #[test]
    fn what_breaks_our_limits_is_found() {
        let found = |text: &str| scan(text).unwrap();
        assert_eq!(found(r#"{"a":{"b":[[1]]}}"#).depth, 4);
        assert_eq!(found("[]").depth, 1);
        assert_eq!(found("7").depth, 0);
        assert_eq!((found(r#"{"a":1,"bcd":{"e":1}}"#).keys, found(r#"{"a":1,"bcd":{"e":1}}"#).longest_key), (3, 3));
        assert!(found(r#"{"a":{"b":1,"b":2}}"#).duplicate);
        assert!(found(r#"{"a":1,"\u0061":2}"#).duplicate);
        assert!(!found(r#"{"a":{"b":1},"c":{"b":2}}"#).duplicate);
        let many = format!("{{{}}}", (0..500).map(|n| format!("\"k{n}\":1")).collect::<Vec<_>>().join(","));
        assert!(!found(&many).duplicate);
        assert!(found(&many.replace("\"k499\"", "\"k0\"")).duplicate);
    }

    #[test]
    fn text_and_numbers_that_nothing_can_hold_are_found() {
        for (text, bad_text, bad_number) in [
            (r#""\ud83d\ude00""#, false, false),
            (r#""\ud83d""#, true, false),
            (r#""\ude00\ud83d""#, true, false),
            (r#""\ud83dx""#, true, false),
            ("1e400", false, true),
            ("-1e400", false, true),
            ("1e308", false, false),
            ("1e-400", false, false),
            ("18446744073709551615", false, false),
        ] {
            let found = scan(text).unwrap();
            assert_eq!((found.bad_text, found.bad_number), (bad_text, bad_number), "{text}");
        }
        assert!(scan(&"9".repeat(310)).unwrap().bad_number);
    }

    #[test]
    fn a_bomb_of_brackets_is_refused_at_once() {
        let error = scan(&"[".repeat(1_000_000)).unwrap_err();
        assert_eq!((error.at, error.what), (DEEPEST, "nested deeper than 1,024 levels"));
        assert_eq!(scan(&format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST))).unwrap().depth, DEEPEST);
    }
}
