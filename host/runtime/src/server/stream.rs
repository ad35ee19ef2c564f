//! The bytes of one connection, whatever carries them; notes when some pass, and looks at none of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::admission::Admitted;
use super::patience::Version;
use crate::socket::{Socket, pass_through};

/// What HTTP is spoken over.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A stream whose first bytes have been looked at. Keeps its place among the connections until it is dropped, also when a
/// handler has made another protocol of it.
#[derive(Debug)]
pub(super) struct Transport {
    stream: Stream,
    /// What was read ahead.
    ahead: Bytes,
    version: Version,
    activity: Arc<Activity>,
    _admitted: Admitted,
}

impl Transport {
    pub(super) fn new(
        stream: Stream,
        ahead: Bytes,
        version: Version,
        activity: Arc<Activity>,
        admitted: Admitted,
    ) -> Self {
        Self { stream, ahead, version, activity, _admitted: admitted }
    }

    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        self.activity.write(result.is_pending());
        if self.version == Version::One && matches!(result, Poll::Ready(Ok(1..))) {
            self.activity.wrote();
        }
    }
}

pass_through!(Stream { Plain, Tls });

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.has_remaining() {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(count));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if self.version == Version::One && buffer.filled().len() > before {
            self.activity.read();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        self.activity.write(result.is_pending());
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
