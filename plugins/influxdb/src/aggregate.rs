//! A point for each series and interval: few points however many calls, and no call left out.

use std::fmt;
use std::rc::Rc;

use hottap_guest::conventions::failure;
use hottap_guest::metrics::Keyed;
use hottap_guest::outbox::Lines;
use hottap_guest::{Batch, Field, Flush, Symbol};

use crate::kind::{self, Tags};
use crate::series::{Buckets, Series};
use crate::stamp::Stamp;

/// Series in one interval. A service has some hundreds; when there are more than this their lines are written at once
/// and the table begins anew, so a flood costs points and not memory. Fewer than [`Keyed`] keeps, which would forget
/// what was not written yet.
const MAX_SERIES: usize = 8192;

/// The tracer's work when it sums up.
pub(crate) struct Aggregate {
    tags: Tags,
    buckets: Buckets,
    by_kind: Keyed<Rc<Series>>,
    all: Vec<Rc<Series>>,
    /// When the interval began, in nanoseconds since the Unix epoch.
    began: u64,
}

impl Aggregate {
    pub(crate) fn new(tags: Tags, bounds: Vec<u64>, now: u64) -> Self {
        Self { tags, buckets: Buckets::new(bounds), by_kind: Keyed::new(), all: Vec::new(), began: now }
    }

    pub(crate) fn finish(&mut self, batch: &Batch, stamp: &mut Stamp, lines: &mut Lines) {
        use Field::{Duration, ErrorType, HttpStatus, Method, Protocol, ReceivedBytes, RpcStatus, SentBytes, Side};
        let [sides, methods, protocols, rpc_statuses, http_statuses, error_types, nanos, sent, received] = batch
            .columns([Side, Method, Protocol, RpcStatus, HttpStatus, ErrorType, Duration, SentBytes, ReceivedBytes]);

        let who = sides.iter().zip(methods).zip(protocols);
        let how = rpc_statuses.iter().zip(http_statuses).zip(error_types);
        let much = nanos.iter().zip(sent).zip(received);
        let calls = who.zip(how).zip(much).zip(batch.calls());
        for (((((side, method), protocol), ((rpc, http), error_type)), ((&nanos, &sent), &received)), call) in calls {
            if self.all.len() >= MAX_SERIES {
                // The one time that is known for sure to belong to this interval.
                self.write_all(stamp.at(self.began), lines);
                self.all.clear();
                self.by_kind = Keyed::new();
            }
            let Self { tags, buckets, by_kind, all, .. } = self;
            let key = kind::key(*side, *method, *protocol, *rpc, *http, *error_type);
            let series = by_kind.get_or_insert_with(key, || {
                let failed = failure(call) != Symbol::NONE;
                let series = Rc::new(Series::new(tags.of(call), failed, buckets));
                all.push(series.clone());
                series
            });
            series.record(nanos, sent, received, buckets);
        }
    }

    pub(crate) fn flush(&mut self, at: Flush, stamp: &mut Stamp, lines: &mut Lines) {
        if self.all.iter().any(|series| !series.is_empty()) {
            self.write_all(stamp.at(at.now), lines);
        }
        self.began = at.now;
        self.by_kind.forget_idle(at.elapsed);
        self.all.retain(|series| Rc::strong_count(series) > 1);
    }

    /// Writes the lines of all series that had calls.
    fn write_all(&self, unix_nanos: u64, lines: &mut Lines) {
        for series in self.all.iter().filter(|series| !series.is_empty()) {
            lines.line(|line| series.take_line(line, unix_nanos, &self.buckets));
        }
    }
}

impl fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregate").field("tags", &self.tags).field("series", &self.all.len()).finish_non_exhaustive()
    }
}
