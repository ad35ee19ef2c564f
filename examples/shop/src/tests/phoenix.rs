//! A real Phoenix, which keeps the spans that it gets and is asked for them over its REST interface.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::Value;

use super::orders::LAST;
use super::peers::{Server, free_address, get, until};
use super::tree::Span;

/// A running Phoenix. Ended when dropped; what it printed is shown if the test failed.
pub(crate) struct Phoenix {
    /// Ended before its files are removed: fields are dropped in this order.
    _server: Server,
    http: SocketAddr,
    grpc: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Phoenix {
    /// Starts one, which takes half a minute.
    pub(crate) fn start() -> Self {
        let program = fixtures::peer("HOTTAP_TEST_PHOENIX");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [http, grpc] = [(); 2].map(|()| free_address());
        let mut command = Command::new(program);
        command
            .arg("serve")
            .env("PHOENIX_WORKING_DIR", directory.path())
            .env("PHOENIX_HOST", http.ip().to_string())
            .env("PHOENIX_PORT", http.port().to_string())
            .env("PHOENIX_GRPC_PORT", grpc.port().to_string())
            // It talks to nobody but us.
            .env("PHOENIX_TELEMETRY_ENABLED", "false")
            .env("PHOENIX_ALLOW_EXTERNAL_RESOURCES", "false");
        let server = Server::start(&mut command, directory.path());
        until("Phoenix is up", || get(http, "/healthz"));
        until("Phoenix takes gRPC", || TcpStream::connect(grpc).ok());
        Self { _server: server, http, grpc, _directory: directory }
    }

    /// Where it takes OTLP by this protocol, as `OTEL_EXPORTER_OTLP_PROTOCOL` names it.
    pub(crate) fn endpoint(&self, protocol: &str) -> String {
        format!("http://{}", if protocol == "grpc" { self.grpc } else { self.http })
    }

    /// The spans of all calls but the last, of the project that the resource's `openinference.project.name` says; once
    /// there are so many.
    pub(crate) fn spans(&self, project: &str, count: usize) -> Vec<Span> {
        until("Phoenix has kept the spans", || {
            let body = get(self.http, &format!("/v1/projects/{project}/spans/otlpv1?limit=1000"))?;
            let answer: Value = serde_json::from_str(&body).expect("JSON");
            let spans: Vec<Span> = answer["data"].as_array().expect("a list").iter().map(read).collect();
            // It is in its own order.
            let (last, spans): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span.text("rpc.method") == LAST);
            Some(spans).filter(|spans| !last.is_empty() && spans.len() >= count)
        })
    }
}

fn read(span: &Value) -> Span {
    let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let attribute = |attribute: &Value| {
        let key = attribute["key"].as_str().expect("a key").to_owned();
        let value = &attribute["value"];
        let kept = ["string_value", "int_value"].into_iter().map(|kind| &value[kind]).find(|value| !value.is_null());
        (key, kept.unwrap_or(value).clone())
    };
    Span {
        trace: text("trace_id"),
        id: text("span_id"),
        parent: text("parent_span_id"),
        name: text("name"),
        // It keeps a kind of its own, and not OpenTelemetry's.
        side: None,
        is_error: span["status"]["code"] == 2,
        attributes: span["attributes"].as_array().expect("a list").iter().map(attribute).collect(),
        started: span["start_time_unix_nano"].as_u64().expect("a number"),
        ended: span["end_time_unix_nano"].as_u64().expect("a number"),
    }
}
