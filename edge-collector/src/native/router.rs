//! The collector's paths as an axum router; other paths are the caller's.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::routing::any;

use super::collector::Collector;
use super::watch;
use crate::live;
use crate::protocol::paths;
use crate::tracker::TRACKER_PATH;

/// Routes the paths of all protocols, the script that sends events from pages, and the live stream. Where the server gives connection
/// information (`ConnectInfo<SocketAddr>`), the sender's address is known. The router takes whole requests, so body
/// limits of the caller must not be tighter.
pub fn router(collector: Arc<Collector>) -> Router {
    let mut router = Router::new();
    for path in paths() {
        router = router.route(path, any(handle)).route(&format!("{path}/"), any(handle));
    }
    router.route(TRACKER_PATH, any(handle)).route(live::PATH, any(watch::handle)).with_state(collector)
}

async fn handle(State(collector): State<Arc<Collector>>, request: http::Request<Body>) -> http::Response<Body> {
    let remote_ip = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    collector.handle(request, remote_ip).await
}
