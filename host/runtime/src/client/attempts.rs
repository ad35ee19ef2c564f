//! The attempts of one call, one after the other: when each begins, how it ended, that the call knows of it, and its row
//! where a tracer wants one.

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, Response};

use super::Error;
use super::endpoint::Endpoint;
use hottap_core::layer::{Journal, Reached, grpc};
use hottap_core::propagate;
use hottap_core::rpc::{Outcome, error_type};
use hottap_core::tracer::Call;

/// Counts them. There is one for each call.
pub(super) struct Attempts {
    journal: Option<Journal>,
    /// An attempt is worth events only where there may be others: else it is the call.
    retries: bool,
    /// It is worth a row there, too, and where only it knows where it goes.
    rows: bool,
    number: u16,
    /// The attempt of this number has not ended.
    open: bool,
    row: Row,
}

impl Attempts {
    pub(super) fn new(journal: Option<Journal>, retries: bool, one_origin: bool) -> Self {
        Self { journal, retries, rows: retries || !one_origin, number: 0, open: false, row: Row(None) }
    }

    pub(super) fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// The next attempt begins, towards this endpoint; `request` goes out with it, and has its `traceparent` if it has a row.
    pub(super) fn attempt_started(&mut self, request: &mut Parts, endpoint: &Endpoint) {
        self.number = self.number.saturating_add(1);
        self.open = true;
        let Some(journal) = self.journal.as_ref().filter(|_| self.rows) else { return };
        if self.retries {
            journal.attempt_started(self.number);
        }
        self.row = Row(journal.attempt(self.number, &endpoint.peer, endpoint.origin()).map(Box::new));
        if let Row(Some(call)) = &self.row
            && let Some((trace, _)) = call.context().outgoing()
        {
            propagate::identify(&trace, call.core().trace.propagators(), &mut request.headers);
        }
    }

    /// The attempt has failed with an error.
    pub(super) fn attempt_failed(&mut self, error: &Error) {
        self.tell_failure(error);
        std::mem::take(&mut self.row).fail(error);
    }

    /// The attempt has failed with a status, after which another attempt may be made; `headers` are those that have it.
    pub(super) fn attempt_refused<B>(&mut self, words: &dyn fmt::Display, response: &Response<B>, headers: &HeaderMap) {
        self.tell_failure(words);
        let mut row = std::mem::take(&mut self.row);
        row.answered(response);
        row.status(headers);
        row.end();
    }

    /// The same, and no other attempt is made: its response is the call's, and its row goes on with that.
    pub(super) fn last_refused(&mut self, words: &dyn fmt::Display) {
        self.tell_failure(words);
    }

    fn tell_failure(&mut self, words: &dyn fmt::Display) {
        if std::mem::take(&mut self.open)
            && self.retries
            && let Some(journal) = &self.journal
        {
            journal.attempt_failed(self.number, words);
        }
    }

    /// The attempt has been answered: what comes of the response comes of the call. Its row goes on with the body.
    pub(super) fn attempt_answered<B>(&mut self, response: &Response<B>) -> Row {
        self.open = false;
        let mut row = std::mem::take(&mut self.row);
        row.answered(response);
        row
    }
}

/// One attempt as tracers see it that want attempts; nothing if none does. Dropped before its end, it was cancelled.
#[derive(Default)]
pub(super) struct Row(Option<Box<Call>>);

impl Row {
    pub(super) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    fn answered<B>(&mut self, response: &Response<B>) {
        let Some(call) = &mut self.0 else { return };
        if let Some(reached) = response.extensions().get::<Reached>() {
            reached.apply(call.info_mut());
        }
        let status = response.status();
        call.set_http_status(status.as_u16());
        if status.is_client_error() || status.is_server_error() {
            call.fail(Outcome::Error, error_type::http(status.as_u16()), "");
        }
    }

    /// What headers or trailers of gRPC say of how it ended.
    pub(super) fn status(&mut self, headers: &HeaderMap) {
        if let Some(call) = &mut self.0 {
            grpc::apply_status(call, headers);
        }
    }

    pub(super) fn fail(self, error: &Error) {
        let Some(mut call) = self.0 else { return };
        if let Some(reached) = error.reached() {
            reached.apply(call.info_mut());
        }
        let error_type = error.error_type().unwrap_or(error_type::TRANSPORT);
        call.fail(error.outcome(), error_type, error.to_string());
        call.finish();
    }

    pub(super) fn end(self) {
        if let Some(call) = self.0 {
            call.finish();
        }
    }
}
