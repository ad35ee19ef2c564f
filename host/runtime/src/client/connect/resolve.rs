//! Names to addresses: the system's resolver, or one that the application brings.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

use super::Progress;
use crate::client::{Error, ErrorKind, Phase};

/// Addresses of one name that are tried. A name server that gives more would otherwise decide how long connecting takes.
const MAX_ADDRESSES: usize = 16;

/// The addresses of a host, once they are known. Dropped before, nobody wants them any more.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Resolves the names of hosts, in place of the system's resolver.
///
/// Asked once per connection, on the task of a call that waits for one, within the time for connecting. Of the addresses
/// at most 16 are tried, in their order, those of one family first and 300 ms later the others beside them (happy
/// eyeballs). Functions are resolvers:
///
/// ```
/// use hottap::Hottap;
/// use std::net::IpAddr;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tap = Hottap::builder().service("shop").start()?;
/// let client = tap
///     .client("http://inventory:50051")
///     .resolver(|_host: String| async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })
///     .build()?;
/// # drop(client);
/// # Ok(())
/// # }
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host`, which is no address itself.
    fn resolve(&self, host: &str) -> Addresses;
}

impl<F, A> Resolve for F
where
    F: Fn(String) -> A + Send + Sync + 'static,
    A: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
{
    fn resolve(&self, host: &str) -> Addresses {
        Box::pin(self(host.to_owned()))
    }
}

/// What hyper's connector asks.
#[derive(Clone)]
pub(super) struct Resolver {
    own: Option<Arc<dyn Resolve>>,
    progress: Progress,
}

impl Resolver {
    pub(super) fn new(own: Option<Arc<dyn Resolve>>, progress: Progress) -> Self {
        Self { own, progress }
    }

    async fn resolve(self, name: Name) -> Result<std::vec::IntoIter<SocketAddr>, Unresolved> {
        self.progress.set(Phase::Resolve);
        let addresses: Vec<SocketAddr> = match &self.own {
            Some(own) => {
                let addresses = own.resolve(name.as_str()).await.map_err(Unresolved)?;
                // The port is filled in by the connector.
                addresses.into_iter().take(MAX_ADDRESSES).map(|address| SocketAddr::new(address, 0)).collect()
            }
            None => {
                let mut system = GaiResolver::new();
                poll_fn(|context| system.poll_ready(context)).await.map_err(Unresolved)?;
                system.call(name).await.map_err(Unresolved)?.take(MAX_ADDRESSES).collect()
            }
        };
        if addresses.is_empty() {
            return Err(Unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
        }
        self.progress.set(Phase::Connect);
        Ok(addresses.into_iter())
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().resolve(name))
    }
}

/// A name has no address, on its way through hyper's connector.
#[derive(Debug)]
pub(super) struct Unresolved(io::Error);

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Unresolved {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// What hyper's connector says: of the name, or of the address.
pub(super) fn error(error: impl StdError + Send + Sync + 'static) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(at) = cause {
        if at.is::<Unresolved>() {
            return crate::client::error::because(Error::new(ErrorKind::Dns, Phase::Resolve), error);
        }
        cause = at.source();
    }
    crate::client::error::of_connect(error)
}
