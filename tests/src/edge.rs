//! The built Worker in workerd on a free loopback port, with its queue.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use event_queue::Envelope;
use event_queue::envelope::from_text;
use serde_json::Value;

use crate::http::Request;

/// A running Worker. Dropping it ends it.
#[derive(Debug)]
pub struct Edge {
    /// Where it listens.
    pub address: SocketAddr,
    queue: (SocketAddr, String),
    child: Child,
    /// It runs until this is closed.
    input: Option<ChildStdin>,
}

impl Edge {
    /// Starts what `infra/worker/test/serve.mjs` is told: `{"projects", "queue_url"?, "vars"?, "cf"?}`.
    ///
    /// # Errors
    /// If the Worker is not built (`make worker`), or does not start.
    pub fn start(what: &Value) -> Result<Self> {
        let folder = crate::root().join("infra/worker");
        if !folder.join("dist/index.js").is_file() {
            bail!("the Worker is not built: run `make worker` first");
        }
        let mut child = Command::new("node")
            .arg(folder.join("test/serve.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting node")?;
        let mut input = child.stdin.take().context("standard input")?;
        writeln!(input, "{what}")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("standard output")?).read_line(&mut line)?;
        let started: Value = serde_json::from_str(&line).context("the Worker did not start")?;
        let url = |name: &str| -> Result<(SocketAddr, String)> {
            let url = started.get(name).and_then(Value::as_str).context("a URL is missing")?;
            let rest = url.strip_prefix("http://").context("not http")?;
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            Ok((authority.parse()?, format!("/{path}")))
        };
        Ok(Self { address: url("edge")?.0, queue: url("queue")?, child, input: Some(input) })
    }

    /// The messages in the queue that it was started with, in the order in which they came; each is given once.
    ///
    /// # Errors
    /// If the queue is not the Worker's own, or a message is no envelope.
    pub fn messages(&self) -> Result<Vec<Envelope>> {
        let (address, path) = &self.queue;
        let texts = Request::get(path, "").send(*address)?.ok()?;
        let texts: Vec<String> = serde_json::from_value(texts)?;
        texts.iter().map(|text| Ok(Envelope::decode(&from_text(text)?)?)).collect()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        drop(self.input.take());
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
