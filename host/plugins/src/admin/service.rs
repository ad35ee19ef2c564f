//! The admin API as a tower service: which path gives which page; knows no sockets.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower_service::Service;

use super::actions::{self, Command};
use super::future::{AdminFuture, denied, only_by_post};
use super::{Act, Report};
use hottap_core::panics::{Panic, Place, WHAT_TO_DO, caught};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The media type of Prometheus' text format.
const PROMETHEUS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const INDEX: &str = "\
hottap

/metrics           what the host and its tracers count, in Prometheus' text format
/api/tracers       the plugin dir, and each tracer with its state, scope, accounting, last error and what to do, as JSON
/api/tracers/NAME/dead
                   the calls that a tracer failed on alone, the latest 100, as JSON; texts of callers are left out
                   unless the operator grants dead_letters
/api/destinations  where payloads go: what was delivered, what waits, the last error and what to do, as JSON
/healthz           200 as long as this is answered: no tracer makes a service unhealthy

POST, where hottap.toml says actions = true under [admin]:

/api/tracers/NAME/pause, resume, disable, enable, reload, rollback
/api/pause, /api/resume
                   for all tracers, native ones too: nothing is traced until it is resumed
";

/// The admin API: a [`tower_service::Service`] to mount in a router or to serve as it is.
///
/// | path | answer |
/// |---|---|
/// | `/` | these paths, as text |
/// | `/metrics` | the metrics of the host and of all tracers, in Prometheus' text format 0.0.4 |
/// | `/api/tracers` | a JSON object with `plugin_dir` and the list `tracers`: an object for each plugin |
/// | `/api/tracers/NAME/dead` | a JSON object with the count `dead` and the list `letters`: the latest 100 calls on which the tracer failed alone, at most 1 MiB of them, each with `at`, `generation`, `error` and `call`, its RpcInfo; texts of callers are `[redacted]` unless the operator grants `dead_letters = "whole"` |
/// | `/api/destinations` | a JSON object with the list `destinations`, and errors of the operator's configuration |
/// | `/healthz` | 200 as long as this is answered: no tracer makes a service unhealthy |
///
/// By POST, where `hottap.toml` says `actions = true` under `[admin]`:
///
/// | path | effect |
/// |---|---|
/// | `/api/tracers/NAME/pause`, `resume` | the tracer gets no calls until it is resumed; what it has is worked off and committed. A changed file is loaded and waits. |
/// | `/api/tracers/NAME/disable`, `enable` | the tracer is unloaded until it is enabled |
/// | `/api/tracers/NAME/reload` | its files are loaded once more, also those of a generation that was rolled back from or quarantined |
/// | `/api/tracers/NAME/rollback` | the generation before goes live again, with the state that it had saved itself; the files are not loaded again until they change or a reload is asked for |
/// | `/api/pause`, `/api/resume` | the kill switch: nothing is traced, by native tracers neither, until it is resumed |
///
/// The answer is a JSON object with `action`, `done`, `tracer`, `state` and `generation`, or with `error` and `what_to_do`:
/// 200 when it is done, 202 if it is still under way after two seconds, 404 for an unknown tracer, 409 if it cannot be done
/// now, 403 where actions are off or the request comes from elsewhere, 401 without the token that `token` under `[admin]`
/// names. Without such a token only peers on this machine may act, over the port of `Builder::admin`, by a loopback
/// host name and not through a proxy; a service that is mounted in a router does not know its peers, and needs a token.
/// Requests of pages of other origins are refused even with it. What operators hold stays so until they end it, or until the
/// process ends.
///
/// It ignores queries, and never reads a request's body. It never fails and is always ready. Its pages are shown to every
/// peer: mount it where only operators come.
///
#[derive(Clone)]
pub struct AdminService {
    report: Arc<dyn Report>,
    act: Arc<dyn Act>,
}

impl AdminService {
    #[doc(hidden)]
    pub fn new(host: Arc<impl Report + Act>) -> Self {
        Self { report: host.clone(), act: host }
    }

    /// Answers a request. `peer` is none where that is not known.
    pub(super) fn answer<B>(&self, request: &Request<B>, peer: Option<SocketAddr>) -> AdminFuture {
        match Command::at(request.uri().path()) {
            Some(command) if request.method() == Method::POST => {
                let answer = caught(Place::Admin, || self.act(request, command, peer));
                answer.unwrap_or_else(|panic| AdminFuture::ready(Page::of_panic(&panic).into_response(&Method::POST)))
            }
            Some(_) => AdminFuture::ready(only_by_post(request.method())),
            None => AdminFuture::ready(self.show(request)),
        }
    }

    fn act<B>(&self, request: &Request<B>, command: Command, peer: Option<SocketAddr>) -> AdminFuture {
        match actions::admit(request, peer, self.act.off(), || self.act.token()) {
            Ok(by) => {
                let acted = self.act.act(&command, by);
                AdminFuture::acting(command, acted)
            }
            Err(denial) => {
                self.act.refused(command.verb, peer, &denial.to_string());
                AdminFuture::ready(denied(&denial))
            }
        }
    }

    fn show<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() == Method::GET || request.method() == Method::HEAD {
            let page = caught(Place::Admin, || self.page(request.uri().path()));
            let page = page.unwrap_or_else(|panic| Page::of_panic(&panic));
            return page.into_response(request.method());
        }
        let text = "this page can only be read: send GET or HEAD\n".to_owned();
        let mut response = Page::text(StatusCode::METHOD_NOT_ALLOWED, text).into_response(request.method());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    }

    fn page(&self, path: &str) -> Page {
        match path {
            // A router that mounts a service under a prefix may leave nothing of the path.
            "" | "/" => Page::text(StatusCode::OK, INDEX.to_owned()),
            "/metrics" => Page { kind: PROMETHEUS, ..Page::text(StatusCode::OK, self.report.metrics()) },
            "/api/tracers" => Page::json(&self.report.tracers()),
            "/api/destinations" => Page::json(&self.report.destinations()),
            "/healthz" => Page::text(StatusCode::OK, "ok\n".to_owned()),
            path => match dead_letters_of(path).and_then(|tracer| self.report.dead(tracer)) {
                Some(letters) => Page::json(&letters),
                None => {
                    let text = format!("there is no such page; these are here:\n\n{INDEX}");
                    Page::text(StatusCode::NOT_FOUND, text)
                }
            },
        }
    }
}

/// The tracer whose dead letters a path asks for. Names of tracers need no escapes in a path.
fn dead_letters_of(path: &str) -> Option<&str> {
    path.strip_prefix("/api/tracers/")?.strip_suffix("/dead")
}

impl<B> Service<Request<B>> for AdminService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = AdminFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.answer(&request, None)
    }
}

impl fmt::Debug for AdminService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminService").finish_non_exhaustive()
    }
}

pub(super) struct Page {
    status: StatusCode,
    kind: HeaderValue,
    text: String,
}

impl Page {
    pub(super) fn text(status: StatusCode, text: String) -> Self {
        Self { status, kind: TEXT, text }
    }

    fn of_panic(panic: &Panic) -> Self {
        Self::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{panic}\n{WHAT_TO_DO}\n"))
    }

    pub(super) fn with(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self { kind: JSON, ..Self::text(StatusCode::OK, format!("{value}\n")) }
    }

    pub(super) fn into_response(self, method: &Method) -> Response<Full<Bytes>> {
        let length = HeaderValue::from(self.text.len());
        let body = if method == Method::HEAD { Bytes::new() } else { Bytes::from(self.text) };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, self.kind);
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Labels can hold any text that a peer sent; no browser shall take it for a page.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use tokio::sync::oneshot;

    use super::*;
    use crate::admin::actions::Proof;
    use crate::admin::{Acted, By, Outcome, Token, Verb};

    struct Fixed;

    impl Report for Fixed {
        fn metrics(&self) -> String {
            "a 1\n".to_owned()
        }

        fn tracers(&self) -> serde_json::Value {
            serde_json::json!([{ "name": "red-metrics" }])
        }

        fn dead(&self, tracer: &str) -> Option<serde_json::Value> {
            (tracer == "red-metrics").then(|| serde_json::json!({ "dead": 0 }))
        }

        fn destinations(&self) -> serde_json::Value {
            serde_json::json!({ "destinations": [] })
        }
    }

    impl Act for Fixed {
        fn off(&self) -> Option<String> {
            None
        }

        fn token(&self) -> Token {
            Token::Is(HeaderValue::from_static("s3cret"))
        }

        fn act(&self, command: &Command, by: By) -> oneshot::Receiver<Acted> {
            assert_eq!(by, By { peer: None, proof: Proof::Token });
            let (answer, acted) = oneshot::channel();
            let outcome = match command.tracer.as_deref() {
                Some("busy") => Outcome::UnderWay,
                Some("first") => Outcome::Conflict { message: "no".to_owned(), what_to_do: "wait".into() },
                Some("a") | None => Outcome::Done,
                Some("gone") => return acted,
                Some(_) => Outcome::Unknown,
            };
            answer.send(outcome.into()).expect("it is waited for");
            acted
        }

        fn refused(&self, _: Verb, peer: Option<SocketAddr>, reason: &str) {
            assert!(peer.is_none() && !reason.contains("s3cret"), "{reason}");
        }
    }

    impl Act for Odd {
        fn off(&self) -> Option<String> {
            panic!("an odd action")
        }

        fn token(&self) -> Token {
            Token::None
        }

        fn act(&self, _: &Command, _: By) -> oneshot::Receiver<Acted> {
            unreachable!("it is off")
        }

        fn refused(&self, _: Verb, _: Option<SocketAddr>, _: &str) {}
    }

    /// A body that fails whoever reads it.
    struct Unread;

    #[track_caller]
    fn ask(method: &str, uri: &str) -> (u16, http::HeaderMap, String) {
        ask_of(AdminService::new(Arc::new(Fixed)), method, uri, None)
    }

    #[track_caller]
    fn ask_with(method: &str, uri: &str, authorization: Option<&str>) -> (u16, http::HeaderMap, String) {
        ask_of(AdminService::new(Arc::new(Fixed)), method, uri, authorization)
    }

    #[track_caller]
    fn ask_of(
        mut service: AdminService,
        method: &str,
        uri: &str,
        authorization: Option<&str>,
    ) -> (u16, http::HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Unread).expect("a request");
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut answer = std::pin::pin!(service.call(request));
        let Poll::Ready(Ok(response)) = answer.as_mut().poll(&mut context) else { panic!("an answer at once") };
        assert!(answer.poll(&mut context).is_pending(), "it is handed over once");
        let (head, body) = response.into_parts();
        let mut body = std::pin::pin!(body.collect());
        let Poll::Ready(Ok(body)) = body.as_mut().poll(&mut context) else { panic!("a whole body") };
        let text = String::from_utf8(body.to_bytes().into()).expect("text");
        (head.status.as_u16(), head.headers, text)
    }

    #[test]
    fn each_page_answers_at_its_path() {
        for (uri, status, kind, text) in [
            ("/", 200, "text/plain; charset=utf-8", INDEX),
            ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "a 1\n"),
            ("/metrics?name[]=x&y", 200, "text/plain; version=0.0.4; charset=utf-8", "a 1\n"),
            ("http://host:1/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "a 1\n"),
            ("/api/tracers", 200, "application/json", "[{\"name\":\"red-metrics\"}]\n"),
            ("/api/tracers/red-metrics/dead", 200, "application/json", "{\"dead\":0}\n"),
            ("/healthz", 200, "text/plain; charset=utf-8", "ok\n"),
        ] {
            let (got, headers, body) = ask("GET", uri);
            assert_eq!(
                (got, &headers[CONTENT_TYPE], body.as_str()),
                (status, &HeaderValue::from_static(kind), text),
                "{uri}"
            );
            assert_eq!(headers[CONTENT_LENGTH], text.len().to_string());
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            let (got, head, body) = ask("HEAD", uri);
            assert_eq!((got, head, body.as_str()), (status, headers, ""), "HEAD {uri} is GET without the body");
        }
    }

    struct Odd;

    impl Report for Odd {
        fn metrics(&self) -> String {
            panic!("an odd number")
        }

        fn dead(&self, _: &str) -> Option<serde_json::Value> {
            None
        }

        fn tracers(&self) -> serde_json::Value {
            serde_json::json!([])
        }

        fn destinations(&self) -> serde_json::Value {
            serde_json::json!({})
        }
    }

    #[test]
    fn a_page_that_panics_is_a_500_and_the_others_are_answered() {
        let odd = || AdminService::new(Arc::new(Odd));
        let (status, _, text) = ask_of(odd(), "GET", "/metrics", None);
        assert!(status == 500 && text.contains("an odd number") && text.contains("report it"), "{status} {text}");
        assert_eq!(ask_of(odd(), "GET", "/api/tracers", None).0, 200);
        let (status, _, text) = ask_of(odd(), "POST", "/api/pause", None);
        assert!(status == 500 && text.contains("an odd action"), "{status} {text}");
    }

    #[test]
    fn what_is_not_there_is_404_and_what_can_only_be_read_is_405() {
        for (method, uri, status, allow) in [
            ("GET", "/metrics/", 404, None),
            ("GET", "/api", 404, None),
            ("GET", "/api/tracers/nobody/dead", 404, None),
            ("GET", "/api/tracers//dead", 404, None),
            ("GET", "/api/tracers/../dead", 404, None),
            ("GET", "//", 404, None),
            ("HEAD", "/nothing", 404, None),
            ("GET", "/..%2fmetrics", 404, None),
            ("GET", "*", 404, None),
            ("POST", "/metrics", 405, Some("GET, HEAD")),
            ("DELETE", "/api/tracers", 405, Some("GET, HEAD")),
            ("OPTIONS", "/", 405, Some("GET, HEAD")),
            ("get", "/", 405, Some("GET, HEAD")),
            ("GET", "/api/tracers/a/pause", 405, Some("POST")),
            ("HEAD", "/api/pause", 405, Some("POST")),
            ("OPTIONS", "/api/pause", 405, Some("POST")),
            ("DELETE", "/api/tracers/a/disable", 405, Some("POST")),
            ("post", "/api/pause", 405, Some("POST")),
            ("POST", "/api/tracers/a/dead", 405, Some("GET, HEAD")),
            ("GET", "/api/tracers/a/restart", 404, None),
        ] {
            let (got, headers, _) = ask(method, uri);
            let got = (got, headers.get(ALLOW).and_then(|allow| allow.to_str().ok()));
            assert_eq!(got, (status, allow), "{method} {uri}");
        }
        let (status, _, text) = ask("GET", "/nothing");
        assert!(status == 404 && text.contains("/api/tracers"), "it says what is there: {text}");
    }

    #[test]
    fn what_came_of_an_action_has_a_status_and_words() {
        for (uri, status, expected) in [
            ("/api/tracers/a/pause", 200, r#"{"action":"pause","done":true,"tracer":"a"}"#),
            ("/api/pause?x", 200, r#"{"action":"pause-all","done":true}"#),
            ("/api/resume", 200, r#"{"action":"resume-all","done":true}"#),
            ("/api/tracers/busy/reload", 202, r#"{"action":"reload","done":false,"tracer":"busy"}"#),
            (
                "/api/tracers/first/rollback",
                409,
                r#"{"action":"rollback","done":false,"error":"no","tracer":"first","what_to_do":"wait"}"#,
            ),
            (
                "/api/tracers/other/enable",
                404,
                r#"{"action":"enable","done":false,"error":"there is no such tracer in the plugin dir","tracer":"other","what_to_do":"see /api/tracers for those that are there"}"#,
            ),
            (
                "/api/tracers/gone/disable",
                503,
                r#"{"action":"disable","done":false,"error":"Hottap was shut down","tracer":"gone","what_to_do":"start the service again"}"#,
            ),
        ] {
            let (got, headers, body) = ask_with("POST", uri, Some("Bearer s3cret"));
            let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            let expected: serde_json::Value = serde_json::from_str(expected).expect("JSON");
            assert_eq!((got, body), (status, expected), "{uri}");
            assert_eq!(headers[CONTENT_TYPE], "application/json");
            assert_eq!(headers[CACHE_CONTROL], "no-store");
        }
    }

    #[test]
    fn who_may_not_act_is_told_what_to_do_and_no_secret() {
        for (authorization, says) in [(None, "a token is needed"), (Some("Bearer guessed"), "the token is wrong")] {
            let (status, headers, body) = ask_with("POST", "/api/tracers/a/pause", authorization);
            assert_eq!(
                (status, &headers["www-authenticate"]),
                (401, &HeaderValue::from_static("Bearer realm=\"hottap\""))
            );
            assert!(body.contains(says) && !body.contains("s3cret") && !body.contains("guessed"), "{body}");
        }
    }
}
