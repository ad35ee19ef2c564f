//! The tables of docs/endings.md, walked: each ending is made to happen on both sides, and a native tracer and the spans tell
//! what came of it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use hottap::rpc::Outcome;
use hottap::{Hottap, RequestBody};
use http::{Method, Request, Response, Version};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Service, service_fn};

use crate::recorder::Recorder;
use crate::spans::{Spans, attribute, error};
use crate::steps::Step::{Bytes, Data, Fails, Hangs, Trailers};
use crate::steps::{Around, BOTH, Step, Steps, response, value};

const PAGE: &str = include_str!("../../../../docs/endings.md");
/// The number of each is its place.
const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The reaction of the service to a call.
#[derive(Clone)]
enum Answer {
    Response(Response<Steps>),
    Error,
    Panic,
    Never,
}

struct Scenario {
    request: Request<Steps>,
    answer: Answer,
    /// Frames of the response that are read before it is dropped; all if none is said.
    frames: Option<usize>,
    /// The service reads its request to the end.
    reads_request: bool,
}

impl Scenario {
    fn new(kind: &str) -> Self {
        let mut request = Request::builder().method(Method::POST).uri("/a.B/C");
        if !kind.is_empty() {
            request = request.header("content-type", kind).header("connect-protocol-version", "1");
        }
        if kind == GRPC {
            request = request.version(Version::HTTP_2);
        }
        let request = request.body(Steps::default()).expect("a request");
        Self { request, answer: Answer::Never, frames: None, reads_request: true }
    }

    fn answers(mut self, status: u16, length: &'static str, steps: &[Step]) -> Self {
        let mut response = response(&[], steps);
        *response.status_mut() = status.try_into().expect("a status");
        *response.version_mut() = self.request.version();
        if let Some(kind) = self.request.headers().get("content-type") {
            response.headers_mut().insert("content-type", kind.clone());
        }
        if !length.is_empty() {
            response.headers_mut().insert("content-length", value(length));
        }
        self.answer = Answer::Response(response);
        self
    }

    fn ends(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }

    fn dropped_after(mut self, frames: usize) -> Self {
        self.frames = Some(frames);
        self
    }

    fn by(mut self, method: Method) -> Self {
        *self.request.method_mut() = method;
        self
    }

    fn sends(mut self, length: &str, steps: &[Step]) -> Self {
        self.request.headers_mut().insert("content-length", value(length));
        *self.request.body_mut() = Steps::new(steps);
        self
    }

    fn within(mut self, timeout: &str) -> Self {
        self.request.headers_mut().insert("grpc-timeout", value(timeout));
        self
    }

    fn unread(mut self) -> Self {
        self.reads_request = false;
        self
    }
}

const GRPC: &str = "application/grpc";
const WEB: &str = "application/grpc-web";
const JSON: &str = "application/json";
const STREAM: &str = "application/connect+json";
/// An empty message.
const MESSAGE: Step = Data("\0\0\0\0\0");
const LAST_OK: Step = Bytes(b"\x80\0\0\0\x0fgrpc-status: 0\n");
const LAST_NOT_FOUND: Step = Bytes(b"\x80\0\0\0\x0fgrpc-status: 5\n");

fn http(ending: &str) -> Scenario {
    let call = Scenario::new("");
    match ending {
        "a response that was read to its end" => call.answers(200, "", &[Data("hello")]),
        "a response of which the announced length has passed" => {
            call.answers(200, "5", &[Data("hello"), Hangs]).dropped_after(1)
        }
        "the head of a response to HEAD, or with status 1xx, 204 or 304" => {
            call.answers(304, "5", &[Hangs]).dropped_after(0)
        }
        "the head of a 2xx response to CONNECT" => {
            call.by(Method::CONNECT).answers(200, "5", &[Hangs]).dropped_after(0)
        }
        "a status that blames the caller" => call.answers(404, "", &[Data("none")]),
        "a status that blames the server" => call.answers(503, "", &[Data("busy")]),
        "a response that is dropped unread" => call.answers(200, "5", &[Data("hello")]).dropped_after(0),
        "a response that is dropped in the middle" => {
            call.answers(200, "5", &[Data("hel"), Data("lo")]).dropped_after(1)
        }
        "a call that is dropped before its response" => call,
        "a response's body that fails" => call.answers(200, "", &[Data("hel"), Fails]),
        "a response's body that is shorter than announced" => call.answers(200, "5", &[Data("hel")]),
        "a response's body that is longer than announced" => call.answers(200, "5", &[Data("hello, world")]),
        "a request's body that is shorter than announced" => {
            call.sends("5", &[Data("hel")]).answers(200, "", &[Data("thanks")])
        }
        "a request's body that is longer than announced" => {
            call.sends("5", &[Data("hello, world")]).answers(200, "", &[Data("thanks")])
        }
        "a request that no handler reads" => call.sends("5", &[Data("hello")]).unread().answers(200, "", &[]),
        "an error instead of a response" => call.ends(Answer::Error),
        "a panic" => call.ends(Answer::Panic),
        other => panic!("no test makes this ending happen: {other}"),
    }
}

fn grpc(ending: &str) -> Scenario {
    let call = Scenario::new(GRPC);
    let status = |call: Scenario, status| call.answers(200, "", &[MESSAGE, Trailers(status)]);
    match ending {
        "the status OK" => status(call, "0"),
        "a status that blames the caller" => status(call, "5"),
        "a status that blames the server" => status(call, "13"),
        "the status CANCELLED" => status(call, "1"),
        "the status DEADLINE_EXCEEDED" => status(call, "4"),
        "a response without a status" => call.answers(200, "", &[MESSAGE]),
        "a response of HTTP's with an error" => call.answers(502, "", &[Data("<html>")]),
        "a response that is dropped before its trailers" => call.answers(200, "", &[MESSAGE, Hangs]).dropped_after(1),
        "a call that is dropped before its response" => call,
        "a call that is dropped after its deadline" => call.within("1n"),
        "a response's body that fails" => call.answers(200, "", &[MESSAGE, Fails]),
        "a response's body that is shorter than announced" => call.answers(200, "9", &[MESSAGE, Trailers("0")]),
        "a request's body that is shorter than announced" => status(call.sends("9", &[MESSAGE]), "0"),
        "a body that is no sequence of messages" => call.answers(200, "", &[Data("\0\0\0\0\tabc"), Trailers("0")]),
        "an error instead of a response" => call.ends(Answer::Error),
        "a panic" => call.ends(Answer::Panic),
        other => panic!("no test makes this ending happen: {other}"),
    }
}

fn others(ending: &str) -> Scenario {
    let (web, unary) = (Scenario::new(WEB), Scenario::new(JSON));
    match ending {
        "gRPC-web: the status OK in its last frame" => web.answers(200, "", &[MESSAGE, LAST_OK]),
        "gRPC-web: a status in its last frame" => web.answers(200, "", &[MESSAGE, LAST_NOT_FOUND]),
        "gRPC-web: a response that is dropped after its last frame" => {
            web.answers(200, "", &[MESSAGE, LAST_OK, Hangs]).dropped_after(2)
        }
        "gRPC-web: a response that is dropped before its last frame" => {
            web.answers(200, "", &[MESSAGE, Hangs]).dropped_after(1)
        }
        "gRPC-web: the announced length without a last frame" => {
            web.answers(200, "5", &[MESSAGE, Hangs]).dropped_after(1)
        }
        "Connect stream: a response that is dropped before its end" => {
            Scenario::new(STREAM).answers(200, "", &[MESSAGE, Hangs]).dropped_after(1)
        }
        "Connect unary: a message that was read to its end" => unary.answers(200, "", &[Data("{}")]),
        "Connect unary: a message of which the announced length has passed" => {
            unary.answers(200, "2", &[Data("{}"), Hangs]).dropped_after(1)
        }
        "Connect unary: a message that is dropped in the middle" => {
            unary.answers(200, "2", &[Data("{"), Hangs]).dropped_after(1)
        }
        "Connect unary: a message that is shorter than announced" => unary.answers(200, "2", &[Data("{")]),
        "Connect unary: an error in JSON" => unary.answers(404, "", &[Data(r#"{"code":"not_found"}"#)]),
        other => panic!("no test makes this ending happen: {other}"),
    }
}

/// Makes a call through a layer, as far as it goes.
fn run(tap: &Hottap, around: Around, scenario: Scenario) {
    let Scenario { request, answer, frames, reads_request } = scenario;
    let service = service_fn(move |request: Request<RequestBody<Steps>>| {
        let answer = answer.clone();
        async move {
            let mut body = request.into_body();
            while reads_request && let Some(Ok(_)) = body.frame().await {}
            match answer {
                Answer::Response(response) => Ok(response),
                Answer::Error => Err(io::Error::other("the pipe burst")),
                Answer::Panic => panic!("as the test wants it"),
                Answer::Never => std::future::pending().await,
            }
        }
    });
    match around {
        Around::Server => read(tap.server_layer().layer(service).call(request), frames),
        Around::Client => read(tap.client_layer().layer(service).call(request), frames),
    }
}

/// Polls a response and then its body until there is no more, or no more is wanted.
fn read<B: Body + Unpin>(future: impl Future<Output = io::Result<Response<B>>>, frames: Option<usize>) {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    // A panic is the call's end, and the test's no more than any other.
    let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
    let Ok(Poll::Ready(Ok(response))) = polled else { return };
    let mut body = response.into_body();
    for _ in 0..frames.unwrap_or(usize::MAX) {
        let Poll::Ready(Some(Ok(_))) = Pin::new(&mut body).poll_frame(&mut context) else { return };
    }
}

/// The rows of the tables: the section, and its cells.
fn rows() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let mut section = "";
    PAGE.lines().filter_map(move |line| {
        section = line.strip_prefix("## ").unwrap_or(section);
        let cells = line.strip_prefix("| ")?.strip_suffix('|')?.split('|').map(str::trim).collect::<Vec<_>>();
        (cells[0] != "the call ends with").then_some((section, cells))
    })
}

#[tokio::test]
async fn calls_end_as_the_tables_say() {
    let mut count = 0;
    for (section, cells) in rows() {
        let [ending, status, cells @ ..] = &cells[..] else { panic!("{section}: {cells:?}") };
        for (around, cell) in BOTH.into_iter().zip([cells[1], cells[0]]) {
            let (recorder, spans) = (Recorder::default(), Spans::new());
            let tap = recorder.started_by(Hottap::builder().service("unit").tracer(spans.tracer()));
            run(
                &tap,
                around,
                match section {
                    "Plain HTTP" => http(ending),
                    "gRPC" => grpc(ending),
                    _ => others(ending),
                },
            );
            recorder.assert_each_finished_once();
            let info = recorder.one().await;
            let stats = info.stats();
            let told = match (section, stats.http_status(), stats.rpc_status()) {
                ("Plain HTTP", Some(status), _) => status.to_string(),
                ("Plain HTTP", None, _) | (_, _, None) => String::new(),
                (_, _, Some(status)) => STATUSES[usize::from(status)].to_owned(),
            };
            let span = spans.ended().remove(0);
            let is_error = error(&span).is_some();
            let words = match (stats.outcome(), stats.error_type().as_str()) {
                (Outcome::Ok, "") => "ok".to_owned(),
                (outcome, error_type) => format!("{} {error_type}", outcome.as_str()),
            };
            let words = if is_error { format!("**{words}**") } else { words };
            assert_eq!(
                (&*words, &*told),
                (cell, *status),
                "{section}, {ending}, {around:?}: {}",
                stats.error_message()
            );
            let counted = if is_error { stats.error_type().as_str() } else { "" };
            assert_eq!(attribute(&span, "error.type"), counted, "{section}, {ending}, {around:?}");
            count += 1;
        }
    }
    assert_eq!(count, 2 * (17 + 16 + 11), "each row of each table, on both sides");
}
