//! The live stream at the edge: lets watchers in, and shows them a sample of what this isolate takes.
//!
//! ```text
//! GET /api/v1/live --> may they? --> the project's Durable Object, which holds the WebSocket and sets a flag in KV
//! events that are durable --> is the flag set? --> a few summaries a second --> the Durable Object --> watchers
//! ```
//!
//! All of the second line happens after the answer, in what the runtime does besides.

use std::cell::RefCell;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::project::{ProjectId, key_hash};
use event_model::{ErrorCode, Problem, Timestamp};
use event_queue::Envelope;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use worker::web_sys::{Request, RequestInit};
use worker::{Context, Env, Response, Stub, console_error};

use super::incoming::Head;
use super::{entropy, keys, unavailable};
use crate::live::{Batch, Filter, Interest, Sampler, admit_watcher, subscribe};

/// The binding of the Durable Objects.
const OBJECTS: &str = "WATCHERS";
/// The header by which a Durable Object is told who comes.
pub(super) const WATCHER: &str = "x-headwater-watcher";
/// How long an isolate believes what the flag said.
const FLAG_KEPT_MICROS: i64 = 30 * 1_000_000;

/// Somebody who may watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Watcher {
    pub(super) project: ProjectId,
    /// The hash of their key, by which it is looked at again.
    pub(super) key: String,
    pub(super) origin: Option<String>,
    pub(super) filter: Filter,
    pub(super) offers_subprotocol: bool,
}

impl Watcher {
    /// As a header holds it.
    fn to_header(&self) -> String {
        STANDARD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// What [`Self::to_header`] made.
    pub(super) fn of_header(text: &str) -> Option<Self> {
        serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
    }
}

/// What is known of a project's watchers, and what was shown to them.
#[derive(Default)]
struct Watched {
    interest: Interest,
    read_at: Option<Timestamp>,
    sampler: Sampler,
}

thread_local! {
    static WATCHED: RefCell<HashMap<ProjectId, Watched>> = RefCell::default();
}

/// The name of a project's flag in KV: the interest of its watchers.
pub(super) fn flag(project: &ProjectId) -> String {
    format!("live/{project}")
}

/// Lets a watcher in: the answer is the project's Durable Object's.
///
/// # Errors
/// `upgrade_required`, `key_missing`, `key_mismatch`, `key_unknown`, `scope_missing`, `origin_not_allowed`,
/// `invalid_question`, `snapshot_unavailable`.
pub(super) async fn watch(head: &Head, env: &Env) -> Result<Response, Problem> {
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    if !header("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        return Err(ErrorCode::UpgradeRequired.into());
    }
    let subscription = subscribe(&head.query, &head.headers)?;
    let now = entropy::now();
    let (project, key) = keys::look_up(env, &subscription.key, now).await?;
    let origin = header("origin");
    admit_watcher(Some(&key), origin, now)?;
    let watcher = Watcher {
        project: project.id.clone(),
        key: key_hash(&subscription.key),
        origin: origin.map(str::to_owned),
        filter: subscription.filter,
        offers_subprotocol: subscription.offers_subprotocol,
    };
    let entered = async {
        let request = request("GET", None)?;
        let headers = request.headers();
        headers.set("upgrade", "websocket")?;
        headers.set(WATCHER, &watcher.to_header())?;
        object(env, &project.id)?.fetch_with_request(request.into()).await
    };
    entered.await.map_err(unavailable)
}

/// Shows durable events to those who watch. Never in the way of the answer, and never a reason to fail.
pub(super) fn show(env: &Env, context: &Context, project: &ProjectId, envelopes: Vec<Envelope>, now: Timestamp) {
    let is_stale = WATCHED.with_borrow_mut(|all| {
        let watched = all.entry(project.clone()).or_default();
        let gone = watched.read_at.map_or(i64::MAX, |at| now.0.saturating_sub(at.0));
        let is_stale = !(0..FLAG_KEPT_MICROS).contains(&gone);
        if is_stale {
            // Others go on with what is known while this request asks.
            watched.read_at = Some(now);
        }
        is_stale
    });
    if is_stale {
        let (env, project) = (env.clone(), project.clone());
        context.wait_until(async move {
            let interest = read_flag(&env, &project).await;
            WATCHED.with_borrow_mut(|all| all.entry(project.clone()).or_default().interest = interest);
            if let Some(batch) = sample(&project, &envelopes, now) {
                send(&env, &project, &batch).await;
            }
        });
    } else if let Some(batch) = sample(project, &envelopes, now) {
        let (env, project) = (env.clone(), project.clone());
        context.wait_until(async move { send(&env, &project, &batch).await });
    }
}

fn sample(project: &ProjectId, envelopes: &[Envelope], now: Timestamp) -> Option<Batch> {
    WATCHED.with_borrow_mut(|all| {
        let watched = all.get_mut(project)?;
        watched.sampler.sample(envelopes, &watched.interest, now)
    })
}

/// Where the flag cannot be read, nobody watches.
async fn read_flag(env: &Env, project: &ProjectId) -> Interest {
    let text = async { Ok::<_, worker::Error>(env.kv(keys::NAMESPACE)?.get(&flag(project)).text().await?) };
    text.await.ok().flatten().and_then(|text| Interest::parse(&text)).unwrap_or_default()
}

async fn send(env: &Env, project: &ProjectId, batch: &Batch) {
    let sent = async {
        let request = request("POST", Some(&batch.to_json()))?;
        object(env, project)?.fetch_with_request(request.into()).await
    };
    if let Err(error) = sent.await {
        console_error!("{}", serde_json::json!({ "message": "watchers not told", "cause": error.to_string() }));
    }
}

/// A request to a Durable Object, which has no name that anybody looks at.
fn request(method: &str, body: Option<&str>) -> worker::Result<Request> {
    let init = RequestInit::new();
    init.set_method(method);
    if let Some(body) = body {
        init.set_body(&JsValue::from_str(body));
    }
    Ok(Request::new_with_str_and_init("https://watchers/", &init)?)
}

fn object(env: &Env, project: &ProjectId) -> worker::Result<Stub> {
    env.durable_object(OBJECTS)?.id_from_name(project.as_str())?.get_stub()
}
