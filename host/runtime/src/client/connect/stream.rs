//! What HTTP goes over: a socket, with TLS or without.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::tls;
pub(in crate::client) use crate::socket::Socket;
use crate::socket::pass_through;
use hottap_core::layer::Reached;

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
                (Ok(peer), Ok(local)) => connected.extra(Reached { peer, local: Some(local) }),
                _ => connected,
            },
            #[cfg(unix)]
            Socket::Unix(_) => connected,
        }
    }
}

pass_through!(Stream { Plain, Tls });
