//! TLS towards servers: whom the client believes, who it is itself, and by which name it expects the server.

use std::fmt;

use rustls::pki_types::ServerName;

use hottap_io::dial::{Handshake, certificates, key, roots, system_roots};

pub(super) const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// How a client does TLS. By default it believes whom the system believes, and says not who it is.
///
/// ```
/// # fn read(_: &str) -> Vec<u8> { Vec::new() }
/// use hottap::client::Tls;
///
/// let tls = Tls::new()
///     .ca_pem(read("ca.pem"))
///     .identity_pem(read("client.pem"), read("client.key"))
///     .server_name("inventory.internal");
/// ```
#[derive(Clone, Default)]
pub struct Tls {
    roots: Vec<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    server_name: Option<String>,
}

impl Tls {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Believes these certificates of authorities, in PEM, and no longer those of the system. Each call adds some.
    #[must_use]
    pub fn ca_pem(mut self, certificates: impl Into<Vec<u8>>) -> Self {
        self.roots.push(certificates.into());
        self
    }

    /// Says who the client is: its certificate and those that lead to its authority, and its key, in PEM.
    #[must_use]
    pub fn identity_pem(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((certificates.into(), key.into()));
        self
    }

    /// The name that the server's certificate must have, in place of the host in the endpoint.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Reads certificates and key. Blocks where it is the first to read the system's.
    pub(in crate::client) fn handshake(&self, host: &str, http: Offer) -> Result<Handshake, TlsError> {
        let host = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsError::Name(host.into()))?;
        let roots = if self.roots.is_empty() {
            system_roots().map_err(|_| TlsError::NoRoots)?
        } else {
            roots(self.roots.iter().map(Vec::as_slice)).map_err(|_| TlsError::Roots)?
        };
        let identity = match &self.identity {
            None => None,
            Some((shown, private)) => Some((
                certificates(shown).map_err(|_| TlsError::Identity)?,
                key(private).map_err(|_| TlsError::Identity)?,
            )),
        };
        let alpn: &[&[u8]] = match http {
            Offer::Both => &[ALPN_H2, ALPN_HTTP1],
            Offer::Http1 => &[ALPN_HTTP1],
            Offer::Http2 => &[ALPN_H2],
        };
        Handshake::new(name, roots, identity, alpn).map_err(TlsError::Setup)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// There is nobody to believe.
    #[error(
        "this system has no root certificates: install its package of them (ca-certificates), or give some by ca_pem"
    )]
    NoRoots,
    /// What was given to [`Tls::ca_pem`] is no PEM, or has no certificate that can be used.
    #[error("the authorities' certificates cannot be read: they must be PEM, with at least one in each text")]
    Roots,
    /// What was given to [`Tls::identity_pem`] is no PEM, or certificate or key is missing.
    #[error("the client's certificate or key cannot be read: both must be PEM, the key without a password")]
    Identity,
    /// No certificate can be for this name.
    #[error("{0} is no name that a certificate could have: give the server's by server_name")]
    Name(String),
    /// Certificate and key don't fit together.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// Which versions of HTTP the handshake offers.
#[derive(Clone, Copy)]
pub(in crate::client) enum Offer {
    Both,
    Http1,
    Http2,
}
