//! TLS towards HTTPS servers, checked against the roots that the system trusts. Only with the feature `https`.

use rustls::pki_types::ServerName;

use super::Trust;
use crate::outbox::state::Fault;
use hottap_io::dial::{Handshake, NoRoots, system_roots};

/// Reads the roots. Blocks.
pub(super) fn handshake(host: &str, trust: &Trust) -> Result<Handshake, Fault> {
    let roots = match trust {
        Trust::Platform => system_roots().map_err(|error| no_roots(&error))?,
        #[cfg(test)]
        Trust::Roots(roots) => roots.clone(),
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Fault::new(format!("{host} is no host that a certificate could name"), "correct `url`"))?;
    Handshake::new(name, roots, None, &[b"http/1.1"])
        .map_err(|error| Fault::new(format!("TLS cannot be set up: {error}"), "use http://, or report this"))
}

fn no_roots(reason: &NoRoots) -> Fault {
    Fault::new(
        format!("this system has no root certificates: {reason}"),
        "install its package of them (ca-certificates), or name a file of them in SSL_CERT_FILE",
    )
}
