//! Connections, TLS and files for the crates of Hottap: all that dials, all that reads a file within a bound.
//!
//! Services depend on the crate `hottap`. Everything here is public to the other crates of Hottap alone: no promise holds for
//! it.

#[doc(hidden)]
pub mod dial;
#[doc(hidden)]
pub mod read;
