//! Setting OpenTelemetry up by its environment variables, and what holds it while the service runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::account::Accounts;
use super::account::{Account, Counts, MetricAccount, MetricCounts};
use super::batch::{Batch, FLUSH, GRACE};
use super::collector::Collector;
use super::haste::Haste;
use super::metrics::Exporter;
use super::own;
use super::sampler::SdkSampler;
use super::settings::{Settings, check_propagators};
use super::sources::Sources;
use super::target::Signal;
use super::variables::{ConfigError, DAY, Variables};
use crate::tracer::SCOPE;
use crate::{MetricTracer, SpanTracer};
use hottap_core::panics::{Place, caught};
use hottap_core::propagate::LiveSampler;

/// OpenTelemetry, set up by [`init`]. Keep it while the service runs and [shut it down](Self::shutdown) at its end: what has
/// not been sent by then is lost when it is dropped.
#[must_use = "what has not been sent is lost when it is dropped"]
pub struct Otel {
    spans: SdkTracerProvider,
    /// None if spans go nowhere.
    batch: Option<Batch>,
    metrics: SdkMeterProvider,
    haste: Option<Arc<Haste>>,
    account: Arc<Account>,
    metric_account: Arc<MetricAccount>,
    /// None if metrics go nowhere.
    #[doc(hidden)]
    pub sources: Option<Sources>,
    /// Which traces are sampled.
    #[doc(hidden)]
    pub sampler: Arc<LiveSampler>,
    ignored: Vec<ConfigError>,
    ended: AtomicBool,
}

/// Sets OpenTelemetry up by its environment variables, and makes its providers the global ones.
///
/// Spans are gathered and sent by a thread of their own, metrics by another; no RPC waits for either, and no async runtime
/// is needed. Whatever the collector does, RPCs do not notice: what can't be delivered is tried again for
/// `OTEL_BSP_EXPORT_TIMEOUT`, as long as the queue has room; what is lost is counted ([`Otel::counts`],
/// [`Otel::metric_counts`]); the log has one line when trouble begins and one when it is over.
///
/// | variable | default |
/// |---|---|
/// | `OTEL_EXPORTER_OTLP_ENDPOINT` | `http://localhost:4318`, for gRPC `http://localhost:4317` |
/// | `OTEL_EXPORTER_OTLP_PROTOCOL` | `http/protobuf`; or `grpc` |
/// | `OTEL_EXPORTER_OTLP_HEADERS` | none: `key=value,…` |
/// | `OTEL_EXPORTER_OTLP_COMPRESSION` | `none`; or `gzip` |
/// | `OTEL_EXPORTER_OTLP_TIMEOUT` | 10000, in ms, of one attempt |
/// | `OTEL_EXPORTER_OTLP_CERTIFICATE` | the roots that the system trusts; a PEM file |
/// | `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`, `OTEL_EXPORTER_OTLP_CLIENT_KEY` | none: PEM files, both or neither |
/// | `OTEL_EXPORTER_OTLP_INSECURE` | false: gRPC without a scheme is over TLS |
/// | the same with `_TRACES_` or `_METRICS_` after `OTLP` | for one signal; its endpoint over HTTP is used as it is |
/// | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | `unknown_service:` and the program's name |
/// | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | `parentbased_always_on`; not `jaeger_remote`, not `xray` |
/// | `OTEL_BSP_MAX_QUEUE_SIZE`, `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` | 2048, 512 spans |
/// | `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_BSP_EXPORT_TIMEOUT` | 5000, 30000, in ms, the latter with all attempts but without the pauses that the collector asks for |
/// | `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`, `OTEL_SPAN_EVENT_COUNT_LIMIT`, `OTEL_SPAN_LINK_COUNT_LIMIT` | 128 of a span |
/// | `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`, `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT` | 128 of an event, of a link |
/// | `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT` | none; characters of a text, cut when it is sent |
/// | `OTEL_ATTRIBUTE_COUNT_LIMIT`, `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT` | where those of spans, events, links are not set |
/// | `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_METRIC_EXPORT_TIMEOUT` | 60000, 30000, in ms, the latter with all attempts |
/// | `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` | `cumulative`; or `delta`, `lowmemory`. Tracers' series and the host's stay cumulative |
/// | `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` | `otlp`; or `none`, and no other, also not `console` |
/// | `OTEL_SDK_DISABLED` | `false`; `true`: no spans, no metrics, and calls keep the identity that they had |
///
/// Empty is not set, words are in either case, and a time-out of 0 is none. A value that can't be used (a word that is not
/// known, a number that is none) is ignored as if the variable were not set, with a warning in the log: so the specification
/// has it. Of a list of exporters, those that are known count; attributes of the resource are ignored all together.
/// [`Otel::ignored`] says which variables these are, and [`init_strict`] makes the first of them an error.
///
/// The settings of the collector's address and of the credentials are never ignored: an endpoint, headers or
/// certificates that can't be used are errors here, too.
///
/// The sampler in `hottap.toml` goes before `OTEL_TRACES_SAMPLER` for a `Hottap` that has this provider's
/// [`spans`](Otel::spans), or is given it by `Builder::otel`.
///
/// `OTEL_PROPAGATORS` is [`Propagators::from_env`](hottap_core::propagate::Propagators::from_env)'s, `OTEL_SEMCONV_STABILITY_OPT_IN` is
/// [`Conventions::from_env`](crate::Conventions::from_env)'s. Of the specification's other variables, those of log
/// records (`OTEL_BLRP_*`, `OTEL_LOGS_*`, `OTEL_LOGRECORD_*`) say nothing here, as no log records are exported, nor do those
/// of other exporters (`OTEL_EXPORTER_ZIPKIN_*`, `OTEL_EXPORTER_PROMETHEUS_*`); `OTEL_LOG_LEVEL` does not, as the log is
/// `tracing`'s; `OTEL_METRICS_EXEMPLAR_FILTER` does not, as there are no exemplars. A configuration file
/// (`OTEL_CONFIG_FILE`, `OTEL_EXPERIMENTAL_CONFIG_FILE`) is ignored with a warning, and so is any aggregation of histograms but
/// `explicit_bucket_histogram` in `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`.
///
/// A metric has 2000 series at most, the SDK's own limit: calls with further attributes are counted together in one series
/// with the attribute `otel.metric.overflow`.
///
/// Spans or metrics that are longer than 4 MiB go in several messages: collectors take no more by default. Each of them has its
/// share of the time, and one that does not arrive keeps no other from being sent.
///
/// What a collector answers counts as OTLP has it. It is tried again after pauses of half a second that double, or as long as
/// the collector asks for (`Retry-After` in seconds or as a date, gRPC's `RetryInfo`; half a minute at most), after HTTP's
/// 429, 502, 503 and 504, after gRPC's `CANCELLED`, `DEADLINE_EXCEEDED`, `ABORTED`, `OUT_OF_RANGE`, `UNAVAILABLE` and
/// `DATA_LOSS`, and when nobody answers; after `RESOURCE_EXHAUSTED` only with a `RetryInfo`, as without it the message is too
/// large and stays so. All else is final; redirects are not followed.
///
/// ```no_run
/// let otel = hottap::otel::init()?;
/// let tap = hottap::Hottap::builder().tracer(otel.spans()).tracer(otel.metrics()).start()?;
/// // … serve …
/// otel.shutdown(std::time::Duration::from_secs(5));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// An endpoint, headers or certificates can't be used: the variable is named, and nothing has been started.
pub fn init() -> Result<Otel, ConfigError> {
    Otel::build(&environment, None, false).map(Otel::globally)
}

/// The same with the name that the service gives itself, where the environment gives none.
///
/// # Errors
/// As of [`init`].
pub fn init_as(service: &str) -> Result<Otel, ConfigError> {
    Otel::build(&environment, Some(service), false).map(Otel::globally)
}

/// As [`init`], for services that are not to start with a mistake in their environment: no variable is ignored.
///
/// # Errors
/// A variable's value can't be used, also of `OTEL_PROPAGATORS`: it is named, and nothing has been started.
pub fn init_strict() -> Result<Otel, ConfigError> {
    Otel::build(&environment, None, true).map(Otel::globally)
}

/// The same with the name that the service gives itself, where the environment gives none.
///
/// # Errors
/// As of [`init_strict`].
pub fn init_strict_as(service: &str) -> Result<Otel, ConfigError> {
    Otel::build(&environment, Some(service), true).map(Otel::globally)
}

/// A variable of this process. What is no text is one that nobody can use, and not one that is not set.
fn environment(name: &str) -> Option<String> {
    Some(std::env::var_os(name)?.to_string_lossy().into_owned())
}

impl Otel {
    /// As [`init`] with these variables instead of the environment's, and without becoming the global one.
    ///
    /// # Errors
    /// As of [`init`].
    pub fn with_variables(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::build(&variables, None, false)
    }

    /// As [`init_strict`] with these variables instead of the environment's, and without becoming the global one.
    ///
    /// # Errors
    /// As of [`init_strict`].
    pub fn with_variables_strict(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::build(&variables, None, true)
    }

    /// Makes the providers the global ones.
    fn globally(self) -> Self {
        opentelemetry::global::set_tracer_provider(self.spans.clone());
        opentelemetry::global::set_meter_provider(self.metrics.clone());
        self
    }

    fn build(
        variables: &dyn Fn(&str) -> Option<String>,
        service: Option<&str>,
        strict: bool,
    ) -> Result<Self, ConfigError> {
        let variables = Variables::new(variables);
        let settings = Settings::read(&variables, service)?;
        if strict {
            check_propagators(&variables);
        }
        let mut ignored = variables.into_ignored();
        if strict && !ignored.is_empty() {
            return Err(ignored.swap_remove(0));
        }
        let (account, metric_account) = (Arc::<Account>::default(), Arc::<MetricAccount>::default());
        let sources = Sources::default();
        // Of both, so that nothing has been started if one is wrong.
        let wanted = |target: Option<_>| target.filter(|_| !settings.disabled);
        let traces = wanted(settings.traces).map(|target| Collector::new(Signal::Traces, target)).transpose()?;
        let metrics = wanted(settings.metrics).map(|target| Collector::new(Signal::Metrics, target)).transpose()?;

        for problem in &ignored {
            tracing::warn!("{problem}; meanwhile it is ignored");
        }
        let sampler = Arc::new(LiveSampler::new(settings.sampler));
        let mut spans = SdkTracerProvider::builder()
            .with_sampler(SdkSampler(sampler.clone()))
            .with_span_limits(settings.batch.limits.counts)
            .with_resource(settings.resource.clone());
        let start = |collector| Batch::start(collector, &settings.resource, settings.batch, account.clone());
        let batch = traces.map(start).transpose().map_err(|source| ConfigError::Thread { source })?;
        if let Some(batch) = &batch {
            spans = spans.with_span_processor(batch.clone());
        }
        let haste = metrics.as_ref().map(|collector| Arc::new(Haste::new(collector.closer())));
        let mut meters = SdkMeterProvider::builder().with_resource(settings.resource);
        if let Some((collector, haste)) = metrics.zip(haste.clone()) {
            let exporter = Exporter::new(collector, settings.reader, sources.clone(), metric_account.clone(), haste);
            meters =
                meters.with_reader(PeriodicReader::builder(exporter).with_interval(settings.reader.interval).build());
        }
        let metrics = meters.build();
        own::observe(&metrics.meter(SCOPE), &account, settings.batch);
        let otel = Self {
            spans: spans.build(),
            batch,
            metrics,
            sources: haste.is_some().then_some(sources),
            haste,
            account,
            metric_account,
            sampler,
            ignored,
            ended: AtomicBool::new(false),
        };
        if settings.disabled {
            // A provider that is shut down makes no spans, and leaves calls as they are.
            let _ = otel.spans.shutdown();
        }
        Ok(otel)
    }

    /// A tracer that makes spans with this provider.
    #[must_use]
    pub fn spans(&self) -> SpanTracer<SdkTracer> {
        SpanTracer::new(&self.spans).sampled_by(self.sampler.clone())
    }

    /// The variables that could not be used and were ignored, each with its problem. They are in the log, too, if there was
    /// one when this was set up.
    #[must_use]
    pub fn ignored(&self) -> &[ConfigError] {
        &self.ignored
    }

    /// A tracer that keeps metrics with this provider.
    #[must_use]
    pub fn metrics(&self) -> MetricTracer {
        MetricTracer::new(&self.metrics)
    }

    /// For the application's own spans.
    #[must_use]
    pub fn tracer_provider(&self) -> &SdkTracerProvider {
        &self.spans
    }

    /// For the application's own metrics.
    #[must_use]
    pub fn meter_provider(&self) -> &SdkMeterProvider {
        &self.metrics
    }

    /// What became of the spans until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.account.counts()
    }

    /// What became of the exports of metrics until now.
    #[must_use]
    pub fn metric_counts(&self) -> MetricCounts {
        self.metric_account.counts()
    }

    #[doc(hidden)]
    #[must_use]
    pub fn accounts(&self) -> Accounts {
        Accounts { spans: self.account.clone(), metrics: self.metric_account.clone() }
    }

    /// Sends what waits, with one attempt. Blocks, for 30 seconds at most; from an async task, call it through
    /// `tokio::task::spawn_blocking`. False if the collector did not take all of it.
    pub fn flush(&self) -> bool {
        let until = Instant::now() + FLUSH;
        let metrics = self.haste.clone().map(|haste| {
            self.aside(move |metrics| {
                let _flushing = haste.clone().flush();
                metrics.force_flush().is_ok() && haste.is_well()
            })
        });
        let spans = self.batch.as_ref().is_none_or(|batch| batch.flush(FLUSH));
        let left = || until.saturating_duration_since(Instant::now());
        metrics.is_none_or(|done| done.recv_timeout(left()).unwrap_or(false)) && spans
    }

    /// Sends what waits, with one attempt, and ends. Blocks until that is done, at most for `wait` and half a second: spans
    /// that are left then are dropped and counted, as are those that end later. From an async task, call it through
    /// `tokio::task::spawn_blocking`. False if the collector did not take all of it, or it was shut down before.
    pub fn shutdown(&self, wait: Duration) -> bool {
        if self.ended.swap(true, Ordering::Relaxed) {
            return false;
        }
        let until = Instant::now() + wait.min(DAY);
        if let Some(haste) = &self.haste {
            haste.close(until);
            // The SDK waits for five seconds, whatever it is told: the exporter says when it is done.
            self.aside(|metrics| metrics.shutdown().is_ok());
        }
        let spans = self.batch.as_ref().is_none_or(|batch| batch.shutdown(until));
        self.haste.as_ref().is_none_or(|haste| haste.wait(until + GRACE)) && spans
    }

    /// Does something that may take its time with the metrics.
    fn aside(&self, run: impl FnOnce(SdkMeterProvider) -> bool + Send + 'static) -> Receiver<bool> {
        let (tell, done) = channel();
        let metrics = self.metrics.clone();
        // Without a thread there is nobody who tells, which is an answer, too.
        let run = move || tell.send(caught(Place::Otlp, || run(metrics)).unwrap_or(false));
        let _ = std::thread::Builder::new().name("hottap-otlp-wait".into()).spawn(run);
        done
    }
}

/// Ends without waiting: what has not been sent is dropped, and counted by nobody any more.
impl Drop for Otel {
    fn drop(&mut self) {
        let now = Instant::now();
        if let Some(haste) = &self.haste {
            haste.close(now);
        }
        if let Some(batch) = &self.batch {
            batch.close(now);
        }
    }
}

impl fmt::Debug for Otel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Otel")
            .field("counts", &self.counts())
            .field("metric_counts", &self.metric_counts())
            .finish_non_exhaustive()
    }
}
