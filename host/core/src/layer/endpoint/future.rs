//! The future of an endpoint's answer: what comes of it is what came of the call.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::layer::{Told, ask};
use crate::layer::BusinessStatus;
use crate::layer::failure::Failure;
use crate::propagate::Ambient;
use crate::rpc::{Outcome, RpcHandle, Symbol, error_type};
use crate::tracer::Call;

/// A call of an endpoint that somebody wants.
pub(super) struct Observed<Res, Err> {
    pub(super) call: Call,
    pub(super) rpc: RpcHandle,
    pub(super) business: Told<Res, Option<BusinessStatus>>,
    pub(super) attempts: Told<Err, Vec<String>>,
    pub(super) error_type: Symbol,
}

impl<Res, Err> Observed<Res, Err> {
    /// Runs what is inside the layer. If it panics, so ended the call, and the panic goes on.
    pub(super) fn guard<R>(slot: &mut Option<Self>, run: impl FnOnce() -> R) -> R {
        let fuse = Fuse(slot);
        let result = run();
        std::mem::forget(fuse);
        result
    }

    fn finish(mut self, result: &Result<Res, Err>)
    where
        Err: fmt::Display + 'static,
    {
        match result {
            Ok(response) => {
                if let Some(status) = ask(&self.business, response).flatten() {
                    self.call.set_business_status(status.code(), status.message());
                }
            }
            Err(error) => {
                for (number, error) in (1..=u16::MAX).zip(ask(&self.attempts, error).into_iter().flatten()) {
                    self.rpc.attempt_failed(number, &error);
                }
                let Failure { outcome, error_type, text, .. } = Failure::of(error, self.error_type);
                self.call.fail(outcome, error_type, text);
            }
        }
        self.end();
    }

    fn end(mut self) {
        if let Some(notes) = self.rpc.close() {
            self.call.note(&notes);
        }
        self.call.finish();
    }
}

/// Is dropped only by a panic.
struct Fuse<'a, Res, Err>(&'a mut Option<Observed<Res, Err>>);

impl<Res, Err> Drop for Fuse<'_, Res, Err> {
    fn drop(&mut self) {
        if let Some(mut observed) = self.0.take() {
            observed.call.fail(Outcome::Panicked, error_type::PANIC, "the endpoint panicked");
            observed.end();
        }
    }
}

pin_project! {
    /// The answer of an observed endpoint. Dropped before it is ready, the call was cancelled.
    pub struct EndpointFuture<F, Res, Err> {
        #[pin]
        inner: F,
        observed: Option<Observed<Res, Err>>,
        ambient: Option<Ambient>,
    }

    impl<F, Res, Err> PinnedDrop for EndpointFuture<F, Res, Err> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(mut observed) = this.project().observed.take() {
                observed.call.fail(Outcome::Cancelled, error_type::CANCELLED, "dropped before it ended");
                observed.end();
            }
        }
    }
}

impl<F, Res, Err> EndpointFuture<F, Res, Err> {
    pub(super) fn new(inner: F, observed: Option<Observed<Res, Err>>, ambient: Option<Ambient>) -> Self {
        Self { inner, observed, ambient }
    }
}

impl<F, Res, Err> Future for EndpointFuture<F, Res, Err>
where
    F: Future<Output = Result<Res, Err>>,
    Err: fmt::Display + 'static,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.observed.is_none() {
            return this.inner.poll(context);
        }
        let result = {
            let _entered = Ambient::enter(this.ambient);
            ready!(Observed::guard(this.observed, || this.inner.poll(context)))
        };
        if let Some(observed) = this.observed.take() {
            observed.finish(&result);
        }
        Poll::Ready(result)
    }
}

impl<F, Res, Err> fmt::Debug for EndpointFuture<F, Res, Err> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointFuture").finish_non_exhaustive()
    }
}
