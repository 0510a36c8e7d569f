//! One request from socket to queue.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use event_model::limits::MAX_URI_BYTES;
use event_model::project::{Directory, Key, SharedDirectory};
use event_model::{ErrorCode, Problem, Project, Timestamp};
use event_queue::{Geo, Queue, QueueError};
use http::{HeaderMap, Method};
use prometheus_client::registry::Registry;

use super::limiter::Limiter;
use super::live::Hub;
use super::metrics::{Metrics, ProtocolLabel, ReasonLabel, StatusLabel};
use super::{CollectorSettings, body, random, reply};
use crate::live::admit_watcher;
use crate::{
    Collected, Decoded, Entropy, RETRY_SECONDS, Reply, Request, Response, admit, at_once, collect, decode, pack,
    request_id,
};

/// What a presented key names.
type Found = (Arc<Project>, Arc<Key>);

/// The native collector: what its requests share.
pub struct Collector {
    queue: Arc<dyn Queue>,
    directory: SharedDirectory,
    settings: CollectorSettings,
    limiter: Limiter,
    metrics: Metrics,
    live: Arc<Hub>,
}

impl Collector {
    /// A collector that sends to a queue, for the projects of a directory. Its metrics are added to the registry.
    #[must_use]
    pub fn new(
        queue: Arc<dyn Queue>,
        directory: SharedDirectory,
        settings: CollectorSettings,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(registry);
        Self { queue, directory, settings, limiter: Limiter::default(), metrics, live: Arc::default() }
    }

    /// Answers a request. A 2xx means that its events are durable.
    pub async fn handle(&self, request: http::Request<Body>, remote_ip: Option<IpAddr>) -> http::Response<Body> {
        let start = Instant::now();
        let request_id = self.request_id(request.headers());
        let at_once = at_once(request.method().as_str(), request.uri().path(), request.headers());
        let response = match at_once {
            Some(reply) => reply,
            None => self.take(request, remote_ip).await.map_or_else(
                |problem| {
                    Self::log(&problem, &request_id);
                    Reply::problem(&problem)
                },
                Reply::answer,
            ),
        };
        let response = reply::send(response.to_request(&request_id));
        let status = StatusLabel { status: response.status().as_u16() };
        self.metrics.requests.get_or_create(&status).inc();
        self.metrics.seconds.observe(start.elapsed().as_secs_f64());
        response
    }

    async fn take(&self, request: http::Request<Body>, remote_ip: Option<IpAddr>) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let uri_bytes = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
        if uri_bytes > MAX_URI_BYTES {
            return Err(ErrorCode::UriTooLong.into());
        }
        if parts.method != Method::POST {
            return Err(Problem::new(ErrorCode::MethodNotAllowed, "This path takes POST."));
        }
        let settings = &self.settings;
        let bytes = body::read(&parts.headers, body, settings.max_body_bytes, settings.body_timeout).await?;
        let geo = Geo::default();
        let request = Request {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            body: &bytes,
            remote_ip,
            geo: &geo,
        };
        let decoded = decode(&request, &settings.limits)?;
        let protocol = decoded.protocol();
        let now = now();
        let (project, key) = self.authenticate(&decoded, now)?;
        let collected = collect(decoded, &project, &key, now, self.entropy(now)?);
        let messages = pack(&collected.envelopes, self.settings.compression)?;
        if !messages.is_empty() {
            self.queue.send(messages).await.map_err(queue_problem)?;
        }
        self.count(&collected, protocol);
        self.live.show(&project.id, &collected.envelopes, now);
        Ok(collected.response)
    }

    pub(super) fn settings(&self) -> &CollectorSettings {
        &self.settings
    }

    /// Those who watch.
    pub(super) fn live(&self) -> &Arc<Hub> {
        &self.live
    }

    /// The project that a key may watch.
    pub(super) fn watched_project(&self, key: &str, origin: Option<&str>) -> Result<Arc<Project>, Problem> {
        let found = self.find(key)?;
        admit_watcher(found.as_ref().map(|(_, key)| &**key), origin, now())?;
        found.map(|(project, _)| project).ok_or_else(|| ErrorCode::KeyUnknown.into())
    }

    /// Names a request, as its sender does or anew.
    pub(super) fn request_id(&self, headers: &HeaderMap) -> String {
        // Zeros where there is no randomness: an id that repeats only makes a log harder to read.
        request_id(headers, random::bytes().unwrap_or_default())
    }

    /// Finds the key, checks it and takes a token of its project.
    fn authenticate(&self, decoded: &Decoded<'_>, now: Timestamp) -> Result<Found, Problem> {
        let found = self.find(decoded.key())?;
        admit(found.as_ref().map(|(_, key)| &**key), decoded.origin(), now)?;
        let (project, key) = found.ok_or(ErrorCode::KeyUnknown)?;
        self.limiter
            .take(&project, Instant::now())
            .map_err(|seconds| Problem::from(ErrorCode::RateLimited).retry_after(seconds))?;
        Ok((project, key))
    }

    /// Looks a key up.
    fn find(&self, key: &str) -> Result<Option<Found>, Problem> {
        let directory: Arc<Directory> = self
            .directory
            .get()
            .map_err(|why| Problem::from(ErrorCode::SnapshotUnavailable).retry_after(RETRY_SECONDS).because(why))?;
        let found = directory.find(key);
        if let (None, Some(why)) = (&found, directory.stale()) {
            // The key may be in what could not be read: a 401 would make the client throw its events away.
            return Err(Problem::from(ErrorCode::SnapshotUnavailable).retry_after(RETRY_SECONDS).because(why));
        }
        Ok(found)
    }

    fn entropy(&self, now: Timestamp) -> Result<Entropy, Problem> {
        let unavailable = || Problem::from(ErrorCode::Internal).because("the system gives no random bytes");
        let seed = random::bytes().map_err(|_| unavailable())?;
        let daily_salt = self.settings.salt.of_day(now.days()).ok_or_else(unavailable)?;
        Ok(Entropy { seed, daily_salt })
    }

    /// What a client did wrong is its own business; what is wrong with us is logged, with its cause.
    pub(super) fn log(problem: &Problem, request_id: &str) {
        let code = problem.code.as_str();
        if problem.code.status() >= 500 {
            tracing::warn!(request_id, code, cause = problem.cause.as_deref(), "request not taken");
        } else {
            tracing::debug!(request_id, code, "request refused");
        }
    }

    fn count(&self, collected: &Collected, protocol: &'static str) {
        let accepted = u64::try_from(collected.accepted).unwrap_or(u64::MAX);
        self.metrics.accepted.get_or_create(&ProtocolLabel { protocol }).inc_by(accepted);
        for refusal in &collected.rejected {
            self.metrics.rejected.get_or_create(&ReasonLabel { reason: refusal.reason.as_str() }).inc();
        }
    }
}

fn queue_problem(error: QueueError) -> Problem {
    match error {
        QueueError::Full { retry_after } => {
            let seconds = u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).clamp(1, 300);
            Problem::from(ErrorCode::QueueFull).retry_after(seconds)
        }
        other => Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(other),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
