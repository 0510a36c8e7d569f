//! The HTTP server: accepts connections, bounds what a client may send, and ends without losing a request.

mod connection;
mod framing;
mod problem;
mod stream;
mod wordless;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::stop::Stop;
pub(crate) use problem::respond;

/// Bounds of the HTTP server.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Most connections at a time; others wait in the kernel. `HEADWATER_MAX_CONNECTIONS`, default 800, because
    /// many systems allow a process 1,024 open files.
    pub max_connections: usize,
    /// How long a client may take for the head of a request, the wait for the next request included. 10 s.
    pub head_timeout: Duration,
    /// How long requests in flight may take once the server was asked to stop. 10 s.
    pub drain_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { max_connections: 800, head_timeout: Duration::from_secs(10), drain_timeout: Duration::from_secs(10) }
    }
}

/// Serves until the stop, then lets requests in flight end.
pub(crate) async fn serve(listener: TcpListener, app: Router, settings: HttpSettings, mut stop: Stop) {
    let permits = Arc::new(Semaphore::new(settings.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.requested() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        while connections.try_join_next().is_some() {}
        let Some((tcp, peer, permit)) = accepted else { continue };
        let connection = connection::run(tcp, peer, app.clone(), settings.head_timeout, stop.clone());
        connections.spawn(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.drain_timeout, drained).await.is_err() {
        tracing::warn!(timeout_seconds = settings.drain_timeout.as_secs(), "requests in flight were cut off");
    }
}

type Accepted = (tokio::net::TcpStream, std::net::SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection; `None` after an error, having waited where the system is out of something.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> Option<Accepted> {
    let permit = Arc::clone(permits).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((tcp, peer)) => Some((tcp, peer, permit)),
        Err(error) => {
            let gone = matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset);
            if !gone {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};

    use axum::routing::{get, post};

    use super::*;
    use crate::serve::stop::{StopSwitch, switch};

    async fn start() -> (SocketAddr, StopSwitch, tokio::task::JoinHandle<()>) {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            "slow"
        };
        let app = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/slow", get(slow))
            .route("/refuse", post(|| async { (axum::http::StatusCode::PAYLOAD_TOO_LARGE, "too much") }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (turn, stop) = switch();
        let settings = HttpSettings { head_timeout: Duration::from_millis(500), ..HttpSettings::default() };
        (address, turn, tokio::spawn(serve(listener, app, settings, stop)))
    }

    /// Sends bytes and reads until the server closes.
    async fn exchange(address: SocketAddr, bytes: Vec<u8>) -> String {
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            // The server may close while a refused body is still being sent.
            drop(stream.write_all(&bytes));
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            String::from_utf8(answer).unwrap()
        })
        .await
        .unwrap()
    }

    fn get_with(path: &str, headers: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n").into_bytes()
    }

    #[tokio::test]
    async fn heads_beyond_a_bound_are_refused_by_name() {
        let (address, _turn, _server) = start().await;
        let pad = |bytes| format!("X-Pad: {}\r\n", "a".repeat(bytes));
        let cases = [
            (get_with("/", ""), "200", "here"),
            (get_with("/", &pad(30_000)), "200", "here"),
            (get_with("/", &pad(40_000)), "431", "headers_too_large"),
            (get_with("/", &pad(400_000)), "431", "headers_too_large"),
            (get_with("/", &"X: 1\r\n".repeat(101)), "431", "headers_too_large"),
            (get_with(&format!("/?{}", "a".repeat(9_000)), ""), "414", "uri_too_long"),
            (get_with(&format!("/?{}", "a".repeat(80_000)), ""), "414", "uri_too_long"),
            (get_with("/", "Content-Length: 3x\r\n"), "400", "invalid_request"),
            (get_with("/", "Content-Length: 3\r\nContent-Length: 4\r\n"), "400", "invalid_request"),
            (get_with("/", "Transfer-Encoding: gzip, chunked\r\n"), "415", "unsupported_encoding"),
            (get_with("/", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), "415", "unsupported_encoding"),
            (get_with("/", "Transfer-Encoding: gzip\r\n"), "400", "invalid_request"),
            (get_with("/", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), "400", "ambiguous_length"),
            (get_with("/", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), "400", "ambiguous_length"),
            (b"nonsense\r\n\r\n".to_vec(), "400", "invalid_request"),
        ];
        for (bytes, status, code) in cases {
            let answer = exchange(address, bytes).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(code), "{status}: {answer}");
            assert!(code == "here" || answer.contains("application/problem+json"), "{status}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_head_that_never_ends_is_not_waited_for() {
        let (address, _turn, _server) = start().await;
        assert_eq!(exchange(address, b"GET / HT".to_vec()).await, "");
    }

    #[tokio::test]
    async fn the_answer_to_a_refused_body_arrives_although_the_body_goes_on() {
        let (address, _turn, _server) = start().await;
        let mut request = b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n".to_vec();
        request.resize(request.len() + 8_000_000, b'x');
        assert!(exchange(address, request).await.contains("too much"));
    }

    #[tokio::test]
    async fn a_stop_lets_requests_in_flight_end_and_takes_no_new_ones() {
        let (address, turn, server) = start().await;
        let in_flight = tokio::spawn(exchange(address, get_with("/slow", "")));
        tokio::time::sleep(Duration::from_millis(100)).await;
        turn.turn();
        assert!(in_flight.await.unwrap().ends_with("slow"));
        server.await.unwrap();
        assert!(TcpStream::connect(address).is_err());
    }
}
