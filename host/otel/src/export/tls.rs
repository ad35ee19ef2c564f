//! Whom a collector is checked against, the certificates that are named or those that the system trusts, and what it is shown
//! of this service. The handshake is `dial`'s.

use rustls::pki_types::ServerName;

use super::target::{Named, Protocol, Target};
use super::variables::ConfigError;
use hottap_io::dial::{Handshake, certificates, key, roots, system_roots};
use hottap_io::read;

/// Bytes of a file with certificates or a key. A chain has some kilobytes, all roots of a system a quarter of a megabyte.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// Reads the certificates. None if the collector speaks in clear text.
pub(super) fn tls(target: &Target) -> Result<Option<Handshake>, ConfigError> {
    if !target.tls {
        return Ok(None);
    }
    let invalid = || ConfigError::invalid(&target.variable, "an address whose host a certificate can name");
    let name = ServerName::try_from(target.host.clone()).map_err(|_| invalid())?;
    let roots = match &target.certificate {
        Some(file) => file.read(|pem| roots([pem])).map_err(|source| file.no_certificate(source))?,
        None => system_roots().map_err(|error| ConfigError::NoRoots { source: error.into() })?,
    };
    let identity = match &target.client {
        None => None,
        Some((shown, private)) => Some((
            shown.read(certificates).map_err(|source| shown.no_certificate(source))?,
            private.read(key).map_err(|source| private.no_key(source))?,
        )),
    };
    let alpn: &[u8] = if target.protocol == Protocol::Grpc { b"h2" } else { b"http/1.1" };
    let handshake = Handshake::new(name, roots, identity, &[alpn]).map_err(|error| match &target.client {
        Some((_, private)) => private.no_key(error.into()),
        None => ConfigError::NoRoots { source: error.into() },
    })?;
    Ok(Some(handshake))
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl Named {
    fn read<T, E: Into<Source>>(&self, parse: impl FnOnce(&[u8]) -> Result<T, E>) -> Result<T, Source> {
        let whole = read::read(self.path.as_ref(), MAX_PEM_BYTES)?;
        parse(&whole.bytes).map_err(Into::into)
    }

    fn no_certificate(&self, source: Source) -> ConfigError {
        ConfigError::Certificate { variable: self.variable.clone(), path: self.path.clone(), source }
    }

    fn no_key(&self, source: Source) -> ConfigError {
        ConfigError::Key { variable: self.variable.clone(), path: self.path.clone(), source }
    }
}
