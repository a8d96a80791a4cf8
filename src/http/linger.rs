//! Closing a connection so that its last answer arrives: what the client still sends is read and dropped.

use std::io::Result;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long a client may go on sending what nobody reads any more, and how much of it.
const LINGER_MAX: Duration = Duration::from_secs(5);
const DROPPED_BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// A client's connection. Closed while unread bytes come in, the system would reset it, and the client would
/// see a broken connection instead of the 413 that tells it why.
pub(super) struct Lingering {
    stream: TcpStream,
    unread: Arc<AtomicBool>,
    closing: Option<(Pin<Box<Sleep>>, usize)>,
}

impl Lingering {
    /// `unread` says at the end whether the client may still be sending.
    pub(super) fn new(stream: TcpStream, unread: Arc<AtomicBool>) -> Self {
        Self { stream, unread, closing: None }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let (end, dropped) = this.closing.get_or_insert_with(|| (Box::pin(sleep(LINGER_MAX)), 0));
        while end.as_mut().poll(cx).is_pending() && *dropped < DROPPED_BYTES_MAX {
            let mut bytes = [0; 16 * 1_024];
            let mut buffer = ReadBuf::new(&mut bytes);
            if ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer)).is_err() || buffer.filled().is_empty() {
                break; // the client is gone, or done
            }
            *dropped += buffer.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}
