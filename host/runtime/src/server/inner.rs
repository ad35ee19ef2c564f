//! What stands between the server's layer and the service: takes no more requests than there may be, and gives each the
//! body that handlers see. A refusal passes through the layer, so that it is a call like any other.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

use super::answer::{Asked, Speech, Trouble, has_host};
use super::body::{Body, Timed};
use hottap_core::layer::RequestBody;
use hottap_core::rpc::RpcHandle;

/// The service, and the places for its requests.
#[derive(Clone)]
pub(super) struct Inner<S> {
    service: S,
    places: Arc<Semaphore>,
}

impl<S> Inner<S> {
    pub(super) fn new(service: S, places: Arc<Semaphore>) -> Self {
        Self { service, places }
    }
}

impl<S, R> Service<Request<RequestBody<Timed>>> for Inner<S>
where
    S: Service<Request<Body>, Response = Response<R>>,
{
    type Response = Response<Reply<R>>;
    type Error = S::Error;
    type Future = Admitted<S::Future>;

    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request<RequestBody<Timed>>) -> Self::Future {
        if !has_host(request.version(), request.headers()) {
            return Admitted::Refused { speech: Asked::of(request.headers()).speech, trouble: Trouble::NoHost };
        }
        let Ok(permit) = self.places.clone().try_acquire_owned() else {
            return Admitted::Refused { speech: Asked::of(request.headers()).speech, trouble: Trouble::Busy };
        };
        let (head, body) = request.into_parts();
        let body = Body::new(body, head.extensions.get::<RpcHandle>());
        Admitted::Running { future: self.service.call(Request::from_parts(head, body)), permit: Some(permit) }
    }
}

pin_project! {
    /// The answer of the service, or a refusal.
    #[project = Project]
    pub(super) enum Admitted<F> {
        Refused { speech: Speech, trouble: Trouble },
        Running { #[pin] future: F, permit: Option<OwnedSemaphorePermit> },
    }
}

impl<F, R, E> Future for Admitted<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<Reply<R>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Project::Refused { speech, trouble } => {
                Poll::Ready(Ok(speech.say(*trouble, Reply { body: None, _permit: None })))
            }
            Project::Running { future, permit } => {
                let response = ready!(future.poll(context))?;
                let permit = permit.take();
                Poll::Ready(Ok(response.map(|body| Reply { body: Some(body), _permit: permit })))
            }
        }
    }
}

pin_project! {
    /// A response's body; until it is dropped, its request is under way. None is an empty one.
    pub(super) struct Reply<R> {
        #[pin]
        body: Option<R>,
        _permit: Option<OwnedSemaphorePermit>,
    }
}

impl<R: HttpBody> HttpBody for Reply<R> {
    type Data = R::Data;
    type Error = R::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        self.project().body.as_pin_mut().map_or(Poll::Ready(None), |body| body.poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl<R> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}
