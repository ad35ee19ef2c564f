//! Maps errors of reqwest and of its middlewares to failures: by their types, and without the URLs that they show.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt::Write;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::DeadlineExceeded;
use super::middleware::ChainError;
use crate::layer::failure::{Bounded, Failure};
use crate::rpc::error_type;
use crate::rpc::error_type::client;
use crate::rpc::{MAX_MESSAGE_BYTES, Outcome, Symbol};

/// Errors looked at in a chain of causes.
const MAX_CAUSES: usize = 16;
/// gRPC's code, also where another protocol is spoken: a deadline is a deadline.
const DEADLINE_EXCEEDED: u16 = 4;

/// Returns the failure that an error of reqwest or of its middlewares stands for; none for any other error.
/// `error_type` is the type of a failure if neither the error nor its causes tell one.
pub(in crate::layer) fn told<E: 'static>(error: &E, error_type: Symbol) -> Option<Failure> {
    let error: &dyn Any = error;
    let (root, attempt) = match error.downcast_ref::<ChainError>() {
        Some(chain) => (of_middleware(&chain.error), chain.attempt),
        None => (as_error(error)?, None),
    };
    let (outcome, error_type) = of_chain(root).or(attempt).unwrap_or((Outcome::Error, error_type));
    let connecting = causes(root).find_map(as_reqwest).is_some_and(reqwest::Error::is_connect);
    let unsent = connecting || error_type == client::CONNECTION_REFUSED;
    Some(Failure { unsent, ..Failure::new(outcome, error_type, words(root)) })
}

/// reqwest's errors and those of its middlewares as such.
fn as_error(error: &dyn Any) -> Option<&(dyn StdError + 'static)> {
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<reqwest_middleware::Error>() {
        return Some(of_middleware(error));
    }
    // As stacks of tower have it.
    let boxed: &(dyn StdError + 'static) = &**error.downcast_ref::<Box<dyn StdError + Send + Sync>>()?;
    causes(boxed).any(|cause| as_reqwest(cause).is_some()).then_some(boxed)
}

/// An error and its causes in words. reqwest ends its own with the URL, whose query may hold secrets: that is left out.
fn words(root: &(dyn StdError + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(root) {
        let mut said = Bounded(String::new());
        // An error that panics when it is shown is told as far as it came.
        let _ = catch_unwind(AssertUnwindSafe(|| write!(said, "{cause}")));
        let said = said.0.split_once(" for url (").map_or(&*said.0, |(before, _)| before);
        // An `io::Error` says what it holds.
        if !text.ends_with(said) {
            let separator = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{separator}{said}");
        }
    }
    text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
    text
}

/// A middleware's error hides behind one that shows it and skips it among its causes.
fn of_middleware(error: &reqwest_middleware::Error) -> &(dyn StdError + 'static) {
    match error {
        reqwest_middleware::Error::Middleware(error) => error.as_ref(),
        reqwest_middleware::Error::Reqwest(error) => error,
    }
}

/// An error and its causes. What `io::Error` holds is a cause, too: it names only the cause of that.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        if let Some(error) = error.downcast_ref::<reqwest_middleware::Error>() {
            return of_middleware(error).source();
        }
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as _),
            None => error.source(),
        }
    })
    .take(MAX_CAUSES)
}

fn of_chain(root: &(dyn StdError + 'static)) -> Option<(Outcome, Symbol)> {
    let late = (Outcome::TimedOut, error_type::grpc(DEADLINE_EXCEEDED));
    if causes(root).any(|cause| cause.is::<DeadlineExceeded>()) {
        return Some(late);
    }
    let reqwest = causes(root).find_map(as_reqwest);
    let failed = |error_type: Symbol| Some((Outcome::Error, error_type));
    let Some(error) = reqwest else {
        // Another middleware's error, which may hide reqwest's.
        return of_causes(root, client::TLS).and_then(failed);
    };
    if error.is_timeout() {
        // The operating system gives up connecting, too.
        return if error.is_connect() { failed(client::CONNECT_TIMEOUT) } else { Some(late) };
    }
    if error.is_dns() {
        return failed(client::DNS);
    }
    if error.is_connect() {
        return failed(of_causes(error, client::TLS).unwrap_or(client::CONNECT));
    }
    if error.is_redirect() {
        return failed(Symbol::intern("redirect"));
    }
    if error.is_builder() {
        return failed(client::REQUEST);
    }
    if error.is_decode() {
        return failed(decode());
    }
    of_causes(error, if error.is_body() { decode() } else { client::TLS }).and_then(failed)
}

fn as_reqwest<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a reqwest::Error> {
    match cause.downcast_ref::<reqwest_middleware::Error>() {
        Some(reqwest_middleware::Error::Reqwest(error)) => Some(error),
        _ => cause.downcast_ref::<reqwest::Error>(),
    }
}

/// A content encoding that could not be read.
fn decode() -> Symbol {
    Symbol::intern("decode")
}

/// Returns the error type of the deepest cause that has one. `invalid` is the type for data that could not be read.
fn of_causes(root: &(dyn StdError + 'static), invalid: Symbol) -> Option<Symbol> {
    // hyper says so of chunks that are none.
    let invalid = if causes(root).any(|cause| cause.is::<hyper::Error>()) { client::PROTOCOL } else { invalid };
    let told = causes(root).filter_map(|cause| {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return of_hyper(error);
        }
        #[cfg(feature = "rustls")]
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            let certificate = matches!(error, rustls::Error::InvalidCertificate(_));
            return Some(if certificate { client::CERTIFICATE } else { client::TLS });
        }
        of_io(cause.downcast_ref::<io::Error>()?.kind(), invalid)
    });
    told.last()
}

fn of_hyper(error: &hyper::Error) -> Option<Symbol> {
    if error.is_parse() {
        Some(client::PROTOCOL)
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Some(client::RESET)
    } else if error.is_user() {
        Some(client::REQUEST)
    } else {
        None
    }
}

fn of_io(kind: io::ErrorKind, invalid: Symbol) -> Option<Symbol> {
    use io::ErrorKind;
    Some(match kind {
        ErrorKind::ConnectionRefused => client::CONNECTION_REFUSED,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => client::UNREACHABLE,
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => client::RESET,
        ErrorKind::InvalidData | ErrorKind::InvalidInput => invalid,
        _ => return None,
    })
}
