//! The watchers of one project: a Durable Object that holds their WebSockets, asleep while nothing happens.
//!
//! It keeps nothing of its own: what it must know of a watcher is attached to the WebSocket and outlives its sleep. As
//! long as anybody watches, it renews the flag in KV that makes isolates send it events.

use std::time::Duration;

use event_model::project::{Directory, ProjectId};
use event_model::{ErrorCode, Problem};
use worker::{
    DurableObject, Env, Error, Headers, Method, Request, Response, Result, Socket, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, WebSocketRequestResponsePair, console_error, durable_object,
};

use super::live::{WATCHER, Watcher, flag};
use super::{entropy, keys, outgoing, unavailable};
use crate::Reply;
use crate::live::{Batch, Hello, Interest, MAX_WATCHERS_PER_PROJECT, SUBPROTOCOL, admit_watcher, close};

/// Seconds until the flag goes out by itself: KV's shortest.
const FLAG_SECONDS: u64 = 60;
/// How often the flag is renewed and keys are looked at.
const RENEWED_EVERY: Duration = Duration::from_secs(30);
/// Largest message of a watcher, in bytes: it need not send any.
const MAX_RECEIVED_BYTES: usize = 1_024;

/// The watchers of one project.
#[durable_object]
pub struct Watchers {
    state: State,
    env: Env,
}

impl std::fmt::Debug for Watchers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watchers")
    }
}

impl DurableObject for Watchers {
    fn new(state: State, env: Env) -> Self {
        // Answered without waking the object.
        if let Ok(pong) = WebSocketRequestResponsePair::new("ping", "pong") {
            state.set_websocket_auto_response(&pong);
        }
        Self { state, env }
    }

    /// A watcher comes (GET), or an isolate has something to show (POST).
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if request.method() == Method::Post {
            if let Some(batch) = Batch::parse(&request.bytes().await?) {
                self.show(&batch);
            }
            return Response::empty();
        }
        match self.enter(&request).await {
            Ok(response) => Ok(response),
            Err(problem) => outgoing::send(Reply::problem(&problem)),
        }
    }

    /// Renews the flag, and ends the watches of keys that no longer open the project.
    async fn alarm(&self) -> Result<Response> {
        self.end_unwelcome().await;
        let watchers = self.watchers();
        if let Some((_, first)) = watchers.first() {
            let project = first.project.clone();
            // First, so that a flag that cannot be renewed now is renewed the next time.
            self.state.storage().set_alarm(RENEWED_EVERY).await?;
            self.raise_flag(&project, &watchers).await;
        }
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        let bytes = match message {
            WebSocketIncomingMessage::String(text) => text.len(),
            WebSocketIncomingMessage::Binary(bytes) => bytes.len(),
        };
        if bytes > MAX_RECEIVED_BYTES {
            socket.close(Some(close::TOO_MUCH_SENT), Some("too_much_sent"))?;
        }
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, _code: usize, _reason: String, _clean: bool) -> Result<()> {
        self.leave(&socket).await
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        self.leave(&socket).await
    }

    async fn connect(&self, _socket: Socket) -> Result<()> {
        Err(Error::RustError("watchers speak WebSocket".to_owned()))
    }
}

impl Watchers {
    async fn enter(&self, request: &Request) -> std::result::Result<Response, Problem> {
        let header = request.headers().get(WATCHER).map_err(unavailable)?;
        let watcher = header.as_deref().and_then(Watcher::of_header);
        let watcher = watcher.ok_or_else(|| unavailable("nobody said who comes"))?;
        if self.state.get_websockets().len() >= MAX_WATCHERS_PER_PROJECT {
            return Err(ErrorCode::TooManyWatchers.into());
        }
        let pair = WebSocketPair::new().map_err(unavailable)?;
        pair.server.serialize_attachment(serde_json::to_string(&watcher).unwrap_or_default()).map_err(|_| {
            Problem::new(ErrorCode::InvalidQuestion, "The filter is longer than what the edge keeps of a watcher.")
        })?;
        self.state.accept_web_socket(&pair.server);
        let welcome = async {
            pair.server.send_with_str(Hello::new(watcher.project.as_str(), watcher.filter.clone()).to_json())?;
            self.raise_flag(&watcher.project, &self.watchers()).await;
            if self.state.storage().get_alarm().await?.is_none() {
                self.state.storage().set_alarm(RENEWED_EVERY).await?;
            }
            let response = Response::from_websocket(pair.client.clone())?;
            let headers = Headers::new();
            if watcher.offers_subprotocol {
                headers.set("sec-websocket-protocol", SUBPROTOCOL)?;
            }
            Ok::<_, Error>(response.with_headers(headers))
        };
        let welcomed = welcome.await;
        if welcomed.is_err() {
            let _ = pair.server.close::<&str>(None, None);
        }
        welcomed.map_err(unavailable)
    }

    /// A watcher who cannot be reached has gone, and its end is on its way.
    fn show(&self, batch: &Batch) {
        for (socket, watcher) in self.watchers() {
            if let Some(batch) = batch.only(&watcher.filter) {
                let _ = socket.send_with_str(batch.to_json());
            }
        }
    }

    fn watchers(&self) -> Vec<(WebSocket, Watcher)> {
        let sockets = self.state.get_websockets().into_iter();
        sockets.filter_map(|socket| attached(&socket).map(|watcher| (socket, watcher))).collect()
    }

    /// Where KV does not take it, the next renewal tries again.
    async fn raise_flag(&self, project: &ProjectId, watchers: &[(WebSocket, Watcher)]) {
        let interest = Interest::of(watchers.iter().map(|(_, watcher)| watcher.filter.clone()));
        let raised = async {
            let put = self.env.kv(keys::NAMESPACE)?.put(&flag(project), interest.to_json())?;
            Ok::<_, Error>(put.expiration_ttl(FLAG_SECONDS).execute().await?)
        };
        if let Err(error) = raised.await {
            console_error!("{}", serde_json::json!({ "message": "flag not raised", "cause": error.to_string() }));
        }
    }

    /// The last one to leave takes the flag down.
    async fn leave(&self, gone: &WebSocket) -> Result<()> {
        let Some(watcher) = attached(gone) else { return Ok(()) };
        let _ = gone.close::<&str>(None, None);
        let mut left = self.watchers();
        left.retain(|(socket, _)| socket != gone);
        if left.is_empty() {
            self.env.kv(keys::NAMESPACE)?.delete(&flag(&watcher.project)).await?;
        } else {
            self.raise_flag(&watcher.project, &left).await;
        }
        Ok(())
    }

    /// Where the snapshot cannot be read, everybody stays.
    async fn end_unwelcome(&self) {
        let Ok(directory) = keys::read(&self.env).await else { return };
        for (socket, watcher) in self.watchers() {
            if !may_watch(&directory, &watcher) {
                let _ = socket.close(Some(close::KEY_ENDED), Some("key_ended"));
            }
        }
    }
}

fn may_watch(directory: &Directory, watcher: &Watcher) -> bool {
    directory.find_hashed(&watcher.key).is_some_and(|(project, key)| {
        project.id == watcher.project && admit_watcher(Some(&key), watcher.origin.as_deref(), entropy::now()).is_ok()
    })
}

/// What a WebSocket carries through its object's sleep, as text, since what it carries is copied as JavaScript.
fn attached(socket: &WebSocket) -> Option<Watcher> {
    let text: String = socket.deserialize_attachment().ok().flatten()?;
    serde_json::from_str(&text).ok()
}
