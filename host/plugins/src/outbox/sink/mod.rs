//! Where payloads go, behind one face: HTTP, datagrams, files and standard output.

mod append;
mod http;
#[cfg(feature = "https")]
mod tls;
mod udp;

use std::time::Duration;

use super::parcel::Payload;
use super::state::Fault;
use crate::config::{Definition, Place};

/// Whose certificates are believed.
#[derive(Clone)]
pub(super) enum Trust {
    /// Those that the system trusts.
    Platform,
    /// These roots alone.
    #[cfg(all(test, feature = "https"))]
    Roots(std::sync::Arc<rustls::RootCertStore>),
}

/// What came of one try.
#[derive(Debug)]
pub(super) enum Outcome {
    Delivered,
    /// It was taken, but for so many of its items.
    DeliveredInPart {
        refused: u64,
        fault: Fault,
    },
    /// Another try may succeed; not before `after`, if the server said so.
    Failed {
        fault: Fault,
        after: Option<Duration>,
    },
    /// Another try would bring the same, unless the credentials have been renewed.
    Denied(Fault),
    /// Another try would bring the same.
    Rejected(Fault),
    /// No payload of this size can be taken there.
    TooLarge(Fault),
}

impl Outcome {
    fn failed(fault: Fault) -> Self {
        Self::Failed { fault, after: None }
    }
}

/// An open way to one place.
pub(super) enum Sink {
    Http(Box<http::Http>),
    Udp(udp::Udp),
    Append(append::Append),
}

impl Sink {
    /// Gathers what the way needs, such as secrets; connects to nothing yet.
    ///
    /// # Errors
    /// Says what is missing on the operator's side.
    pub(super) async fn open(definition: &Definition, trust: &Trust) -> Result<Self, Fault> {
        Ok(match &definition.place {
            Place::Http(place) => Self::Http(Box::new(http::Http::open(place, &definition.headers, trust).await?)),
            Place::Udp { host, port } => Self::Udp(udp::Udp::new(host.clone(), *port)),
            Place::File(path) => Self::Append(append::Append::to_file(path.clone())),
            Place::Stdout => Self::Append(append::Append::to_stdout()),
        })
    }

    /// Tries once, for no longer than `limit`.
    pub(super) async fn deliver(&mut self, payload: &Payload, limit: Duration) -> Outcome {
        match self {
            Self::Http(http) => http.deliver(payload, limit).await,
            Self::Udp(udp) => udp.deliver(payload, limit).await,
            Self::Append(append) => append.deliver(payload, limit).await,
        }
    }

    /// Reads the credentials anew; true if they are others now.
    ///
    /// # Errors
    /// Says which one is missing.
    pub(super) async fn renew(&mut self) -> Result<bool, Fault> {
        match self {
            Self::Http(http) => http.renew().await,
            Self::Udp(_) | Self::Append(_) => Ok(false),
        }
    }
}
