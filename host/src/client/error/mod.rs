//! Why a call of the client runtime failed, and where: typed, with the peer it was and the cause as it came.

mod classify;
mod kind;

pub use kind::{ErrorKind, Phase};

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::dial::TlsFault;
use crate::layer::Reached;
use crate::rpc::{Outcome, Peer, Symbol};

/// The cause of an error, as the library below gave it.
pub(super) type Cause = Arc<dyn StdError + Send + Sync>;

/// Why a call failed before its response was there, or in the middle of its response.
///
/// It says [what](Error::kind) happened, [where](Error::phase) in the call, and with [whom](Error::peer). A status that
/// the server gave (HTTP's 503, gRPC's UNAVAILABLE) is no error but a response.
///
/// In a chain of causes that tonic reads, a call of gRPC's error has the code that a user expects: DEADLINE_EXCEEDED where
/// a time was over, INTERNAL where the peer broke the protocol, INVALID_ARGUMENT for a request that cannot be sent,
/// CANCELLED for a body of the application's own that failed, RESOURCE_EXHAUSTED for a peer that said so, and UNAVAILABLE
/// else.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    phase: Phase,
    endpoint: Option<Peer>,
    reached: Option<Reached>,
    cause: Option<Cause>,
    /// As tonic is to see it.
    #[cfg(feature = "tonic")]
    status: Option<Arc<tonic::Status>>,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, phase: Phase) -> Self {
        Self(Box::new(Inner {
            kind,
            phase,
            endpoint: None,
            reached: None,
            cause: None,
            #[cfg(feature = "tonic")]
            status: None,
        }))
    }

    pub(super) fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into().into());
        self
    }

    /// Says to whom the call went.
    pub(super) fn at(mut self, endpoint: &Peer, reached: Option<Reached>) -> Self {
        self.0.endpoint = Some(endpoint.clone());
        self.0.reached = self.0.reached.or(reached);
        self
    }

    /// Gives it the code that a user of gRPC expects.
    #[cfg(feature = "tonic")]
    pub(super) fn in_grpc(mut self) -> Self {
        let mut status = tonic::Status::new(self.code(), self.to_string());
        if let Some(cause) = &self.0.cause {
            status.set_source(cause.clone());
        }
        self.0.status = Some(Arc::new(status));
        self
    }

    #[cfg(not(feature = "tonic"))]
    pub(super) fn in_grpc(self) -> Self {
        self
    }

    #[cfg(feature = "tonic")]
    fn code(&self) -> tonic::Code {
        match self.0.kind {
            ErrorKind::CallTimedOut | ErrorKind::AttemptTimedOut | ErrorKind::StreamTimedOut => {
                tonic::Code::DeadlineExceeded
            }
            ErrorKind::Protocol => tonic::Code::Internal,
            ErrorKind::Request => tonic::Code::InvalidArgument,
            ErrorKind::RequestBody => tonic::Code::Cancelled,
            ErrorKind::Reset => match self.reason() {
                Some(h2::Reason::CANCEL) => tonic::Code::Cancelled,
                Some(h2::Reason::ENHANCE_YOUR_CALM) => tonic::Code::ResourceExhausted,
                Some(h2::Reason::INADEQUATE_SECURITY) => tonic::Code::PermissionDenied,
                Some(h2::Reason::INTERNAL_ERROR | h2::Reason::PROTOCOL_ERROR) => tonic::Code::Internal,
                _ => tonic::Code::Unavailable,
            },
            _ => tonic::Code::Unavailable,
        }
    }

    /// Why the peer reset the stream, if it did.
    fn reason(&self) -> Option<h2::Reason> {
        let mut cause = self.cause();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                return error.reason();
            }
            cause = error.source();
        }
        None
    }

    /// The peer says that it has not looked at the request.
    pub(super) fn was_refused_unseen(&self) -> bool {
        self.0.kind == ErrorKind::Reset && self.reason() == Some(h2::Reason::REFUSED_STREAM)
    }

    /// The connection broke off, or gave no answer in time: it says something of the endpoint, not of this one call as a
    /// stream of HTTP/2 does that is reset.
    pub(super) fn is_of_connection(&self) -> bool {
        let kind = matches!(
            self.0.kind,
            ErrorKind::Reset | ErrorKind::Protocol | ErrorKind::Transport | ErrorKind::AttemptTimedOut
        );
        kind && self.0.phase == Phase::Head && !self.is_reset_of_stream()
    }

    fn is_reset_of_stream(&self) -> bool {
        let mut causes = std::iter::successors(self.cause(), |&error| error.source());
        causes.any(|error| error.downcast_ref::<h2::Error>().is_some_and(h2::Error::is_reset))
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

    pub(crate) fn reached(&self) -> Option<Reached> {
        self.0.reached
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.0.kind.outcome()
    }

    /// None if only the phase tells.
    pub(crate) fn error_type(&self) -> Option<Symbol> {
        self.0.kind.error_type()
    }

    /// Returns the TLS failure among the causes; none if the error has another reason.
    fn tls_fault(&self) -> Option<TlsFault> {
        let is_tls = matches!(
            self.0.kind,
            ErrorKind::NotTls
                | ErrorKind::CertificateExpired
                | ErrorKind::CertificateUnknownIssuer
                | ErrorKind::CertificateWrongName
                | ErrorKind::Certificate
                | ErrorKind::Tls
        );
        self.cause().filter(|_| is_tls).and_then(TlsFault::find)
    }

    /// The words of an error of TLS that HTTP/2 has met with: h2 keeps nothing else of it.
    fn tls_words(&self) -> Option<&io::Error> {
        let mut causes = std::iter::successors(self.cause(), |&error| error.source());
        let words = causes.find_map(|error| match error.downcast_ref::<h2::Error>() {
            Some(error) => error.get_io(),
            None => error.downcast_ref::<io::Error>(),
        });
        words.filter(|_| self.0.kind == ErrorKind::Tls)
    }

    /// What the library below said.
    pub(crate) fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.tls_fault(), self.tls_words()) {
            (Some(fault), _) => write!(f, "{fault}")?,
            (None, Some(words)) => write!(f, "{}: {words}", self.0.kind.words())?,
            (None, None) => f.write_str(self.0.kind.words())?,
        }
        match self.peer() {
            Peer::Unknown => {}
            peer => write!(f, ", {} {peer}", self.0.phase.towards())?,
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("phase", &self.0.phase)
            .field("peer", &self.peer())
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        #[cfg(feature = "tonic")]
        if let Some(status) = &self.0.status {
            return Some(&**status);
        }
        self.cause()
    }
}
