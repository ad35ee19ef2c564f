//! The client's side: a layer around the service that sends calls.

mod body;
mod error;
mod layer;
mod runtime;
mod service;

pub use body::ClientBody;
pub use error::{Cause, ClientError, ErrorKind, Phase};
pub use layer::ClientLayer;
pub use runtime::Runtime;
pub use service::ClientService;
#[cfg(feature = "reqwest")]
pub(super) use service::Hooks;
