//! Tells what the demo does while it does it.

use std::io::{self, IsTerminal as _, Write as _};

use super::traffic::Traffic;
use crate::cli::output::{Style, say, tell};
use crate::serve::Server;

/// Prints the story: to stdout what is shown, to stderr how far it has come.
#[derive(Clone, Copy)]
pub(super) struct Narrator {
    pub(super) style: Style,
    shows_progress: bool,
}

impl Narrator {
    pub(super) fn new() -> Self {
        Self { style: Style::stdout(), shows_progress: io::stderr().is_terminal() }
    }

    pub(super) fn print(&self, text: &str) {
        // A reader that is gone must not stop the server.
        drop(say(text));
    }

    pub(super) fn heading(&self, text: &str, note: &str) {
        self.print(&format!("\n{}  {}\n", self.style.bold(text), self.style.dim(&format!("({note})"))));
    }

    pub(super) fn title(&self) {
        self.print(&format!(
            "\n{}\nA shop's traffic, sent over HTTP to a server on this machine, stored as open tables, and asked about.\n\n",
            self.style.bold("Headwater demo")
        ));
    }

    pub(super) fn started(&self, server: &Server) {
        let ready = server.ready_after().as_millis();
        self.step("started", &format!("a server at {}, ready after {ready} ms", server.url()));
        self.step("", &format!("data folder {}", server.data_dir().display()));
    }

    pub(super) fn progress(&self, done: u64, of: u64) {
        if self.shows_progress {
            drop(write!(io::stderr().lock(), "\r  sending  {done} of {of} events \u{1b}[K"));
        }
    }

    pub(super) fn sent(&self, traffic: &Traffic) {
        if self.shows_progress {
            drop(write!(io::stderr().lock(), "\r\u{1b}[K"));
        }
        let sent = traffic.events + traffic.twice;
        #[allow(clippy::cast_precision_loss, reason = "shown without decimals")]
        let rate = sent as f64 / traffic.took.as_secs_f64();
        self.step(
            "sent",
            &format!(
                "{} events in {} requests, one after the other, in {:.1} s ({} a second),",
                thousands(sent as u64),
                traffic.requests,
                traffic.took.as_secs_f64(),
                thousands(round(rate)),
            ),
        );
        self.step("", "each batch on disk before its answer");
        self.step(
            "",
            &format!(
                "among them {} sent twice, as clients do when an answer is lost, and {} with mistakes",
                thousands(traffic.twice as u64),
                traffic.unusable
            ),
        );
        self.step("stored", &format!("all of it, {:.1} s later", traffic.stored_after.as_secs_f64()));
    }

    fn step(&self, word: &str, text: &str) {
        let word = format!("{word:<8}");
        let word = if word.trim().is_empty() { word } else { self.style.green(&word) };
        self.print(&format!("  {word} {text}\n"));
    }

    pub(super) fn where_to_look(&self, server: &Server, is_temporary: bool) {
        let (style, url) = (self.style, server.url());
        let Some(keys) = server.new_keys() else { return };
        let folder = std::path::absolute(server.data_dir()).unwrap_or_else(|_| server.data_dir().to_owned());
        let events = folder.join("lake/projects/default/events");
        let (write, api) = (&keys.write, &keys.api);
        self.heading("Where to look", "the server goes on until Ctrl-C");
        self.print(&format!(
            r#"
  {send}
    curl -s {url}/api/v1/events -H 'Authorization: Bearer {write}' \
      -d '{{"event": "purchase", "user_id": "you", "properties": {{"revenue": 99, "currency": "EUR"}}}}'

  {ask}
    curl -s {url}/api/v1/insights/query -H 'Authorization: Bearer {api}' \
      -d '{{"kind": "trend", "interval": "day", "period": {{"last": {{"value": 7, "unit": "day"}}}},
           "series": [{{"event": "purchase", "measure": "total"}}], "breakdown": [{{"property": "country"}}]}}'

  {tools}
    export HEADWATER_URL={url} HEADWATER_API_KEY={api}
    headwater events tail
    headwater quarantine list
    curl -s {url}/metrics

  {duckdb}
    INSTALL delta; LOAD delta;
    SELECT event, count(*) FROM delta_scan('{events}') GROUP BY event ORDER BY 2 DESC;
"#,
            send = style.bold("Send an event of your own"),
            ask = style.bold("Ask a question"),
            tools = style.bold("On the command line, in another window"),
            duckdb = style.bold("Read the tables with DuckDB, with nothing of ours in between"),
            events = events.display(),
        ));
        let fate = if is_temporary {
            "Ctrl-C ends the server and removes its folder (--data-dir keeps one)."
        } else {
            "Ctrl-C ends the server; its folder stays."
        };
        self.print(&format!("\n{}\n", style.dim(fate)));
    }

    pub(super) fn kept(&self, server: &Server) {
        let folder = server.data_dir().display();
        self.print(&format!("\nThe data stays in {folder}: headwater serve --data-dir {folder}\n"));
    }

    pub(super) fn stopping(&self) {
        tell("\nstopping");
    }
}

/// 12345 as `12,345`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The nearest whole number; 0 for what is none.
pub(super) fn round(number: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, which is what is wanted"
    )]
    let whole = number.round() as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
