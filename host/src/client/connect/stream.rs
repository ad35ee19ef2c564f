//! What HTTP goes over: a TCP or a Unix socket, with TLS or without.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::tls;
use crate::layer::Reached;

/// The socket.
pub(in crate::client) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The socket, or TLS on it.
pub(in crate::client) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let (socket, connected) = match self {
            Self::Plain(socket) => (socket, Connected::new()),
            Self::Tls(stream) => {
                let (socket, session) = stream.get_ref();
                let connected = Connected::new();
                let h2 = session.alpn_protocol() == Some(tls::ALPN_H2);
                (socket, if h2 { connected.negotiated_h2() } else { connected })
            }
        };
        match socket {
            Socket::Tcp(socket) => match (socket.peer_addr(), socket.local_addr()) {
                (Ok(peer), Ok(local)) => connected.extra(Reached { peer, local }),
                _ => connected,
            },
            Socket::Unix(_) => connected,
        }
    }
}

/// Passes on to whichever it is.
macro_rules! either {
    ($self:expr, $one:path, $two:path, $inner:ident => $call:expr) => {
        match $self.get_mut() {
            $one($inner) => {
                let $inner = Pin::new($inner);
                $call
            }
            $two($inner) => {
                let $inner = Pin::new($inner);
                $call
            }
        }
    };
}

/// Reads and writes through.
macro_rules! pass_through {
    ($type:ty, $one:path, $two:path) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                either!(self, $one, $two, inner => inner.poll_read(context, buffer))
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                either!(self, $one, $two, inner => inner.poll_write(context, bytes))
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                either!(self, $one, $two, inner => inner.poll_flush(context))
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                either!(self, $one, $two, inner => inner.poll_shutdown(context))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                either!(self, $one, $two, inner => inner.poll_write_vectored(context, slices))
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $one(inner) => inner.is_write_vectored(),
                    $two(inner) => inner.is_write_vectored(),
                }
            }
        }
    };
}

pass_through!(Socket, Self::Tcp, Self::Unix);
pass_through!(Stream, Self::Plain, Self::Tls);
