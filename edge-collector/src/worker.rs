//! The collector at Cloudflare's edge: the same two steps, with a Worker's parts around them.
//!
//! ```text
//! fetch --> Incoming --decode--> keys (Workers KV) --admit--> limiter --collect--> queue (SQS) --> reply
//!                                                   '--> a sample to those who watch (a Durable Object)
//! cron  --> salt of tomorrow into Workers KV
//! ```
//!
//! A 2xx is said only after SQS has named each message as taken. Whatever fails on our side is a 503 that asks the
//! client to try again: no failure of ours may make it throw events away.

mod entropy;
mod incoming;
mod keys;
mod limiter;
mod live;
mod outgoing;
mod queue;
mod salt;
mod settings;
#[cfg(feature = "worker-speed")]
mod speed;
mod wait;
mod watchers;

use event_model::{ErrorCode, Problem};
use event_queue::Compression;
use worker::{Context, Env, ScheduleContext, ScheduledEvent, console_error, event};

use self::incoming::{Head, Incoming};
use self::settings::Settings;
use crate::live::PATH;
use crate::{Entropy, Limits, RETRY_SECONDS, Reply, admit, at_once, collect, decode, pack, request_id};

/// Answers a request.
#[event(fetch)]
async fn fetch(request: worker::Request, env: Env, context: Context) -> worker::Result<worker::Response> {
    let head = Head::of(&request);
    let request_id = request_id(&head.headers, entropy::random().unwrap_or([0; 16]));
    let reply = match at_once(&head.method, &head.path, &head.headers) {
        Some(reply) => Ok(reply),
        None => match (head.method.as_str(), head.path.as_str()) {
            ("GET", PATH) => match live::watch(&head, &env).await {
                Ok(watching) => return Ok(watching),
                Err(problem) => Err(problem),
            },
            (_, PATH) => Ok(Reply::method_not_allowed("GET")),
            _ => take(head, request, &env, &context).await,
        },
    };
    let reply = reply.unwrap_or_else(|problem| {
        log(&problem, &request_id);
        Reply::problem(&problem)
    });
    outgoing::send(reply.to_request(&request_id))
}

/// Writes the salt of the next day, twelve hours ahead.
#[event(scheduled)]
async fn scheduled(event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    if let Err(problem) = salt::prepare(&env, entropy::timestamp(event.schedule())).await {
        log(&problem, "cron");
    }
}

/// One request from its arrival to the queue.
async fn take(head: Head, request: worker::Request, env: &Env, context: &Context) -> Result<Reply, Problem> {
    let incoming = Incoming::read(head, &request).await?;
    let decoded = decode(&incoming.request(), &Limits::default())?;
    let settings = Settings::of(env)?;
    let now = entropy::now();
    let (project, key) = keys::look_up(env, decoded.key(), now).await?;
    admit(Some(&key), decoded.origin(), now)?;
    limiter::take(env, &project).await?;
    let entropy = Entropy { seed: entropy::random()?, daily_salt: salt::of_day(env, now).await? };
    let collected = collect(decoded, &project, &key, now, entropy);
    let messages = pack(&collected.envelopes, Compression::Deflate)?;
    queue::send(&settings, &messages).await?;
    live::show(env, context, &project.id, collected.envelopes, now);
    Ok(Reply::answer(collected.response))
}

/// Something that the platform did not give.
fn unavailable(why: impl std::fmt::Display) -> Problem {
    Problem::from(ErrorCode::SnapshotUnavailable).retry_after(RETRY_SECONDS).because(why)
}

/// What a client did wrong is its own business; what is wrong with us is logged, with its cause.
fn log(problem: &Problem, request_id: &str) {
    if problem.code.status() >= 500 {
        let line = serde_json::json!({
            "message": "request not taken",
            "request_id": request_id,
            "code": problem.code.as_str(),
            "cause": problem.cause,
        });
        console_error!("{line}");
    }
}
