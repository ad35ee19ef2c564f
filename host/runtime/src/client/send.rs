//! How a call is sent: attempt after attempt, within its time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::capture_connection;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use super::attempts::Attempts;
use super::balance::Pick;
use super::body::{Body, First, Rest};
use super::endpoint::Endpoint;
use super::outgoing::{BoxedBody, Outgoing};
use super::replay::Replay;
use super::retry::{Failed, Retry};
use super::watch::Watch;
use super::{Error, ErrorKind, Phase, deadline};
use crate::client::error;
use hottap_core::layer::{Journal, Reached, grpc};

/// Tells the server how often a call was tried before.
static PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// How long the first piece of a response of gRPC is waited for after its head, where it could say that the call should be
/// tried again. A server that has nothing to say sends it along with the head. Longer, and the head of a stream that has no
/// message yet would be held back for nothing; shorter, and a slow network would come between.
const LOOK: Duration = Duration::from_millis(20);

/// When a call has to be done. In its request's extensions on the way through the layer.
#[derive(Clone, Copy)]
pub(super) struct Until(pub(super) Instant);

/// What all clones of a client share.
pub(super) struct Sender {
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Requests have the same scheme and authority wherever they go.
    pub(super) has_one_origin: bool,
    pub(super) retry: Option<Retry>,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) stream_timeout: Option<Duration>,
}

/// One call while it is being sent.
struct Call {
    grpc: bool,
    until: Option<Instant>,
    attempts: Attempts,
}

/// What an attempt came to.
struct Answer {
    response: Response<Incoming>,
    /// The first piece of its body, if it was looked at.
    first: Option<First>,
    /// It is a status after which another attempt could be better.
    refused: bool,
    pick: Pick,
    watch: Option<Arc<Watch>>,
}

/// With why another attempt could be better.
type Attempted = (Answer, Option<Failed>);

impl Sender {
    /// Scheme and authority of all requests, if they are the same for all.
    pub(super) fn origin(&self) -> Option<(&Scheme, &Authority)> {
        if self.has_one_origin { self.endpoints.first().map(|first| first.origin()) } else { None }
    }

    pub(super) async fn send(self: Arc<Self>, request: Request<BoxedBody>) -> Result<Response<Body>, Error> {
        let (mut parts, body) = request.into_parts();
        let until = parts.extensions.remove::<Until>().map(|Until(until)| until);
        let journal = parts.extensions.remove::<Journal>();
        let grpc = deadline::is_grpc(&parts.headers);
        let mut call =
            Call { grpc, until, attempts: Attempts::new(journal, self.retry.is_some(), self.has_one_origin) };
        let mut timer = until.map(|until| Box::pin(sleep_until(until)));
        let result = match &mut timer {
            None => self.attempts(&mut call, parts, body).await,
            Some(timer) => match within(timer.as_mut(), self.attempts(&mut call, parts, body)).await {
                Some(result) => result,
                None => Err(self.out_of_time(&mut call)),
            },
        };
        match result {
            Ok(answer) => Ok(self.finish(call, answer, timer)),
            Err(error) => Err(if grpc { error::in_grpc(error) } else { error }),
        }
    }

    fn out_of_time(&self, call: &mut Call) -> Error {
        let phase = if call.attempts.number() == 0 { Phase::Start } else { Phase::Head };
        let mut error = Error::new(ErrorKind::CallTimedOut, phase);
        if let [only] = &self.endpoints[..] {
            error = error.at(&only.peer, None);
        }
        call.attempts.attempt_failed(&error);
        error
    }

    /// The response goes to the application; what has to be watched goes with its body.
    fn finish(&self, mut call: Call, answer: Answer, timer: Option<Pin<Box<Sleep>>>) -> Response<Body> {
        let Answer { response, first, pick, refused: _, watch: _ } = answer;
        let mut row = call.attempts.attempt_answered(&response);
        if call.grpc {
            row.status(response.headers());
        }
        let reached = response.extensions().get::<Reached>().copied();
        let journal = call.attempts.journal().filter(|journal| journal.is_detailed()).cloned();
        response.map(|incoming| {
            let rest = Rest { first, timer, journal, stream_timeout: self.stream_timeout, row };
            Body::new(incoming, pick, reached, call.grpc, rest)
        })
    }

    async fn attempts(&self, call: &mut Call, mut parts: Parts, body: BoxedBody) -> Result<Answer, Error> {
        if call.until.is_some_and(|until| until <= Instant::now()) {
            return Err(self.out_of_time(call));
        }
        let Some(retry) = &self.retry else {
            let pick = self.pick()?;
            call.attempts.attempt_started(&mut parts, &pick.endpoint);
            let result = self.attempt(call, pick, parts, Outgoing::once(body)).await;
            if let Err(error) = &result {
                call.attempts.attempt_failed(error);
            }
            return result.map(|(answer, _)| answer);
        };
        retry.deposit();
        let replay = Replay::new(body, retry.max_buffer);
        loop {
            let mut request = parts.clone();
            let pick = self.pick()?;
            call.attempts.attempt_started(&mut request, &pick.endpoint);
            call.prepare(&mut request.headers);
            let (result, failed) = match self.attempt(call, pick, request, Outgoing::again(&replay)).await {
                Err(error) => {
                    call.attempts.attempt_failed(&error);
                    let failed = Failed::of_error(&error);
                    (Err(error), failed)
                }
                Ok((answer, failed)) => (Ok(answer), failed),
            };
            let pause = failed.and_then(|failed| {
                let pause = retry.pause(call.attempts.number(), &parts.method, &failed, fastrand::f64())?;
                let then = Instant::now().checked_add(pause)?;
                let in_time = call.until.is_none_or(|until| then < until);
                (in_time && replay.is_whole() && retry.withdraw() && replay.take_back()).then_some(pause)
            });
            if let Ok(answer) = &result
                && answer.refused
                && pause.is_some()
            {
                call.attempts.attempt_refused(&Words(answer), &answer.response, answer.status());
            } else if let Ok(answer) = &result
                && answer.refused
            {
                call.attempts.last_refused(&Words(answer));
            }
            let Some(pause) = pause else { return result };
            drop(result);
            sleep(pause).await;
        }
    }

    fn pick(&self) -> Result<Pick, Error> {
        Pick::among(&self.endpoints).ok_or_else(|| Error::new(ErrorKind::Request, Phase::Start))
    }

    /// Sends it once. Dropped, it resets its stream, or closes its connection if that can serve only one call at a time.
    async fn attempt(&self, call: &Call, pick: Pick, parts: Parts, mut body: Outgoing) -> Result<Attempted, Error> {
        let mut request = Request::from_parts(parts, ());
        let journal = call.attempts.journal().filter(|journal| journal.is_detailed());
        let watch = (journal.is_some() || self.retry.is_some()).then(|| {
            let connection = journal.map(|_| capture_connection(&mut request));
            Arc::new(Watch::start(journal.cloned(), connection))
        });
        if let Some(watch) = &watch {
            body.watch(watch.clone());
        }
        let result = {
            let endpoint = &pick.endpoint;
            let mut sending = pin!(endpoint.send(request.map(|()| body), call.grpc));
            let watched = poll_fn(|context| {
                let result = sending.as_mut().poll(context);
                if let Some(watch) = &watch {
                    watch.look();
                }
                result
            });
            match self.attempt_timeout {
                None => watched.await,
                Some(limit) => match timeout(limit, watched).await {
                    Ok(result) => result,
                    Err(_) => Err(Error::new(ErrorKind::AttemptTimedOut, Phase::Head).at(&endpoint.peer, None)),
                },
            }
        };
        match result {
            Ok(response) => {
                if let Some(watch) = &watch {
                    watch.answered();
                }
                let mut answer = Answer { response, first: None, refused: false, pick, watch };
                let failed = match self.retry {
                    None => Failed::of_response(&answer.response, call.grpc, SystemTime::now),
                    Some(_) => answer.failed(call.grpc).await,
                };
                answer.refused = failed.is_some();
                if failed.is_some_and(|failed| failed.is_unavailable) {
                    answer.pick.failed();
                } else {
                    answer.pick.succeeded();
                }
                Ok((answer, failed))
            }
            Err(error) => {
                if Failed::of_error(&error).is_some_and(|failed| failed.is_unavailable) {
                    pick.failed();
                } else if error::is_of_connection(&error) {
                    pick.broke_off();
                }
                Err(error)
            }
        }
    }
}

impl Call {
    /// Tells the server what is left of the time, and how often it was tried before.
    fn prepare(&self, headers: &mut HeaderMap) {
        if !self.grpc || self.attempts.number() == 1 {
            return;
        }
        let _ = headers.try_insert(&PREVIOUS_ATTEMPTS, HeaderValue::from(self.attempts.number() - 1));
        if let Some(until) = self.until {
            deadline::tell(headers, until.saturating_duration_since(Instant::now()));
        }
    }
}

impl Answer {
    /// Headers or trailers, whichever have gRPC's status.
    fn status(&self) -> &HeaderMap {
        let trailers = self.first.as_ref().and_then(|First(first)| match first {
            Some(Ok(frame)) => Frame::trailers_ref(frame),
            _ => None,
        });
        trailers.unwrap_or(self.response.headers())
    }

    /// Whether another attempt could be better. Looks at the first piece of the body of a response of gRPC, if all of the
    /// request has been handed over: before that, the server may well wait for more of it.
    async fn failed(&mut self, grpc: bool) -> Option<Failed> {
        let failed = Failed::of_response(&self.response, grpc, SystemTime::now);
        if failed.is_some() || !grpc || grpc::status(self.response.headers()).is_some() {
            return failed;
        }
        if !self.watch.as_ref().is_some_and(|watch| watch.is_handed_over()) {
            return None;
        }
        let Ok(first) = timeout(LOOK, self.response.body_mut().frame()).await else { return None };
        let failed = match &first {
            Some(Ok(frame)) => frame.trailers_ref().and_then(Failed::of_grpc),
            _ => None,
        };
        self.first = Some(First(first));
        failed
    }
}

/// A status that is a failure, in words.
struct Words<'a>(&'a Answer);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let headers = self.0.status();
        match grpc::status(headers) {
            Some(status) => write!(f, "{} {}", hottap_core::rpc::error_type::grpc(status), grpc::message(headers)),
            None => write!(f, "{}", self.0.response.status()),
        }
    }
}

/// Runs it until the timer has run down: then none.
async fn within<F: Future>(mut timer: Pin<&mut Sleep>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.as_mut().poll(context).map(|()| None),
    })
    .await
}
