//! TLS towards servers: whom the host's own clients believe, who they are themselves, and by which name they expect the
//! server. What the operator is told of a mistake is each client's.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate with those that lead to its authority, and its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What handshakes with one server need.
#[derive(Clone)]
pub struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Handshake {
    /// For a server of that name, to which these protocols are offered, the preferred one first.
    ///
    /// # Errors
    /// Certificate and key of the identity don't fit together.
    pub fn new(
        name: ServerName<'static>,
        roots: Arc<RootCertStore>,
        identity: Option<Identity>,
        alpn: &[&[u8]],
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some((certificates, key)) => config.with_client_auth_cert(certificates, key)?,
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { connector: Arc::new(config).into(), name })
    }

    pub async fn shake<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// The system trusts nobody, as far as can be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoRoots(String);

/// The roots that the system trusts. They are read once a process, as there are a hundred and more; if there are none, the
/// next one who asks reads again. Blocks.
pub fn system_roots() -> Result<Arc<RootCertStore>, NoRoots> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(roots.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let reason = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(NoRoots(reason));
    }
    Ok(ROOTS.get_or_init(|| Arc::new(roots)).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_roots_are_read_once() {
        match (system_roots(), system_roots()) {
            (Ok(first), Ok(second)) => assert!(Arc::ptr_eq(&first, &second)),
            // Nobody is trusted here, and what is not there is not kept.
            (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
            other => panic!("{other:?}"),
        }
    }
}
