//! The scanned body: its items, their fields, and the fields that stand beside the list.

use std::borrow::Cow;

use event_model::{ErrorCode, Problem};

use crate::json::scan::{has_duplicates, key_hash};
use crate::json::{Findings, Kind, Scanner, Span, Syntax, Value, Walk, unescape};
use crate::protocol::{Endpoint, Shape};
use crate::request::Limits;

/// All items of a body. Fields lie in one list, so that an item costs no allocation of its own.
#[derive(Debug)]
pub(crate) struct Items<'a> {
    text: Cow<'a, str>,
    fields: Vec<Field>,
    spans: Vec<ItemSpan>,
    /// Where the fields beside the list are; empty for a single event.
    outer: (usize, usize),
    outer_findings: Findings,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    key: Span,
    value: Span,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
struct ItemSpan {
    span: Span,
    kind: Kind,
    fields: (usize, usize),
    findings: Findings,
}

/// One item: what stands for an event, whatever it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    /// The item as written.
    pub(crate) raw: &'a str,
    /// What it is; an event is an object.
    pub(crate) kind: Kind,
    /// What was seen in it, its own level included.
    pub(crate) findings: Findings,
    items: &'a Items<'a>,
    fields: (usize, usize),
}

impl<'a> Item<'a> {
    /// Its own fields: keys decoded, values as written.
    pub(crate) fn fields(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        self.items.fields(self.fields)
    }

    /// The fields that stand beside the list and hold for all its items.
    pub(crate) fn outer(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        self.items.outer()
    }
}

impl<'a> Items<'a> {
    /// An item that was kept on its own; whatever it is, it must be the whole text.
    pub(crate) fn of_one(text: Cow<'a, str>) -> Result<Self, Problem> {
        scan_with(text, 1, |scan| {
            scan.item()?;
            scan.scanner.end().map_err(invalid)?;
            Ok(Outer::default())
        })
    }
}

impl Items<'_> {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        self.spans.iter().map(|item| {
            let mut findings = item.findings;
            findings.beside(self.outer_findings);
            Item { raw: item.span.of(&self.text), kind: item.kind, findings, items: self, fields: item.fields }
        })
    }

    /// The fields beside the list.
    pub(crate) fn outer(&self) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
        self.fields(self.outer)
    }

    fn fields(&self, (from, to): (usize, usize)) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
        self.fields.get(from..to).unwrap_or_default().iter().map(|field| {
            let key = field.key.of(&self.text);
            let value = Value { raw: field.value.of(&self.text), kind: field.kind };
            (unescape(key).unwrap_or(Cow::Borrowed(key)), value)
        })
    }
}

/// Scans a body once.
///
/// # Errors
/// `invalid_json`, `invalid_body`, `duplicate_key`, `batch_too_large` or `body_too_large`.
pub(super) fn scan<'a>(text: Cow<'a, str>, endpoint: &Endpoint, limits: &Limits) -> Result<Items<'a>, Problem> {
    let items = scan_with(text, limits.batch_events, |scan| scan.body(endpoint))?;
    check_repeated(&items, limits)?;
    Ok(items)
}

fn scan_with<'a>(
    text: Cow<'a, str>,
    limit: usize,
    scan: impl FnOnce(&mut Scan<'_>) -> Result<Outer, Problem>,
) -> Result<Items<'a>, Problem> {
    let (fields, spans, (outer, outer_findings)) = {
        let mut cursor = Scan {
            scanner: Scanner::new(&text),
            text: &text,
            fields: Vec::with_capacity(16),
            spans: Vec::with_capacity(1),
            hashes: Vec::with_capacity(16),
            limit,
        };
        let outer = scan(&mut cursor)?;
        (cursor.fields, cursor.spans, outer)
    };
    Ok(Items { text, fields, spans, outer, outer_findings })
}

/// What stands beside the list is repeated for each item: that must not turn a small body into a large one.
fn check_repeated(items: &Items<'_>, limits: &Limits) -> Result<(), Problem> {
    let outer: usize = items.outer().map(|(key, value)| key.len() + value.raw.len()).sum();
    if outer.saturating_mul(items.len()) > limits.decoded_body_bytes {
        let detail = "The fields beside the list, repeated for each of its events, are too large.";
        return Err(Problem::new(ErrorCode::BodyTooLarge, detail));
    }
    Ok(())
}

struct Scan<'a> {
    scanner: Scanner<'a>,
    text: &'a str,
    fields: Vec<Field>,
    spans: Vec<ItemSpan>,
    hashes: Vec<u64>,
    limit: usize,
}

type Outer = ((usize, usize), Findings);

impl Scan<'_> {
    fn body(&mut self, endpoint: &Endpoint) -> Result<Outer, Problem> {
        let outer = match (self.scanner.peek(), endpoint.shape) {
            (None, _) => return Err(Problem::new(ErrorCode::InvalidJson, "The body is empty.")),
            (Some(b'['), Shape::Batch) => {
                self.list()?;
                Outer::default()
            }
            (Some(b'{'), Shape::Batch) => self.batch(endpoint.protocol.list_fields())?,
            (Some(b'{'), Shape::One(_)) => {
                self.item()?;
                Outer::default()
            }
            _ => {
                self.scanner.value(&mut Findings::default()).map_err(invalid)?;
                self.scanner.end().map_err(invalid)?;
                return Err(Problem::new(ErrorCode::InvalidBody, "The body must be a JSON object."));
            }
        };
        self.scanner.end().map_err(invalid)?;
        Ok(outer)
    }

    /// An object with a list of events.
    fn batch(&mut self, list_fields: &[&str]) -> Result<Outer, Problem> {
        let mut walk = Walk::into(&mut self.scanner);
        let mut findings = Findings::default();
        let mut beside = Vec::new();
        let mut hashes = Vec::new();
        let mut lists = 0;
        while let Some(key) = walk.key(&mut self.scanner, &mut findings).map_err(invalid)? {
            let name = key.of(self.text);
            hashes.push(key_hash(name));
            if list_fields.contains(&name) && self.scanner.peek() == Some(b'[') {
                lists += 1;
                self.list()?;
                continue;
            }
            let (value, kind) = self.scanner.value(&mut findings).map_err(invalid)?;
            beside.push(Field { key, value, kind });
        }
        if has_duplicates(&mut hashes) {
            return Err(ErrorCode::DuplicateKey.into());
        }
        if lists != 1 {
            let detail = format!("The body must have one list of events, as `{}`.", list_fields.join("` or `"));
            return Err(Problem::new(ErrorCode::InvalidBody, detail));
        }
        let from = self.fields.len();
        self.fields.append(&mut beside);
        findings.depth += 1;
        Ok(((from, self.fields.len()), findings))
    }

    fn list(&mut self) -> Result<(), Problem> {
        let mut walk = Walk::into(&mut self.scanner);
        while walk.next(&mut self.scanner).map_err(invalid)? {
            if self.spans.len() >= self.limit {
                return Err(Problem::new(ErrorCode::BatchTooLarge, format!("At most {} are taken.", self.limit)));
            }
            self.item()?;
        }
        Ok(())
    }

    fn item(&mut self) -> Result<(), Problem> {
        let mut findings = Findings::default();
        let from = self.fields.len();
        if self.scanner.peek() != Some(b'{') {
            let (span, kind) = self.scanner.value(&mut findings).map_err(invalid)?;
            self.spans.push(ItemSpan { span, kind, fields: (from, from), findings });
            return Ok(());
        }
        let start = self.scanner.at();
        let mut walk = Walk::into(&mut self.scanner);
        self.hashes.clear();
        let mut own = Findings::default();
        while let Some(key) = walk.key(&mut self.scanner, &mut own).map_err(invalid)? {
            self.hashes.push(key_hash(key.of(self.text)));
            let mut inside = Findings::default();
            let (value, kind) = self.scanner.value(&mut inside).map_err(invalid)?;
            findings.beside(inside);
            self.fields.push(Field { key, value, kind });
        }
        if has_duplicates(&mut self.hashes) {
            return Err(Problem::new(ErrorCode::DuplicateKey, format!("In the event at index {}.", self.spans.len())));
        }
        findings.depth += 1;
        findings.keys = findings.keys.max(own.keys);
        findings.longest_key = findings.longest_key.max(own.longest_key);
        findings.bad_text |= own.bad_text;
        let span = Span::new(start, self.scanner.at());
        self.spans.push(ItemSpan { span, kind: Kind::Object, fields: (from, self.fields.len()), findings });
        Ok(())
    }
}

fn invalid(error: Syntax) -> Problem {
    Problem::new(ErrorCode::InvalidJson, format!("At byte {}: {}.", error.at, error.what))
}
