//! Peers in JavaScript: running them, and holding what they say that passed through their HTTP against what the layer
//! recorded of the same call. It judges sizes and names, not how a call ended.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hottap::rpc::{RpcInfo, Side, Traffic};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use crate::program::Peer;

/// One line of node/wire.js.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) path: String,
    #[serde(rename = "type")]
    content_type: String,
    /// The request's headers.
    pub(crate) head: BTreeMap<String, Value>,
    /// The response's headers and trailers.
    pub(crate) answer: BTreeMap<String, Value>,
    pub(crate) requested: Counted,
    pub(crate) responded: Counted,
}

/// What went one way.
#[derive(Debug, Deserialize)]
pub(crate) struct Counted {
    /// All bytes of the body.
    pub(crate) bytes: u64,
    /// The flag and the length of each message, in a protocol that puts them before it.
    pub(crate) messages: Vec<(u8, u64)>,
}

impl Counted {
    /// As the layer counts: every byte, but neither gRPC-web's trailers (flag 0x80) nor the end of Connect's stream
    /// (0x02) among the messages.
    pub(crate) fn traffic(&self) -> Traffic {
        let messages: Vec<u64> =
            self.messages.iter().filter(|(flag, _)| flag & 0x82 == 0).map(|(_, length)| length + 5).collect();
        Traffic {
            bytes: self.bytes,
            messages: messages.len() as u32,
            last_bytes: messages.last().copied().unwrap_or_default(),
        }
    }

    /// A body without prefixes, as a message or not.
    fn whole(&self, is_message: bool) -> Traffic {
        let last_bytes = if is_message { self.bytes } else { 0 };
        Traffic { bytes: self.bytes, messages: u32::from(is_message), last_bytes }
    }

    pub(crate) fn is_compressed(&self) -> bool {
        !self.messages.is_empty() && self.messages.iter().all(|(flag, _)| flag & 1 == 1)
    }
}

impl Seen {
    pub(crate) fn read(line: &str) -> Self {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
    }

    pub(crate) fn all(lines: &[String]) -> Vec<Self> {
        lines.iter().map(|line| Self::read(line)).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.get(name)?.as_str()
    }

    /// gRPC's status, as its headers or trailers had it.
    pub(crate) fn grpc_status(&self) -> Option<u16> {
        match self.answer.get("grpc-status")? {
            Value::String(text) => text.parse().ok(),
            // As grpc-js hands it to Node.
            number => number.as_u64()?.try_into().ok(),
        }
    }

    /// The envelope that tells how the call ended came compressed.
    pub(crate) fn ends_compressed(&self) -> bool {
        self.responded.messages.last().is_some_and(|(flag, _)| flag & 0x82 != 0 && flag & 1 == 1)
    }

    pub(crate) fn http_status(&self) -> Option<u16> {
        self.answer.get(":status")?.as_u64()?.try_into().ok()
    }

    /// What the layer recorded is this very call: its name, its sizes and messages, HTTP's status, its trace.
    #[track_caller]
    pub(crate) fn check(&self, info: &RpcInfo) {
        let (expected, seen) = (self.traffic(), requested_and_responded(info));
        assert_eq!(seen, expected, "{self:#?}");
        assert_eq!(info.stats().http_status(), self.http_status(), "{self:#?}");
        let trace = info.trace();
        // A client's layer has sent its own span, a server's has taken the one that was sent for its parent.
        let span = if info.side() == Side::Server { trace.parent_span_id } else { trace.span_id };
        let flags = u8::from(trace.sampled) | u8::from(trace.random) << 1;
        let traceparent = format!("00-{:032x}-{span:016x}-{flags:02x}", trace.trace_id);
        assert_eq!(self.header("traceparent"), Some(traceparent.as_str()), "{self:#?}");
        let path = self.path.split('?').next().unwrap_or_default();
        assert_eq!(format!("/{}", info.invocation().method().as_str()), path);
    }

    /// Each way. A unary call of Connect has no prefixes: its bodies are its messages (a GET's has no bytes, because it is
    /// in the URL), but that of a failure, which is no message of the method's.
    fn traffic(&self) -> (Traffic, Traffic) {
        if self.is_framed() {
            return (self.requested.traffic(), self.responded.traffic());
        }
        (self.requested.whole(true), self.responded.whole(self.http_status() == Some(200)))
    }

    fn is_framed(&self) -> bool {
        ["application/grpc", "application/connect+"].iter().any(|framed| self.content_type.starts_with(framed))
    }
}

/// What a layer has counted, on whichever side it is.
fn requested_and_responded(info: &RpcInfo) -> (Traffic, Traffic) {
    match info.side() {
        Side::Server => (info.stats().received(), info.stats().sent()),
        _ => (info.stats().sent(), info.stats().received()),
    }
}

/// A Node.js with the peers' packages.
pub(crate) struct Node {
    program: PathBuf,
    modules: PathBuf,
}

impl Node {
    pub(crate) fn find() -> Self {
        let [program, modules] = ["HOTTAP_TEST_NODE", "HOTTAP_TEST_NODE_MODULES"].map(fixtures::peer);
        Self { program, modules }
    }

    /// Runs a script that lies in the folder `node` beside this file.
    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> Peer {
        let path = format!("{}/tests/layers/node/{script}", env!("CARGO_MANIFEST_DIR"));
        Peer::start(Command::new(&self.program).arg(path).args(arguments).env("NODE_PATH", &self.modules))
    }
}
