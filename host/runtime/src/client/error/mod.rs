//! Errors of calls: made from the errors of the libraries below, and read by the client.

mod classify;

pub(super) use classify::{of_body, of_connect, of_handshake, of_send};

pub use hottap_core::layer::{ClientError as Error, ErrorKind, Phase};

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use hottap_io::dial::TlsFault;

/// Adds a cause to an error, and its words where they tell more than the kind.
pub(super) fn because(error: Error, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let cause: Arc<dyn StdError + Send + Sync> = cause.into().into();
    let words = words(error.kind(), &*cause);
    error.because(cause, words)
}

/// Gives an error the code that a user of gRPC expects.
#[cfg(feature = "tonic")]
pub(super) fn in_grpc(error: Error) -> Error {
    let mut status = tonic::Status::new(code(&error), error.to_string());
    if let Some(cause) = error.shared_cause() {
        status.set_source(cause.clone());
    }
    error.seen_as(Arc::new(status))
}

#[cfg(not(feature = "tonic"))]
pub(super) fn in_grpc(error: Error) -> Error {
    error
}

#[cfg(feature = "tonic")]
fn code(error: &Error) -> tonic::Code {
    match error.kind() {
        ErrorKind::CallTimedOut | ErrorKind::AttemptTimedOut | ErrorKind::StreamTimedOut => {
            tonic::Code::DeadlineExceeded
        }
        ErrorKind::Protocol => tonic::Code::Internal,
        ErrorKind::Request => tonic::Code::InvalidArgument,
        ErrorKind::RequestBody => tonic::Code::Cancelled,
        ErrorKind::Reset => match reason(error) {
            Some(h2::Reason::CANCEL) => tonic::Code::Cancelled,
            Some(h2::Reason::ENHANCE_YOUR_CALM) => tonic::Code::ResourceExhausted,
            Some(h2::Reason::INADEQUATE_SECURITY) => tonic::Code::PermissionDenied,
            Some(h2::Reason::INTERNAL_ERROR | h2::Reason::PROTOCOL_ERROR) => tonic::Code::Internal,
            _ => tonic::Code::Unavailable,
        },
        _ => tonic::Code::Unavailable,
    }
}

/// The reason for which the peer reset the stream, if it did.
fn reason(error: &Error) -> Option<h2::Reason> {
    causes(error).find_map(|cause| cause.downcast_ref::<h2::Error>()).and_then(h2::Error::reason)
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.cause(), |&cause| cause.source())
}

/// Returns true if the peer says that it has not looked at the request.
pub(super) fn was_refused_unseen(error: &Error) -> bool {
    error.kind() == ErrorKind::Reset && reason(error) == Some(h2::Reason::REFUSED_STREAM)
}

/// Returns true if the connection broke off, or gave no answer in time: it says something of the endpoint, not of this one
/// call as a stream of HTTP/2 does that is reset.
pub(super) fn is_of_connection(error: &Error) -> bool {
    let kind = matches!(
        error.kind(),
        ErrorKind::Reset | ErrorKind::Protocol | ErrorKind::Transport | ErrorKind::AttemptTimedOut
    );
    kind && error.phase() == Phase::Head && !is_reset_of_stream(error)
}

fn is_reset_of_stream(error: &Error) -> bool {
    causes(error).any(|cause| cause.downcast_ref::<h2::Error>().is_some_and(h2::Error::is_reset))
}

/// The words of a failure of TLS among the causes; none of an error for another reason.
fn words(kind: ErrorKind, cause: &(dyn StdError + 'static)) -> Option<String> {
    let is_tls = matches!(
        kind,
        ErrorKind::NotTls
            | ErrorKind::CertificateExpired
            | ErrorKind::CertificateUnknownIssuer
            | ErrorKind::CertificateWrongName
            | ErrorKind::Certificate
            | ErrorKind::Tls
    );
    if let Some(fault) = TlsFault::find(cause).filter(|_| is_tls) {
        return Some(fault.to_string());
    }
    // HTTP/2 keeps the words alone of an error of TLS.
    let mut causes = std::iter::successors(Some(cause), |&cause| cause.source());
    let told = causes.find_map(|cause| match cause.downcast_ref::<h2::Error>() {
        Some(error) => error.get_io(),
        None => cause.downcast_ref::<io::Error>(),
    });
    told.filter(|_| kind == ErrorKind::Tls).map(|told| format!("{}: {told}", kind.words()))
}
