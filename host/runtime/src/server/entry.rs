//! Where a request comes in from hyper and its response goes out: outside of the layer, so that nothing that goes wrong
//! inside takes the connection with it.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::activity::{Activity, Underway};
use super::answer::{Asked, Speech, Trouble};
use super::body::{Body, Timed};
use super::connect_info::Connected;
use super::deadline::Deadline;
use super::inner::{Inner, Reply};
use hottap_core::layer::{ResponseBody, ServerService};

type BoxError = Box<dyn Error + Send + Sync>;
/// A service inside the server's layer.
pub(super) type Layered<S> = ServerService<Inner<S>>;
type Pending<S> = <Layered<S> as Service<Request<Timed>>>::Future;

/// What hyper calls for each request of one connection.
pub(super) struct Entry<S> {
    pub(super) service: Layered<S>,
    pub(super) ends: Connected,
    pub(super) activity: Arc<Activity>,
    pub(super) body_timeout: Option<Duration>,
    pub(super) stream_timeout: Option<Duration>,
}

impl<S, R> hyper::service::Service<Request<Incoming>> for Entry<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone,
    S::Error: fmt::Display + 'static,
    R: HttpBody,
    R::Error: Into<BoxError> + fmt::Display + 'static,
{
    type Response = Response<Outgoing<R>>;
    type Error = Infallible;
    type Future = Answer<S, R>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let underway = Underway::new(&self.activity);
        self.ends.tell(request.extensions_mut());
        let asked = Asked::of(request.headers());
        let to_connect = request.method() == Method::CONNECT;
        let timeout = if asked.may_be_silent { self.stream_timeout } else { self.body_timeout };
        let request = request.map(|body| Timed::new(body, timeout));
        let state = State::Waiting { service: self.service.clone(), request: Some(request) };
        let (speech, deadline) = (asked.speech, Deadline::after(asked.timeout));
        Answer { state, underway: Some(underway), speech, deadline, to_connect }
    }
}

pin_project! {
    /// The response to one request. Panics and errors of the service become a response that says so.
    pub(super) struct Answer<S, R>
    where
        S: Service<Request<Body>, Response = Response<R>>,
        S::Error: fmt::Display,
        S::Error: 'static,
        R: HttpBody,
    {
        #[pin]
        state: State<S, R>,
        underway: Option<Underway>,
        speech: Speech,
        deadline: Deadline,
        to_connect: bool,
    }
}

pin_project! {
    #[project = Project]
    enum State<S, R>
    where
        S: Service<Request<Body>, Response = Response<R>>,
        S::Error: fmt::Display,
        S::Error: 'static,
        R: HttpBody,
    {
        /// The service may not be ready.
        Waiting { service: Layered<S>, request: Option<Request<Timed>> },
        Running { #[pin] future: Pending<S> },
        Over,
    }
}

impl<S, R> State<S, R>
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Error: fmt::Display + 'static,
    R: HttpBody,
{
    /// None if the service gave an error: the layer has told the tracers what it was, and the caller need not know.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Response<ResponseBody<Reply<R>>>>> {
        loop {
            let future = match self.as_mut().project() {
                Project::Waiting { service, request } => {
                    if ready!(service.poll_ready(context)).is_err() {
                        return Poll::Ready(None);
                    }
                    let Some(request) = request.take() else { return Poll::Ready(None) };
                    service.call(request)
                }
                Project::Running { future } => return future.poll(context).map(Result::ok),
                Project::Over => return Poll::Ready(None),
            };
            self.set(Self::Running { future });
        }
    }
}

impl<S, R> Future for Answer<S, R>
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Error: fmt::Display + 'static,
    R: HttpBody,
{
    type Output = Result<Response<Outgoing<R>>, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // What panicked is not looked at again, only dropped.
        let result = catch_unwind(AssertUnwindSafe(|| this.state.as_mut().poll(context)));
        let response = match result {
            Ok(Poll::Pending) => {
                ready!(this.deadline.poll(context));
                Err(Trouble::Late)
            }
            Ok(Poll::Ready(response)) => response.ok_or(Trouble::Broken),
            Err(_panic) => Err(Trouble::Broken),
        };
        // What it leaves behind may panic once more.
        let _ = catch_unwind(AssertUnwindSafe(|| this.state.set(State::Over)));
        let underway = this.underway.take();
        Poll::Ready(Ok(match response {
            Ok(response) => {
                let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS
                    || (*this.to_connect && response.status().is_success());
                if let Some(underway) = underway.as_ref().filter(|_| upgrades) {
                    underway.activity().upgrade();
                }
                let (deadline, speech) = (std::mem::take(this.deadline), *this.speech);
                response.map(|body| Outgoing { body: Some(body), deadline, speech, _underway: underway })
            }
            Err(trouble) => {
                let (deadline, speech) = (Deadline::default(), *this.speech);
                speech.say(trouble, Outgoing { body: None, deadline, speech, _underway: underway })
            }
        }))
    }
}

pin_project! {
    /// A response's body on its way out; until it is dropped, its request is under way. A panic ends it as an error.
    pub(super) struct Outgoing<R: HttpBody> {
        #[pin]
        body: Option<ResponseBody<Reply<R>>>,
        deadline: Deadline,
        speech: Speech,
        _underway: Option<Underway>,
    }
}

impl<R: HttpBody> HttpBody for Outgoing<R>
where
    R::Error: Into<BoxError> + fmt::Display + 'static,
{
    type Data = R::Data;
    type Error = BoxError;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<R::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let trouble = match catch_unwind(AssertUnwindSafe(|| body.poll_frame(context))) {
            // A body that always has more is never waited for.
            Ok(Poll::Ready(Some(Ok(frame)))) if frame.is_data() && this.deadline.has_passed() => Trouble::Late,
            Ok(Poll::Ready(frame)) => return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Ok(Poll::Pending) => {
                ready!(this.deadline.poll(context));
                Trouble::Late
            }
            Err(_panic) => Trouble::Broken,
        };
        // What it leaves behind may panic once more.
        let _ = catch_unwind(AssertUnwindSafe(|| this.body.set(None)));
        if (trouble, *this.speech) == (Trouble::Late, Speech::Grpc) {
            let mut trailers = HeaderMap::new();
            trouble.tell(&mut trailers);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let why = if trouble == Trouble::Late { "the deadline has passed" } else { "the response's body panicked" };
        Poll::Ready(Some(Err(why.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
