//! What the errors of the libraries below say, by their types: never by their words.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy;

use super::{Error, ErrorKind, Phase, because};
use crate::client::connect::ConnectFault;
use crate::client::outgoing::BodyFault;
use hottap_core::layer::Reached;
use hottap_io::dial::{TlsFault, TlsReason};

/// Errors looked at in a chain of causes.
const MAX_CAUSES: usize = 12;

/// A call failed before its response's head was there. `last` says why there was no connection, if the call has waited
/// for one that another was making.
pub(in crate::client) fn of_send(error: legacy::Error, last: impl FnOnce() -> Option<Error>) -> Error {
    let reached = error.connect_info().and_then(|connected| {
        let mut extensions = http::Extensions::new();
        connected.get_extras(&mut extensions);
        extensions.remove::<Reached>()
    });
    let connecting = error.is_connect();
    if let Some(fault) = causes(&error).find_map(|cause| cause.downcast_ref::<ConnectFault>()) {
        return fault.error();
    }
    if connecting && let Some(last) = last() {
        return last;
    }
    let phase = if connecting { Phase::Connect } else { Phase::Head };
    let kind = if connecting { ErrorKind::Connect } else { of_chain(&error, ErrorKind::Tls) };
    because(Error::new(kind, phase), error).reaching(reached)
}

/// A call failed in its response's body.
pub(in crate::client) fn of_body(error: hyper::Error) -> Error {
    because(Error::new(of_chain(&error, ErrorKind::Protocol), Phase::Body), error)
}

/// No hands were shaken.
pub(in crate::client) fn of_handshake(error: io::Error) -> Error {
    let kind = tls(&error).unwrap_or(match error.kind() {
        // A peer that speaks another protocol may well hang up on what it takes for nonsense, but so do others.
        kind if is_reset(kind) => ErrorKind::Reset,
        _ => ErrorKind::Tls,
    });
    because(Error::new(kind, Phase::Handshake), error)
}

/// There was no connection.
pub(in crate::client) fn of_connect(error: impl StdError + Send + Sync + 'static) -> Error {
    let io = causes(&error).find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    let kind = match io {
        Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => ErrorKind::ConnectionRefused,
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable) => {
            ErrorKind::Unreachable
        }
        Some(io::ErrorKind::TimedOut) => ErrorKind::ConnectTimedOut,
        _ => ErrorKind::Connect,
    };
    because(Error::new(kind, Phase::Connect), error)
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(MAX_CAUSES)
}

/// What the deepest cause says that says anything. `invalid` is what data mean that somebody could not read: no socket says
/// so, but rustls, of whose error h2 keeps the words alone, and in a body hyper of chunks that are none.
fn of_chain(error: &(dyn StdError + 'static), invalid: ErrorKind) -> ErrorKind {
    let mut kind = None;
    for cause in causes(error) {
        if cause.is::<BodyFault>() {
            return ErrorKind::RequestBody;
        }
        let told = if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            of_hyper(error)
        } else if let Some(error) = cause.downcast_ref::<h2::Error>() {
            of_h2(error)
        } else if let Some(error) = cause.downcast_ref::<io::Error>() {
            tls(error).or(match error.kind() {
                // hyper says so of chunks that are none.
                io::ErrorKind::InvalidInput => Some(ErrorKind::Protocol),
                io::ErrorKind::InvalidData => Some(invalid),
                kind => is_reset(kind).then_some(ErrorKind::Reset),
            })
        } else {
            None
        };
        // What lies deeper knows better, but a closed channel says only that something above it broke off.
        kind = told.or(kind);
    }
    kind.unwrap_or(ErrorKind::Transport)
}

fn of_hyper(error: &hyper::Error) -> Option<ErrorKind> {
    if error.is_parse() {
        Some(ErrorKind::Protocol)
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() || error.is_timeout() {
        Some(ErrorKind::Reset)
    } else if error.is_user() {
        Some(ErrorKind::Request)
    } else {
        None
    }
}

fn of_h2(error: &h2::Error) -> Option<ErrorKind> {
    if error.is_io() {
        let told = error.get_io().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData);
        return Some(if told { ErrorKind::Tls } else { ErrorKind::Reset });
    }
    if error.is_remote() {
        return Some(ErrorKind::Reset);
    }
    // This side has noticed it.
    (error.is_library() || error.is_go_away() || error.is_reset()).then_some(ErrorKind::Protocol)
}

fn is_reset(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

fn tls(error: &io::Error) -> Option<ErrorKind> {
    Some(match TlsFault::find(error)?.reason {
        TlsReason::NotTls => ErrorKind::NotTls,
        TlsReason::Expired | TlsReason::NotValidYet => ErrorKind::CertificateExpired,
        TlsReason::UnknownIssuer => ErrorKind::CertificateUnknownIssuer,
        TlsReason::WrongName => ErrorKind::CertificateWrongName,
        TlsReason::Certificate => ErrorKind::Certificate,
        TlsReason::Identity | TlsReason::Protocol | TlsReason::Version | TlsReason::Other => ErrorKind::Tls,
    })
}
