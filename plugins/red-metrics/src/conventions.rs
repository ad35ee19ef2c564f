//! OpenTelemetry's semantic conventions: which metric a call belongs to, and what its labels say.

use hottap_guest::metrics::{DurationHistogram, DurationSeries};
use hottap_guest::{Call, Protocol, Side, grpc_status_name};

/// Whether the metrics of RPCs have the label `callee`.
pub(crate) const CALLEE: bool = cfg!(feature = "extra-column");

/// Labels of RPCs. `rpc.response.status_code` is the name up to version 1.44 of the conventions.
const RPC_LABELS: &[&str] = if CALLEE {
    &["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type", "callee"]
} else {
    &["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"]
};
const HTTP_LABELS: &[&str] = &["http.request.method", "http.route", "http.response.status_code", "error.type"];
const ENDPOINT_LABELS: &[&str] = &["endpoint.method", "error.type"];

/// What the conventions say instead of a name from outside that is not known.
const OTHER: &str = "_OTHER";

/// One histogram of seconds for each kind of call; its count is the rate, and with `error.type` the errors.
#[derive(Debug)]
pub(crate) struct Instruments {
    rpc_server: DurationHistogram,
    rpc_client: DurationHistogram,
    http_server: DurationHistogram,
    http_client: DurationHistogram,
    endpoint: DurationHistogram,
}

impl Instruments {
    pub(crate) fn define() -> Self {
        let define = |name: &str, help: &str, labels: &[&str]| {
            DurationHistogram::define(name).help(help).labels(labels.iter().copied()).build()
        };
        Self {
            rpc_server: define("rpc.server.call.duration", "Duration of RPCs that were served.", RPC_LABELS),
            rpc_client: define("rpc.client.call.duration", "Duration of RPCs that were made.", RPC_LABELS),
            http_server: define("http.server.request.duration", "Duration of HTTP requests served.", HTTP_LABELS),
            http_client: define("http.client.request.duration", "Duration of HTTP requests made.", HTTP_LABELS),
            endpoint: define("endpoint.call.duration", "Duration of calls inside the process.", ENDPOINT_LABELS),
        }
    }

    /// The series that a call belongs to. Cold: the first call of its kind in some minutes.
    #[cold]
    #[inline(never)]
    pub(crate) fn series(&self, call: Call<'_>) -> DurationSeries {
        let error_type = call.error_type().as_str();
        let http = call.protocol() == Protocol::Http;
        match call.side() {
            Side::Server if http => http_series(&self.http_server, call, error_type),
            Side::Client if http => http_series(&self.http_client, call, error_type),
            Side::Server => rpc_series(&self.rpc_server, call, error_type),
            Side::Client => rpc_series(&self.rpc_client, call, error_type),
            // The conventions have no name for what happens inside a process.
            _ => self.endpoint.with(&[call.method(), error_type]),
        }
    }
}

fn rpc_series(histogram: &DurationHistogram, call: Call<'_>, error_type: &'static str) -> DurationSeries {
    let status = rpc_status(call.protocol(), call.rpc_status());
    let callee = if CALLEE { call.callee() } else { "" };
    let labels = [rpc_system(call.protocol()), call.method(), &status, error_type, callee];
    histogram.with(labels.get(..RPC_LABELS.len()).unwrap_or(&labels))
}

fn http_series(histogram: &DurationHistogram, call: Call<'_>, error_type: &'static str) -> DurationSeries {
    // `GET /users/{id}` is method and route; where there is no route it is the method alone.
    let (method, route) = call.method().split_once(' ').unwrap_or((call.method(), ""));
    let status = call.http_status().map_or_else(String::new, |status| status.to_string());
    histogram.with(&[method, route, &status, error_type])
}

/// The conventions' name of an RPC system; gRPC-web is gRPC in another frame.
fn rpc_system(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc | Protocol::GrpcWeb => "grpc",
        Protocol::Connect => "connectrpc",
        Protocol::Thrift => "thrift",
        _ => OTHER,
    }
}

/// A status as the protocol writes it; "" if there was none.
fn rpc_status(protocol: Protocol, status: Option<u16>) -> String {
    let Some(code) = status else { return String::new() };
    match (protocol, grpc_status_name(code)) {
        (Protocol::Grpc | Protocol::GrpcWeb, Some(name)) => name.to_owned(),
        // gRPC's own libraries read a code that they don't know as this one.
        (Protocol::Grpc | Protocol::GrpcWeb, None) => "UNKNOWN".to_owned(),
        // Connect has the same codes, writes them in lower case, and has none for success.
        (Protocol::Connect, Some(_)) if code == 0 => String::new(),
        (Protocol::Connect, Some("CANCELLED")) => "canceled".to_owned(),
        (Protocol::Connect, Some(name)) => name.to_ascii_lowercase(),
        (Protocol::Connect, None) => "unknown".to_owned(),
        _ => code.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_its_protocol_writes_it() {
        for (protocol, status, expected, reason) in [
            (Protocol::Grpc, Some(0), "OK", "gRPC has a name for success"),
            (Protocol::Grpc, Some(5), "NOT_FOUND", "canonical name"),
            (Protocol::GrpcWeb, Some(16), "UNAUTHENTICATED", "gRPC-web is gRPC"),
            (Protocol::Grpc, Some(17), "UNKNOWN", "as gRPC's libraries read it"),
            (Protocol::Grpc, None, "", "ended without a status"),
            (Protocol::Connect, Some(0), "", "Connect has no name for success"),
            (Protocol::Connect, Some(1), "canceled", "Connect writes it with one l"),
            (Protocol::Connect, Some(4), "deadline_exceeded", "lower case"),
            (Protocol::Connect, Some(99), "unknown", "not a code"),
            (Protocol::Thrift, Some(6), "6", "no names"),
        ] {
            assert_eq!(rpc_status(protocol, status), expected, "{reason}");
        }
    }
}
