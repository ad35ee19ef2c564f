//! The error of a call of the client runtime, and the place in the call: typed, with the peer and the cause as it came.

mod kind;

pub use kind::{ErrorKind, Phase};

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::layer::Reached;
use crate::rpc::{Outcome, Peer, Symbol};

/// The cause of an error, as the library below gave it.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// Why a call failed before its response was there, or in the middle of its response.
///
/// It says [what](ClientError::kind) happened, [where](ClientError::phase) in the call, and with [whom](ClientError::peer). A status that
/// the server gave (HTTP's 503, gRPC's UNAVAILABLE) is no error but a response.
///
/// In a chain of causes that tonic reads, a call of gRPC's error has the code that a user expects: DEADLINE_EXCEEDED where
/// a time was over, INTERNAL where the peer broke the protocol, INVALID_ARGUMENT for a request that cannot be sent,
/// CANCELLED for a body of the application's own that failed, RESOURCE_EXHAUSTED for a peer that said so, and UNAVAILABLE
/// else.
#[derive(Clone)]
pub struct ClientError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    phase: Phase,
    endpoint: Option<Peer>,
    reached: Option<Reached>,
    cause: Option<Cause>,
    /// The words of the cause that are shown instead of those of the kind.
    words: Option<Arc<str>>,
    /// Stands before the cause in the chain of causes.
    source: Option<Cause>,
}

impl ClientError {
    /// An error without a peer and a cause.
    #[doc(hidden)]
    #[must_use]
    pub fn new(kind: ErrorKind, phase: Phase) -> Self {
        Self(Box::new(Inner { kind, phase, endpoint: None, reached: None, cause: None, words: None, source: None }))
    }

    /// Adds the cause. `words` are shown instead of those of the kind, if there are some.
    #[doc(hidden)]
    #[must_use]
    pub fn because(mut self, cause: Cause, words: Option<String>) -> Self {
        (self.0.cause, self.0.words) = (Some(cause), words.map(Arc::from));
        self
    }

    /// Adds the endpoint as it was given, and the address that was reached.
    #[doc(hidden)]
    #[must_use]
    pub fn at(mut self, endpoint: &Peer, reached: Option<Reached>) -> Self {
        self.0.endpoint = Some(endpoint.clone());
        self.reaching(reached)
    }

    /// Adds the address that was reached, if none is known.
    #[doc(hidden)]
    #[must_use]
    pub fn reaching(mut self, reached: Option<Reached>) -> Self {
        self.0.reached = self.0.reached.or(reached);
        self
    }

    /// Puts an error before the cause in the chain of causes: a library above looks for its own type there.
    #[doc(hidden)]
    #[must_use]
    pub fn seen_as(mut self, source: Cause) -> Self {
        self.0.source = Some(source);
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How far the call had come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// With whom: the address that was reached, or the endpoint as it was given; [`Peer::Unknown`] if it had not come to
    /// that.
    #[must_use]
    pub fn peer(&self) -> Peer {
        match (&self.0.reached, &self.0.endpoint) {
            (Some(reached), _) => Peer::Socket(reached.peer),
            (None, Some(endpoint)) => endpoint.clone(),
            (None, None) => Peer::Unknown,
        }
    }

    #[doc(hidden)]
    pub fn reached(&self) -> Option<Reached> {
        self.0.reached
    }

    pub fn outcome(&self) -> Outcome {
        self.0.kind.outcome()
    }

    /// None if only the phase tells.
    #[doc(hidden)]
    pub fn error_type(&self) -> Option<Symbol> {
        self.0.kind.error_type()
    }

    /// The error of the library below.
    #[doc(hidden)]
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }

    /// The same, to be shared.
    #[doc(hidden)]
    #[must_use]
    pub fn shared_cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.words.as_deref().unwrap_or(self.0.kind.words()))?;
        match self.peer() {
            Peer::Unknown => {}
            peer => write!(f, ", {} {peer}", self.0.phase.towards())?,
        }
        Ok(())
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("phase", &self.0.phase)
            .field("peer", &self.peer())
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl StdError for ClientError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => self.cause(),
        }
    }
}
