//! The answer of the admin API: a page at once, or what came of an action, once the supervisor says so.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::actions::{Command, Denial};
use super::service::Page;
use super::{Acted, Outcome};
use hottap_core::plain;

/// The response of [`AdminService`](crate::admin::AdminService).
///
/// A page is ready at once. An action is answered when it is done, and after two seconds at the latest. Needs no runtime.
/// Cancel safe: an action that was taken is carried out even if this is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct AdminFuture(Answering);

enum Answering {
    /// None once it was handed over.
    Ready(Option<Response<Full<Bytes>>>),
    Acting(Command, oneshot::Receiver<Acted>),
}

impl AdminFuture {
    pub(super) fn ready(response: Response<Full<Bytes>>) -> Self {
        Self(Answering::Ready(Some(response)))
    }

    pub(super) fn acting(command: Command, acted: oneshot::Receiver<Acted>) -> Self {
        Self(Answering::Acting(command, acted))
    }

    /// The answer if the supervisor gave none in time.
    pub(super) fn late() -> Response<Full<Bytes>> {
        let body = json!({ "done": false, "error": "there is no answer yet", "what_to_do": "see /api/tracers" });
        response(StatusCode::ACCEPTED, &body)
    }
}

impl Future for AdminFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.0 {
            Answering::Ready(response) => response.take(),
            Answering::Acting(command, acted) => match Pin::new(acted).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => Some(answer(command, result.ok())),
            },
        };
        self.0 = Answering::Ready(None);
        match response {
            Some(response) => Poll::Ready(Ok(response)),
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for AdminFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminFuture").finish_non_exhaustive()
    }
}

/// The answer to an action; `acted` is none after a shutdown.
fn answer(command: &Command, acted: Option<Acted>) -> Response<Full<Bytes>> {
    let Acted { outcome, state, generation } = acted.unwrap_or(Outcome::ShutDown.into());
    let (status, error) = match outcome {
        Outcome::Done => (StatusCode::OK, None),
        Outcome::UnderWay => (StatusCode::ACCEPTED, None),
        Outcome::Conflict { message, what_to_do } => (StatusCode::CONFLICT, Some((message, what_to_do))),
        Outcome::Unknown => {
            let what_to_do = "see /api/tracers for those that are there";
            (StatusCode::NOT_FOUND, Some(("there is no such tracer in the plugin dir".to_owned(), what_to_do.into())))
        }
        Outcome::Busy => {
            let message = "too many actions are under way".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, Some((message, "try again in some seconds".into())))
        }
        Outcome::ShutDown => {
            let message = "Hottap was shut down".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, Some((message, "start the service again".into())))
        }
    };
    let mut body = json!({ "action": command.verb.as_str(), "done": status == StatusCode::OK });
    let mut add = |key: &str, value: Option<Value>| {
        if let (Some(body), Some(value)) = (body.as_object_mut(), value) {
            body.insert(key.to_owned(), value);
        }
    };
    add("tracer", command.tracer.clone().map(Value::from));
    add("state", state.map(Value::from));
    add("generation", generation.map(Value::from));
    if let Some((error, what_to_do)) = error {
        add("error", Some(error.into()));
        add("what_to_do", Some(what_to_do.into()));
    }
    // A tracer's own words may be among them.
    plain::json(&mut body);
    response(status, &body)
}

/// The answer to a request that may not act.
pub(super) fn denied(denial: &Denial) -> Response<Full<Bytes>> {
    let status = if denial.asks_for_a_token() { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let mut response = response(status, &json!({ "error": denial.to_string(), "what_to_do": denial.what_to_do() }));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hottap\""));
    }
    response
}

/// The answer to another method than POST.
pub(super) fn only_by_post(method: &Method) -> Response<Full<Bytes>> {
    let page = Page::text(StatusCode::METHOD_NOT_ALLOWED, "this is an action: send POST\n".to_owned());
    let mut response = page.into_response(method);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

fn response(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    Page::json(body).with(status).into_response(&Method::POST)
}
