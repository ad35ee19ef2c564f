//! The reason for the failure of a request.

use std::error::Error;
use std::fmt;
use std::io;

use crate::dial::TlsFault;
use crate::dial::connect::ConnectError;

/// Causes that are shown behind an error.
const MAX_CAUSES: usize = 8;

/// The reason why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The TLS handshake failed.
    #[error(transparent)]
    Tls(io::Error),
    /// The connection ended, or carried something else than a response.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// The deadline passed.
    #[error("there was no answer in time")]
    Late,
}

impl HttpError {
    /// The fault of TLS that caused it, if one did. A server may refuse a client's certificate after the handshake, so an
    /// established connection can end by one, too.
    pub fn tls_fault(&self) -> Option<TlsFault> {
        match self {
            Self::Tls(error) => TlsFault::find(error),
            Self::Http(error) => TlsFault::find(error),
            Self::Connect(_) | Self::Late => None,
        }
    }
}

/// An error with its causes, on one line.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        for cause in std::iter::successors(self.0.source(), |&cause| cause.source()).take(MAX_CAUSES) {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}
