//! A future that goes on as part of a call, in whichever task it is polled.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Ambient;
use crate::rpc::RpcHandle;

pin_project! {
    /// A future that belongs to a call. Made by [`RpcHandle::scope`].
    ///
    /// Cancel safe if the future inside is: it is dropped with this one.
    pub struct Scoped<F> {
        #[pin]
        future: F,
        call: Option<Ambient>,
    }
}

impl RpcHandle {
    /// Makes a future part of this call, wherever it is polled: client calls made in it are children of the call, and
    /// [`RpcInfo::current`](crate::rpc::RpcInfo::current) is this one.
    ///
    /// What a handler awaits needs no such thing. A task that it spawns does: without it, calls made there start traces of
    /// their own. The task may outlive the call: its client calls are children all the same, and only what it says of the call
    /// itself then goes nowhere.
    ///
    /// ```
    /// use hottap::rpc::RpcInfo;
    ///
    /// async fn handler() {
    ///     let work = async { /* calls other services */ };
    ///     match RpcInfo::current() {
    ///         Some(rpc) => tokio::spawn(rpc.scope(work)),
    ///         None => tokio::spawn(work),
    ///     };
    /// }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped { future, call: Some(Ambient::Traced(self.clone())) }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = Ambient::enter(this.call);
        this.future.poll(context)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Waker;

    use http::HeaderMap;

    use super::super::ambient::rpc;
    use crate::rpc::TraceContext;

    #[test]
    fn a_scoped_future_belongs_to_its_call_while_it_is_polled_and_no_longer() {
        let trace = TraceContext::root();
        let call = rpc(trace, &HeaderMap::new());
        let mut future = pin!(call.scope(async { TraceContext::current() }));
        let mut context = std::task::Context::from_waker(Waker::noop());
        assert_eq!(TraceContext::current(), None);
        assert_eq!(future.as_mut().poll(&mut context), std::task::Poll::Ready(Some(trace)));
        assert_eq!(TraceContext::current(), None);
    }
}
