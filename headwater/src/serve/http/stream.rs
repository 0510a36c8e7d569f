//! A client's connection: watches the framing of what comes in, gives hyper's own refusals words, and closes without
//! destroying the last answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::framing::Framing;
use super::wordless;

/// How long a client may go on sending a body that was refused, before the connection is cut.
const LINGER: Duration = Duration::from_secs(2);
/// How much of such a body is read and thrown away, in bytes.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// The number, from 1, of the request on this connection that gives its length twice; 0: none.
pub(super) type Ambiguous = Arc<AtomicU64>;

/// A TCP connection with its framing.
pub(super) struct ClientStream {
    tcp: TcpStream,
    framing: Framing,
    ambiguous: Ambiguous,
    closing: Option<Closing>,
    worded: Option<Worded>,
}

/// An answer on its way in place of another one, which hyper believes it is writing.
struct Worded {
    bytes: Vec<u8>,
    written: usize,
    in_place_of_bytes: usize,
}

struct Closing {
    until: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl ClientStream {
    pub(super) fn new(tcp: TcpStream) -> (Self, Ambiguous) {
        let ambiguous = Ambiguous::default();
        let stream =
            Self { tcp, framing: Framing::default(), ambiguous: Arc::clone(&ambiguous), closing: None, worded: None };
        (stream, ambiguous)
    }

    /// Writes the rest of the answer that stands in for hyper's; then says that hyper's is written.
    fn poll_worded(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(worded) = &mut self.worded else { return Poll::Ready(Ok(0)) };
        while let Some(rest) = worded.bytes.get(worded.written..).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            worded.written += written;
        }
        let bytes = worded.in_place_of_bytes;
        self.worded = None;
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, into))?;
        self.framing.advance(into.filled().get(before..).unwrap_or_default());
        if let Some(number) = self.framing.ambiguous() {
            self.ambiguous.store(number, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.worded.is_none()
            && let Some(worded) = wordless::worded(bytes)
        {
            self.worded = Some(Worded { bytes: worded, written: 0, in_place_of_bytes: bytes.len() });
        }
        if self.worded.is_some() { self.poll_worded(cx) } else { Pin::new(&mut self.tcp).poll_write(cx, bytes) }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    /// Ends our side, then reads on for a moment where a request was refused before its body ended: closing with
    /// unread bytes makes the kernel send a reset, and a reset destroys the answer before the client has read it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_shutdown(cx))?;
        if !self.framing.is_inside_request() {
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        let closing = this.closing.get_or_insert_with(|| Closing {
            until: Box::pin(tokio::time::sleep_until(Instant::now() + LINGER)),
            bytes_left: LINGER_BYTES,
        });
        let mut space = [0_u8; 8 * 1024];
        loop {
            if closing.until.as_mut().poll(cx).is_ready() || closing.bytes_left == 0 {
                return Poll::Ready(Ok(()));
            }
            let mut into = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut into))?;
            if into.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            closing.bytes_left = closing.bytes_left.saturating_sub(into.filled().len());
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = parts.iter().find(|part| !part.is_empty())
            && (self.worded.is_some() || wordless::worded(first).is_some())
        {
            return self.poll_write(cx, first);
        }
        Pin::new(&mut self.tcp).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }
}
