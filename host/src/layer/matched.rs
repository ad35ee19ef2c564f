//! What axum's router has matched, told to whoever stands around the router.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::MatchedPath;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::Route;

/// Tells the route that axum's router has matched to a layer or a server around the router: goes into the router with
/// `Router::layer`, after the routes.
///
/// Not needed where a [`ServerLayer`](crate::ServerLayer) itself stands inside the router.
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
        let matched = request.extensions().get::<MatchedPath>().cloned();
        RouteFuture { matched, inner: self.inner.call(request) }
    }
}

pin_project! {
    /// The response with its route.
    #[derive(Debug)]
    pub struct RouteFuture<F> {
        matched: Option<MatchedPath>,
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
            response.extensions_mut().insert(Route::from(matched.as_str().to_owned()));
        }
        Poll::Ready(result)
    }
}
