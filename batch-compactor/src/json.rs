//! Walks over JSON text and checks it on the way, without building anything: what a value is, is its text.
//!
//! It accepts exactly what `serde_json` accepts (a test compares the two on damaged texts), in about a third of the
//! instructions: a drain reads each byte of its messages once, and that was half of its work.

use std::borrow::Cow;

/// Why text is not the JSON that is wanted, and at which byte that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

/// A key of an object.
pub(crate) enum Key<'t> {
    /// The one that was guessed.
    Guessed,
    /// This one.
    Other(Cow<'t, str>),
}

/// A place in a text.
pub(crate) struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// The brackets that are open in the value that is being skipped.
    open: Vec<u8>,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0, open: Vec::new() }
    }

    /// That it is wrong here.
    pub(crate) fn wrong(&self, what: &'static str) -> Wrong {
        Wrong { what, at: self.at }
    }

    /// The next byte that is not white space.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                found => return found,
            }
        }
    }

    /// Takes the next byte if it is that one.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Wrong> {
        if self.take(byte) { Ok(()) } else { Err(self.wrong(what)) }
    }

    /// Takes the end of the text.
    pub(crate) fn end(&mut self) -> Result<(), Wrong> {
        if self.peek().is_none() { Ok(()) } else { Err(self.wrong("something follows")) }
    }

    /// The next key of an object whose opening bracket was taken; `None`, with the closing one taken: it ended.
    pub(crate) fn key(&mut self, first: &mut bool) -> Result<Option<Cow<'t, str>>, Wrong> {
        if !self.member(first)? {
            return Ok(None);
        }
        let key = self.string()?;
        self.expect(b':', "a key has no value")?;
        Ok(Some(key))
    }

    /// As [`Self::key`], but a key that was guessed is only compared. `guess` is how it would stand there, without white
    /// space: `,"name":`.
    #[inline]
    pub(crate) fn key_or_other(&mut self, first: &mut bool, guess: &[u8]) -> Result<Option<Key<'t>>, Wrong> {
        let expected = if *first { guess.get(1..).unwrap_or_default() } else { guess };
        if !expected.is_empty() && self.rest().starts_with(expected) {
            self.at += expected.len();
            *first = false;
            return Ok(Some(Key::Guessed));
        }
        if !self.member(first)? {
            return Ok(None);
        }
        let key = self.string()?;
        self.expect(b':', "a key has no value")?;
        Ok(Some(Key::Other(key)))
    }

    /// Whether an object goes on; if so the comma is taken, otherwise the closing bracket.
    #[inline]
    fn member(&mut self, first: &mut bool) -> Result<bool, Wrong> {
        if std::mem::take(first) {
            return Ok(!self.take(b'}'));
        }
        if self.take(b',') {
            return Ok(true);
        }
        if self.take(b'}') { Ok(false) } else { Err(self.wrong("an object does not go on")) }
    }

    /// Takes exactly this text between two quotes, or this whole value that needs none.
    #[inline]
    pub(crate) fn take_text(&mut self, text: &[u8], quoted: bool) -> bool {
        self.peek();
        let rest = self.rest();
        let found = if quoted {
            rest.first() == Some(&b'"')
                && rest.get(text.len() + 1) == Some(&b'"')
                && rest.get(1..=text.len()) == Some(text)
        } else {
            rest.starts_with(text)
        };
        self.at += if found { text.len() + 2 * usize::from(quoted) } else { 0 };
        found
    }

    #[inline]
    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Whether a list whose opening bracket was taken has another element; if not, its closing one is taken.
    pub(crate) fn element(&mut self, first: &mut bool) -> Result<bool, Wrong> {
        if std::mem::take(first) {
            return Ok(!self.take(b']'));
        }
        if self.take(b',') {
            return Ok(true);
        }
        if self.take(b']') { Ok(false) } else { Err(self.wrong("a list does not go on")) }
    }

    /// Takes a text.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Cow<'t, str>, Wrong> {
        self.expect(b'"', "not a text")?;
        let start = self.at;
        let is_plain = self.skip_string()?;
        if is_plain {
            return Ok(Cow::Borrowed(self.between(start, self.at - 1)?));
        }
        // So rare that it need not be quick.
        let quoted = self.between(start - 1, self.at)?;
        serde_json::from_str(quoted).map(Cow::Owned).map_err(|_| self.wrong("not a text"))
    }

    /// Takes `null` if that is next.
    #[inline]
    pub(crate) fn null(&mut self) -> Result<bool, Wrong> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.literal("null").map(|()| true)
    }

    /// Takes any value and returns its text.
    pub(crate) fn value(&mut self) -> Result<&'t str, Wrong> {
        self.peek();
        let start = self.at;
        self.skip()?;
        self.between(start, self.at)
    }

    /// Takes any value and reads it with serde: for what stands once in a message.
    pub(crate) fn parse<T: serde::Deserialize<'t>>(&mut self) -> Result<T, Wrong> {
        let value = self.value()?;
        serde_json::from_str(value).map_err(|_| self.wrong("a value of another kind"))
    }

    /// Takes an integer: an instant, almost always.
    pub(crate) fn integer(&mut self) -> Result<i64, Wrong> {
        self.peek();
        let start = self.at;
        let mut number = 0_i64;
        // Eighteen digits cannot overflow.
        while let Some(digit @ b'0'..=b'9') = self.byte()
            && self.at - start < 18
        {
            number = number * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        let is_plain = self.at > start && !matches!(self.byte(), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        if is_plain && (self.at - start == 1 || self.text.as_bytes().get(start) != Some(&b'0')) {
            return Ok(number);
        }
        self.at = start;
        let value = self.value()?;
        value.parse().map_err(|_| self.wrong("not an integer"))
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn between(&self, start: usize, end: usize) -> Result<&'t str, Wrong> {
        // Both ends stand beside a byte of JSON's own, so neither is inside a character.
        self.text.get(start..end).ok_or(Wrong { what: "a character is cut", at: start })
    }

    fn skip(&mut self) -> Result<(), Wrong> {
        self.open.clear();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.skip_string()?;
                }
                Some(b'{') => {
                    self.at += 1;
                    if !self.take(b'}') {
                        self.open.push(b'}');
                        self.skip_key()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    if !self.take(b']') {
                        self.open.push(b']');
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.skip_number()?,
                Some(b't') => self.literal("true")?,
                Some(b'f') => self.literal("false")?,
                Some(b'n') => self.literal("null")?,
                _ => return Err(self.wrong("not a value")),
            }
            if self.leave()? {
                return Ok(());
            }
        }
    }

    /// Goes from the end of a value to the next one inside the open brackets; whether there are none left.
    fn leave(&mut self) -> Result<bool, Wrong> {
        while let Some(closing) = self.open.last().copied() {
            let Some(found) = self.peek() else { return Err(self.wrong("a bracket is open")) };
            self.at += 1;
            if found == b',' {
                if closing == b'}' {
                    self.skip_key()?;
                }
                return Ok(false);
            }
            if found != closing {
                return Err(self.wrong("neither a comma nor the end"));
            }
            self.open.pop();
        }
        Ok(true)
    }

    #[inline]
    fn skip_key(&mut self) -> Result<(), Wrong> {
        self.expect(b'"', "a key is not a text")?;
        self.skip_string()?;
        self.expect(b':', "a key has no value")
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), Wrong> {
        if !self.rest().starts_with(literal.as_bytes()) {
            return Err(self.wrong("not a value"));
        }
        self.at += literal.len();
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), Wrong> {
        self.at += usize::from(self.byte() == Some(b'-'));
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.skip_digits()?;
        }
        Ok(())
    }

    #[inline]
    fn skip_digits(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while matches!(self.byte(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("a number without digits")) } else { Ok(()) }
    }

    /// Goes behind the quote that ends a text; whether the text has no escapes.
    #[inline]
    fn skip_string(&mut self) -> Result<bool, Wrong> {
        let mut is_plain = true;
        loop {
            self.at += plain_bytes(self.rest());
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_plain);
                }
                Some(b'\\') => {
                    is_plain = false;
                    self.at += 1;
                    self.skip_escape()?;
                }
                Some(_) => return Err(self.wrong("a control character in a text")),
                None => return Err(self.wrong("a text does not end")),
            }
        }
    }

    fn skip_escape(&mut self) -> Result<(), Wrong> {
        let digits = match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(self.wrong("no such escape")),
        };
        self.at += 1;
        for _ in 0..digits {
            if !self.byte().is_some_and(|digit| digit.is_ascii_hexdigit()) {
                return Err(self.wrong("no such escape"));
            }
            self.at += 1;
        }
        Ok(())
    }
}

/// How many bytes stand before the first quote, backslash or control character. Eight are looked at together: the
/// subtractions set the high bit of a byte that is wanted, and of none before the first such one.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let mut at = 0;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*word);
        let quotes = zeros(word ^ (ONES * u64::from(b'"')));
        let escapes = zeros(word ^ (ONES * u64::from(b'\\')));
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (quotes | escapes | controls) & HIGHS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(is_special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    const TEXTS: [&str; 6] = [
        r#"{"a":[1,-2.5e+10,0,{"b":null}],"c":"text with \" and \u00e9 and \\","d":true,"e":{},"f":[]}"#,
        r#" [ "gr\u00fcn, not so short a text that it fits into one word", "日本語", false , [[[]]] ] "#,
        r#"{"price":12.50,"currency":"EUR","quantity":3,"category":"category-7","list":[0.1,1E5,-0]}"#,
        r#""just a text""#,
        "-0.0e-7",
        "null",
    ];

    fn accepts(text: &str) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.value().is_ok() && scanner.end().is_ok()
    }

    #[test]
    fn it_accepts_what_serde_json_accepts() {
        const CHANGES: [&str; 24] = [
            "", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "1", "-", "+", ".", "e", " ", "\n", "\u{1}", "\u{1f}",
            "\u{7f}", "é", "u", "n", "\\u12",
        ];
        let mut compared = [0, 0];
        for text in TEXTS {
            assert!(accepts(text), "{text}");
            for start in (0..=text.len()).filter(|start| text.is_char_boundary(*start)) {
                for end in (start..=text.len().min(start + 2)).filter(|end| text.is_char_boundary(*end)) {
                    for change in CHANGES {
                        let mut changed = text.to_owned();
                        changed.replace_range(start..end, change);
                        let expect = serde_json::from_str::<IgnoredAny>(&changed).is_ok();
                        assert_eq!(accepts(&changed), expect, "{changed}");
                        compared[usize::from(expect)] += 1;
                    }
                }
                assert_eq!(accepts(&text[..start]), serde_json::from_str::<IgnoredAny>(&text[..start]).is_ok());
            }
        }
        assert!(compared.iter().all(|count| *count > 1_000), "{compared:?}");
    }

    #[test]
    fn a_value_is_its_text_and_a_string_what_it_says() {
        let mut scanner = Scanner::new(r#" {"a" : 1.50 , "b\n": "\ud83d\ude00", "c":null,"d":"plain"} "#);
        scanner.expect(b'{', "").unwrap();
        let mut first = true;
        assert_eq!(scanner.key(&mut first).unwrap().unwrap(), "a");
        assert_eq!(scanner.value().unwrap(), "1.50");
        assert_eq!(scanner.key(&mut first).unwrap().unwrap(), "b\n");
        assert_eq!(scanner.string().unwrap(), "\u{1f600}");
        assert_eq!(scanner.key(&mut first).unwrap().unwrap(), "c");
        assert!(scanner.null().unwrap());
        assert_eq!(scanner.key(&mut first).unwrap().unwrap(), "d");
        assert!(!scanner.null().unwrap());
        assert!(matches!(scanner.string().unwrap(), Cow::Borrowed("plain")));
        assert_eq!(scanner.key(&mut first).unwrap(), None);
        scanner.end().unwrap();
    }

    #[test]
    fn integers_are_what_serde_json_reads() {
        for text in [
            "0",
            "7",
            "-7",
            "1793491200000000",
            "999999999999999999",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "01",
            "00",
            "1.0",
            "1e3",
            "",
            "-",
            "x",
            "12x",
            " 12 ",
        ] {
            let mut scanner = Scanner::new(text);
            let found = scanner.integer().and_then(|number| scanner.end().map(|()| number));
            assert_eq!(found.ok(), serde_json::from_str::<i64>(text).ok(), "{text}");
        }
    }

    #[test]
    fn half_a_character_is_no_text() {
        assert_eq!(Scanner::new(r#""\ud83d""#).string(), Err(Wrong { what: "not a text", at: 8 }));
    }

    #[test]
    fn every_byte_of_a_text_is_looked_at() {
        for length in 0..40 {
            for place in 0..length {
                for special in ["\"", "\\", "\u{0}", "\u{1f}"] {
                    let mut text = "é\u{7f}~ !#[]".chars().cycle().take(length).collect::<String>();
                    let cut = text.char_indices().nth(place).unwrap().0;
                    text.insert_str(cut, special);
                    assert_eq!(plain_bytes(text.as_bytes()), cut, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn brackets_may_be_as_deep_as_they_like() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(accepts(&deep) && !accepts(&deep[1..]));
    }
}
