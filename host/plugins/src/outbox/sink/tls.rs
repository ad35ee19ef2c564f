//! TLS towards HTTPS servers, believing whom the system believes, in the operator's words. Only with the feature `https`.

use std::error::Error;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Trust;
use crate::outbox::state::Fault;
use hottap_io::dial::{Handshake, NoRoots, Remedies, TlsFault, system_roots};

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
            self.fault(&error).unwrap_or_else(|| {
                let what_to_do = "look at the server, and check that the port in `url` is one on which it speaks TLS";
                Fault::new(format!("no TLS with {}: {error}", self.0.name().to_str()), what_to_do)
            })
        })
    }

    /// The fault of TLS that an error comes from, if it does.
    pub(super) fn fault(&self, error: &(dyn Error + 'static)) -> Option<Fault> {
        let fault = TlsFault::find(error)?;
        Some(Fault::new(format!("no TLS with {}: {fault}", self.0.name().to_str()), fault.what_to_do(&REMEDIES)))
    }
}

const REMEDIES: Remedies = Remedies {
    address: "`url`",
    authority: "install it with those of this system, or name a file of PEM in SSL_CERT_FILE",
    identity: "let the server take clients without certificates of their own: destinations have none",
};

fn no_roots(reason: &NoRoots) -> Fault {
    Fault::new(
        format!("this system has no root certificates: {reason}"),
        "install its package of them (ca-certificates), or name a file of them in SSL_CERT_FILE",
    )
}
