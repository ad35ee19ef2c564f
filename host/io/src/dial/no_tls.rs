//! The types of TLS in builds without it. They have no values, so clients there speak plain text only, and need no `cfg`.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;

use tokio::net::TcpStream;

/// See `tls.rs`.
#[derive(Clone)]
pub struct Handshake(Infallible);

impl Handshake {
    pub async fn shake(&self, _: TcpStream) -> io::Result<TcpStream> {
        match self.0 {}
    }
}

/// See `tls_fault.rs`.
pub struct TlsFault(Infallible);

impl TlsFault {
    pub fn find(_: &(dyn Error + 'static)) -> Option<Self> {
        None
    }

    pub fn what_to_do(&self, _: &Remedies) -> String {
        match self.0 {}
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {}
    }
}

/// See `tls_fault.rs`.
pub struct Remedies {
    pub address: &'static str,
    pub authority: &'static str,
    pub identity: &'static str,
}
