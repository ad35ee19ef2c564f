//! The trait of what acts at the start of calls, and what it is told of a call that starts; finished calls are elsewhere.

use std::fmt;
use std::time::Duration;

use crate::column::Element;
use crate::config::Config;
use crate::error::Error;
use crate::host;
use crate::kinds::{Protocol, Side};
use crate::symbol::Symbol;

/// What acts at the start of calls: before the request leaves (client), before the handler runs (server), or before an
/// endpoint inside the process is called.
///
/// It is called on the RPC's own task and every call waits for it, so be quick: the budget is a millisecond per call for
/// all plugins together, and a starter that misses it, or takes more than 50 microseconds on average, is suspended while
/// its tracer goes on. A tracer needs one only for what can't be done later, such as setting a request header.
///
/// It runs on instances of its own, several of which may work at once. They share no memory with each other or with the
/// [`Tracer`](crate::Tracer): what crosses is the manifest's `[config]`, the state that the tracer saved, and for each
/// call the token, which [`Call::token`](crate::Call::token) and [`Batch::tokens`](crate::Batch::tokens) hand back when
/// the call has finished. Hence no `&mut self`; and since there is no flush, metrics, payloads and state of a starter go
/// nowhere: count in the tracer.
///
/// ```
/// use hottap_guest::{Call, Config, Error, StartedCall, Starter, Tracer, export};
///
/// struct Retries;
///
/// impl Tracer for Retries {
///     fn new(_: Config) -> Result<Self, Error> {
///         Ok(Self)
///     }
///
///     fn finish_call(&mut self, call: &Call) {
///         let earlier_attempts = call.token();
///         # let _ = earlier_attempts;
///     }
/// }
///
/// struct ReadsAttempts;
///
/// impl Starter for ReadsAttempts {
///     fn new(_: Config) -> Result<Self, Error> {
///         Ok(Self)
///     }
///
///     fn start(&self, call: &StartedCall) -> u64 {
///         call.header("grpc-previous-rpc-attempts").and_then(|text| text.parse().ok()).unwrap_or(0)
///     }
/// }
///
/// export!(Retries, ReadsAttempts);
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a starter",
    label = "`hottap_guest::Starter` is not implemented for `{Self}`",
    note = "write `impl Starter for {Self}` with `fn new(config: Config) -> Result<Self, Error>` and `fn start(&self, call: &StartedCall) -> u64`"
)]
pub trait Starter: Sized + 'static {
    /// Makes the starter. Called once on each new instance, of which there are several, and again after a trap.
    ///
    /// The settings of [`Config`] are the tracer's to ask for.
    ///
    /// # Errors
    /// Return one to refuse to work; the operator is shown the text, and the module that was live before stays live.
    fn new(config: Config) -> Result<Self, Error>;

    /// A call starts. Returns the token that its tracer gets with the finished call; 0 is what a tracer gets for a call
    /// whose start was skipped.
    fn start(&self, call: &StartedCall) -> u64;
}

/// A call that starts: what is known of it by then.
///
/// It is good only until [`Starter::start`] returns; kept any longer it sees and sets no headers.
#[derive(Debug)]
pub struct StartedCall {
    pub(crate) id: u64,
    pub(crate) side: u8,
    pub(crate) method: u32,
    pub(crate) callee: u32,
    pub(crate) protocol: u8,
    pub(crate) started: u64,
    pub(crate) deadline: u64,
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    pub(crate) parent_span_id: u64,
    pub(crate) sampled: bool,
}

impl StartedCall {
    /// A number that is unique to the call within the host process: the finished call's [`id`](crate::Call::id).
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where the call is observed.
    #[must_use]
    pub fn side(&self) -> Side {
        Side::from_raw(self.side)
    }

    /// `package.Service/Method` for gRPC, `GET /route/{id}` for HTTP; never a raw path. It may be less than what the
    /// finished call says, because a route is known only when the router has seen the request.
    ///
    /// The first time the host is asked for the text; [`method_symbol`](Self::method_symbol) never asks.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method_symbol().as_str()
    }

    /// The method's symbol, to key a table by.
    #[must_use]
    pub fn method_symbol(&self) -> Symbol {
        Symbol::from_raw(self.method)
    }

    /// The service that is called; "" if not known.
    #[must_use]
    pub fn callee(&self) -> &'static str {
        self.callee_symbol().as_str()
    }

    /// The symbol of the service that is called; [`Symbol::NONE`] if not known.
    #[must_use]
    pub fn callee_symbol(&self) -> Symbol {
        Symbol::from_raw(self.callee)
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        Protocol::from_raw(self.protocol)
    }

    /// When it started, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The deadline that it has, from its start.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        Element::from_raw(self.deadline)
    }

    /// The W3C trace id.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The id of the call's own span.
    #[must_use]
    pub fn span_id(&self) -> u64 {
        self.span_id
    }

    /// The id of the span that the call's span belongs to; 0 if it is a root.
    #[must_use]
    pub fn parent_span_id(&self) -> u64 {
        self.parent_span_id
    }

    /// Whether the trace is sampled (W3C trace flags).
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.sampled
    }

    /// A request header's value; none if it is absent, or the operator does not let this tracer see it (those that
    /// propagate a trace, `traceparent` and B3's among them, need no permission).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        host::header(name)
    }

    /// Adds a header to the request that is about to leave. B3's headers and `uber-trace-id` need no permission.
    ///
    /// # Errors
    /// [`HeaderRefusal`] says why nothing was added.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), HeaderRefusal> {
        host::set_header(name, value).map_err(|number| match number {
            0 => HeaderRefusal::NotAllowed,
            1 => HeaderRefusal::Present,
            2 => HeaderRefusal::Full,
            3 => HeaderRefusal::NoRequest,
            4 => HeaderRefusal::Malformed,
            other => HeaderRefusal::Other(other),
        })
    }
}

/// Why a header was not added to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderRefusal {
    /// The operator does not let this tracer set it, or no tracer may: it says who somebody is, belongs to the
    /// connection, or is the host's own.
    NotAllowed,
    /// The request has it already.
    Present,
    /// A starter may add eight headers to a request, of a kibibyte of names and values together.
    Full,
    /// No request leaves from here: the call is seen on the server, or inside the process.
    NoRequest,
    /// The name or the value has bytes that no header may have.
    Malformed,
    /// A reason that this version does not know.
    Other(u32),
}

impl HeaderRefusal {
    /// A word for it, for a metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::Present => "present",
            Self::Full => "full",
            Self::NoRequest => "no_request",
            Self::Malformed => "malformed",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for HeaderRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("this tracer may not set the header"),
            Self::Present => f.write_str("the request has the header already"),
            Self::Full => f.write_str("a request gets at most 8 headers and 1 KiB from a tracer"),
            Self::NoRequest => f.write_str("no request leaves from here"),
            Self::Malformed => f.write_str("it is no header's name or value"),
            Self::Other(number) => write!(f, "refused for reason {number}"),
        }
    }
}

impl std::error::Error for HeaderRefusal {}
