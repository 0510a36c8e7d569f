//! One client's connection: bounds its heads, refuses ambiguous requests, hands the rest to the application.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use event_model::{ErrorCode, Problem, limits};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use super::respond;
use super::stream::ClientStream;
use crate::serve::stop::Stop;

/// Largest head that is taken, in bytes of names and values.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// Largest head that is read, so that those above the first bound get an answer that says so.
const MAX_READ_HEAD_BYTES: usize = 160 * 1024;
/// Most headers of a request. hyper refuses more by itself, and [`super::wordless`] gives its answer words.
const MAX_HEADERS: usize = 100;

/// Serves one connection until it ends or the server stops.
pub(super) async fn run(tcp: TcpStream, peer: SocketAddr, app: Router, head_timeout: Duration, mut stop: Stop) {
    // Answers are small and complete: waiting to fill a packet only adds delay.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let (stream, ambiguous) = ClientStream::new(tcp);
    let requests = AtomicU64::new(0);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
        let refusal = if ambiguous.load(Ordering::Acquire) == number {
            Some(Problem::from(ErrorCode::AmbiguousLength))
        } else {
            head_refusal(&request)
        };
        let app = app.clone();
        async move {
            match refusal {
                Some(problem) => Ok::<_, Infallible>(close_after(respond(&problem))),
                None => answer(app, request, peer).await,
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_header_size(MAX_READ_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection ended early");
    }
}

async fn answer(app: Router, request: hyper::Request<Incoming>, peer: SocketAddr) -> Result<Response, Infallible> {
    let mut request = request.map(|body| Body::new(body.map_err(axum::Error::new)));
    request.extensions_mut().insert(ConnectInfo(peer));
    app.oneshot(request).await
}

/// The refusal of a head that is too large, or whose body hyper would take for something else than it is.
fn head_refusal(request: &hyper::Request<Incoming>) -> Option<Problem> {
    // hyper looks at the last coding alone, and would hand over what is still compressed as if it were the body.
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let first = codings.next().map(|coding| coding.as_bytes().trim_ascii());
    if first.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"chunked")) || codings.next().is_some() {
        let detail = "Transfer-Encoding may be chunked; compression goes into Content-Encoding.";
        return Some(Problem::new(ErrorCode::UnsupportedEncoding, detail));
    }
    let header_bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if header_bytes > MAX_HEADER_BYTES {
        return Some(Problem::new(ErrorCode::HeadersTooLarge, format!("They have {header_bytes} bytes.")));
    }
    let uri_bytes = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    (uri_bytes > limits::MAX_URI_BYTES)
        .then(|| Problem::new(ErrorCode::UriTooLong, format!("They have {uri_bytes} bytes.")))
}

fn close_after(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
