//! TLS towards HTTPS servers, believing whom the system believes. Only with the feature `https`.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Trust;
use crate::outbox::state::Fault;

/// What a handshake needs.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the roots. Blocks.
    pub(super) fn new(host: &str, trust: &Trust) -> Result<Self, Fault> {
        let roots = match trust {
            Trust::Platform => platform()?,
            #[cfg(test)]
            Trust::Roots(roots) => roots.clone(),
        };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Fault::new(format!("{host} is no host that a certificate could name"), "correct `url`"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::new(format!("TLS cannot be set up: {error}"), "use http://, or report this"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: Arc::new(config).into(), name })
    }

    pub(super) async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Fault> {
        self.connector.connect(self.name.clone(), stream).await.map_err(|error| {
            Fault::new(
                format!("no TLS with {}: {error}", self.name.to_str()),
                "check the server's certificate and that `url` has its name; SSL_CERT_FILE names roots of your own",
            )
        })
    }
}

fn platform() -> Result<Arc<RootCertStore>, Fault> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let reason = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(Fault::new(
            format!("this system has no root certificates{reason}"),
            "install its package of them (ca-certificates), or name a file of them in SSL_CERT_FILE",
        ));
    }
    Ok(Arc::new(roots))
}
