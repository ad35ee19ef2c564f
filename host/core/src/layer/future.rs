//! The future of an observed response: it polls the one inside and sees what comes of it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::ResponseBody;
use super::owner::Owner;
use crate::propagate::Ambient;

pin_project! {
    /// The response of an observed call. Dropped before it is ready, the call was cancelled.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        owner: Owner,
        ambient: Option<Ambient>,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, owner: Owner, ambient: Option<Ambient>) -> Self {
        Self { inner, owner, ambient }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: fmt::Display + 'static,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.owner.is_idle() && this.ambient.is_none() {
            let result = ready!(this.inner.poll(context));
            let idle = |body| ResponseBody::new(body, Owner::default(), None);
            return Poll::Ready(result.map(|response| response.map(idle)));
        }
        let result = {
            let _entered = Ambient::enter(this.ambient);
            ready!(this.owner.guard(|| this.inner.poll(context)))
        };
        match &result {
            Ok(response) => this.owner.respond(response),
            Err(error) => this.owner.fail_transport(error),
        }
        let (owner, ambient) = (std::mem::take(this.owner), this.ambient.take());
        Poll::Ready(result.map(|response| response.map(|body| ResponseBody::new(body, owner, ambient))))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
