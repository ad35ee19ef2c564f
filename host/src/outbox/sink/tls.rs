//! TLS towards HTTPS servers, believing whom the system believes, in the operator's words. Only with the feature `https`.

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Trust;
use crate::dial::{Handshake, NoRoots, system_roots};
use crate::outbox::state::Fault;

/// What a handshake needs.
pub(super) struct Tls(Handshake);

impl Tls {
    /// Reads the roots. Blocks.
    pub(super) fn new(host: &str, trust: &Trust) -> Result<Self, Fault> {
        let roots = match trust {
            Trust::Platform => system_roots().map_err(|error| no_roots(&error))?,
            #[cfg(test)]
            Trust::Roots(roots) => roots.clone(),
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Fault::new(format!("{host} is no host that a certificate could name"), "correct `url`"))?;
        let handshake = Handshake::new(name, roots, None, &[b"http/1.1"])
            .map_err(|error| Fault::new(format!("TLS cannot be set up: {error}"), "use http://, or report this"))?;
        Ok(Self(handshake))
    }

    pub(super) async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Fault> {
        self.0.shake(stream).await.map_err(|error| {
            Fault::new(
                format!("no TLS with {}: {error}", self.0.name().to_str()),
                "check the server's certificate and that `url` has its name; SSL_CERT_FILE names roots of your own",
            )
        })
    }
}

fn no_roots(reason: &NoRoots) -> Fault {
    Fault::new(
        format!("this system has no root certificates: {reason}"),
        "install its package of them (ca-certificates), or name a file of them in SSL_CERT_FILE",
    )
}
