//! The runtimes of Hottap: a server and a client over HTTP/1.1 and HTTP/2, with tracers in them.
//!
//! Services depend on the crate `hottap`, whose modules `server` and `client` these are. All items that are hidden from the
//! documentation are public to the other crates of Hottap alone: no promise holds for them.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;
mod socket;
