//! A reqwest client as a tower service, for the stacks that a client layer stands in.

use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use reqwest::Body;
use tower_service::Service;

use super::body::into_http;

/// A reqwest client that takes `http::Request`s, so that a [`ClientLayer`](crate::layer::ClientLayer) fits around it:
/// reqwest's own service takes `reqwest::Request`s.
///
/// The client may be a `reqwest::Client` or a `reqwest_middleware::ClientWithMiddleware`. What the layer adds for
/// [middlewares](crate::layer::ClientLayer#reqwest) it does here too, but for two things that tower has layers for: attempts are
/// calls of their own where the retrying layer stands outside, and a request has the time that its stack gives it.
///
/// ```
/// use hottap::{Hottap, ReqwestService};
/// use tower::{Layer, ServiceExt};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let tap = Hottap::builder().service("checkout").start()?;
/// let client = tap.client_layer().callee("inventory").layer(ReqwestService::new(reqwest::Client::new()));
///
/// let request = http::Request::get("http://inventory/items/7").body(reqwest::Body::default())?;
/// let response = client.clone().oneshot(request).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReqwestService<C = reqwest::Client>(C);

impl<C> ReqwestService<C> {
    /// A client as a service.
    pub fn new(client: C) -> Self {
        Self(client)
    }
}

impl<C> Service<Request<Body>> for ReqwestService<C>
where
    C: Service<reqwest::Request, Response = reqwest::Response>,
    C::Error: From<reqwest::Error> + Send + 'static,
    C::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match reqwest::Request::try_from(request) {
            Ok(request) => {
                let response = self.0.call(request);
                Box::pin(async move { response.await.map(into_http) })
            }
            Err(error) => Box::pin(ready(Err(error.into()))),
        }
    }
}
