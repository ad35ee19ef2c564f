//! OpenTelemetry's semantic conventions: which metric a call belongs to, and what its labels say.

use hottap_guest::conventions::{failure, rpc_system, status_text};
use hottap_guest::metrics::{DurationHistogram, DurationSeries};
use hottap_guest::{Call, Protocol, Side};

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
        let error_type = failure(call).as_str();
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
    let status = status_text(call.protocol(), call.rpc_status());
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
