//! What axum's router has matched, told to whoever stands around the router.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::MatchedPath;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Route;
use super::protocol::Wire;

/// Tells the route that axum's router has matched to a layer or a server around the router: goes into the router with
/// `Router::layer`, after the routes.
///
/// Needed where a [`ServerLayer`](crate::layer::ServerLayer) stands around the router, and where `hottap::server` serves a router
/// that is boxed or inside other layers. The server adds it to a `Router` by itself, and a `ServerLayer` inside the router
/// (`Router::layer`) needs none. A router that is nested as a service (`nest_service`) needs its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteLayer;

impl RouteLayer {
    /// Wraps a service, as [`Layer::layer`] does; the trait need not be imported.
    #[must_use]
    pub fn layer<S>(&self, inner: S) -> RouteService<S> {
        RouteService { inner }
    }
}

impl<S> Layer<S> for RouteLayer {
    type Service = RouteService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.layer(inner)
    }
}

/// A service whose responses tell their route. Made by [`RouteLayer`].
#[derive(Clone, Debug)]
pub struct RouteService<S> {
    inner: S,
}

impl<S, B, R> Service<Request<B>> for RouteService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = RouteFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let wire = Wire::of_request(request.headers().get(CONTENT_TYPE), None, request.method(), request.uri());
        // A framed call is named by its path.
        let matched = (!wire.is_framed()).then(|| request.extensions().get::<MatchedPath>().cloned());
        RouteFuture { matched, inner: self.inner.call(request) }
    }
}

/// Marks the response to a request that no route of axum's has matched.
#[derive(Clone)]
pub(super) struct Unmatched;

pin_project! {
    /// The response with its route.
    #[derive(Debug)]
    pub struct RouteFuture<F> {
        // None for a call that needs no route.
        matched: Option<Option<MatchedPath>>,
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for RouteFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut result = ready!(this.inner.poll(context));
        if let (Ok(response), Some(matched)) = (&mut result, this.matched.take())
            // A handler that has named its route knows better.
            && response.extensions().get::<Route>().is_none()
        {
            match matched {
                Some(path) => _ = response.extensions_mut().insert(Route::from(path)),
                None => _ = response.extensions_mut().insert(Unmatched),
            }
        }
        Poll::Ready(result)
    }
}
