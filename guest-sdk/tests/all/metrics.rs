//! Metrics as a tracer records them and as the host gets them.

use std::time::Duration;

use hottap_guest::metrics::{Counter, DurationHistogram, Gauge, Histogram};
use hottap_guest::testing::{Harness, TestCall};
use hottap_guest::{Call, Config, Error, Tracer};

/// One of each.
struct Instruments {
    counter: Counter,
    gauge: Gauge,
    sizes: Histogram,
    durations: DurationHistogram,
}

impl Tracer for Instruments {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self {
            counter: Counter::define("counter").unit("{call}").labels(["method"]).build(),
            gauge: Gauge::define("gauge").labels(["method"]).build(),
            sizes: Histogram::define("sizes").unit("By").labels(["method"]).bounds(&[10.0, 100.0]).build(),
            durations: DurationHistogram::define("durations").labels(["method"]).bounds(&[0.5, 1.0]).build(),
        })
    }

    fn finish_call(&mut self, call: &Call) {
        let labels = [call.method()];
        self.counter.with(&labels).increment();
        self.sizes.with(&labels).record(call.sent_bytes() as f64);
        self.durations.with(&labels).record(call.duration());
        let gauge = self.gauge.with(&labels);
        match call.business_status() {
            0 => gauge.set(call.sent_bytes() as f64),
            change => gauge.add(change.into()),
        }
    }
}

#[test]
fn values_are_summed_up_and_handed_over_in_the_flush() {
    let mut host = Harness::<Instruments>::start();
    let call = |bytes, seconds| TestCall::server("a").sent(bytes, 1, 0).duration(Duration::from_secs_f64(seconds));
    host.finish([call(10, 0.5), call(11, 0.75), call(1000, 2.0), TestCall::server("b")]);
    host.flush();
    host.finish([call(1, 0.0)]);
    host.flush();
    let a = [("method", "a")];
    assert_eq!(host.counter("counter", &a), Some(4.0));
    assert_eq!(host.counter("counter", &[]), Some(5.0), "without labels it is the sum of all series");
    let sizes = host.histogram("sizes", &a).expect("sizes of a");
    assert_eq!((sizes.counts, sizes.sum), (vec![2, 1, 1], 1022.0));
    let durations = host.histogram("durations", &a).expect("durations of a");
    assert_eq!((durations.counts, durations.sum), (vec![2, 1, 1], 3.25));
    assert!(host.metrics().eq([("counter", "{call}"), ("gauge", ""), ("sizes", "By"), ("durations", "s")]));
    assert!(host.errors().is_empty(), "{:?}", host.errors());
}

#[test]
fn a_gauge_is_set_and_changed_in_the_order_in_which_it_happened() {
    let mut host = Harness::<Instruments>::start();
    let set = |value| TestCall::server("a").sent(value, 0, 0);
    let change = |by| TestCall::server("a").business_status(by);
    let mut after = |calls: Vec<TestCall>| {
        host.finish(calls);
        host.flush();
        host.gauge("gauge", &[])
    };
    assert_eq!(after(vec![change(3), change(4)]), Some(7.0));
    assert_eq!(after(vec![change(5), set(100), change(-1)]), Some(99.0));
    assert_eq!(after(vec![change(1)]), Some(100.0));
    assert_eq!(after(vec![]), Some(100.0));
}

#[test]
fn what_a_counter_cannot_take_is_ignored() {
    struct Odd(Counter, Histogram);
    impl Tracer for Odd {
        fn new(_: Config) -> Result<Self, Error> {
            Ok(Self(Counter::define("odd").build(), Histogram::define("odd.sizes").build()))
        }
        fn finish_call(&mut self, _: &Call) {
            for value in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0] {
                self.0.with(&[]).add(value);
                self.1.with(&[]).record(value);
            }
        }
    }
    let mut host = Harness::<Odd>::start();
    host.finish([TestCall::server("a")]);
    host.flush();
    assert_eq!(host.counter("odd", &[]), Some(2.0));
    assert_eq!(host.histogram("odd.sizes", &[]).map(|h| (h.counts, h.sum)), Some((vec![2], 1.0)));
    assert!(host.errors().is_empty(), "{:?}", host.errors());
}

#[test]
fn too_many_label_values_share_one_series() {
    let mut host = Harness::<Instruments>::start();
    host.finish((0..5000).map(|i| TestCall::server(&format!("m{i}"))));
    host.flush();
    assert_eq!(host.counter("counter", &[]), Some(5000.0), "none is lost");
    assert_eq!(host.counter("counter", &[("method", "_OTHER")]), Some(904.0));
    // The crowd is gone with the flush, so those who come later have a series again.
    host.flush();
    host.finish([TestCall::server("late")]);
    host.flush();
    assert_eq!(host.counter("counter", &[("method", "late")]), Some(1.0));
}

#[test]
fn a_series_that_was_idle_for_long_is_asked_for_again() {
    let mut host = Harness::<Instruments>::start();
    let kept = host.tracer().counter.with(&["kept"]);
    kept.increment();
    host.flush();
    for _ in 0..1000 {
        host.flush();
    }
    kept.increment();
    host.flush();
    assert_eq!(host.counter("counter", &[("method", "kept")]), Some(2.0));
    assert!(host.errors().is_empty(), "{:?}", host.errors());
}

#[test]
fn bounds_that_do_not_rise_are_left_out_with_a_warning() {
    struct Wrong(Histogram);
    impl Tracer for Wrong {
        fn new(_: Config) -> Result<Self, Error> {
            Ok(Self(Histogram::define("wrong").bounds(&[1.0, 1.0, f64::NAN, 0.5, 2.0]).build()))
        }
        fn finish_call(&mut self, _: &Call) {
            self.0.with(&[]).record(1.5);
        }
    }
    let mut host = Harness::<Wrong>::start();
    assert_eq!(host.log().len(), 3);
    host.finish([TestCall::server("a")]);
    host.flush();
    assert_eq!(host.histogram("wrong", &[]).map(|h| (h.bounds, h.counts)), Some((vec![1.0, 2.0], vec![0, 1, 0])));
}

#[test]
#[should_panic(expected = "counter: one value for each label key")]
fn a_wrong_number_of_labels_is_found_by_the_first_test() {
    let mut host = Harness::<Instruments>::start();
    let _ = host.tracer().counter.with(&["a", "b"]);
}

#[test]
fn what_is_recorded_after_the_instrument_is_gone_still_counts() {
    struct Careless(Option<hottap_guest::metrics::CounterSeries>);
    impl Tracer for Careless {
        fn new(_: Config) -> Result<Self, Error> {
            Ok(Self(Some(Counter::define("careless").build().with(&[]))))
        }
        fn finish_call(&mut self, _: &Call) {
            if let Some(series) = &self.0 {
                series.increment();
            }
        }
    }
    let mut host = Harness::<Careless>::start();
    host.flush();
    host.finish([TestCall::server("a")]);
    host.tracer().0 = None;
    host.flush();
    assert_eq!(host.counter("careless", &[]), Some(1.0));
}
