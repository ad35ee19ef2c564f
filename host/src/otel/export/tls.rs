//! TLS towards a collector, which is checked against the certificates that are named, or those that the system trusts, and is
//! shown this service's own if it has one.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::target::{Named, Protocol, Target};
use super::variables::ConfigError;

#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the certificates. None if the collector speaks in clear text.
    pub(super) fn new(target: &Target) -> Result<Option<Self>, ConfigError> {
        if !target.tls {
            return Ok(None);
        }
        let invalid = || ConfigError::invalid(&target.variable, "an address whose host a certificate can name");
        let name = ServerName::try_from(target.host.clone()).map_err(|_| invalid())?;
        let roots = match &target.certificate {
            Some(file) => named(&file.path).map_err(|source| file.no_certificate(source))?,
            None => platform()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ConfigError::NoRoots { source: error.into() })?
            .with_root_certificates(roots);
        let mut config = match &target.client {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(&certificate.path).map_err(|source| certificate.no_certificate(source))?;
                let private = PrivateKeyDer::from_pem_file(&key.path).map_err(|error| key.no_key(error))?;
                config.with_client_auth_cert(chain, private).map_err(|error| key.no_key(error))?
            }
        };
        let alpn: &[u8] = if target.protocol == Protocol::Grpc { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![alpn.to_vec()];
        Ok(Some(Self { connector: Arc::new(config).into(), name }))
    }

    pub(super) async fn handshake(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl Named {
    fn no_certificate(&self, source: Source) -> ConfigError {
        ConfigError::Certificate { variable: self.variable.clone(), path: self.path.clone(), source }
    }

    fn no_key(&self, source: impl Into<Source>) -> ConfigError {
        ConfigError::Key { variable: self.variable.clone(), path: self.path.clone(), source: source.into() }
    }
}

fn named(path: &Path) -> Result<RootCertStore, Source> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// Those of a PEM file, one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Source> {
    let found = CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err("there is no certificate in it".into()) } else { Ok(found) }
}

fn platform() -> Result<RootCertStore, ConfigError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable > 0 {
        return Ok(roots);
    }
    let reason = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
    Err(ConfigError::NoRoots { source: reason.into() })
}
