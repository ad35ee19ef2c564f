//! Whether a call is tried again, and when: pure decisions, and the settings that they follow.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, Response, StatusCode};
use tower::retry::budget::{Budget, TpsBudget};

use super::{Error, ErrorKind, Phase};
use crate::client::error;
use hottap_core::backoff::ExponentialBackoff;
use hottap_core::layer::grpc;
use hottap_io::dial::retry_after;

/// A status of gRPC.
const UNAVAILABLE: u16 = 14;
/// Bytes of a request's body that are kept so that it can be sent again.
const BUFFER: usize = 64 * 1024;

/// The longest wait that a server may ask for: one that asks for more gets no other attempt. Without a bound, a server could
/// have calls wait for ever; a shorter one would ask servers again that are being started anew.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The longest pause: nobody waits for it, and sums with it do not overflow.
const LONGEST_PAUSE: Duration = Duration::from_secs(365 * 24 * 3600);

/// When a call is tried again.
///
/// Only where it can't do harm, and only where the request's body can be sent once more: what goes out is kept up to
/// [`max_buffer`](Retry::max_buffer), and a body that is larger is sent once.
///
/// | what happened | tried again |
/// |---|---|
/// | no connection, no TLS; the server refused the stream unseen | always: nothing was done |
/// | gRPC: UNAVAILABLE in the response's head; or, of a request that is all sent, within 20 ms of it and before any message | always: the server says that it has done nothing |
/// | HTTP: 503, 429 | idempotent methods |
/// | the peer broke off before its response's head; the attempt's time was over | idempotent methods |
///
/// Idempotent methods are those of RFC 9110 (GET, HEAD, OPTIONS, TRACE, PUT, DELETE), or all of them after
/// [`any_method`](Retry::any_method); a call of gRPC is a POST. A response that has begun is never tried again.
///
/// Between two attempts there is a pause that doubles each time, of which up to half is taken off at random; the server's
/// `retry-after` and `grpc-retry-pushback-ms` make it longer, up to a minute, or forbid to try again; more than a minute
/// forbids it. It is not begun if the call's
/// deadline would pass in it. All calls of a client share one budget: each call adds to it, each retry takes from it, so
/// that a server that is down does not get several times the calls.
#[derive(Clone, Debug)]
pub struct Retry {
    pub(super) max_attempts: u16,
    backoff: ExponentialBackoff,
    any_method: bool,
    pub(super) max_buffer: usize,
    budget: Arc<TpsBudget>,
}

impl Retry {
    /// At most so many attempts in all, at least 1. Pauses of 25 ms to 1 s; a budget of one retry for every five calls of
    /// the last 10 s, and 10 per second beside.
    #[must_use]
    pub fn new(max_attempts: u16) -> Self {
        Self {
            max_attempts: max_attempts.max(1),
            backoff: ExponentialBackoff::new(Duration::from_millis(25), Duration::from_secs(1)),
            any_method: false,
            max_buffer: BUFFER,
            budget: Arc::new(TpsBudget::default()),
        }
    }

    /// How long the first pause is, and how long the longest, before something is taken off at random.
    #[must_use]
    pub fn pauses(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = ExponentialBackoff::new(first.min(LONGEST_PAUSE), longest.max(first).min(LONGEST_PAUSE));
        self
    }

    /// Retries that are allowed for every call of the last 10 s (0.2 is one for every five, at most 1000), and per second
    /// beside.
    #[must_use]
    pub fn budget(mut self, per_call: f32, per_second: u32) -> Self {
        // What tower does not take, and would panic on, is taken as the nearest that it does.
        const WINDOW: Duration = Duration::from_secs(10);
        let per_call = if per_call.is_nan() { 0.0 } else { per_call.clamp(0.0, 1000.0) };
        self.budget = Arc::new(TpsBudget::new(WINDOW, per_second.min(1_000_000), per_call));
        self
    }

    /// Every method may be tried again: the server does no harm if it gets the same request twice.
    #[must_use]
    pub fn any_method(mut self) -> Self {
        self.any_method = true;
        self
    }

    /// Bytes of a request's body that are kept at most, per call. Default 64 KiB; 0 keeps nothing, so that only requests
    /// without a body, and those that had no connection, are tried again.
    #[must_use]
    pub fn max_buffer(mut self, bytes: usize) -> Self {
        self.max_buffer = bytes;
        self
    }

    /// A call begins.
    pub(super) fn deposit(&self) {
        self.budget.deposit();
    }

    /// A retry is about to begin. False if there have been too many.
    pub(super) fn withdraw(&self) -> bool {
        self.budget.withdraw()
    }

    /// The pause before the next attempt; none if there is to be no other. `attempts` have been made, `fraction` is random
    /// from 0 to 1.
    pub(super) fn pause(&self, attempts: u16, method: &Method, failed: &Failed, fraction: f64) -> Option<Duration> {
        let allowed = failed.is_harmless || self.any_method || method.is_idempotent();
        if !allowed || attempts >= self.max_attempts {
            return None;
        }
        let pause = self.backoff.jittered(attempts.saturating_sub(1).into(), 1.0 - fraction);
        match failed.server_says {
            ServerSays::Nothing => Some(pause),
            ServerSays::After(wait) => (wait <= LONGEST_WAIT).then(|| pause.max(wait)),
            ServerSays::Never => None,
        }
    }
}

/// An attempt that failed so that another one could be better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Failed {
    /// The server has done nothing.
    is_harmless: bool,
    server_says: ServerSays,
    /// The server is not available, as far as this tells.
    pub(super) is_unavailable: bool,
}

/// What the server wants.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ServerSays {
    Nothing,
    After(Duration),
    Never,
}

impl Failed {
    /// None if another attempt would end in the same way.
    pub(super) fn of_error(error: &Error) -> Option<Self> {
        let no_connection = error.phase() <= Phase::Handshake && error.phase() != Phase::Start;
        let is_harmless = no_connection || error::was_refused_unseen(error);
        let is_broken = matches!(error.kind(), ErrorKind::Reset | ErrorKind::Transport | ErrorKind::AttemptTimedOut);
        (is_harmless || is_broken).then_some(Self {
            is_harmless,
            server_says: ServerSays::Nothing,
            is_unavailable: no_connection,
        })
    }

    /// None if the response's head is nothing to try again for. `now` is asked only where the server may name a date.
    pub(super) fn of_response<B>(response: &Response<B>, grpc: bool, now: impl FnOnce() -> SystemTime) -> Option<Self> {
        match response.status() {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some(Self {
                is_harmless: false,
                server_says: wish(response.headers(), now()),
                is_unavailable: response.status() == StatusCode::SERVICE_UNAVAILABLE,
            }),
            _ if grpc => Self::of_grpc(response.headers()),
            _ => None,
        }
    }

    /// What headers or trailers of gRPC say, before which no message came.
    pub(super) fn of_grpc(headers: &HeaderMap) -> Option<Self> {
        (grpc::status(headers) == Some(UNAVAILABLE)).then(|| Self {
            is_harmless: true,
            server_says: pushback(headers),
            is_unavailable: true,
        })
    }
}

/// `retry-after`; what can't be read says nothing.
fn wish(headers: &HeaderMap, now: SystemTime) -> ServerSays {
    let text = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    text.and_then(|text| retry_after(text, now)).map_or(ServerSays::Nothing, ServerSays::After)
}

/// gRPC's own (<https://github.com/grpc/proposal/blob/master/A6-client-retries.md>): what can't be read, or is negative,
/// forbids it.
fn pushback(headers: &HeaderMap) -> ServerSays {
    match headers.get("grpc-retry-pushback-ms") {
        None => ServerSays::Nothing,
        Some(value) => match value.to_str().ok().and_then(|text| text.parse().ok()) {
            Some(millis) => ServerSays::After(Duration::from_millis(millis)),
            None => ServerSays::Never,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&'static str, &'static str)]) -> Response<()> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).expect("a response")
    }

    #[track_caller]
    fn check(failed: Option<Failed>, method: &Method, expected: Option<u64>, reason: &str) {
        let retry = Retry::new(3).pauses(Duration::from_millis(100), Duration::from_secs(1));
        let pause = failed.and_then(|failed| retry.pause(1, method, &failed, 0.0));
        assert_eq!(pause, expected.map(Duration::from_millis), "{reason}");
    }

    #[test]
    fn only_what_does_no_harm_is_tried_again() {
        let error = |kind, phase| Failed::of_error(&Error::new(kind, phase));
        let (get, post) = (&Method::GET, &Method::POST);
        check(error(ErrorKind::ConnectionRefused, Phase::Connect), post, Some(100), "nothing was sent");
        check(error(ErrorKind::Dns, Phase::Resolve), post, Some(100), "nothing was sent");
        check(error(ErrorKind::NotTls, Phase::Handshake), post, Some(100), "nothing was sent");
        check(error(ErrorKind::Reset, Phase::Head), get, Some(100), "idempotent");
        check(error(ErrorKind::Reset, Phase::Head), post, None, "it may have been done");
        check(error(ErrorKind::AttemptTimedOut, Phase::Head), &Method::PUT, Some(100), "idempotent");
        check(error(ErrorKind::Protocol, Phase::Head), get, None, "it would answer the same again");
        check(error(ErrorKind::Request, Phase::Start), get, None, "it is no better the next time");
        check(error(ErrorKind::RequestBody, Phase::Head), get, None, "the application's own");
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let http = |status, headers: &[_]| Failed::of_response(&response(status, headers), false, || now);
        check(http(200, &[]), get, None, "it is good");
        check(http(500, &[]), get, None, "nobody says that it helps");
        check(http(503, &[]), get, Some(100), "not available");
        check(http(503, &[]), post, None, "it may have been done");
        check(http(503, &[("retry-after", "2")]), get, Some(2_000), "the server says when");
        check(http(429, &[("retry-after", "0")]), get, Some(100), "but not at once");
        check(http(429, &[("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT")]), get, Some(100), "a date that is over");
        check(http(429, &[("retry-after", " Sun, 06 Nov 1994 08:49:40 GMT")]), get, Some(3_000), "a date");
        check(http(503, &[("retry-after", "61")]), get, None, "longer than anybody waits");
        check(http(429, &[("retry-after", "soon")]), get, Some(100), "what cannot be read");
        let grpc = |headers: &[_]| Failed::of_response(&response(200, headers), true, || now);
        check(grpc(&[]), post, None, "no status yet");
        check(grpc(&[("grpc-status", "14")]), post, Some(100), "UNAVAILABLE");
        check(grpc(&[("grpc-status", "13")]), post, None, "INTERNAL");
        check(grpc(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "700")]), post, Some(700), "pushed back");
        check(grpc(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "-1")]), post, None, "told not to");
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_shortened_by_up_to_half() {
        let retry = Retry::new(99).pauses(Duration::from_millis(100), Duration::from_secs(1));
        let failed = Failed::of_error(&Error::new(ErrorKind::Dns, Phase::Resolve)).expect("harmless");
        let pause =
            |attempts, fraction| retry.pause(attempts, &Method::POST, &failed, fraction).map(|pause| pause.as_millis());
        let pauses: Vec<_> = (1..=6).filter_map(|attempts| pause(attempts, 0.0)).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause(1, 1.0), Some(50));
        assert_eq!(pause(98, 0.0), Some(1000));
        assert_eq!(pause(99, 0.0), None, "these were all");
    }

    #[tokio::test]
    async fn a_budget_that_nobody_can_have_is_the_nearest_one() {
        for (per_call, per_second) in [(f32::NAN, 0), (-1.0, 0), (f32::INFINITY, u32::MAX)] {
            let retry = Retry::new(2).budget(per_call, per_second);
            retry.deposit();
            retry.withdraw();
        }
    }
}
