//! Files that people write: a plugin's manifest, and the operator's configuration.

use super::assert_one_line;
use crate::config::OperatorConfig;
use crate::plugin::Manifest;

/// A manifest is taken, and its `[config]` is JSON for the guest; or it is refused in one line.
pub fn manifest(data: &[u8]) {
    match Manifest::parse("fuzzed", data) {
        Ok(manifest) => {
            let config: Result<serde_json::Value, _> = serde_json::from_str(&manifest.config);
            assert!(config.is_ok_and(|config| config.is_object()), "{}", manifest.config);
            assert_eq!(Manifest::parse("fuzzed", data).ok(), Some(manifest), "it says the same twice");
        }
        Err(error) => assert_one_line(&error.to_string()),
    }
}

/// A configuration is taken, or refused in one line.
pub fn operator_config(data: &[u8]) {
    if let Err(error) = OperatorConfig::parse(data) {
        assert_one_line(&error.to_string());
    }
}
