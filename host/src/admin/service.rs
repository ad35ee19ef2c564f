//! The admin API as a tower service: which path gives which page; knows no sockets.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower_service::Service;

use super::Report;
use crate::panics::{Place, WHAT_TO_DO, caught};

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
/// It answers GET and HEAD, ignores queries, and never reads a request's body. It never fails and is always ready. It
/// asks nobody who they are: mount it where only operators come.
#[derive(Clone)]
pub struct AdminService {
    report: Arc<dyn Report>,
}

impl AdminService {
    pub(crate) fn new(report: Arc<dyn Report>) -> Self {
        Self { report }
    }

    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.method() == Method::GET || request.method() == Method::HEAD {
            let page = caught(Place::Admin, || self.page(request.uri().path())).unwrap_or_else(|panic| {
                Page::text(StatusCode::INTERNAL_SERVER_ERROR, format!("{panic}\n{WHAT_TO_DO}\n"))
            });
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
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

impl fmt::Debug for AdminService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminService").finish_non_exhaustive()
    }
}

struct Page {
    status: StatusCode,
    kind: HeaderValue,
    text: String,
}

impl Page {
    fn text(status: StatusCode, text: String) -> Self {
        Self { status, kind: TEXT, text }
    }

    fn json(value: &serde_json::Value) -> Self {
        Self { kind: JSON, ..Self::text(StatusCode::OK, format!("{value}\n")) }
    }

    fn into_response(self, method: &Method) -> Response<Full<Bytes>> {
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

    use super::*;

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

    /// A body that fails whoever reads it.
    struct Unread;

    #[track_caller]
    fn ask(method: &str, uri: &str) -> (u16, http::HeaderMap, String) {
        ask_of(AdminService::new(Arc::new(Fixed)), method, uri)
    }

    #[track_caller]
    fn ask_of(mut service: AdminService, method: &str, uri: &str) -> (u16, http::HeaderMap, String) {
        let request = Request::builder().method(method).uri(uri).body(Unread).expect("a request");
        let Ok(response) = service.call(request).into_inner();
        let (head, body) = response.into_parts();
        let mut body = std::pin::pin!(body.collect());
        let mut context = Context::from_waker(std::task::Waker::noop());
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
        let (status, _, text) = ask_of(odd(), "GET", "/metrics");
        assert!(status == 500 && text.contains("an odd number") && text.contains("report it"), "{status} {text}");
        assert_eq!(ask_of(odd(), "GET", "/api/tracers").0, 200);
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
        ] {
            let (got, headers, _) = ask(method, uri);
            let got = (got, headers.get(ALLOW).and_then(|allow| allow.to_str().ok()));
            assert_eq!(got, (status, allow), "{method} {uri}");
        }
        let (status, _, text) = ask("GET", "/nothing");
        assert!(status == 404 && text.contains("/api/tracers"), "it says what is there: {text}");
    }
}
