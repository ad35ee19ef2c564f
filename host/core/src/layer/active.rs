//! One traced call from its start to its one finish: what its layer knows of it, and how it ends.

use std::cmp::Ordering;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;

use super::business::{self, Classify};
use super::exchange::{Direction, Exchange};
use super::failure::Failure;
use super::log::Log;
use super::protocol::http::ResponseTo;
use super::protocol::{self, End, Length, Verdict, Wire, grpc};
use super::routing;
use super::tap::Tap;
use crate::layer::BusinessStatus;
use crate::rpc::{EventKind, Level, Outcome, RpcHandle, RpcInfo, RpcStats, Side, TraceContext, Transport, error_type};
use crate::tracer::{Begun, Call, Core};

/// How much earlier than by our clock a deadline may pass: whoever set it started counting before us, by the time that
/// a request takes. More would take calls for late that were cancelled; less, late ones for cancelled.
const DEADLINE_SLACK_NANOS: u64 = 2_000_000;

/// A call under way, with all that its layer needs to end it.
pub(crate) struct Active {
    call: Call,
    /// Counts the response's body.
    tap: Tap,
    /// The request's method, as far as it decides where its response ends.
    response_to: ResponseTo,
    /// The status of HTTP, once there is a response.
    status: Option<StatusCode>,
    /// The response's head is one that whoever serves the method gives.
    vouched: bool,
    /// What the handler has of the call.
    rpc: Option<RpcHandle>,
    /// The service inside has a router whose routes do not reach the layer.
    hides_routes: bool,
    /// Finds the application's own status in a response's head.
    classify: Option<Arc<dyn Classify>>,
}

/// What is known of a call before anything watches it.
pub(crate) struct Start {
    pub(crate) side: Side,
    pub(crate) wire: Wire,
    pub(crate) trace: TraceContext,
    /// The request's method, as far as it decides where its response ends.
    pub(crate) response_to: ResponseTo,
    /// The service inside has a router whose routes do not reach the layer.
    pub(crate) hides_routes: bool,
    pub(crate) classify: Option<Arc<dyn Classify>>,
}

/// How a call came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All of the response has passed.
    Complete,
    /// Nobody wants the rest of it.
    Dropped,
    /// What is inside the layer panicked.
    Panicked,
}

impl Active {
    /// Makes a call whose tracers have not started: the caller adds what is known from the request to its info, and then
    /// [starts](Self::start) it.
    ///
    /// The call is made where it stays: it is half a kilobyte, and each move of it is a copy.
    #[inline]
    pub(crate) fn new(core: &Arc<Core>, begun: Begun, start: Start) -> Box<Self> {
        let Start { side, wire, trace, response_to, hides_routes, classify } = start;
        let log = (begun.level() == Level::Detailed).then(|| Log::new(core.clone(), begun.started()));
        let exchange = Exchange::new(side, wire, log);
        let mut active = Box::new(Self {
            tap: Tap::new(exchange, Direction::Response),
            response_to,
            status: None,
            vouched: false,
            rpc: None,
            hides_routes,
            classify,
            call: begun.call(core.clone(), side, trace),
        });
        active.info_mut().invocation.protocol = wire.protocol();
        active
    }

    /// What is known of the call, to be completed before it starts.
    #[inline]
    pub(crate) fn info_mut(&mut self) -> &mut RpcInfo {
        self.call.info_mut()
    }

    /// Starts the native tracers, and follows the response's body.
    #[inline]
    pub(crate) fn start(&mut self) {
        self.call.start();
        let Self { tap, call, .. } = self;
        tap.follow(call);
    }

    /// Counts the request's body, which is announced to have so many bytes.
    #[inline]
    pub(crate) fn request_tap(&self, announced: Option<u64>) -> Tap {
        let mut tap = Tap::new(self.exchange().clone(), Direction::Request);
        tap.announce(announced);
        tap.follow(&self.call);
        tap
    }

    pub(crate) fn call(&self) -> &Call {
        &self.call
    }

    /// The plugins' part in the start of the call.
    #[inline]
    pub(crate) fn start_plugins(&mut self, headers: &mut HeaderMap) {
        self.call.start_plugins(headers);
    }

    /// The handler has this of the call; what it says is taken when the call ends.
    pub(crate) fn handled_by(&mut self, rpc: RpcHandle) {
        self.rpc = Some(rpc);
    }

    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        self.tap.exchange()
    }

    pub(crate) fn tap(&mut self) -> &mut Tap {
        &mut self.tap
    }

    fn wire(&self) -> Wire {
        self.exchange().wire()
    }

    /// The response's head is there; `is_empty` says that its body has nothing. True if nothing follows the head.
    pub(super) fn respond<B: Body>(&mut self, response: &Response<B>, is_empty: bool) -> bool {
        let side = self.exchange().side();
        let status = response.status();
        match side {
            Side::Server => self.exchange().record(EventKind::SERVER_HANDLE_FINISH),
            _ => {
                // A request does not know what will carry it: that is settled when there is a connection.
                self.call.info_mut().config.transport = protocol::transport(response.version());
                if self.wire().is_framed() {
                    self.exchange().record(EventKind::STREAM_RECV_HEADER);
                }
            }
        }
        if let Some(reached) = response.extensions().get::<super::Reached>() {
            reached.apply(self.call.info_mut());
        }
        self.status = Some(status);
        self.call.set_http_status(status.as_u16());
        self.business_status(response);
        if self.wire() == Wire::Http {
            if side == Side::Server {
                self.take_route(response);
            }
            self.fail_by_http(status);
        } else {
            // Asked of a name that is not known only.
            if side == Side::Server && self.info().invocation().method().symbol().is_none() {
                self.vouched = self.is_vouched_by(response);
            }
            self.tap.respond(status, response.headers());
            self.grpc_status(response.headers());
        }
        if self.response_to.ends_with_head(status) {
            return true;
        }
        self.tap.announce(Length::of(response.headers()).announced(response.body()));
        is_empty || self.has_passed()
    }

    /// The announced length of the response has passed, so that nothing of it follows; or more has passed, which breaks it.
    ///
    /// Over HTTP/1 the length alone ends a body (RFC 9112 6.3), and the transport asks for no more. Later versions mark the
    /// end themselves, and whatever comes before the mark counts: an error, or bytes too many.
    #[inline]
    pub(super) fn has_passed(&self) -> bool {
        match self.tap.progress() {
            Ordering::Less => false,
            Ordering::Equal => self.info().config.transport == Transport::Http1 && !self.awaits_trailers(),
            Ordering::Greater => true,
        }
    }

    /// Nothing that matters is left of the response: its announced length has passed, and no status follows.
    pub(super) fn is_over(&self) -> bool {
        self.tap.progress() != Ordering::Less && !self.awaits_trailers()
    }

    /// Fails the call if one of its bodies was not as long as announced.
    pub(super) fn fail_by_length(&mut self, direction: Direction) {
        if let Some(words) = self.exchange().length_fault(direction) {
            self.call.fail(Outcome::Error, error_type::BODY, words);
        }
    }

    /// The response's route is the call's; without one the request's is.
    fn take_route<B>(&mut self, response: &Response<B>) {
        let method = self.info().invocation().method().as_str();
        let known = method.split_once(' ');
        if let Some(route) = response.extensions().get::<super::Route>() {
            let method = known.map_or(method, |(method, _)| method).to_owned();
            self.call.set_method(&[&method, " ", route.as_str()]);
        } else if known.is_none() {
            if self.hides_routes {
                routing::lost(&self.call.core().routes_settled, response);
            }
            return;
        }
        routing::seen(&self.call.core().routes_settled);
    }

    /// Whether the head of a response speaks for the name that came over the wire.
    #[cold]
    fn is_vouched_by<B>(&self, response: &Response<B>) -> bool {
        let name = self.info().invocation().method().as_str();
        let contradicts = |route: &super::Route| self.wire().routed(route.as_str(), name) != self.wire();
        self.wire().is_spoken(response.headers().get(CONTENT_TYPE))
            && !response.extensions().get::<super::Route>().is_some_and(contradicts)
    }

    fn fail_by_http(&mut self, status: StatusCode) {
        if protocol::http::is_failure(self.exchange().side(), status) {
            self.call.fail(Outcome::Error, error_type::http(status.as_u16()), "");
        }
    }

    /// Takes the application's own status: a handler put it into the response, or the application finds it there.
    #[inline]
    fn business_status<B>(&mut self, response: &Response<B>) {
        let told = match self.exchange().side() {
            Side::Server => response.extensions().get::<BusinessStatus>(),
            _ => None,
        };
        if let Some(status) = told {
            self.call.set_business_status(status.code(), status.message());
        } else if let Some(classify) = &self.classify
            && let Some(status) = business::ask(&**classify, response)
        {
            self.call.set_business_status(status.code(), status.message());
        }
    }

    /// Takes the status of gRPC from headers or trailers. A failure that was told is not taken back.
    pub(crate) fn grpc_status(&mut self, headers: &HeaderMap) {
        if self.wire().is_grpc_family() && self.stats().rpc_status().is_none_or(|status| status == 0) {
            grpc::apply_status(&mut self.call, headers);
        }
    }

    /// The call ends without a response, or in the middle of it, with an error.
    pub(super) fn fail(&mut self, failure: Failure) {
        if let Some(reached) = failure.reached {
            reached.apply(self.call.info_mut());
        }
        #[cfg(feature = "reqwest")]
        if failure.unsent {
            self.exchange().unsend();
        }
        self.call.fail(failure.outcome, failure.error_type, failure.text);
    }

    #[inline(never)]
    pub(super) fn end(mut self: Box<Self>, ending: Ending) {
        let ending = if ending == Ending::Dropped && self.has_said_all() { Ending::Complete } else { ending };
        let told = ending == Ending::Complete && self.conclude();
        let wire = self.wire();
        if ending == Ending::Complete {
            // A caller that went away did not send all of its request either: then it is cancelled.
            self.fail_by_length(Direction::Request);
        }
        for (direction, words) in [
            (Direction::Request, "the request is no sequence of the protocol's messages"),
            (Direction::Response, "the response is no sequence of the protocol's messages"),
        ] {
            if self.exchange().is_malformed(direction) {
                self.call.fail(Outcome::Error, error_type::FRAME, words);
            }
        }
        match ending {
            Ending::Complete => {}
            Ending::Panicked => {
                let what = if self.exchange().side() == Side::Server { "the handler" } else { "the inner service" };
                self.call.fail(Outcome::Panicked, error_type::PANIC, format!("{what} panicked"));
            }
            Ending::Dropped if self.is_late() => {
                self.call.fail(Outcome::TimedOut, error_type::grpc(4), "dropped when its deadline had passed");
            }
            Ending::Dropped => {
                if self.has_succeeded_by_head() {
                    self.call.set_rpc_status(0);
                }
                self.call.fail(Outcome::Cancelled, error_type::CANCELLED, "dropped before it ended");
            }
        }
        if self.exchange().side() == Side::Server && wire != Wire::Http && !self.is_routed(ending, told) {
            self.call.set_unrouted();
        }
        let Self { call, tap, rpc, .. } = &mut *self;
        let exchange = tap.exchange();
        exchange.close();
        let (request, response) = (exchange.traffic(Direction::Request), exchange.traffic(Direction::Response));
        match exchange.side() {
            Side::Server => call.set_traffic(response, request),
            _ => call.set_traffic(request, response),
        }
        call.set_streaming(exchange.streaming());
        if let Some(log) = exchange.log() {
            log.replay(&mut call.info_mut().stats);
        }
        exchange.attempts().apply(call.info_mut());
        if let Some(notes) = rpc.as_ref().and_then(RpcHandle::close) {
            notes.apply(call.info_mut());
        }
        call.end();
    }

    /// The response's status comes in trailers, after all of its bytes.
    pub(crate) fn awaits_trailers(&self) -> bool {
        self.wire() == Wire::Grpc && self.stats().rpc_status().is_none()
    }

    /// The rest of a response does not matter: it has told how the call ended, in its body or by a status of HTTP that is
    /// an RPC's failure.
    fn has_said_all(&self) -> bool {
        self.tap.has_ended()
            || (self.wire() != Wire::Http && self.status.is_some_and(|status| status != StatusCode::OK))
    }

    /// Connect tells the success of a unary call by HTTP's status, before its message.
    fn has_succeeded_by_head(&self) -> bool {
        self.wire() == Wire::ConnectUnary
            && self.status == Some(StatusCode::OK)
            && self.tap.is_whole()
            && self.stats().outcome() == Outcome::Ok
    }

    /// Records how a response says that the call ended. True if it did so in the words of the protocol.
    fn conclude(&mut self) -> bool {
        self.tap.complete();
        let Some(status) = self.status else { return false };
        let before = self.stats().rpc_status();
        if self.wire() == Wire::Grpc && status == StatusCode::OK && before.is_some() {
            // As nearly every call of gRPC ends: there is nothing to weigh.
            return true;
        }
        let end = self.tap.end();
        let told = before.is_some() || matches!(end, End::Status(..) | End::Sealed);
        let verdict = Verdict::of(self.wire(), status, before, end);
        if let Some(code) = verdict.rpc_status {
            self.call.set_rpc_status(code);
        }
        if let Some((outcome, error_type, words)) = verdict.failure {
            self.call.fail(outcome, error_type, words);
        }
        told
    }

    /// The call's deadline has passed. Who dropped it has seen the same clock.
    fn is_late(&self) -> bool {
        let deadline = self.info().config.deadline;
        let elapsed = self.call.core().clock.now().saturating_sub(self.info().stats.started);
        let slack = DEADLINE_SLACK_NANOS.min(deadline / 8);
        deadline != 0 && elapsed.saturating_add(slack) >= deadline
    }

    /// A name that came over the wire is believed if it is known, or if something but a router or gatekeeper answered.
    fn is_routed(&self, ending: Ending, told: bool) -> bool {
        if self.info().invocation().method().symbol().is_some() || ending == Ending::Panicked {
            return true;
        }
        let refused = self.stats().rpc_status().is_some_and(grpc::needs_no_method);
        let under_way = self.status == Some(StatusCode::OK);
        let answered = if ending == Ending::Complete { told } else { under_way };
        // A page that answers every path is nobody's word for a name.
        answered && self.vouched && !(refused && self.exchange().traffic(Direction::Response).messages == 0)
    }

    fn info(&self) -> &RpcInfo {
        self.call.info()
    }

    fn stats(&self) -> &RpcStats {
        self.info().stats()
    }
}
