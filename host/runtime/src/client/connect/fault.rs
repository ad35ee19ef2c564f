//! The client's error on its way through the connection pool, which hands it on as a cause.

use std::error::Error as StdError;
use std::fmt;

use crate::client::Error;

/// Why there is no connection.
#[derive(Debug)]
pub(in crate::client) struct ConnectFault(pub(super) Error);

impl ConnectFault {
    pub(in crate::client) fn error(&self) -> Error {
        self.0.clone()
    }
}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for ConnectFault {}
