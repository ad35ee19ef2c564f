//! How a call is sent: attempt after attempt, within its time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;
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
use crate::layer::{Journal, Reached, grpc};

/// Tells the server how often a call was tried before.
static PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// When a call has to be done. In its request's extensions on the way through the layer.
#[derive(Clone, Copy)]
pub(super) struct Until(pub(super) Instant);

/// What all clones of a client share.
pub(super) struct Sender {
    pub(super) endpoints: Vec<Arc<Endpoint>>,
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
    pick: Pick,
    watch: Option<Arc<Watch>>,
}

impl Sender {
    pub(super) async fn send(self: Arc<Self>, request: Request<BoxedBody>) -> Result<Response<Body>, Error> {
        let (mut parts, body) = request.into_parts();
        let until = parts.extensions.remove::<Until>().map(|Until(until)| until);
        let journal = parts.extensions.remove::<Journal>();
        let grpc = deadline::is_grpc(&parts.headers);
        let mut call = Call { grpc, until, attempts: Attempts::new(journal, self.retry.is_some()) };
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
            Err(error) => Err(if grpc { error.in_grpc() } else { error }),
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
    fn finish(&self, call: Call, answer: Answer, timer: Option<Pin<Box<Sleep>>>) -> Response<Body> {
        let Answer { response, first, pick, watch: _ } = answer;
        let reached = response.extensions().get::<Reached>().copied();
        let journal = call.attempts.journal().filter(|journal| journal.is_detailed()).cloned();
        response.map(|incoming| {
            let rest = Rest { first, timer, journal, stream_timeout: self.stream_timeout };
            Body::new(incoming, pick, reached, call.grpc, rest)
        })
    }

    async fn attempts(&self, call: &mut Call, mut parts: Parts, body: BoxedBody) -> Result<Answer, Error> {
        if call.until.is_some_and(|until| until <= Instant::now()) {
            return Err(self.out_of_time(call));
        }
        let Some(retry) = &self.retry else {
            call.attempts.attempt_started(&mut parts);
            return self.attempt(call, parts, Outgoing::once(body)).await;
        };
        retry.deposit();
        let replay = Replay::new(body, retry.max_buffer);
        loop {
            let mut request = parts.clone();
            call.attempts.attempt_started(&mut request);
            call.prepare(&mut request.headers);
            let mut result = self.attempt(call, request, Outgoing::again(&replay)).await;
            let failed = match &mut result {
                Err(error) => {
                    call.attempts.attempt_failed(error);
                    Failed::of_error(error)
                }
                Ok(answer) => {
                    let failed = answer.failed(call.grpc).await;
                    match &failed {
                        Some(_) => call.attempts.attempt_failed(&Words(answer)),
                        None => call.attempts.attempt_answered(),
                    }
                    failed
                }
            };
            let pause = failed.and_then(|failed| {
                let pause = retry.pause(call.attempts.number(), &parts.method, &failed, fastrand::f64())?;
                let in_time = call.until.is_none_or(|until| Instant::now() + pause < until);
                (in_time && replay.is_whole() && retry.withdraw()).then_some(pause)
            });
            let Some(pause) = pause else { return result };
            drop(result);
            sleep(pause).await;
        }
    }

    /// Sends it once. Dropped, it resets its stream, or closes its connection if that can serve only one call at a time.
    async fn attempt(&self, call: &Call, parts: Parts, mut body: Outgoing) -> Result<Answer, Error> {
        let Some(pick) = Pick::among(&self.endpoints) else {
            return Err(Error::new(ErrorKind::Request, Phase::Start));
        };
        let mut request = Request::from_parts(parts, ());
        let journal = call.attempts.journal().filter(|journal| journal.is_detailed());
        let watch = (journal.is_some() || self.retry.is_some()).then(|| {
            let connection = journal.map(|_| capture_connection(&mut request));
            Arc::new(Watch::start(journal.cloned(), connection))
        });
        if let Some(watch) = &watch {
            body.watch(watch.clone());
        }
        let endpoint = &pick.endpoint;
        let sending =
            endpoint.send(request.map(|()| body), call.grpc).map_err(|error| error.at(&endpoint.peer, None))?;
        let mut sending = pin!(sending);
        let watched = poll_fn(|context| {
            let result = sending.as_mut().poll(context);
            if let Some(watch) = &watch {
                watch.look();
            }
            result
        });
        let result = match self.attempt_timeout {
            None => watched.await.map_err(|error| endpoint.error(error)),
            Some(limit) => match timeout(limit, watched).await {
                Ok(result) => result.map_err(|error| endpoint.error(error)),
                Err(_) => Err(Error::new(ErrorKind::AttemptTimedOut, Phase::Head).at(&endpoint.peer, None)),
            },
        };
        match result {
            Ok(response) => {
                if let Some(watch) = &watch {
                    watch.answered();
                }
                if Failed::of_response(&response, call.grpc).is_some_and(|failed| failed.is_unavailable) {
                    pick.failed();
                } else {
                    pick.succeeded();
                }
                Ok(Answer { response, first: None, pick, watch })
            }
            Err(error) => {
                if Failed::of_error(&error).is_some_and(|failed| failed.is_unavailable) {
                    pick.failed();
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
    /// Whether another attempt could be better. Looks at the first piece of the body of a response of gRPC, if all of the
    /// request has been handed over: before that, the server may well wait for more of it.
    async fn failed(&mut self, grpc: bool) -> Option<Failed> {
        let failed = Failed::of_response(&self.response, grpc);
        if failed.is_some() || !grpc || grpc::status(self.response.headers()).is_some() {
            return failed;
        }
        if !self.watch.as_ref().is_some_and(|watch| watch.is_handed_over()) {
            return None;
        }
        let first = self.response.body_mut().frame().await;
        let failed = match &first {
            Some(Ok(frame)) => frame.trailers_ref().and_then(Failed::of_grpc),
            _ => None,
        };
        if failed.is_some() {
            self.pick.failed();
        }
        self.first = Some(First(first));
        failed
    }
}

/// A status that is a failure, in words.
struct Words<'a>(&'a Answer);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let trailers = self.0.first.as_ref().and_then(|First(first)| match first {
            Some(Ok(frame)) => Frame::trailers_ref(frame),
            _ => None,
        });
        let headers = trailers.unwrap_or(self.0.response.headers());
        match grpc::status(headers) {
            Some(status) => write!(f, "{} {}", crate::rpc::error_type::grpc(status), grpc::message(headers)),
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
