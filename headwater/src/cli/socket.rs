//! The WebSocket of the command line, over plain TCP or TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio_tungstenite::tungstenite::client::{IntoClientRequest as _, client};
use tokio_tungstenite::tungstenite::handshake::HandshakeError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocket;
use tokio_tungstenite::tungstenite::{self, Bytes};

use super::client::Refusal;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After this silence the other end is asked whether it is there; after the second one it is not.
const SILENCE: Duration = Duration::from_secs(25);

/// A connection.
pub(super) struct Socket(WebSocket<Box<dyn Stream>>);

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A text.
    Text(String),
    /// Nothing will come any more; with the code that the server gave.
    Ended(Option<u16>),
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Socket {
    /// Connects to a path of the server at an `http` or `https` address.
    ///
    /// # Errors
    /// A [`Refusal`], or that no connection came about.
    pub(super) fn connect(url: &str, path: &str, key: &str) -> anyhow::Result<Self> {
        let address = format!("{}{path}", url.trim_end_matches('/').replacen("http", "ws", 1));
        let mut request = address.into_client_request().map_err(|error| anyhow!("{url} is not an address: {error}"))?;
        let authorization = HeaderValue::from_str(&format!("Bearer {key}")).context("the key is not a key")?;
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
        let stream = stream(request.uri()).with_context(|| format!("cannot reach {url}"))?;
        match client(request, stream) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err(Refusal::of(answer.status().as_u16(), answer.headers(), body).into())
            }
            Err(HandshakeError::Failure(error)) => Err(anyhow!("cannot reach {url}: {error}")),
            Err(HandshakeError::Interrupted(_)) => bail!("{url} did not answer in time"),
        }
    }

    /// The next text; pings are answered, and sent where nothing comes.
    pub(super) fn next(&mut self) -> Message {
        let mut asked = false;
        loop {
            match self.0.read() {
                Ok(tungstenite::Message::Text(text)) => return Message::Text(text.as_str().to_owned()),
                Ok(tungstenite::Message::Close(frame)) => return Message::Ended(frame.map(|frame| frame.code.into())),
                Ok(_) => asked = false,
                Err(tungstenite::Error::Io(error)) if is_silence(error.kind()) && !asked => {
                    asked = true;
                    if self.0.send(tungstenite::Message::Ping(Bytes::new())).is_err() {
                        return Message::Ended(None);
                    }
                }
                Err(_) => return Message::Ended(None),
            }
        }
    }
}

fn is_silence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn stream(uri: &Uri) -> anyhow::Result<Box<dyn Stream>> {
    let is_tls = uri.scheme_str() == Some("wss");
    let host = uri.host().context("the address has no host")?;
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let mut last = anyhow!("{host} has no address");
    for address in (name, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(tcp) => {
                tcp.set_nodelay(true)?;
                tcp.set_read_timeout(Some(SILENCE))?;
                return if is_tls { Ok(Box::new(tls(name, tcp)?)) } else { Ok(Box::new(tcp)) };
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn tls(name: &str, tcp: TcpStream) -> anyhow::Result<StreamOwned<ClientConnection, TcpStream>> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned())?;
    Ok(StreamOwned::new(ClientConnection::new(Arc::new(config), name)?, tcp))
}

#[cfg(test)]
mod tests {
    use edge_collector::live::PATH;
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::client::{Client, refusal};
    use crate::serve::{FirstKeys, ServeArgs, Server};

    #[tokio::test]
    async fn a_watch_of_a_real_server_shows_an_event_and_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut args = ServeArgs::at(folder.path(), "127.0.0.1:0").unwrap();
        args.keys = FirstKeys { write: Some("write-key-1".to_owned()), api: Some("api-key-12".to_owned()) };
        let server = Server::start(&args).await.unwrap();
        let url = server.url();
        let watching = tokio::task::spawn_blocking(move || {
            let refused = Socket::connect(&url, PATH, "write-key-1").err().unwrap();
            assert_eq!(
                refusal(&refused).map(|refusal| (refusal.status, refusal.code.as_str())),
                Some((403, "scope_missing"))
            );
            let mut socket = Socket::connect(&url, &format!("{PATH}?event=a"), "api-key-12").unwrap();
            let mut next = || match socket.next() {
                Message::Text(text) => serde_json::from_str::<Value>(&text).unwrap(),
                Message::Ended(code) => json!(code),
            };
            assert_eq!(next()["filter"], json!({ "event": ["a"] }));
            let event = json!({ "event": "a", "user_id": "u" }).to_string();
            Client::new(&url, "write-key-1").unwrap().post("/api/v1/events", &event).unwrap();
            let seen = next();
            assert_eq!((&seen["events"][0]["event"], &seen["events"][0]["outcome"]), (&json!("a"), &json!("accepted")));
            socket
        });
        let mut socket = watching.await.unwrap();
        let ended = tokio::task::spawn_blocking(move || socket.next());
        server.stop().await;
        assert_eq!(ended.await.unwrap(), Message::Ended(Some(edge_collector::live::close::GOING_AWAY)));
    }
}
