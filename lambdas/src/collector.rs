//! The function that takes events: the collector's core behind an HTTPS address, for those without Cloudflare.

mod keys;
mod origin;
mod salts;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use edge_collector::{
    Entropy, Limits, RETRY_SECONDS, Reply, Request, admit, at_once, collect, decode, live, pack, request_id,
};
use event_model::limits::{MAX_BODY_BYTES, MAX_URI_BYTES};
use event_model::{ErrorCode, Problem, Timestamp};
use event_queue::sqs::{SqsQueue, SqsSettings};
use event_queue::{Compression, Queue, QueueError};
use lambda_http::http;

use self::keys::Keys;
use self::origin::Origin;
use self::salts::Salts;
use crate::bucket::{self, Place};
use crate::environment::{self, ORIGIN_SECRET, PROJECTS_URL, PUBLIC_HOST, QUEUE_URL, SALTS_URL};

/// How long the bucket may take: whoever sends events waits for it, where it must be asked at all.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the queue may take, retries included: clients give up after some ten seconds.
const SEND_PATIENCE: Duration = Duration::from_secs(8);

/// What the function keeps from call to call.
pub struct CollectorFunction {
    keys: Keys,
    salts: Salts,
    origin: Origin,
    queue: Arc<dyn Queue>,
    /// By which visitors know it, if not by the host of their requests.
    host: Option<http::HeaderValue>,
}

impl CollectorFunction {
    /// As the environment says. Keys and salt are read ahead; where that fails, the first request tries again.
    ///
    /// # Errors
    /// A variable that is missing or no URL.
    pub async fn start() -> anyhow::Result<Self> {
        let queue_url: String = environment::required(QUEUE_URL)?;
        let settings = SqsSettings { patience: SEND_PATIENCE, ..SqsSettings::new(queue_url) };
        let projects = bucket::open(&environment::url(PROJECTS_URL)?, PATIENCE)?;
        let salts = bucket::open(&environment::url(SALTS_URL)?, PATIENCE)?;
        let queue = Arc::new(SqsQueue::connect(settings).await?);
        let secrets = environment::optional(ORIGIN_SECRET).unwrap_or_default();
        let host = environment::optional(PUBLIC_HOST);
        let function = Self::new(projects, salts, queue, &secrets).known_as(host.as_deref())?;
        let now = now();
        let ((), salt) = tokio::join!(function.keys.read(now), function.salts.of_day(now));
        if let Err(error) = salt {
            tracing::warn!(error = format!("{error:#}"), "the day's salt cannot be read yet");
        }
        Ok(function)
    }

    /// For the projects of one object, with salts below one name, into a queue.
    #[must_use]
    pub fn new(projects: Place, salts: Place, queue: Arc<dyn Queue>, origin_secrets: &str) -> Self {
        Self {
            keys: Keys::new(projects),
            salts: Salts::new(salts),
            origin: Origin::new(origin_secrets),
            queue,
            host: None,
        }
    }

    /// Known to visitors by another host than their requests name once they are here.
    ///
    /// # Errors
    /// What cannot be a host.
    pub fn known_as(self, host: Option<&str>) -> anyhow::Result<Self> {
        let host = host.map(http::HeaderValue::from_str).transpose().context("the public host cannot be one")?;
        Ok(Self { host, ..self })
    }

    /// Answers a request. A 2xx means that its events are durable; whatever fails on our side is a 503, so that no
    /// client throws its events away.
    pub async fn handle(&self, request: lambda_http::Request) -> http::Response<lambda_http::Body> {
        let (mut parts, body) = request.into_parts();
        // Settings of Segment's libraries name the host that events are sent to: not one that does not know where they
        // come from.
        if let Some(host) = &self.host {
            parts.headers.insert(http::header::HOST, host.clone());
        }
        // Zeros where there is no randomness: an id that repeats only makes a log harder to read.
        let request_id = request_id(&parts.headers, random().unwrap_or_default());
        let reply = match at_once(parts.method.as_str(), parts.uri.path(), &parts.headers) {
            Some(reply) => Ok(reply),
            None => self.take(&parts, &body).await,
        };
        let reply = reply.unwrap_or_else(|problem| {
            log(&problem, &request_id);
            Reply::problem(&problem)
        });
        send(reply.to_request(&request_id))
    }

    async fn take(&self, parts: &http::request::Parts, body: &[u8]) -> Result<Reply, Problem> {
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        if path == live::PATH {
            return Err(Problem::new(ErrorCode::NotSupported, "This deployment has no live stream."));
        }
        if path.len() + query.len() > MAX_URI_BYTES {
            return Err(ErrorCode::UriTooLong.into());
        }
        if body.len() > MAX_BODY_BYTES {
            return Err(Problem::new(ErrorCode::BodyTooLarge, format!("At most {MAX_BODY_BYTES} bytes are taken.")));
        }
        let sender = self.origin.sender(parts);
        let request = Request {
            method: parts.method.as_str(),
            path,
            query,
            headers: &parts.headers,
            body,
            remote_ip: sender.ip,
            geo: &sender.geo,
        };
        let decoded = decode(&request, &Limits::default())?;
        let now = now();
        let (project, key) = self.keys.look_up(decoded.key(), now).await?;
        admit(Some(&key), decoded.origin(), now)?;
        let seed = random().ok_or_else(|| Problem::from(ErrorCode::Internal).because("no random bytes are given"))?;
        let daily_salt = self.salts.of_day(now).await.map_err(|error| unavailable(format!("{error:#}")))?;
        let collected = collect(decoded, &project, &key, now, Entropy { seed, daily_salt });
        let messages = pack(&collected.envelopes, Compression::Deflate)?;
        if !messages.is_empty() {
            self.queue.send(messages).await.map_err(not_queued)?;
        }
        Ok(Reply::answer(collected.response))
    }
}

/// Keys or salts that cannot be read.
fn unavailable(why: impl std::fmt::Display) -> Problem {
    Problem::from(ErrorCode::SnapshotUnavailable).retry_after(RETRY_SECONDS).because(why)
}

fn not_queued(error: QueueError) -> Problem {
    Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(error)
}

/// What a client did wrong is its own business; what is wrong with us is logged, with its cause.
fn log(problem: &Problem, request_id: &str) {
    let code = problem.code.as_str();
    if problem.code.status() >= 500 {
        tracing::warn!(request_id, code, cause = problem.cause.as_deref(), "request not taken");
    } else {
        tracing::debug!(request_id, code, "request refused");
    }
}

fn send(reply: Reply) -> http::Response<lambda_http::Body> {
    // All answers are text. As such they need no base64, which an HTTPS address would have to undo.
    let body = match String::from_utf8(reply.body) {
        Ok(text) => lambda_http::Body::Text(text),
        Err(bytes) => lambda_http::Body::Binary(bytes.into_bytes()),
    };
    let mut response = http::Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers {
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            response.headers_mut().insert(http::HeaderName::from_static(name), value);
        }
    }
    response
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok().map(|()| bytes)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
