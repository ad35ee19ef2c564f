//! Where connections come from: TCP or a Unix socket, and what is known of a connection when it is accepted.

use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::socket::Socket;
use hottap_core::backoff::ExponentialBackoff;

#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        /// Removed before the socket is closed: after that, another server may have put its own there.
        _file: Option<SocketFile>,
        listener: UnixListener,
    },
}

impl Listener {
    /// Where it listens, for people.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| String::new(), |address| address.to_string()),
            #[cfg(unix)]
            Self::Unix { listener, .. } => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(|| "unix:".to_owned(), |path| format!("unix:{}", path.display()))
            }
        }
    }
}

/// The file of a socket that this server has made; removed with it.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The two ends of a connection, as the system tells them.
#[derive(Debug)]
pub(super) enum Ends {
    Tcp {
        local: Option<SocketAddr>,
        peer: SocketAddr,
    },
    #[cfg(unix)]
    Unix {
        local: Option<Arc<tokio::net::unix::SocketAddr>>,
        peer: Option<Arc<tokio::net::unix::SocketAddr>>,
        #[cfg_attr(not(feature = "tonic"), expect(dead_code, reason = "tonic alone asks for them"))]
        credentials: Option<tokio::net::unix::UCred>,
    },
}

impl Ends {
    pub(super) fn peer_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp { peer, .. } => Some(peer.ip()),
            #[cfg(unix)]
            Self::Unix { .. } => None,
        }
    }
}

impl Listener {
    /// A Unix socket at a path. What a server that is gone has left there is replaced, what a live one listens on is not.
    #[cfg(unix)]
    pub(super) fn unix(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt;
        use std::os::unix::net::UnixStream;

        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
                let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
                if !is_socket || !UnixStream::connect(path).is_err_and(refused) {
                    return Err(error);
                }
                std::fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            result => result?,
        };
        Ok(Self::Unix { listener, _file: Some(SocketFile(path.to_owned())) })
    }

    pub(super) fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(Socket, Ends)>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = ready!(listener.poll_accept(context))?;
                // Answers are flushed when they are complete: waiting for more would only delay them. If the system can't,
                // they are slower, and nothing else.
                let _ = stream.set_nodelay(true);
                let local = stream.local_addr().ok();
                Poll::Ready(Ok((Socket::Tcp(stream), Ends::Tcp { local, peer })))
            }
            #[cfg(unix)]
            Self::Unix { listener, .. } => {
                let (stream, peer) = ready!(listener.poll_accept(context))?;
                let local = stream.local_addr().ok().map(Arc::new);
                let credentials = stream.peer_cred().ok();
                let ends = Ends::Unix { local, peer: Some(Arc::new(peer)), credentials };
                Poll::Ready(Ok((Socket::Unix(stream), ends)))
            }
        }
    }
}

/// How long to wait before the next try after an error of the listener; `failures` is how many came in a row before.
///
/// An error that belongs to the connection that was to be accepted says nothing of the next one. Any other, such as too
/// many open files, is still there at once: trying again without a pause would keep a core busy.
pub(super) fn pause(error: &io::Error, failures: u32) -> Option<Duration> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    const FIRST: Duration = Duration::from_millis(5);
    const LAST: Duration = Duration::from_secs(1);
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return None;
    }
    Some(ExponentialBackoff::new(FIRST, LAST).pause(failures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_listener_are_waited_out_and_those_of_a_connection_are_not() {
        const EMFILE: i32 = 24;
        const ECONNABORTED: i32 = 103;
        for (error, failures, expected, reason) in [
            (EMFILE, 0, Some(5), "at first shortly"),
            (EMFILE, 3, Some(40), "then longer"),
            (EMFILE, u32::MAX, Some(1000), "but not for ever"),
            (ECONNABORTED, 9, None, "it was that connection's"),
        ] {
            let error = io::Error::from_raw_os_error(error);
            assert_eq!(pause(&error, failures), expected.map(Duration::from_millis), "{reason}");
        }
    }
}
