//! What a client's request body is given to be counted with.

use http_body::Body;

use super::RequestBody;
use super::tap::Tap;

/// Counts one request's body; handed to [`ClientBody::observe`](super::ClientBody::observe).
pub struct Probe(Option<Tap>);

impl Probe {
    pub(crate) fn idle() -> Self {
        Self(None)
    }

    pub(crate) fn new(tap: Tap) -> Self {
        Self(Some(tap))
    }

    /// Nobody wants to know: the body may as well stay as it is.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.is_none()
    }

    /// Counts a body that is in memory, all at once.
    #[cfg(feature = "reqwest")]
    pub(crate) fn count(self, body: &[u8]) {
        let Some(mut tap) = self.0 else { return };
        tap.asked();
        if !body.is_empty() {
            tap.data(&body);
        }
        tap.ended();
    }

    /// The body, counted. If nobody wants to know, it is only wrapped.
    pub fn watch<B: Body>(self, body: B) -> RequestBody<B> {
        RequestBody::new(body, self.0)
    }
}
