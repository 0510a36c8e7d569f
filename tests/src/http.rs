//! A client of HTTP/1.1 that sends exactly the bytes it is told to.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// No answer takes longer than this.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One request, with nothing added but `Host`, `Connection: close` and, unless a header says otherwise, `Content-Length`.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers, in order, repeated ones included.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

/// What follows the head.
#[derive(Clone, Debug)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// One byte again and again in chunks of 64 KiB, up to a total, until the server has had enough.
    Chunked {
        /// The byte.
        unit: u8,
        /// How many of them at the most.
        bytes: u64,
    },
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request with JSON in its body.
    #[must_use]
    pub fn post(target: &str, key: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: vec![
                ("Content-Type".to_owned(), "application/json".to_owned()),
                ("Authorization".to_owned(), format!("Bearer {key}")),
            ],
            body: Body::Bytes(body.into()),
        }
    }

    /// A request without a body.
    #[must_use]
    pub fn get(target: &str, key: &str) -> Self {
        Self { method: "GET".to_owned(), ..Self::post(target, key, Vec::new()) }
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// If the connection fails or no HTTP answer comes within 30 seconds.
    pub fn send(&self, address: SocketAddr) -> Result<Response> {
        self.send_within(TIMEOUT, address)
    }

    /// Sends it and reads the whole answer, which may be long in coming.
    ///
    /// # Errors
    /// If the connection fails or nothing comes for as long as that.
    pub fn send_within(&self, patience: Duration, address: SocketAddr) -> Result<Response> {
        let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context("connecting")?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        stream.write_all(self.head(address).as_bytes()).context("sending the head")?;
        // A server that has had enough answers and closes: the rest of the body then cannot be written.
        let _ = self.write_body(&mut stream);
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes)
            && bytes.is_empty()
        {
            return Err(error).context("reading the answer");
        }
        parse(&bytes)
    }

    fn head(&self, address: SocketAddr) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let says = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        if let (Body::Bytes(body), false, false) = (&self.body, says("content-length"), says("transfer-encoding")) {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head + "\r\n"
    }

    fn write_body(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        match &self.body {
            Body::Bytes(body) => stream.write_all(body),
            Body::Chunked { unit, bytes } => {
                let chunk = vec![*unit; 64 * 1024];
                let mut left = *bytes;
                while left > 0 {
                    let size = usize::try_from(left).unwrap_or(chunk.len()).min(chunk.len());
                    stream.write_all(format!("{size:x}\r\n").as_bytes())?;
                    stream.write_all(chunk.get(..size).unwrap_or_default())?;
                    stream.write_all(b"\r\n")?;
                    left -= size as u64;
                }
                stream.write_all(b"0\r\n\r\n")
            }
        }
    }
}

impl Response {
    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The JSON body of an answer that must be 200.
    ///
    /// # Errors
    /// With status and body if it is not.
    pub fn ok(self) -> Result<Value> {
        if self.status != 200 {
            bail!("status {}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(self.json())
    }
}

fn parse(bytes: &[u8]) -> Result<Response> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").context("no end of the answer's head")?;
    let (head, body) = bytes.split_at(end);
    let head = std::str::from_utf8(head).context("the answer's head")?;
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).context("status")?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = body.get(4..).unwrap_or_default();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { dechunk(body)? } else { body.to_vec() };
    Ok(Response { status, headers, body })
}

fn dechunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").context("chunk size")?;
        let (size, after) = rest.split_at(end);
        let size = usize::from_str_radix(std::str::from_utf8(size)?.trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend_from_slice(after.get(2..2 + size).context("chunk")?);
        rest = after.get(2 + size + 2..).context("chunk end")?;
    }
}
