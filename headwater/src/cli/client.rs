//! The HTTP client of the command line: what the API takes, and problems as people want to read them.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where the server is.
#[derive(Args, Clone, Debug)]
pub struct Address {
    /// Address of the server.
    #[arg(long, env = "HEADWATER_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
}

/// The server, and a key that may ask.
#[derive(Args, Clone, Debug)]
pub struct ApiAccess {
    #[command(flatten)]
    pub(super) address: Address,
    /// A key that may ask questions.
    #[arg(long, env = "HEADWATER_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<String>,
}

/// The server, and a key that may send.
#[derive(Args, Clone, Debug)]
pub struct WriteAccess {
    #[command(flatten)]
    pub(super) address: Address,
    /// A key that may send events.
    #[arg(long, env = "HEADWATER_WRITE_KEY", hide_env_values = true, value_name = "KEY")]
    pub key: Option<String>,
}

impl ApiAccess {
    /// The address.
    pub(super) fn url(&self) -> &str {
        &self.address.url
    }

    /// The key.
    pub(super) fn key(&self) -> anyhow::Result<&str> {
        required(self.key.as_deref(), "HEADWATER_API_KEY")
    }

    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.address.url, self.key()?)
    }
}

impl WriteAccess {
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.address.url, required(self.key.as_deref(), "HEADWATER_WRITE_KEY")?)
    }
}

fn required<'a>(key: Option<&'a str>, variable: &str) -> anyhow::Result<&'a str> {
    key.filter(|key| !key.is_empty()).with_context(|| {
        format!("no key: pass --key or set {variable}. `headwater serve` shows the keys when it first starts on an empty folder")
    })
}

/// A server as one key sees it.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

/// An answer of the server that is not a success.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// The stable code; empty if the answer is not a problem of ours.
    pub code: String,
    title: String,
    detail: String,
    what_to_do: String,
    /// Seconds after which sending again makes sense.
    #[serde(skip)]
    pub retry_after: Option<u64>,
    #[serde(skip)]
    request_id: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.code.is_empty() {
            return write!(f, "the server answered {} without saying why: is this a headwater server?", self.status);
        }
        write!(f, "{}", self.title)?;
        if !self.detail.is_empty() {
            write!(f, " {}", self.detail)?;
        }
        write!(f, "\n  What to do: {}\n  (code {}, status {}", self.what_to_do, self.code, self.status)?;
        if !self.request_id.is_empty() {
            write!(f, ", request {}", self.request_id)?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// Reads an answer that is not a success.
    pub(super) fn of(status: u16, headers: &ureq::http::HeaderMap, body: &[u8]) -> Self {
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let (retry_after, request_id) = (header("retry-after").parse().ok(), header("x-request-id"));
        let refusal: Self = serde_json::from_slice(body).unwrap_or_default();
        Self { status, retry_after, request_id, ..refusal }
    }
}

impl Client {
    /// A client for one server and key.
    ///
    /// # Errors
    /// If the address is not an HTTP address.
    pub fn new(url: &str, key: &str) -> anyhow::Result<Self> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            bail!("{url} is not an address: it starts with http:// or https:// (--url, HEADWATER_URL)");
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(Duration::from_secs(5)))
            .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")))
            .max_redirects(0)
            .build();
        Ok(Self {
            agent: config.new_agent(),
            url: url.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {key}"),
        })
    }

    /// The server's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads a path.
    ///
    /// # Errors
    /// A [`Refusal`], or that no answer came.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("Authorization", &self.authorization);
        self.read(request.call())
    }

    /// Posts JSON text.
    ///
    /// # Errors
    /// A [`Refusal`], or that no answer came.
    pub fn post(&self, path: &str, body: &str) -> anyhow::Result<Value> {
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json");
        self.read(request.send(body))
    }

    /// Posts JSON text and copies the answer, line by line and however long it takes; returns its last line.
    ///
    /// # Errors
    /// A [`Refusal`], or that no whole answer came, or that it could not be written.
    pub fn post_lines(&self, path: &str, body: &str, into: &mut dyn Write) -> anyhow::Result<String> {
        let request = self
            .agent
            .post(format!("{}{path}", self.url))
            .config()
            .timeout_global(None)
            .build()
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json");
        let mut answer = self.follow(request.send(body).map_err(|error| self.explain(&error))?)?;
        let status = answer.status().as_u16();
        if !(200..300).contains(&status) {
            let headers = answer.headers().clone();
            let body = answer.body_mut().read_to_vec().unwrap_or_default();
            return Err(Refusal::of(status, &headers, &body).into());
        }
        let mut lines = BufReader::new(answer.body_mut().as_reader());
        let (mut last, mut line) = (String::new(), String::new());
        while lines.read_line(&mut line).with_context(|| format!("the answer of {} broke off", self.url))? > 0 {
            into.write_all(line.as_bytes()).context("the answer could not be written")?;
            std::mem::swap(&mut last, &mut line);
            line.clear();
        }
        Ok(last)
    }

    /// Reads a path that answers text; `None` where a deployment does not have it.
    ///
    /// # Errors
    /// That no answer came.
    pub(super) fn text(&self, path: &str) -> anyhow::Result<Option<String>> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("Authorization", &self.authorization);
        let mut answer = request.call().map_err(|error| self.explain(&error))?;
        if answer.status() != 200 {
            return Ok(None);
        }
        let text = answer.body_mut().read_to_string();
        text.map(Some).map_err(|error| anyhow!("the answer of {} broke off: {error}", self.url))
    }

    /// The answer itself, where a deployment on AWS gives a large one by a link. It opens by itself: the key is nobody's
    /// business there. However long it takes: what is large may.
    fn follow(&self, answer: ureq::http::Response<ureq::Body>) -> anyhow::Result<ureq::http::Response<ureq::Body>> {
        let (303, Some(location)) = (answer.status().as_u16(), answer.headers().get("location")) else {
            return Ok(answer);
        };
        let location = location.to_str().map_err(|_| anyhow!("{} answers a link that is none", self.url))?;
        let request = self.agent.get(location).config().timeout_global(None).build();
        request.call().map_err(|error| anyhow!("the answer's link fails: {error}"))
    }

    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> anyhow::Result<Value> {
        let mut answer = self.follow(answer.map_err(|error| self.explain(&error))?)?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let body = answer
            .body_mut()
            .with_config()
            .limit(512 * 1024 * 1024)
            .read_to_vec()
            .map_err(|error| anyhow!("the answer of {} broke off: {error}", self.url))?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(&body)
                .map_err(|_| anyhow!("{} did not answer in JSON: is this a headwater server?", self.url));
        }
        Err(Refusal::of(status, &headers, &body).into())
    }

    fn explain(&self, error: &ureq::Error) -> anyhow::Error {
        match error {
            ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => anyhow!(
                "nobody listens at {}: start `headwater serve`, or name the address with --url (HEADWATER_URL)",
                self.url
            ),
            ureq::Error::Timeout(_) => anyhow!("{} did not answer in time: {error}", self.url),
            _ => anyhow!("cannot reach {}: {error}", self.url),
        }
    }
}

/// The refusal inside an error, if it is one.
#[must_use]
pub fn refusal(error: &anyhow::Error) -> Option<&Refusal> {
    error.downcast_ref()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_answer_behind_a_link_is_fetched_there_without_the_key() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let location = format!("Location: {url}/answer.json?signature\r\n");
        let answers = [("303 See Other", location.as_str(), "{}"), ("200 OK", "", r#"{"total": 7}"#)];
        let heads = std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                answers.map(|(status, header, body)| {
                    let (mut connection, _) = listener.accept().unwrap();
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        connection.read_exact(&mut byte).unwrap();
                        head.extend(byte);
                    }
                    let length = body.len();
                    write!(
                        connection,
                        "HTTP/1.1 {status}\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                    )
                    .unwrap();
                    String::from_utf8(head).unwrap().to_lowercase()
                })
            });
            let client = Client::new(&url, "api-key-1").unwrap();
            assert_eq!(client.get("/api/v1/ledger").unwrap()["total"], 7);
            server.join().unwrap()
        });
        assert!(heads[0].contains("authorization: bearer api-key-1"), "{}", heads[0]);
        assert!(
            heads[1].starts_with("get /answer.json?signature ") && !heads[1].contains("authorization"),
            "{}",
            heads[1]
        );
    }

    #[test]
    fn a_problem_is_read_as_sentences() {
        let body = r#"{"type":"urn:x","title":"The key is not valid.","status":401,"code":"key_unknown","what_to_do":"Check the key."}"#;
        let refusal = Refusal { status: 401, ..serde_json::from_str(body).unwrap() };
        assert_eq!(
            refusal.to_string(),
            "The key is not valid.\n  What to do: Check the key.\n  (code key_unknown, status 401)"
        );
        let other = Refusal { status: 502, ..Refusal::default() };
        assert!(other.to_string().contains("502"));
    }
}
