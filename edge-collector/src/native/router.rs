//! The collector's paths as an axum router; other paths are the caller's.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::routing::any;
use http::header::IF_NONE_MATCH;

use super::collector::Collector;
use super::reply::send;
use crate::protocol::paths;
use crate::tracker::{TRACKER_PATH, tracker};

/// Routes every path that takes events, and the script that sends them from pages. Where the server gives connection
/// information (`ConnectInfo<SocketAddr>`), the sender's address is known. The router takes whole requests, so body limits of the caller must not be tighter.
pub fn router(collector: Arc<Collector>) -> Router {
    let mut router = Router::new();
    for path in paths() {
        router = router.route(path, any(handle)).route(&format!("{path}/"), any(handle));
    }
    router.route(TRACKER_PATH, any(script)).with_state(collector)
}

async fn script(request: http::Request<Body>) -> http::Response<Body> {
    let known = request.headers().get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    send(tracker(request.method().as_str(), known))
}

async fn handle(State(collector): State<Arc<Collector>>, request: http::Request<Body>) -> http::Response<Body> {
    let remote_ip = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    collector.handle(request, remote_ip).await
}
