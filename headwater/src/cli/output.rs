//! What commands print: data to stdout as a table, JSON or CSV, words to stderr.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::Value;

/// How data is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// The server's JSON, for `jq` and programs.
    Json,
    /// RFC 4180, for spreadsheets.
    Csv,
}

/// Rows under headings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The headings.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self { columns: columns.into_iter().map(str::to_owned).collect(), rows: Vec::new() }
    }

    /// For people: columns aligned, numbers to the right, nothing that could move a terminal's cursor.
    #[must_use]
    pub fn to_text(&self) -> String {
        let rows: Vec<Vec<Cow<'_, str>>> =
            self.rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(place, heading)| {
                let cells = rows.iter().filter_map(|row| row.get(place)).map(|cell| width(cell));
                cells.chain([width(heading)]).max().unwrap_or(0)
            })
            .collect();
        let is_number: Vec<bool> = (0..self.columns.len())
            .map(|place| rows.iter().filter_map(|row| row.get(place)).all(|cell| looks_like_number(cell)))
            .collect();
        let mut text = String::new();
        let headings: Vec<Cow<'_, str>> = self.columns.iter().map(|heading| printable(heading)).collect();
        for row in std::iter::once(&headings).chain(&rows) {
            let mut line = String::new();
            for ((cell, width_wanted), right) in row.iter().zip(&widths).zip(&is_number) {
                let padding = " ".repeat(width_wanted - width(cell).min(*width_wanted));
                let (before, after) = if *right { (padding.as_str(), "") } else { ("", padding.as_str()) };
                line.push_str(before);
                line.push_str(cell);
                line.push_str(after);
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// RFC 4180, lines ended by a line feed.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = String::new();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            for (place, cell) in row.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                if cell.contains([',', '"', '\n', '\r']) {
                    text.push('"');
                    text.push_str(&cell.replace('"', "\"\""));
                    text.push('"');
                } else {
                    text.push_str(cell);
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Prints an answer: the JSON as it is, or the table made of it.
///
/// # Errors
/// If stdout cannot be written; a reader that has gone away is no error.
pub fn print(format: Format, json: &Value, table: impl FnOnce() -> Table) -> io::Result<()> {
    match format {
        Format::Json => say(&format!("{json:#}\n")),
        Format::Table => say(&table().to_text()),
        Format::Csv => say(&table().to_csv()),
    }
}

/// Data, to stdout.
///
/// # Errors
/// If stdout cannot be written; a reader that has gone away (`| head`) is no error.
pub fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Words, to stderr. They are lost where stderr is closed, which harms nobody.
pub fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A value as a cell: text without quotes, nothing for null, JSON for the rest.
#[must_use]
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Emphasis for people, where the stream is a terminal and `NO_COLOR` is not set.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    on: bool,
}

impl Style {
    /// For stdout.
    #[must_use]
    pub fn stdout() -> Self {
        Self { on: wants_color() && io::stdout().is_terminal() }
    }

    /// For stderr.
    #[must_use]
    pub fn stderr() -> Self {
        Self { on: wants_color() && io::stderr().is_terminal() }
    }

    /// Headings.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What matters less.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Good.
    #[must_use]
    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Bad.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Bars.
    #[must_use]
    pub fn blue(self, text: &str) -> String {
        self.paint("34", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Whether colours are wanted at all (<https://no-color.org>).
#[must_use]
pub fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Escapes what a terminal would obey: control characters and changes of the writing direction.
fn printable(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { safe.extend(c.escape_unicode()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn looks_like_number(cell: &str) -> bool {
    let digits = cell.trim_end_matches('%').replace([',', '\u{202f}'], "");
    cell.is_empty() || cell == "-" || digits.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["event", "count"]);
        table.rows.push(vec!["purchase".to_owned(), "7".to_owned()]);
        table.rows.push(vec!["say \"hi\", twice".to_owned(), "1200".to_owned()]);
        table
    }

    #[test]
    fn a_table_aligns_text_left_and_numbers_right() {
        assert_eq!(table().to_text(), "event            count\npurchase             7\nsay \"hi\", twice   1200\n");
    }

    #[test]
    fn csv_quotes_only_what_needs_it() {
        assert_eq!(table().to_csv(), "event,count\npurchase,7\n\"say \"\"hi\"\", twice\",1200\n");
    }

    #[test]
    fn a_name_cannot_move_the_cursor_or_turn_the_text() {
        let mut table = Table::new(["event"]);
        table.rows.push(vec!["a\u{1b}[2Jb\u{202e}c".to_owned()]);
        assert_eq!(table.to_text(), "event\na\\u{1b}[2Jb\\u{202e}c\n");
    }
}
