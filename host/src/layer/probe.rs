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

    /// The body, counted. If nobody wants to know, it is only wrapped.
    pub fn watch<B: Body>(self, body: B) -> RequestBody<B> {
        RequestBody::new(body, self.0)
    }
}
