//! The kinds of errors there are, and how each is told: in words, as an outcome and as a symbol.

use crate::rpc::{Outcome, Symbol, error_type};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The name of the host could not be resolved: nobody knows it, or the name server did not answer in time.
    Dns,
    /// Nobody listens at the address.
    ConnectionRefused,
    /// There is no way to the address.
    Unreachable,
    /// No connection was there within the time for connecting; [`Phase`] says what it was waiting for.
    ConnectTimedOut,
    /// There was no connection, for another reason.
    Connect,
    /// The peer does not speak TLS.
    NotTls,
    /// The peer's certificate has expired, or is not valid yet.
    CertificateExpired,
    /// Nobody who is trusted has signed the peer's certificate.
    CertificateUnknownIssuer,
    /// The peer's certificate is for another name.
    CertificateWrongName,
    /// The peer's certificate was not accepted, for another reason.
    Certificate,
    /// TLS failed in another way: the peer refused the client's certificate, there is no version that both speak.
    Tls,
    /// The peer broke off: it closed or reset the connection or the stream.
    Reset,
    /// The peer broke the rules of HTTP.
    Protocol,
    /// The call's time was over.
    CallTimedOut,
    /// The time for one attempt was over.
    AttemptTimedOut,
    /// The time for the next piece of the response was over.
    StreamTimedOut,
    /// The body of the request, which is the application's, ended with an error.
    RequestBody,
    /// The request can't be sent as it is.
    Request,
    /// Something else went wrong on the way.
    Transport,
}

/// How far a call had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing had been done yet.
    Start,
    /// The name of the host was being resolved.
    Resolve,
    /// A connection was being made.
    Connect,
    /// TLS was being set up on it.
    Handshake,
    /// The request was being sent, or sent: no head of a response had come.
    Head,
    /// The response's body was being read.
    Body,
}

impl ErrorKind {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::CallTimedOut | Self::AttemptTimedOut | Self::StreamTimedOut => Outcome::TimedOut,
            _ => Outcome::Error,
        }
    }

    /// None if it is what the layer says of it: an error of the transport or of the body.
    pub(super) fn error_type(self) -> Option<Symbol> {
        use error_type::client;
        /// gRPC's code, also where another protocol is spoken: a deadline is a deadline.
        const DEADLINE_EXCEEDED: u16 = 4;
        Some(match self {
            Self::Dns => client::DNS,
            Self::ConnectionRefused => client::CONNECTION_REFUSED,
            Self::Unreachable => client::UNREACHABLE,
            Self::ConnectTimedOut => client::CONNECT_TIMEOUT,
            Self::Connect => client::CONNECT,
            Self::NotTls | Self::Tls => client::TLS,
            Self::CertificateExpired
            | Self::CertificateUnknownIssuer
            | Self::CertificateWrongName
            | Self::Certificate => client::CERTIFICATE,
            Self::Reset => client::RESET,
            Self::Protocol => client::PROTOCOL,
            Self::CallTimedOut => error_type::grpc(DEADLINE_EXCEEDED),
            Self::AttemptTimedOut => client::ATTEMPT_TIMEOUT,
            Self::StreamTimedOut => client::TIMEOUT,
            Self::RequestBody | Self::Request => client::REQUEST,
            Self::Transport => return None,
        })
    }

    #[doc(hidden)]
    pub fn words(self) -> &'static str {
        match self {
            Self::Dns => "the host's name was not resolved",
            Self::ConnectionRefused => "the connection was refused",
            Self::Unreachable => "the address cannot be reached",
            Self::ConnectTimedOut => "no connection in time",
            Self::Connect => "no connection",
            Self::NotTls => "no TLS is spoken there",
            Self::CertificateExpired => "the certificate is not valid at this time",
            Self::CertificateUnknownIssuer => "the certificate is signed by nobody who is trusted",
            Self::CertificateWrongName => "the certificate is for another name",
            Self::Certificate => "the certificate was not accepted",
            Self::Tls => "TLS failed",
            Self::Reset => "the peer broke off",
            Self::Protocol => "the peer broke the rules of HTTP",
            Self::CallTimedOut => "the call's time was over",
            Self::AttemptTimedOut => "the attempt's time was over",
            Self::StreamTimedOut => "the next piece of the response did not come in time",
            Self::RequestBody => "the request's body failed",
            Self::Request => "the request cannot be sent",
            Self::Transport => "the call failed on its way",
        }
    }
}

impl Phase {
    pub(super) fn towards(self) -> &'static str {
        match self {
            Self::Start => "before anything was sent to",
            Self::Resolve => "resolving",
            Self::Connect => "connecting to",
            Self::Handshake => "in the handshake with",
            Self::Head => "before the response's head from",
            Self::Body => "in the response's body from",
        }
    }
}
