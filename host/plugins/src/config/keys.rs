//! Which keys a table may have: an unknown one is named together with the nearest known one. Pure.

use toml::Table;

use hottap_core::plain::plain;

/// Bytes of an unknown key that are shown and compared. A key can be as long as its file, and comparing takes memory
/// for each of its bytes with each of the known key's.
const MAX_KEY_BYTES: usize = 128;

/// Bytes shown of a path of keys, of which those before the last can be names that users chose.
const MAX_PATH_BYTES: usize = 512;

/// A key as one plain line.
fn shown(key: &str) -> String {
    plain(key, MAX_PATH_BYTES)
}

/// A key that nobody knows: a misspelt setting must not be silently without effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has the unknown key `{}`; did you mean `{}`?", shown(key), shown(nearest))]
pub struct UnknownKey {
    pub(crate) key: String,
    pub(crate) nearest: String,
}

/// Refuses the first key of `table` that is not among `known`. `prefix` is where the table stands, such as `scope.`.
pub(crate) fn check_keys(table: &Table, known: &[&str], prefix: &str) -> Result<(), UnknownKey> {
    let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
    let key = plain(key, MAX_KEY_BYTES);
    let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, &key)).copied().unwrap_or("");
    Err(UnknownKey { key: format!("{prefix}{key}"), nearest: format!("{prefix}{nearest}") })
}
