//! The client: a service that takes requests, and knows where they go.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tower_service::Service;

use super::outgoing::{BoxError, erase};
use super::send::{Sender, Until};
use super::{Body, Error, deadline};
use hottap_core::layer::ClientBody;
use hottap_core::layer::{ClientLayer, ClientService, ResponseBody, ResponseFuture, Runtime};
use hottap_core::rpc::{RpcConfig, nanos};

/// Makes calls, and observes them. Clones share connections, retries' budget and what is known of the endpoints.
///
/// It is always ready. Scheme and authority of a request's URI are replaced by its endpoint's; path and query stay.
///
/// # Cancel safety
///
/// A call runs in the future that [`call`](Service::call) gives, and then in its response's body; neither goes on by
/// itself. Dropping either cancels the call: with HTTP/2 its stream is reset, with HTTP/1.1 its connection is closed; the
/// call finishes once, as cancelled, or as timed out if its time was over. A connection that is being made for a call that
/// was dropped is given up; of those that wait for it as well, one makes another. A request body that was not sent to its end is
/// dropped. Between two attempts nothing is under way, and no other attempt is made.
#[derive(Clone)]
pub struct Client {
    service: ClientService<Sending>,
    common: Arc<Common>,
}

struct Common {
    sender: Arc<Sender>,
    config: RpcConfig,
    timeout: Option<Duration>,
}

impl Client {
    pub(super) fn new(layer: &ClientLayer, sender: Sender, config: RpcConfig, timeout: Option<Duration>) -> Self {
        let sender = Arc::new(sender);
        Self { service: layer.layer(Sending(sender.clone())), common: Arc::new(Common { sender, config, timeout }) }
    }
}

impl<B> Service<Request<B>> for Client
where
    B: ClientBody,
    B::Observed: Send + 'static,
    <B::Observed as http_body::Body>::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<Body>>;
    type Error = Error;
    type Future = ClientFuture;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let common = &*self.common;
        let limit = deadline::settle(common.timeout, request.headers_mut());
        if let Some(until) = limit.and_then(|limit| Instant::now().checked_add(limit)) {
            request.extensions_mut().insert(Until(until));
        }
        let runtime = Runtime {
            config: &common.config,
            deadline: limit.map_or(0, nanos),
            peer: match &common.sender.endpoints[..] {
                [only] => Some(&only.peer),
                _ => None,
            },
            origin: common.sender.origin(),
            counts_attempts: common.sender.retry.is_some(),
        };
        ClientFuture(self.service.run(request, &runtime))
    }
}

/// A call's response, once its head is there. Dropped before, the call is cancelled.
pub struct ClientFuture(ResponseFuture<Boxed>);

impl Future for ClientFuture {
    type Output = Result<Response<ResponseBody<Body>>, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl fmt::Debug for ClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

type Boxed = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

/// What stands inside the layer.
#[derive(Clone)]
struct Sending(Arc<Sender>);

impl<B> Service<Request<B>> for Sending
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = Boxed;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Boxed {
        Box::pin(self.0.clone().send(request.map(erase)))
    }
}
