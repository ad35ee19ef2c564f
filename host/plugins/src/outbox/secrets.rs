//! The values of a destination's headers, read from where the operator keeps them. Blocks where files are read.

use std::path::Path;

use http::{HeaderMap, HeaderValue};

use super::state::Fault;
use crate::config::{Header, HeaderSource};
use hottap_io::read;

/// Bytes of a file with a secret; tokens have some hundreds, those with many claims some thousands.
const MAX_BYTES: u64 = 16 << 10;

/// Whether reading them again could bring other values.
pub(super) fn may_change(headers: &[Header]) -> bool {
    headers.iter().any(|header| !matches!(header.source, HeaderSource::Text(_)))
}

/// All headers with their values, marked as sensitive.
///
/// # Errors
/// Says which one is missing; never what a value is.
pub(super) fn read(headers: &[Header]) -> Result<HeaderMap, Fault> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        map.insert(header.name.clone(), value(&header.source)?);
    }
    Ok(map)
}

/// One secret, marked as sensitive.
///
/// # Errors
/// Says where it is missing; never what a value is.
pub fn value(source: &HeaderSource) -> Result<HeaderValue, Fault> {
    let (text, prefix, origin) = match source {
        HeaderSource::Text(value) => return Ok(value.clone()),
        HeaderSource::Env { name, prefix } => {
            let origin = format!("the environment variable {name}");
            let value = std::env::var_os(name).ok_or_else(|| {
                Fault::new(
                    format!("{origin} is not set"),
                    "set it and start the service again, or keep the secret in a file",
                )
            })?;
            let text = value.into_string().map_err(|_| unusable(&origin))?;
            (text, prefix, origin)
        }
        HeaderSource::File { path, prefix } => {
            let origin = format!("the file {}", path.display());
            let text = read_file(path).map_err(|error| {
                Fault::new(
                    format!("{origin} cannot be read: {error}"),
                    "put the secret there; it is looked for again and again",
                )
            })?;
            (text, prefix, origin)
        }
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::new(format!("{origin} is empty"), "put the secret there"));
    }
    let mut value = HeaderValue::from_str(&format!("{prefix}{text}")).map_err(|_| unusable(&origin))?;
    value.set_sensitive(true);
    Ok(value)
}

fn unusable(origin: &str) -> Fault {
    Fault::new(
        format!("what {origin} holds cannot stand in a header"),
        "put one line of text there, without control characters",
    )
}

fn read_file(path: &Path) -> std::io::Result<String> {
    String::from_utf8(read::read(path, MAX_BYTES)?.bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
}
