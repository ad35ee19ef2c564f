//! A client layer as a middleware of reqwest-middleware.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Extensions, Request, Uri};
use reqwest::Body;
use reqwest_middleware::{Error, Middleware, Next};
use tower_service::Service;

use super::attempts::{Attempted, Lent};
use super::body::{from_http, into_http};
use super::deadline::Deadline;
use crate::layer::active::Active;
use crate::layer::client::Hooks;
use crate::layer::{ClientLayer, ClientService, Journal, Route};
use crate::propagate;
use crate::rpc::{Outcome, RpcInfo, RpcNotes, Side, Symbol, nanos};
use crate::tracer::{Attempts, Begun};

#[async_trait::async_trait]
impl Middleware for ClientLayer {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<reqwest::Response, Error> {
        // The same middleware stands outside of a retrying one, and has started the call.
        if let Some(attempted) = extensions.get::<Attempted>().cloned() {
            return attempted.attempt(request, extensions, next).await;
        }
        let deadline = Deadline::current();
        let core = self.handle.core();
        if !Begun::may_be_wanted(core, Side::Client, self.own.as_ref()) {
            propagate::forward(core.trace.propagators(), request.headers_mut());
            let response = deadline.limit(next.run(request, extensions)).await?;
            return Ok(super::body::with_url(into_http(response).map(|body| deadline.limit_body(body))));
        }
        let limit = limit(&request, deadline);
        let (head, sent) = split(request, extensions);
        let chain = Chain { rest: Some(Rest { request: sent, extensions, next }), deadline };
        let mut service = ClientService { inner: chain, layer: self.clone() };
        let response = service.send(head, &Limited(limit)).await.map_err(|error| error.error)?;
        Ok(from_http(response))
    }
}

/// The time that a request has, in nanoseconds; 0 if only the client knows.
fn limit(request: &reqwest::Request, deadline: Deadline) -> u64 {
    let own = request.timeout().map_or(0, |timeout| nanos(*timeout).max(1));
    match (own, deadline.nanos()) {
        (0, limit) | (limit, 0) => limit,
        (one, other) => one.min(other),
    }
}

/// A request that is observed, and the rest of it, which is not: its URL is no URI, and a timeout stands in no head.
fn split(mut request: reqwest::Request, extensions: &Extensions) -> (Request<Body>, reqwest::Request) {
    let mut head = Request::new(request.body_mut().take().unwrap_or_default());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.url().as_str().parse::<Uri>().unwrap_or_default();
    *head.version_mut() = request.version();
    *head.headers_mut() = std::mem::take(request.headers_mut());
    if let Some(route) = extensions.get::<Route>() {
        head.extensions_mut().insert(route.clone());
    }
    if let Some(notes) = extensions.get::<RpcNotes>() {
        head.extensions_mut().insert(notes.clone());
    }
    (head, request)
}

/// The time that a request has, in nanoseconds, if its headers do not say so; 0 if only the client knows.
struct Limited(u64);

impl Hooks for Limited {
    fn fill(&self, info: &mut RpcInfo) {
        if info.config.deadline == 0 {
            info.config.deadline = self.0;
        }
    }

    /// Lets the same middleware, where it stands inside of a retrying one, tell of each attempt.
    fn join(&self, active: &Active, extensions: &mut Extensions) {
        extensions.insert(Journal::new(active.exchange().clone(), Attempts::of(active.call())));
    }
}

/// The middlewares inside of this one, and the client, as a service for one request.
struct Chain<'a> {
    rest: Option<Rest<'a>>,
    deadline: Deadline,
}

struct Rest<'a> {
    request: reqwest::Request,
    extensions: &'a mut Extensions,
    next: Next<'a>,
}

impl<'a> Service<Request<Body>> for Chain<'a> {
    type Response = http::Response<Body>;
    type Error = ChainError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'a>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, head: Request<Body>) -> Self::Future {
        let (rest, deadline) = (self.rest.take(), self.deadline);
        Box::pin(async move {
            let Some(Rest { mut request, extensions, next }) = rest else {
                return Err(Error::middleware(std::io::Error::other("the request was sent already")).into());
            };
            let (mut head, body) = head.into_parts();
            *request.headers_mut() = head.headers;
            *request.body_mut() = Some(body);
            let attempted = head.extensions.remove::<Journal>().map(Attempted::new);
            let failed = attempted.as_ref().map(Attempted::failed);
            let lent = Lent::new(extensions, attempted);
            match deadline.limit(next.run(request, lent.extensions)).await {
                Ok(response) => Ok(into_http(response).map(|body| deadline.limit_body(body))),
                Err(error) => Err(ChainError { error, attempt: failed.and_then(|failed| failed.get()) }),
            }
        })
    }
}

/// An error of the chain, and how its last attempt failed, if that was told: a retrying middleware may hide it.
pub(super) struct ChainError {
    pub(super) error: Error,
    pub(super) attempt: Option<(Outcome, Symbol)>,
}

impl From<Error> for ChainError {
    fn from(error: Error) -> Self {
        Self { error, attempt: None }
    }
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}
