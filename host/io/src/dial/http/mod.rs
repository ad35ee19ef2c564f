//! The HTTP client of the host's own exports: one connection to one server, kept as long as the server keeps it.
//!
//! Requests go one after the other, so their order is the caller's. Redirects are not followed, proxies not asked, cookies
//! not kept.

mod answer;
mod client;
mod connection;
mod error;

pub use answer::{Answer, End};
pub use client::{HttpClient, USER_AGENT};
pub use connection::Protocol;
pub use error::{Chain, HttpError};
