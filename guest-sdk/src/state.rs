//! A small memory that outlives traps and swaps, committed with the flush.

use std::fmt;

use crate::host;

/// Replaces what was saved; takes effect when the flush is committed. At most 1 MiB.
///
/// # Errors
/// If it is more than that; what was saved before stays.
pub fn save(bytes: &[u8]) -> Result<(), TooLarge> {
    if host::save(bytes) { Ok(()) } else { Err(TooLarge) }
}

/// What was last saved and committed, by this generation of the tracer or by the one that it replaced.
#[must_use]
pub fn saved() -> Option<Vec<u8>> {
    host::saved()
}

/// The state was larger than 1 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state is larger than 1 MiB")
    }
}

impl std::error::Error for TooLarge {}
