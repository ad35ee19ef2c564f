//! The span processor: a bounded queue and the thread that empties it. No RPC waits for it.

use hottap_core::lock::lock;
use std::collections::VecDeque;
use std::io;
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
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
use super::parts::{Part, parts, room, share};
use super::settings::BatchSettings;
use super::trouble::Trouble;
use super::variables::DAY;
use hottap_core::panics::{Place, caught};
use hottap_core::process::Process;

/// How long a flush waits at most.
pub(super) const FLUSH: Duration = Duration::from_secs(30);
/// How much longer than it may take the end of the thread is waited for: it looks at the time before each step.
pub(super) const GRACE: Duration = Duration::from_millis(500);

/// Gathers spans and sends them in batches. Its clones are one.
#[derive(Clone, Debug)]
pub(super) struct Batch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: BatchSettings,
    account: Arc<Account>,
    trouble: Trouble,
    process: Process,
    state: Mutex<State>,
    /// For the thread: there is something to do.
    work: Condvar,
    /// For those who flush: something is done.
    done: Condvar,
    closer: Closer,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<SpanData>,
    /// How many flushes were asked for, and are done.
    asked: u64,
    flushed: u64,
    /// Spans that were taken and have not reached the collector: whoever waits sees whether there are more.
    lost: u64,
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
        let shared = Arc::new(Shared {
            settings,
            account,
            trouble: Trouble::new("spans", collector.place()),
            process: Process::current(),
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            closer: collector.closer(),
        });
        let sender = Sender { shared: shared.clone(), collector, resource: resource.into() };
        std::thread::Builder::new().name("hottap-otlp".into()).spawn(move || sender.run())?;
        Ok(Self(shared))
    }

    /// Sends what waits, with one attempt. True if the collector has taken all of it.
    pub(super) fn flush(&self, most: Duration) -> bool {
        if self.0.process.is_forked() {
            return false;
        }
        let mut state = self.0.state();
        if state.closed.is_some() {
            return false;
        }
        state.asked += 1;
        let (ticket, lost) = (state.asked, state.lost);
        self.0.work.notify_one();
        let (state, timed) = self
            .0
            .done
            .wait_timeout_while(state, most, |state| state.flushed < ticket && !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        !timed.timed_out() && state.lost == lost
    }

    /// Takes no more spans from now on: they are counted as dropped. Those that wait may be sent until then. False if that
    /// was said before.
    pub(super) fn close(&self, until: Instant) -> bool {
        if self.0.process.is_forked() {
            return false;
        }
        let mut state = self.0.state();
        let is_first = state.closed.is_none();
        state.closed.get_or_insert(until);
        drop(state);
        if is_first {
            self.0.closer.send_replace(Some(until));
            self.0.work.notify_one();
        }
        is_first
    }

    /// [Closes](Self::close) it and waits until what waited is sent or given up. True if the collector has taken all of it.
    pub(super) fn shutdown(&self, until: Instant) -> bool {
        if self.0.process.is_forked() {
            return false;
        }
        let lost = self.0.state().lost;
        if !self.close(until) {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now()) + GRACE;
        let waited = self.0.done.wait_timeout_while(self.0.state(), left, |state| !state.ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.ended && state.lost == lost
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl SpanProcessor for Batch {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let Shared { settings, account, trouble, work, .. } = &*self.0;
        // In a forked child there is no thread that would send it.
        if !span.span_context.is_sampled() || self.0.process.is_forked() {
            return;
        }
        account.ended();
        let mut state = self.0.state();
        if state.closed.is_some() {
            account.shut_down();
            return;
        }
        if state.waiting.len() >= settings.queue {
            drop(state);
            account.queue_full();
            trouble.is(&format_args!("{} spans wait already (OTEL_BSP_MAX_QUEUE_SIZE)", settings.queue), 1);
            return;
        }
        account.waits();
        state.waiting.push_back(span);
        let is_batch = state.waiting.len() == settings.batch;
        drop(state);
        if is_batch {
            work.notify_one();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        let done = self.flush(FLUSH);
        if done { Ok(()) } else { Err(OTelSdkError::InternalFailure("the collector did not take all spans".into())) }
    }

    /// The provider is shut down, or its last clone is gone.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let done = self.shutdown(Instant::now() + timeout.min(DAY));
        if done { Ok(()) } else { Err(OTelSdkError::InternalFailure("the collector did not take all spans".into())) }
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
        while caught(Place::Otlp, || self.send()).is_err() {}
    }

    fn send(&mut self) {
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
            loop {
                let count = left.min(shared.settings.batch);
                let batch: Vec<SpanData> = state.waiting.drain(..count).collect();
                drop(state);
                left -= count;
                let lost = if batch.is_empty() { 0 } else { self.deliver(batch) };
                state = shared.state();
                state.lost += lost;
                // Between flushes, what is no full batch waits for its time again.
                if left == 0 || !(whole || left >= shared.settings.batch) {
                    break;
                }
            }
            since = Instant::now();
            if whole {
                state.flushed = asked;
                state.ended = closed;
                shared.done.notify_all();
            }
            if closed {
                return;
            }
        }
    }

    /// Until when there is time for a batch that has time until then.
    fn limit(&self, until: Instant) -> Instant {
        self.shared.state().closed.map_or(until, |closed| closed.min(until))
    }

    /// How many spans were lost.
    fn deliver(&mut self, batch: Vec<SpanData>) -> u64 {
        let mut until = Instant::now() + self.shared.settings.timeout;
        if self.limit(until) <= Instant::now() {
            // Not even worth encoding.
            return self.give_up(batch.len());
        }
        // A panic costs the batch that was being sent, or the part of it, and the next one is sent.
        let all = batch.len();
        let requests = match caught(Place::Otlp, || self.requests(batch)) {
            Ok(requests) => requests,
            Err(panic) => return self.fail(&panic.to_string(), all),
        };
        let (mut lost, all) = (0, requests.len());
        for (index, (request, count)) in requests.into_iter().enumerate() {
            let now = Instant::now();
            let share = now + share(self.limit(until).saturating_duration_since(now), all - index);
            let mut own = share;
            lost += caught(Place::Otlp, || self.deliver_part(&request, count, &mut own))
                .unwrap_or_else(|panic| self.fail(&panic.to_string(), count));
            until += own - share;
        }
        lost
    }

    /// The messages that a batch is sent in, with the number of spans of each.
    fn requests(&self, mut batch: Vec<SpanData>) -> Vec<(ExportTraceServiceRequest, usize)> {
        batch.iter_mut().for_each(|span| self.shared.settings.limits.cut(span));
        let mut requests = Vec::new();
        for mut of_resource in group_spans_by_resource_and_scope(batch, &self.resource) {
            let scopes = take(&mut of_resource.scope_spans);
            let request = |of_resource| ExportTraceServiceRequest { resource_spans: vec![of_resource] };
            let whole = request(of_resource.clone());
            let parts = parts(scopes, room(&whole)).into_iter();
            requests.extend(parts.map(|Part { scopes: scope_spans, count }| {
                (request(ResourceSpans { scope_spans, ..of_resource.clone() }), count)
            }));
        }
        requests
    }

    /// Tries until the request is delivered, refused, or its time is over. How many spans were lost.
    fn deliver_part(&mut self, request: &ExportTraceServiceRequest, count: usize, until: &mut Instant) -> u64 {
        let packed = self.collector.pack(&request.encode_to_vec());
        let (mut backoff, mut last) = (Backoff::default(), None::<String>);
        loop {
            let left = self.limit(*until).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return match last {
                    Some(reason) => self.fail(&reason, count),
                    None => self.give_up(count),
                };
            }
            let verdict = self.collector.send(&packed, left);
            let Shared { account, trouble, .. } = &*self.shared;
            let (reason, after) = match verdict {
                Verdict::Taken { rejected: 0, words } => {
                    trouble.is_over();
                    trouble.says(&words);
                    account.delivered(count, 0);
                    return 0;
                }
                Verdict::Taken { rejected, words } => {
                    let rejected = rejected.min(count as u64);
                    trouble.is_partial(&words, rejected);
                    account.delivered(count, rejected);
                    return rejected;
                }
                Verdict::Never { reason } => return self.fail(&reason, count),
                Verdict::Later { reason, after } => (reason, after),
            };
            let wait = backoff.next(after);
            // The time for which the collector asks is not the batch's: the queue holds what comes meanwhile.
            *until += after.unwrap_or_default();
            if Instant::now() + wait >= *until || self.is_hurried() {
                return self.fail(&reason, count);
            }
            trouble.is(&reason, 0);
            last = Some(reason);
            self.pause(wait);
        }
    }

    /// So many were tried in vain.
    fn fail(&self, reason: &str, count: usize) -> u64 {
        self.shared.trouble.is(&reason, count as u64);
        self.shared.account.failed(count);
        count as u64
    }

    /// There is no time left for so many, which were not tried.
    fn give_up(&self, count: usize) -> u64 {
        self.shared.trouble.is(&"there is no time left", count as u64);
        self.shared.account.timed_out(count);
        count as u64
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
