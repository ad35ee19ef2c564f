//! The attempts of a call that a retrying middleware makes, each seen by the client layer that stands inside of it.

use crate::lock::lock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use http::uri::{Authority, Scheme};
use http::{Extensions, StatusCode, Uri};
use http_body::{Frame, SizeHint};
use reqwest::Body;
use reqwest_middleware::{Error, Next};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::body::{into_http, with_url};
use super::error::told;
use crate::layer::failure::Failure;
use crate::layer::{Journal, Reached};
use crate::propagate;
use crate::rpc::{Outcome, Peer, Symbol, error_type};
use crate::tracer::Call;

/// The call that attempts belong to. Among the extensions that middlewares hand on.
#[derive(Clone)]
pub(super) struct Attempted(Arc<Shared>);

struct Shared {
    journal: Journal,
    number: AtomicU16,
    failed: LastFailure,
}

/// The failure of the last attempt; none if it did not fail.
#[derive(Clone, Default)]
pub(super) struct LastFailure(Arc<Mutex<Option<(Outcome, Symbol)>>>);

impl LastFailure {
    pub(super) fn get(&self) -> Option<(Outcome, Symbol)> {
        *lock(&self.0)
    }

    fn set(&self, failure: Option<(Outcome, Symbol)>) {
        *lock(&self.0) = failure;
    }
}

/// The extensions that middlewares hand on, with something else among them for a while: another attempt may get the same
/// extensions, also after this one was dropped.
pub(super) struct Lent<'a> {
    pub(super) extensions: &'a mut Extensions,
    before: Option<Attempted>,
}

impl<'a> Lent<'a> {
    /// Puts a call among them, or takes it away.
    pub(super) fn new(extensions: &'a mut Extensions, attempted: Option<Attempted>) -> Self {
        let before = extensions.remove::<Attempted>();
        attempted.map(|attempted| extensions.insert(attempted));
        Self { extensions, before }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.extensions.remove::<Attempted>();
        self.before.take().map(|before| self.extensions.insert(before));
    }
}

impl Attempted {
    pub(super) fn new(journal: Journal) -> Self {
        Self(Arc::new(Shared { journal, number: AtomicU16::new(0), failed: LastFailure::default() }))
    }

    pub(super) fn failed(&self) -> LastFailure {
        self.0.failed.clone()
    }

    /// Makes one attempt.
    pub(super) async fn attempt(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<reqwest::Response, Error> {
        let Shared { journal, number, failed } = &*self.0;
        let number = number.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        journal.attempt_started(number);
        let mut row = Row(start(journal, number, &mut request));
        let lent = Lent::new(extensions, None);
        match next.run(request, lent.extensions).await {
            Ok(response) => {
                failed.set(None);
                let status = response.status();
                if is_transient(status) {
                    journal.attempt_failed(number, &status);
                }
                if row.0.is_none() {
                    return Ok(response);
                }
                let response = into_http(response);
                row.answered(status, response.extensions().get::<Reached>().copied());
                Ok(with_url(response.map(|body| Body::wrap(AttemptBody { body, row }))))
            }
            Err(error) => {
                let failure =
                    told(&error, error_type::TRANSPORT).unwrap_or_else(|| Failure::of(&error, error_type::TRANSPORT));
                failed.set(Some((failure.outcome, failure.error_type)));
                journal.attempt_failed(number, &failure.text);
                row.fail(failure);
                Err(error)
            }
        }
    }
}

/// The row of an attempt, if some tracer wants it; the request goes out with its identity then.
fn start(journal: &Journal, number: u16, request: &mut reqwest::Request) -> Option<Box<Call>> {
    let uri: Uri = request.url().as_str().parse().ok()?;
    let origin = (uri.scheme()?, uri.authority()?);
    let call = journal.attempt(number, &peer(origin), origin).map(Box::new)?;
    if let Some((trace, _)) = call.context().outgoing() {
        propagate::identify(&trace, call.core().trace.propagators(), request.headers_mut());
    }
    Some(call)
}

/// The peer of an attempt by its URL: the host, and the port or the default port of the scheme.
fn peer((scheme, authority): (&Scheme, &Authority)) -> Peer {
    let port = authority.port_u16().unwrap_or(if *scheme == Scheme::HTTPS { 443 } else { 80 });
    Peer::text(&format!("{}:{port}", authority.host()))
}

/// Statuses after which another attempt is usually made.
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 429)
}

/// One attempt as tracers see it that want attempts; nothing if none does. Dropped before its end, it was cancelled.
struct Row(Option<Box<Call>>);

impl Row {
    fn answered(&mut self, status: StatusCode, reached: Option<Reached>) {
        let Some(call) = &mut self.0 else { return };
        if let Some(reached) = reached {
            reached.apply(call.info_mut());
        }
        call.set_http_status(status.as_u16());
        if status.is_client_error() || status.is_server_error() {
            call.fail(Outcome::Error, error_type::http(status.as_u16()), "");
        }
    }

    fn fail(&mut self, failure: Failure) {
        if let Some(mut call) = self.0.take() {
            call.fail(failure.outcome, failure.error_type, failure.text);
            call.finish();
        }
    }

    fn end(&mut self) {
        if let Some(call) = self.0.take() {
            call.finish();
        }
    }
}

/// The response's body of an attempt, which ends with it.
struct AttemptBody {
    body: Body,
    row: Row,
}

impl http_body::Body for AttemptBody {
    type Data = bytes::Bytes;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) if !frame.is_trailers() && !self.body.is_end_stream() => {}
            Some(Err(error)) => {
                let failure = told(error, error_type::BODY).unwrap_or_else(|| Failure::of(error, error_type::BODY));
                self.row.fail(failure);
            }
            _ => self.row.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
