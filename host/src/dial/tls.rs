//! TLS towards servers: whom the host's own clients believe, who they are themselves, and by which name they expect the
//! server. What the operator is told of a mistake is each client's.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate with those that lead to its authority, and its key.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// What handshakes with one server need.
#[derive(Clone)]
pub(crate) struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Handshake {
    /// For a server of that name, to which these protocols are offered, the preferred one first.
    ///
    /// # Errors
    /// Certificate and key of the identity don't fit together.
    pub(crate) fn new(
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

    #[cfg(feature = "https")]
    pub(crate) fn name(&self) -> &ServerName<'static> {
        &self.name
    }

    pub(crate) async fn shake<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// The system trusts nobody, as far as can be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoRoots(String);

/// The roots that the system trusts. They are read once a process, as there are a hundred and more; if there are none, the
/// next one who asks reads again. Blocks.
pub(crate) fn system_roots() -> Result<Arc<RootCertStore>, NoRoots> {
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

/// Why a text is no PEM of certificates or of a key.
#[cfg(any(feature = "client", feature = "otel"))]
#[derive(Debug, thiserror::Error)]
pub(crate) enum PemError {
    #[error("there is no certificate in it")]
    Empty,
    #[error(transparent)]
    Unreadable(#[from] pem::Error),
    #[error(transparent)]
    Unusable(#[from] rustls::Error),
}

/// The certificates of a PEM text, one at least.
#[cfg(any(feature = "client", feature = "otel"))]
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err(PemError::Empty) } else { Ok(found) }
}

/// The private key of a PEM text, which is not encrypted.
#[cfg(any(feature = "client", feature = "otel"))]
pub(crate) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    Ok(PrivateKeyDer::from_pem_slice(pem)?)
}

/// The certificates of PEM texts as the only ones to believe; one at least in each.
#[cfg(any(feature = "client", feature = "otel"))]
pub(crate) fn roots<'a>(pems: impl IntoIterator<Item = &'a [u8]>) -> Result<Arc<RootCertStore>, PemError> {
    let mut roots = RootCertStore::empty();
    for pem in pems {
        for certificate in certificates(pem)? {
            roots.add(certificate)?;
        }
    }
    Ok(Arc::new(roots))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("makes one");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_text_has_a_certificate_at_least_or_it_is_none() {
        let ((first, private), (second, _)) = (made(), made());
        let chain = format!("{first}{second}");
        let broken = "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n";
        for (pem, expected, reason) in [
            (&*first, Some(1), "one"),
            (&*chain, Some(2), "two"),
            (&*private, None, "a key alone"),
            ("", None, "nothing"),
            (broken, None, "no base64"),
        ] {
            assert_eq!(certificates(pem.as_bytes()).ok().map(|found| found.len()), expected, "{reason}");
            assert_eq!(roots([pem.as_bytes()]).ok().map(|roots| roots.len()), expected, "{reason}");
        }
        assert!(roots([first.as_bytes(), b""]).is_err(), "each text has one");
        assert!(key(private.as_bytes()).is_ok() && key(first.as_bytes()).is_err());
    }

    #[test]
    fn the_systems_roots_are_read_once() {
        match (system_roots(), system_roots()) {
            (Ok(first), Ok(second)) => assert!(Arc::ptr_eq(&first, &second)),
            // Nobody is trusted here, and what is not there is not kept.
            (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_identity_whose_key_is_anothers_is_an_error() {
        let ((certificate, private), (_, other)) = (made(), made());
        let name = || ServerName::try_from("localhost").expect("a name");
        for (pem, fits) in [(&private, true), (&other, false)] {
            let identity =
                (certificates(certificate.as_bytes()).expect("a certificate"), key(pem.as_bytes()).expect("a key"));
            let roots = roots([certificate.as_bytes()]).expect("a root");
            assert_eq!(Handshake::new(name(), roots, Some(identity), &[b"h2"]).is_ok(), fits);
        }
    }
}
