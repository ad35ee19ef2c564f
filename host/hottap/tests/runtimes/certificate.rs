//! A certificate for localhost and its key, made anew for each test that speaks TLS with a peer.

use std::path::{Path, PathBuf};

pub(crate) struct Certificate {
    /// In PEM. It vouches for itself.
    pub(crate) pem: String,
    /// Its private key, in PEM.
    pub(crate) key: String,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        Self { pem: signed.cert.pem(), key: signed.signing_key.serialize_pem() }
    }

    /// Writes both into a folder, as peers want them.
    pub(crate) fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (pem, key) = (folder.join("localhost.pem"), folder.join("localhost.key"));
        std::fs::write(&pem, &self.pem).expect("the folder is ours");
        std::fs::write(&key, &self.key).expect("the folder is ours");
        (pem, key)
    }
}
