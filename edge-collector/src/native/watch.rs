//! `GET /api/v1/live`: a watcher's WebSocket, from the request to its end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts as _, State};
use event_model::{ErrorCode, Problem};
use http::header::ORIGIN;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::collector::Collector;
use super::live::Watch;
use super::reply;
use crate::Reply;
use crate::live::{Hello, SUBPROTOCOL, close, subscribe};

/// How often a watcher is told what was left out, where no event tells it.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two of the server's pings.
const PING_TICKS: u32 = 20;
/// Ticks after which a watcher of whom nothing was heard, not even an answer to a ping, is gone.
const SILENT_TICKS: u32 = 60;
/// How long one message may take to be written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest message of a watcher, in bytes: it need not send any.
const MAX_RECEIVED_BYTES: usize = 1_024;

/// Lets a watcher in, or says why not.
pub(super) async fn handle(
    State(collector): State<Arc<Collector>>,
    request: http::Request<Body>,
) -> http::Response<Body> {
    let request_id = collector.request_id(request.headers());
    if request.method() != http::Method::GET {
        return reply::send(Reply::method_not_allowed("GET").to_request(&request_id));
    }
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let admitted = match upgrade {
        Ok(upgrade) => enter(&collector, &parts).map(|entered| (upgrade, entered)),
        Err(_) => Err(Problem::from(ErrorCode::UpgradeRequired)),
    };
    match admitted {
        Ok((upgrade, entered)) => {
            let collector = Arc::downgrade(&collector);
            upgrade
                .protocols([SUBPROTOCOL])
                .max_message_size(MAX_RECEIVED_BYTES)
                .max_frame_size(MAX_RECEIVED_BYTES)
                .on_upgrade(move |socket| run(socket, collector, entered))
        }
        Err(problem) => {
            Collector::log(&problem, &request_id);
            reply::send(Reply::problem(&problem).to_request(&request_id))
        }
    }
}

/// A watcher who may watch.
struct Entered {
    watch: Watch,
    hello: Hello,
    key: String,
    origin: Option<String>,
    key_interval: Duration,
}

fn enter(collector: &Collector, parts: &http::request::Parts) -> Result<Entered, Problem> {
    let subscription = subscribe(parts.uri.query().unwrap_or_default(), &parts.headers)?;
    let origin = parts.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).map(str::to_owned);
    let project = collector.watched_project(&subscription.key, origin.as_deref())?;
    let watch = collector.live().watch(&project.id, subscription.filter.clone())?;
    let hello = Hello::new(project.id.as_str(), subscription.filter);
    Ok(Entered { watch, hello, key: subscription.key, origin, key_interval: collector.settings().live_key_interval })
}

/// The watcher's life. It holds no part of the collector, so that it ends when the server does.
async fn run(mut socket: WebSocket, collector: Weak<Collector>, mut entered: Entered) {
    let end = match write(&mut socket, Message::text(entered.hello.to_json())).await {
        Ok(()) => watch(&mut socket, &collector, &mut entered).await,
        Err(Gone) => None,
    };
    drop(entered);
    if let Some((code, reason)) = end {
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = write(&mut socket, Message::Close(Some(frame))).await;
    }
}

/// Why the server ends it: a code and a word; `None` if the watcher has gone.
type End = Option<(u16, &'static str)>;

async fn watch(socket: &mut WebSocket, collector: &Weak<Collector>, entered: &mut Entered) -> End {
    let (mut ticks, mut looks) = (every(TICK), every(entered.key_interval));
    let (mut age, mut silence) = (0_u32, 0_u32);
    loop {
        let written = tokio::select! {
            batch = entered.watch.batches.recv() => match batch {
                Some(batch) => write(socket, Message::text(batch.to_json())).await,
                None if entered.watch.was_too_slow() => return Some((close::TOO_SLOW, "too_slow")),
                None => return Some((close::GOING_AWAY, "going_away")),
            },
            received = socket.recv() => {
                silence = 0;
                match received {
                    Some(Ok(Message::Text(text))) if text.as_str() == "ping" => write(socket, Message::text("pong")).await,
                    Some(Ok(Message::Close(_))) | None => return None,
                    Some(Ok(_)) => Ok(()),
                    Some(Err(_)) => return Some((close::TOO_MUCH_SENT, "too_much_sent")),
                }
            }
            _ = looks.tick() => {
                let Some(collector) = collector.upgrade() else { continue };
                let still = match collector.watched_project(&entered.key, entered.origin.as_deref()) {
                    // A key that was moved shows another project from now on, to those who ask anew.
                    Ok(project) => project.id == *entered.watch.project(),
                    // What cannot be looked up just now is no reason.
                    Err(problem) => problem.code.status() >= 500,
                };
                if !still {
                    return Some((close::KEY_ENDED, "key_ended"));
                }
                Ok(())
            }
            _ = ticks.tick() => {
                (age, silence) = (age.wrapping_add(1), silence + 1);
                let Some(collector) = collector.upgrade() else {
                    return Some((close::GOING_AWAY, "going_away"));
                };
                collector.live().show_left_out(&entered.watch);
                drop(collector);
                match (silence, age.is_multiple_of(PING_TICKS)) {
                    (SILENT_TICKS.., _) => return None,
                    (_, true) => write(socket, Message::Ping(bytes::Bytes::new())).await,
                    _ => Ok(()),
                }
            }
        };
        if written.is_err() {
            return None;
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The watcher has gone, or does not read.
struct Gone;

async fn write(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    match timeout(WRITE_TIMEOUT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}
