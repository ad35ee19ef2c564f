//! Who has a call until it ends, and ends it at the latest when it is dropped.

use std::fmt;

use http::Response;
use http_body::Body;

use super::active::{Active, Ending};
use super::exchange::Direction;
use super::failure::Failure;
use crate::rpc::{Side, error_type};

/// Owns a call until it has ended; empty for a call that nobody wants. Dropped, it ends the call as cancelled.
#[derive(Default)]
pub(crate) struct Owner(Option<Box<Active>>);

impl Owner {
    pub(crate) fn new(active: Box<Active>) -> Self {
        Self(Some(active))
    }

    /// Nobody wants the call, or it has ended.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    pub(crate) fn active(&mut self) -> Option<&mut Active> {
        self.0.as_deref_mut()
    }

    /// Runs what is inside the layer. If it panics, so ended the call, and the panic goes on.
    #[inline]
    pub(crate) fn guard<R>(&mut self, run: impl FnOnce() -> R) -> R {
        if self.is_idle() {
            return run();
        }
        let fuse = Fuse(self);
        let result = run();
        std::mem::forget(fuse);
        result
    }

    /// There is a response: ends the call if nothing follows its head.
    #[inline]
    pub(crate) fn respond<B: Body>(&mut self, response: &Response<B>) {
        if self.is_idle() {
            return;
        }
        let is_empty = self.guard(|| response.body().is_end_stream());
        if self.active().is_some_and(|active| active.respond(response, is_empty)) {
            self.end_of_body();
        }
    }

    /// The inner service gave an error instead of a response.
    pub(crate) fn fail_transport<E: fmt::Display + 'static>(&mut self, error: &E) {
        if let Some(active) = self.active()
            && active.exchange().side() == Side::Client
        {
            // A transport breaks off a request that is not as long as announced: its error says less than the cause.
            active.fail_by_length(Direction::Request);
        }
        self.fail(|| Failure::of(error, error_type::TRANSPORT));
    }

    /// The response's body ended with an error.
    pub(crate) fn fail_body<E: fmt::Display + 'static>(&mut self, error: &E) {
        self.fail(|| Failure::of(error, error_type::BODY));
    }

    fn fail(&mut self, failure: impl FnOnce() -> Failure) {
        if let Some(mut active) = self.0.take() {
            active.fail(failure());
            active.end(Ending::Dropped);
        }
    }

    /// The response's body has ended: the call is complete, unless the body was not as long as announced.
    pub(crate) fn end_of_body(&mut self) {
        let Some(active) = self.active() else { return };
        active.tap().ended();
        let ending = if active.tap().has_wrong_length() {
            active.fail_by_length(Direction::Response);
            Ending::Dropped
        } else {
            Ending::Complete
        };
        self.end(ending);
    }

    #[inline]
    fn end(&mut self, ending: Ending) {
        if let Some(active) = self.0.take() {
            active.end(ending);
        }
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        self.end(Ending::Dropped);
    }
}

/// Is dropped only by a panic.
struct Fuse<'a>(&'a mut Owner);

impl Drop for Fuse<'_> {
    fn drop(&mut self) {
        self.0.end(Ending::Panicked);
    }
}
