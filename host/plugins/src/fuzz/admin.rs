//! Requests to the admin API of a running host.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use http::Request;
use http_body_util::{BodyExt, Full};
use tower_service::Service;

use super::bytes::headers;
use crate::admin::AdminService;
use crate::metrics::{Registry, RegistryLimits};
use crate::plugin::{PluginSettings, Plugins, Reporter};
use hottap_core::tracer::Core;

/// The admin API of a host without tracers: what is asked of it changes nothing that another input would see.
fn admin() -> AdminService {
    static HOST: OnceLock<(Plugins, Arc<Reporter>)> = OnceLock::new();
    let (_, report) = HOST.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("hottap-fuzz-{}", std::process::id()));
        let core = Core::bare("fuzz", Vec::new());
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let settings = PluginSettings::default();
        let plugins = Plugins::start(core.clone(), registry.clone(), &folder, Vec::new(), &settings).expect("starts");
        let report = Reporter::new(core, registry, Some(&plugins), None);
        (plugins, Arc::new(report))
    });
    AdminService::new(report.clone())
}

/// `METHOD URI`, header lines, an empty line, a body: whatever they are, there is an answer with a status and a whole
/// body, and JSON where it says so.
pub fn admin_requests(data: &[u8]) {
    let end = data.windows(2).position(|window| window == b"\n\n").unwrap_or(data.len());
    let (head, body) = data.split_at(end);
    let (first, lines) = head.split_at(head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len()));
    let Ok(first) = std::str::from_utf8(first) else { return };
    let (method, uri) = first.split_once(' ').unwrap_or(("GET", first));
    let body = Full::new(bytes::Bytes::copy_from_slice(body.get(2..).unwrap_or_default()));
    let Ok(mut request) = Request::builder().method(method).uri(uri).body(body) else { return };
    *request.headers_mut() = headers(lines);

    let is_head = request.method() == http::Method::HEAD;
    let mut admin = admin();
    let Some(Ok(response)) = now(admin.call(request)) else { panic!("the admin API did not answer {first:?}") };
    let status = response.status().as_u16();
    assert!((200..500).contains(&status), "{first:?} is answered {status}");
    let kind = response.headers().get(http::header::CONTENT_TYPE).cloned();
    let Some(Ok(body)) = now(response.into_body().collect()) else { panic!("{first:?} has no whole body") };
    if !is_head && kind.is_some_and(|kind| kind == "application/json") {
        let body: Result<serde_json::Value, _> = serde_json::from_slice(&body.to_bytes());
        assert!(body.is_ok(), "{first:?} is answered with JSON that is none");
    }
}

/// The output of a future that need not wait.
fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
