//! The native tracer that makes OpenTelemetry's spans; what is in a span is in `attributes`, `status` and `events`.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::baggage::BaggageExt;
use opentelemetry::global::BoxedTracer;
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue, trace};
use opentelemetry_sdk::trace::SdkTracer;

use super::attributes::{Attributes, Kind, Told};
use super::events::{self, time};
use super::{BusinessErrors, CallSpan, Conventions, identity, name, parent, span_of, status};
use hottap_core::propagate::{Baggage, LiveSampler, SamplingMark};
use hottap_core::rpc::{Level, RpcInfo, Side};
use hottap_core::tracer::{CallContext, Tracer};

/// The name of the instrumentation scope of spans and metrics.
pub(super) const SCOPE: &str = "hottap";

/// Makes a span of every call: of servers, of clients, of endpoints. Give it to
/// `Builder::tracer` before other tracers.
///
/// The span is made when the call starts, and its identity is the call's: plugins, headers that go out and
/// [`TraceContext::current`](hottap_core::rpc::TraceContext::current) have the same ids. It is the active span while the call's
/// handler runs and its response's body is produced, so that spans that the application makes there are its children: those
/// of OpenTelemetry's API, and those of `tracing` with `tracing_opentelemetry::layer().with_tracer(…)`, which takes a tracer of
/// the same provider ([`Otel::tracer_provider`](super::Otel::tracer_provider)) and needs nothing else for it. In tasks that the handler spawns it is active if they are in the call's [scope](hottap_core::rpc::RpcHandle::scope).
///
/// A call has one span: where two of these tracers see it, as one of the builder's and one of a layer's may, the first makes
/// it.
///
/// A client's span covers the whole call with all its attempts; each attempt has a span below it, where the client tells of
/// attempts. Whether a call is sampled is the provider's sampler's to decide, and what it decides goes out in the headers.
///
/// ```
/// use hottap::otel::{BusinessErrors, SpanTracer};
/// use opentelemetry_sdk::trace::SdkTracerProvider;
///
/// let provider = SdkTracerProvider::builder().build();
/// let spans = SpanTracer::new(&provider)
///     .filter(|call| !call.invocation().method().as_str().starts_with("grpc.health.v1."))
///     .business_errors(BusinessErrors::Error);
/// let tap = hottap::Hottap::builder().service("checkout").tracer(spans).start()?;
/// # Ok::<_, hottap::StartError>(())
/// ```
pub struct SpanTracer<T = BoxedTracer> {
    tracer: T,
    /// Tells it from others that see the same calls.
    number: u64,
    conventions: Conventions,
    business: BusinessErrors,
    filters: Vec<Predicate>,
    public: Option<Predicate>,
    name: Option<Namer>,
    events: events::Wanted,
    attempts: bool,
    random_ids: bool,
    /// The provider's, where it is ours.
    sampler: Option<Arc<LiveSampler>>,
}

type Predicate = Box<dyn Fn(&RpcInfo) -> bool + Send + Sync>;
type Namer = Box<dyn Fn(&RpcInfo) -> Cow<'static, str> + Send + Sync>;

impl SpanTracer {
    /// With the global provider, as it is now: set it before, or spans go nowhere.
    #[must_use]
    pub fn global() -> Self {
        Self::with_tracer(opentelemetry::global::tracer(SCOPE))
    }
}

impl<T: trace::Tracer<Span: Send + Sync + 'static> + Send + Sync + 'static> SpanTracer<T> {
    /// With this provider.
    #[must_use]
    pub fn new(provider: &impl TracerProvider<Tracer = T>) -> Self {
        Self::with_tracer(provider.tracer(SCOPE))
    }

    fn with_tracer(tracer: T) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            tracer,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            conventions: Conventions::from_env(),
            business: BusinessErrors::default(),
            filters: Vec::new(),
            public: None,
            name: None,
            events: events::Wanted::default(),
            attempts: true,
            random_ids: true,
            sampler: None,
        }
    }

    pub(super) fn sampled_by(self, sampler: Arc<LiveSampler>) -> Self {
        Self { sampler: Some(sampler), ..self }
    }

    /// The names of attributes. Default what the environment says when the tracer is made
    /// ([`Conventions::from_env`]).
    #[must_use]
    pub fn conventions(mut self, conventions: Conventions) -> Self {
        self.conventions = conventions;
        self
    }

    /// What becomes of a business status. Default an attribute.
    #[must_use]
    pub fn business_errors(mut self, policy: BusinessErrors) -> Self {
        self.business = policy;
        self
    }

    /// Only calls that pass have spans; of several filters all have to be passed. Asked at the start of each call, on the
    /// RPC's thread: what is known of the call then is who, what and whence. Spans inside a call without a span, on either
    /// side, belong to the span around it, or to the caller's. Where there is none either, a client's call sends no trace.
    #[must_use]
    pub fn filter(mut self, passes: impl Fn(&RpcInfo) -> bool + Send + Sync + 'static) -> Self {
        self.filters.push(Box::new(passes));
        self
    }

    /// The server is reached by everybody: each of its calls is the root of a new trace, linked with the caller's span, so
    /// that no caller decides what is sampled or writes into traces.
    #[must_use]
    pub fn public_endpoint(self) -> Self {
        self.public_endpoint_if(|_| true)
    }

    /// The same for those of a server's calls that everybody can make.
    #[must_use]
    pub fn public_endpoint_if(mut self, is_public: impl Fn(&RpcInfo) -> bool + Send + Sync + 'static) -> Self {
        self.public = Some(Box::new(is_public));
        self
    }

    /// Names spans. Default the method: `pkg.Service/Method`, `GET /users/{id}`, the endpoint's name; for a method that nobody
    /// knows the RPC's system (`grpc`), or `HTTP` in the HTTP method's place. Asked at the start of
    /// each call, and again when it has ended if a router has told the route in the meantime. Names are to be few: put no
    /// id and no path into one.
    #[must_use]
    pub fn span_name(mut self, name: impl Fn(&RpcInfo) -> Cow<'static, str> + Send + Sync + 'static) -> Self {
        self.name = Some(Box::new(name));
        self
    }

    /// The call's events are the span's, with their times: the handler's own, failed attempts, and what the layer sees
    /// happen. Calls are then recorded at [`Level::Detailed`].
    #[must_use]
    pub fn events(mut self) -> Self {
        self.events.events = true;
        self
    }

    /// Messages of RPCs are events of the span: `rpc.message` with `rpc.message.type` and, as long as none is left out, the
    /// number `rpc.message.id`. Calls are then recorded at [`Level::Detailed`].
    #[must_use]
    pub fn messages(mut self) -> Self {
        self.events.messages = true;
        self
    }

    /// Attempts have no spans.
    #[must_use]
    pub fn without_attempts(mut self) -> Self {
        self.attempts = false;
        self
    }

    /// Says whether the lower 56 bits of the provider's trace ids are random, as traces that begin here say it to others
    /// (W3C trace flag 2). Default true, which holds for the SDK's own generator of ids and for AWS X-Ray's: say false where
    /// the provider has another.
    #[must_use]
    pub fn random_ids(mut self, are_random: bool) -> Self {
        self.random_ids = are_random;
        self
    }

    fn name_of(&self, call: &CallContext) -> Cow<'static, str> {
        self.name.as_ref().map_or_else(|| name::of(call, self.conventions), |name| name(call.info()))
    }

    /// What its span is made in, and what it is linked with.
    fn place(&self, call: &CallContext) -> Place {
        let around = parent::of(call);
        let public = |info| info_is_server(info) && self.public.as_ref().is_some_and(|is_public| is_public(info));
        if !public(call.info()) {
            return Place { around, links: None, is_public: false };
        }
        let caller = around.span().span_context().clone();
        let links = caller.is_valid().then(|| vec![Link::with_context(caller)]);
        // A sampler would take a span that is none for one that is not sampled.
        Place { around: Context::new(), links, is_public: true }
    }
}

/// The place of a call's span.
struct Place {
    around: Context,
    links: Option<Vec<Link>>,
    /// The caller decides nothing.
    is_public: bool,
}

impl SpanTracer<SdkTracer> {
    /// The sampler of the provider behind a tracer, if it is one of these and the provider is [`Otel`](super::Otel)'s.
    #[doc(hidden)]
    pub fn sampler_of(tracer: &dyn Any) -> Option<Arc<LiveSampler>> {
        tracer.downcast_ref::<Self>()?.sampler.clone()
    }
}

/// What came with a server's call as baggage is OpenTelemetry's baggage in its handler.
fn with_baggage(around: Context, call: &CallContext) -> Context {
    match call.extensions().get::<Baggage>() {
        Some(baggage) if info_is_server(call.info()) => {
            let members = baggage.iter().map(|(key, value)| KeyValue::new(key.to_owned(), value));
            around.with_baggage(members)
        }
        _ => around,
    }
}

fn info_is_server(info: &RpcInfo) -> bool {
    info.side() == Side::Server
}

impl<T: trace::Tracer<Span: Send + Sync + 'static> + Send + Sync + 'static> Tracer for SpanTracer<T> {
    fn start(&self, call: &mut CallContext) {
        let info = call.info();
        let own = info.trace().span_id;
        if span_of(&call.extensions).is_some_and(|span| span.is_of(own)) {
            // Another tracer has made its span, and a call has one.
            return;
        }
        if !self.filters.iter().all(|passes| passes(info)) {
            let around = with_baggage(parent::of(call), call);
            call.extensions.span = Some(Arc::new(CallSpan::around(around, own)));
            return;
        }
        let kind = Kind::of(info);
        let mut attributes = Attributes::new(kind.names(self.conventions));
        let told = attributes.called(kind, call);
        attributes.request(kind, call);
        attributes.server(kind, call);
        if info.side() == Side::Server {
            attributes.peer(kind, info);
        }
        let Place { around, links, is_public } = self.place(call);
        let around = with_baggage(around, call);
        let mut builder = SpanBuilder::from_name(self.name_of(call));
        builder.span_kind = Some(match info.side() {
            Side::Client => SpanKind::Client,
            Side::Server => SpanKind::Server,
            _ => SpanKind::Internal,
        });
        builder.start_time = Some(time(info.stats().started_unix_nanos()));
        builder.attributes = Some(attributes.list);
        builder.links = links;
        let span = self.tracer.build_with_context(builder, &around);

        let span_context = trace::Span::span_context(&span);
        let before = *call.info().trace();
        let Some(mut identity) = identity::of(span_context, identity::span_id(&around), &before) else {
            // The provider makes none; the handler has its baggage all the same.
            call.extensions.span = Some(Arc::new(CallSpan::new(around, own, Told::All, None)));
            return;
        };
        if !around.span().span_context().is_valid() {
            identity.random = self.random_ids;
            if !is_public && SamplingMark::of(&call.extensions, before.trace_id).is_some() {
                // The trace that the caller spoke of is this one, whose id the provider has chosen.
                SamplingMark::rename(&mut call.extensions, identity.trace_id);
            }
        }
        call.set_trace(identity);
        // As a rule it is the parent's, and goes on as it came.
        let came = span_context.trace_state() == around.span().span_context().trace_state();
        if !came || call.tracestate.is_none() {
            call.tracestate = identity::state(span_context);
        }
        let recording = trace::Span::is_recording(&span).then_some(self.number);
        let context = around.with_span(span);
        call.extensions.span = Some(Arc::new(CallSpan::new(context, identity.span_id, told, recording)));
    }

    fn finish(&self, call: &CallContext) {
        let info = call.info();
        // One that is not the call's own is its caller's.
        let own = |active: &&CallSpan| active.is_recorded_by(self.number) && active.is_of(info.trace().span_id);
        let Some(active) = span_of(&call.extensions).filter(own) else { return };
        let span = active.context().span();
        let kind = Kind::of(info);
        let mut attributes = Attributes::new(kind.names(self.conventions));
        if active.told() != Told::All {
            span.update_name(self.name_of(call));
            attributes.called_at_last(kind, call, active.told());
        }
        let failure = status::failure(kind, info, self.business);
        attributes.ended(kind, info, failure);
        attributes.asked_for(kind, call);
        if info.side() == Side::Client {
            attributes.peer(kind, info);
        }
        attributes.carried(kind, call);
        attributes.sizes(kind, info);
        attributes.attempts(kind, info);
        attributes.business(info, self.business);
        attributes.tags(info);
        events::add(&span, info, self.events, &mut attributes);
        span.set_attributes(attributes.list);
        if let Some(status) = status::status(info, failure.is_some()) {
            span.set_status(status);
        }
        span.end_with_timestamp(time(info.stats().started_unix_nanos()) + info.stats().duration());
    }

    fn level(&self, _: Side, _: &str) -> Level {
        self.events.level()
    }

    fn attempts(&self) -> bool {
        self.attempts
    }

    fn request_head(&self) -> bool {
        true
    }
}

impl<T> fmt::Debug for SpanTracer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanTracer")
            .field("conventions", &self.conventions)
            .field("business", &self.business)
            .field("filters", &self.filters.len())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
