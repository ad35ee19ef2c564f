//! Certificates and keys in PEM, as the host's own clients are given them; reads no files.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a text is no PEM of certificates or of a key.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    #[error("there is no certificate in it")]
    Empty,
    #[error(transparent)]
    Unreadable(#[from] pem::Error),
    #[error(transparent)]
    Unusable(#[from] rustls::Error),
}

/// The certificates of a PEM text, one at least.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err(PemError::Empty) } else { Ok(found) }
}

/// The private key of a PEM text, which is not encrypted.
pub fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    Ok(PrivateKeyDer::from_pem_slice(pem)?)
}

/// The certificates of PEM texts as the only ones to believe; one at least in each.
pub fn roots<'a>(pems: impl IntoIterator<Item = &'a [u8]>) -> Result<Arc<RootCertStore>, PemError> {
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
    use rustls::pki_types::ServerName;

    use super::*;
    use crate::dial::Handshake;

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
