//! The attempts of one call, one after the other: when each begins, how it ended, and that the call knows of it.

use std::fmt;

use http::request::Parts;

use crate::layer::Journal;

/// Counts them. There is one for each call.
pub(super) struct Attempts {
    journal: Option<Journal>,
    /// A failed attempt is worth an event only where there may be others.
    retries: bool,
    number: u16,
    /// The attempt of this number has not ended.
    open: bool,
}

impl Attempts {
    pub(super) fn new(journal: Option<Journal>, retries: bool) -> Self {
        Self { journal, retries, number: 0, open: false }
    }

    pub(super) fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// The next attempt begins; `request` goes out with it. Here an attempt would get a row and a span of its own: its
    /// `traceparent` belongs into the request's headers.
    pub(super) fn attempt_started(&mut self, _request: &mut Parts) {
        self.number = self.number.saturating_add(1);
        self.open = true;
        if let Some(journal) = &self.journal
            && self.retries
        {
            journal.attempt_started(self.number);
        }
    }

    /// The attempt has failed, with an error or a status that is one.
    pub(super) fn attempt_failed(&mut self, error: &dyn fmt::Display) {
        if std::mem::take(&mut self.open)
            && let Some(journal) = &self.journal
            && self.retries
        {
            journal.attempt_failed(self.number, error);
        }
    }

    /// The attempt has been answered: what comes of the response comes of the call.
    pub(super) fn attempt_answered(&mut self) {
        self.open = false;
    }
}
