//! The span processor: a bounded queue and the thread that empties it. No RPC waits for it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message;

use super::account::Account;
use super::answer::Verdict;
use super::backoff::Backoff;
use super::collector::{Closer, Collector};
use super::pieces::{MAX_BYTES, pieces};
use super::settings::BatchSettings;
use super::trouble::Trouble;
use super::variables::DAY;

/// How long a flush waits at most.
const FLUSH: Duration = Duration::from_secs(30);

/// Gathers spans and sends them in batches.
#[derive(Debug)]
pub(super) struct Batch {
    shared: Arc<Shared>,
    closer: Closer,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    settings: BatchSettings,
    account: Arc<Account>,
    trouble: Trouble,
    state: Mutex<State>,
    /// For the thread: there is something to do.
    work: Condvar,
    /// For those who flush: something is done.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<SpanData>,
    /// How many flushes were asked for and are done, and whether the last one delivered all.
    asked: u64,
    flushed: u64,
    flushed_well: bool,
    /// Since when no more spans are taken, and until when those that wait may be sent.
    closed: Option<Instant>,
    ended: bool,
}

impl Batch {
    pub(super) fn start(
        collector: Collector,
        resource: &Resource,
        settings: BatchSettings,
        account: Arc<Account>,
    ) -> io::Result<Self> {
        let trouble = Trouble::new("spans", collector.place());
        let shared = Arc::new(Shared {
            settings,
            account,
            trouble,
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let closer = collector.closer();
        let sender = Sender { shared: shared.clone(), collector, resource: resource.into() };
        let thread = std::thread::Builder::new().name("hottap-otlp".into()).spawn(move || sender.run())?;
        Ok(Self { shared, closer, thread: Mutex::new(Some(thread)) })
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Batch {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let Shared { settings, account, trouble, work, .. } = &*self.shared;
        if !span.span_context.is_sampled() {
            return;
        }
        account.ended();
        let mut state = self.shared.state();
        if state.closed.is_some() {
            account.dropped();
            return;
        }
        if state.waiting.len() >= settings.queue {
            drop(state);
            account.dropped();
            trouble.is(&format_args!("{} spans wait already (OTEL_BSP_MAX_QUEUE_SIZE)", settings.queue), 1);
            return;
        }
        account.waits();
        state.waiting.push(span);
        let is_batch = state.waiting.len() == settings.batch;
        drop(state);
        if is_batch {
            work.notify_one();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        let mut state = self.shared.state();
        state.asked += 1;
        let ticket = state.asked;
        self.shared.work.notify_one();
        let until = |state: &mut State| state.flushed < ticket && !state.ended;
        let (state, timed) =
            self.shared.done.wait_timeout_while(state, FLUSH, until).unwrap_or_else(PoisonError::into_inner);
        match (timed.timed_out(), state.flushed_well) {
            (true, _) => Err(OTelSdkError::Timeout(FLUSH)),
            (false, true) => Ok(()),
            (false, false) => Err(OTelSdkError::InternalFailure("the collector did not take all spans".into())),
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let mut state = self.shared.state();
        if state.closed.is_some() {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let until = Instant::now() + timeout.min(DAY);
        state.closed = Some(until);
        drop(state);
        self.closer.send_replace(Some(until));
        self.shared.work.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It ends in time: nothing that it does takes longer than it may.
        if thread.is_some_and(|thread| thread.join().is_err()) {
            return Err(OTelSdkError::InternalFailure("the thread that exports panicked".into()));
        }
        let well = self.shared.state().flushed_well;
        if well { Ok(()) } else { Err(OTelSdkError::InternalFailure("the collector did not take all spans".into())) }
    }
}

/// What the thread has to itself.
struct Sender {
    shared: Arc<Shared>,
    collector: Collector,
    resource: ResourceAttributesWithSchema,
}

impl Sender {
    fn run(mut self) {
        // What is done for export makes no spans.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let shared = self.shared.clone();
        let mut since = Instant::now();
        loop {
            let delay = shared.settings.delay.saturating_sub(since.elapsed());
            let state = shared.state();
            let idle = |state: &mut State| {
                state.closed.is_none() && state.asked == state.flushed && state.waiting.len() < shared.settings.batch
            };
            let (mut state, _) =
                shared.work.wait_timeout_while(state, delay, idle).unwrap_or_else(PoisonError::into_inner);
            let (asked, closed) = (state.asked, state.closed.is_some());
            let whole = closed || asked != state.flushed;
            let mut left = state.waiting.len();
            let mut well = true;
            loop {
                let count = left.min(shared.settings.batch);
                let batch: Vec<SpanData> = state.waiting.drain(..count).collect();
                drop(state);
                left -= count;
                well &= batch.is_empty() || self.deliver(batch);
                state = shared.state();
                // Between flushes, what is no full batch waits for its time again.
                if left == 0 || !(whole || left >= shared.settings.batch) {
                    break;
                }
            }
            since = Instant::now();
            if whole {
                (state.flushed, state.flushed_well) = (asked, well);
                state.ended = closed;
                shared.done.notify_all();
            }
            if closed {
                return;
            }
        }
    }

    /// True if all of it was delivered.
    fn deliver(&mut self, mut batch: Vec<SpanData>) -> bool {
        batch.iter_mut().for_each(|span| self.shared.settings.limits.cut(span));
        let request =
            ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(batch, &self.resource) };
        let mut well = true;
        for (piece, count) in pieces(request, MAX_BYTES) {
            well &= self.deliver_piece(&piece, count);
        }
        well
    }

    /// Tries until the request is delivered, refused, or its time is over. True if it was delivered.
    fn deliver_piece(&mut self, request: &ExportTraceServiceRequest, count: usize) -> bool {
        let packed = self.collector.pack(&request.encode_to_vec());
        let until = Instant::now() + self.shared.settings.timeout;
        let mut backoff = Backoff::new();
        loop {
            let limit = self.shared.state().closed.map_or(until, |closed| closed.min(until));
            let left = limit.saturating_duration_since(Instant::now());
            let Shared { account, trouble, .. } = &*self.shared;
            if left.is_zero() {
                trouble.is(&"there is no time left", count as u64);
                account.given_up(count);
                return false;
            }
            let (reason, after) = match self.collector.send(&packed, left) {
                Verdict::Taken { rejected } => {
                    trouble.is_over();
                    account.delivered(count, rejected);
                    return rejected == 0;
                }
                Verdict::Never { reason } => {
                    trouble.is(&reason, count as u64);
                    account.failed(count);
                    return false;
                }
                Verdict::Later { reason, after } => (reason, after),
            };
            let wait = backoff.next(after);
            let is_last = Instant::now() + wait >= until || self.is_hurried();
            trouble.is(&reason, if is_last { count as u64 } else { 0 });
            if is_last {
                account.failed(count);
                // Who asks for a pause has it from the next batch, too.
                self.pause(after.unwrap_or_default());
                return false;
            }
            self.pause(wait);
        }
    }

    /// Somebody waits for what is sent: it is tried once, and no longer.
    fn is_hurried(&self) -> bool {
        let state = self.shared.state();
        state.closed.is_some() || state.asked != state.flushed
    }

    /// Waits before the next attempt, which is due at once if somebody waits for it.
    fn pause(&self, wait: Duration) {
        let state = self.shared.state();
        let calm = |state: &mut State| state.closed.is_none() && state.asked == state.flushed;
        drop(self.shared.work.wait_timeout_while(state, wait, calm).unwrap_or_else(PoisonError::into_inner));
    }
}
