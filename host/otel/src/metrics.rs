//! The native tracer that keeps OpenTelemetry's metrics of calls; it knows nothing of spans and of sampling.

use std::fmt;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider};

use super::attributes::{Attributes, Kind, Told};
use super::tracer::SCOPE;
use super::{BusinessErrors, Conventions, Names, status};
use hottap_core::rpc::{Level, RpcInfo, Side};
use hottap_core::tracer::{CallContext, Tracer};

/// Bounds in seconds that the conventions give for the durations of RPCs and of HTTP requests.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Keeps the durations of all calls, sampled or not, as histograms:
///
/// | calls | [`Names::Stable`], in s | [`Names::Old`], in ms |
/// |---|---|---|
/// | RPCs served, made | `rpc.server.call.duration`, `rpc.client.call.duration` | `rpc.server.duration`, `rpc.client.duration` |
/// | HTTP served, made | `http.server.request.duration`, `http.client.request.duration` | `http.server.duration`, `http.client.duration` |
/// | endpoints | `endpoint.call.duration` | the same |
///
/// Their attributes are those of spans that are few: system, method or route, status, `error.type`; of HTTP its version; of
/// HTTP's servers `url.scheme` (where the call came with a request); of clients `server.address` and `server.port`. What
/// callers write is in none: peers and names of servers, tags, paths. An attempt is not counted beside its call.
pub struct MetricTracer {
    conventions: Conventions,
    business: BusinessErrors,
    further: Option<Further>,
    endpoint: Histogram<f64>,
    stable: Durations,
    old: Option<Durations>,
    meter: Meter,
}

type Further = Box<dyn Fn(&RpcInfo) -> Vec<KeyValue> + Send + Sync>;

/// One histogram for each kind of call that goes over the network.
struct Durations {
    rpc: [Histogram<f64>; 2],
    http: [Histogram<f64>; 2],
}

impl MetricTracer {
    /// With the global provider, as it is now: set it before, or nothing is kept.
    #[must_use]
    pub fn global() -> Self {
        Self::with_meter(opentelemetry::global::meter(SCOPE))
    }

    /// With this provider.
    #[must_use]
    pub fn new(provider: &impl MeterProvider) -> Self {
        Self::with_meter(provider.meter(SCOPE))
    }

    fn with_meter(meter: Meter) -> Self {
        let tracer = Self {
            conventions: Conventions::default(),
            business: BusinessErrors::default(),
            further: None,
            endpoint: in_seconds(&meter, "endpoint.call.duration", "Duration of calls inside the process."),
            stable: Durations::stable(&meter),
            old: None,
            meter,
        };
        tracer.conventions(Conventions::from_env())
    }

    /// The names of metrics and of their attributes. Default what the environment says when the tracer is made.
    #[must_use]
    pub fn conventions(mut self, conventions: Conventions) -> Self {
        self.conventions = conventions;
        let old = conventions.rpc.old() || conventions.http.old();
        self.old = old.then(|| Durations::old(&self.meter));
        self
    }

    /// What becomes of a business status: with [`BusinessErrors::Error`] it has an `error.type`, else nothing is said of it.
    #[must_use]
    pub fn business_errors(mut self, policy: BusinessErrors) -> Self {
        self.business = policy;
        self
    }

    /// Adds attributes of the application's own. Asked once per finished call, on the RPC's thread. They multiply the number
    /// of series: take values from small sets.
    #[must_use]
    pub fn attributes(mut self, of: impl Fn(&RpcInfo) -> Vec<KeyValue> + Send + Sync + 'static) -> Self {
        self.further = Some(Box::new(of));
        self
    }

    fn list(&self, kind: Kind, names: Names, call: &CallContext) -> Vec<KeyValue> {
        let info = call.info();
        let mut attributes = Attributes::new(names);
        attributes.called_at_last(kind, call, Told::Nothing);
        attributes.scheme(kind, call);
        attributes.carried(kind, call);
        attributes.ended(kind, info, status::failure(kind, info, self.business));
        if info.side() == Side::Client {
            attributes.server(kind, call);
        }
        if let Some(further) = &self.further {
            attributes.list.extend(further(info));
        }
        attributes.list
    }
}

impl Durations {
    fn stable(meter: &Meter) -> Self {
        let of = |name, words| in_seconds(meter, name, words);
        Self {
            rpc: [
                of("rpc.client.call.duration", "Duration of RPCs that were made."),
                of("rpc.server.call.duration", "Duration of RPCs that were served."),
            ],
            http: [
                of("http.client.request.duration", "Duration of HTTP requests that were made."),
                of("http.server.request.duration", "Duration of HTTP requests that were served."),
            ],
        }
    }

    fn old(meter: &Meter) -> Self {
        let of = |name: &'static str| meter.f64_histogram(name).with_unit("ms").build();
        Self {
            rpc: [of("rpc.client.duration"), of("rpc.server.duration")],
            http: [of("http.client.duration"), of("http.server.duration")],
        }
    }

    /// Of RPCs, or of plain HTTP.
    fn of(&self, is_http: bool, side: Side) -> &Histogram<f64> {
        let [client, server] = if is_http { &self.http } else { &self.rpc };
        if side == Side::Client { client } else { server }
    }
}

fn in_seconds(meter: &Meter, name: &'static str, words: &'static str) -> Histogram<f64> {
    let histogram = meter.f64_histogram(name).with_unit("s").with_boundaries(BOUNDS.to_vec());
    histogram.with_description(words).build()
}

impl Tracer for MetricTracer {
    fn start(&self, _: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        let info = call.info();
        let kind = Kind::of(info);
        let (names, seconds) = (kind.names(self.conventions), info.stats().duration().as_secs_f64());
        if kind == Kind::Endpoint {
            // It has one name, whatever the conventions.
            return self.endpoint.record(seconds, &self.list(kind, Names::Stable, call));
        }
        let (is_http, side) = (kind == Kind::Http, info.side());
        if names.stable() {
            self.stable.of(is_http, side).record(seconds, &self.list(kind, Names::Stable, call));
        }
        if let Some(old) = self.old.as_ref().filter(|_| names.old()) {
            old.of(is_http, side).record(seconds * 1_000.0, &self.list(kind, Names::Old, call));
        }
    }

    fn level(&self, _: Side, _: &str) -> Level {
        Level::Base
    }

    fn request_head(&self) -> bool {
        true
    }
}

impl fmt::Debug for MetricTracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricTracer")
            .field("conventions", &self.conventions)
            .field("business", &self.business)
            .finish_non_exhaustive()
    }
}
