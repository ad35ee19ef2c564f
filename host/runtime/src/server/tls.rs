//! What a server shows of itself in TLS, and whom it asks for the same.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use hottap_io::read;

/// Bytes of a file with certificates or a key. A chain has some kilobytes, all roots of a system a quarter of a megabyte.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// A server's certificates and key: TLS 1.2 and 1.3 by rustls, with ALPN for HTTP/2 and HTTP/1.1.
///
/// A client that offers neither protocol by ALPN is refused; one that does not speak of ALPN is asked what it speaks by
/// its first bytes.
///
/// ```no_run
/// # fn main() -> Result<(), hottap::server::TlsError> {
/// use hottap::server::Tls;
///
/// let tls = Tls::from_files("server.crt", "server.key")?.client_ca(&std::fs::read("clients.crt").unwrap_or_default())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    clients: Option<Arc<RootCertStore>>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read.
    #[error("cannot read {}: see that it is there and that this user may read it", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What should be certificates is no PEM.
    #[error(
        "the certificates are no PEM: give the server's certificate and those above it between BEGIN and END lines"
    )]
    Certificates(#[source] pem::Error),
    /// There is no certificate.
    #[error("there is no certificate: give the server's certificate, and those above it, in PEM")]
    NoCertificate,
    /// There is no key.
    #[error("there is no private key: give one in PEM (PKCS #8, PKCS #1 or SEC1), not encrypted")]
    Key(#[source] pem::Error),
    /// Certificate and key can't be used, or do not belong together.
    #[error("the certificate and the key cannot be used: see that they belong together")]
    Pair(#[source] rustls::Error),
    /// Those who are to vouch for clients can't be used.
    #[error("the certificates that are to vouch for clients cannot be used: give at least one root in PEM")]
    ClientCa(#[source] VerifierBuilderError),
}

impl Tls {
    /// Takes the certificate chain, the server's own first, and its private key, both in PEM.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let tls = Self {
            chain: certificates(chain)?,
            key: Arc::new(PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?),
            clients: None,
        };
        // Whether they fit is said here, not when the server is bound.
        tls.acceptor()?;
        Ok(tls)
    }

    /// Like [`from_pem`](Self::from_pem), from files of at most 1 MiB each. Blocks while it reads them; a named pipe is an
    /// error.
    pub fn from_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let read = |path: &Path| match read::read(path, MAX_PEM_BYTES) {
            Ok(whole) => Ok(whole.bytes),
            Err(error) => Err(TlsError::File { path: path.to_owned(), source: error.into() }),
        };
        Self::from_pem(&read(chain.as_ref())?, &read(key.as_ref())?)
    }

    /// Asks every client for a certificate, and refuses those for whom none of these vouches; PEM.
    ///
    /// A handler finds it in [`ConnectInfo::peer_certificates`](super::ConnectInfo::peer_certificates).
    pub fn client_ca(mut self, roots: &[u8]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        for root in certificates(roots)? {
            store.add(root).map_err(TlsError::Pair)?;
        }
        self.clients = Some(Arc::new(store));
        self.acceptor()?;
        Ok(self)
    }

    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let config = match &self.clients {
            None => config.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider).build();
                config.with_client_cert_verifier(verifier.map_err(TlsError::ClientCa)?)
            }
        };
        let mut config = config.with_single_cert(self.chain.clone(), self.key.clone_key()).map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config).into())
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(TlsError::Certificates)?;
    if found.is_empty() { Err(TlsError::NoCertificate) } else { Ok(found) }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}
