//! What is counted, and when it is seen.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn nothing_is_visible_before_a_commit() {
    let registry = registry();
    let mut stage = stage(&registry);
    let calls = stage.counter("calls", "", "", &["k"]);
    let series = stage.series_of(calls, &["v"]);
    stage.add(&[series, series], &[1.0, 2.0]);
    assert_eq!(value(&registry, 1, "calls_total", &[("k", "v")]), None);
    stage.commit(1);
    assert_eq!(value(&registry, 1, "calls_total", &[("k", "v")]), Some(3.0));
    stage.add(&[series], &[4.0]);
    assert_eq!(value(&registry, 1, "calls_total", &[("k", "v")]), Some(3.0));
    stage.commit(2);
    assert_eq!(value(&registry, 2, "calls_total", &[("k", "v")]), Some(7.0));
    stage.commit(3);
    assert_eq!(value(&registry, 3, "calls_total", &[("k", "v")]), Some(7.0), "nothing is committed twice");
}

#[test]
fn what_a_dropped_stage_had_not_committed_never_happened() {
    let registry = registry();
    let mut one = stage(&registry);
    let time = one.histogram("time", "s", "", &NONE, &[1.0]);
    let series = one.series_of(time, &NONE);
    one.merge(series, &[1, 0], 0.5);
    one.commit(1);
    one.merge(series, &[5, 6], 7.0);
    drop(one);
    let mut next = stage(&registry);
    let time = next.histogram("time", "s", "", &NONE, &[1.0]);
    next.series_of(time, &NONE);
    next.commit(1);
    let page = page(&registry, 1);
    let bucket = |le| page.value("time_seconds_bucket", &[("tracer", "t"), ("le", le)]);
    assert_eq!((bucket("1"), bucket("+Inf")), (Some(1.0), Some(1.0)));
    assert_eq!(page.value("time_seconds_sum", &[("tracer", "t")]), Some(0.5));
}

#[test]
fn a_new_stage_of_a_tracer_goes_on_with_its_series() {
    let registry = registry();
    for round in 1..=3 {
        let mut stage = stage(&registry);
        // Another metric first, so that the ids are not the same by chance.
        let skipped = (0..round).map(|n| stage.gauge(&format!("g{n}"), "", "", &NONE)).last();
        assert!(skipped.is_some());
        let calls = stage.counter("calls", "", "", &["k"]);
        let series = stage.series_of(calls, &["v"]);
        stage.add(&[series], &[10.0]);
        stage.commit(round);
        assert_eq!(value(&registry, round, "calls_total", &[("k", "v")]), Some(10.0 * round as f64));
    }
}

#[test]
fn defining_or_asking_again_returns_the_same_ids() {
    let registry = registry();
    let mut stage = stage(&registry);
    let time = stage.histogram("time", "s", "one help", &["a", "b"], &[1.0, 2.0]);
    let series = stage.series_of(time, &["x", "y"]);
    stage.commit(1);
    assert_eq!(stage.histogram("time", "s", "another help", &["a", "b"], &[1.0, 2.0]), time);
    assert_eq!(stage.series_of(time, &["x", "y"]), series);
    assert_ne!(stage.series_of(time, &["y", "x"]), series);
    assert_eq!(errors(&stage), []);
}

#[test]
fn a_changed_definition_replaces_the_series() {
    type Define = fn(&mut Stage) -> u32;
    let cases: [(&str, Define); 5] = [
        ("the unit", |stage| stage.histogram("time", "ms", "", &["k"], &[1.0])),
        ("a key", |stage| stage.histogram("time", "s", "", &["l"], &[1.0])),
        ("a bound", |stage| stage.histogram("time", "s", "", &["k"], &[2.0])),
        ("the kind", |stage| stage.gauge("time", "s", "", &["k"])),
        ("the kind to one with a name of its own", |stage| stage.counter("time", "s", "", &["k"])),
    ];
    for same_stage in [true, false] {
        for (what, define) in cases {
            let registry = registry();
            let mut one = stage(&registry);
            let first = one.histogram("time", "s", "", &["k"], &[1.0]);
            let old = one.series_of(first, &["v"]);
            one.merge(old, &[1, 2], 3.0);
            one.commit(1);
            one.merge(old, &[100, 100], 100.0);

            let mut other = stage(&registry);
            let with = if same_stage { &mut one } else { &mut other };
            let second = define(with);
            let series = with.series_of(second, &["w"]);
            assert!(series > 0, "{what}");
            with.add(&[series], &[5.0]);
            with.merge(series, &[0, 4], 5.0);
            assert!(value(&registry, 2, "time_seconds_sum", &[("k", "v")]).is_some(), "{what}: not before the commit");
            with.commit(2);
            if same_stage {
                with.merge(old, &[1, 2], 3.0);
                assert_eq!(with.series_of(first, &["v"]), 0);
                with.commit(3);
                assert!(errors(with).contains(&("replaced", 3)), "{what}: {:?}", errors(with));
            }
            let page = page(&registry, 3);
            let values: Vec<f64> = page.samples().filter(|s| s.0.contains("sum")).map(|s| s.2).collect();
            assert!(values.is_empty() || values == [5.0], "{what}: the old series are gone, {page:?}");
            let usage = registry.usage("t").map(|usage| usage.series);
            assert_eq!(usage, Some(1), "{what}");
        }
    }
}

#[test]
fn of_two_definitions_the_one_that_was_committed_last_stands() {
    let registry = registry();
    let mut stages = [stage(&registry), stage(&registry)];
    let [old, new] = &mut stages;
    let (seconds, bytes) = (old.gauge("size", "s", "", &NONE), new.gauge("size", "By", "", &NONE));
    let ids = [old.series_of(seconds, &NONE), new.series_of(bytes, &NONE)];
    for now in 1..6 {
        for (stage, id) in stages.iter_mut().zip(ids) {
            stage.add(&[id], &[1.0]);
            stage.commit(now);
            let page = page(&registry, now);
            let values = ["size_seconds", "size_bytes"].map(|name| page.value(name, &[("tracer", "t")]));
            assert!(matches!(values, [Some(1.0), None] | [None, Some(1.0)]), "{values:?}");
        }
    }
}

#[test]
fn a_gauge_is_set_or_added_to_in_the_order_of_the_calls() {
    enum Step {
        Add(f64),
        Set(f64),
        Commit,
    }
    use Step::{Add, Commit, Set};
    for (steps, expected) in [
        (&[Set(5.0), Commit][..], 5.0),
        (&[Add(5.0), Commit, Add(-7.0), Commit], -2.0),
        (&[Set(5.0), Add(1.0), Commit], 6.0),
        (&[Add(1.0), Set(5.0), Commit], 5.0),
        (&[Set(5.0), Commit, Add(1.0), Add(1.0), Commit], 7.0),
        (&[Set(5.0), Commit, Set(0.0), Commit], 0.0),
    ] {
        let registry = registry();
        let mut stage = stage(&registry);
        let level = stage.gauge("level", "", "", &NONE);
        let series = stage.series_of(level, &NONE);
        for (now, step) in (1..).zip(steps) {
            match step {
                Add(value) => stage.add(&[series], &[*value]),
                Set(value) => stage.set(&[series], &[*value]),
                Commit => stage.commit(now),
            }
        }
        assert_eq!(value(&registry, 9, "level", &[]), Some(expected));
    }
}

#[test]
fn misuse_is_counted_by_reason_and_has_no_other_effect() {
    type Wrong = fn(&mut Stage, [u32; 3]);
    let cases: &[(&str, u64, Wrong)] = &[
        ("name", 1, |stage, _| assert_eq!(stage.counter("9", "", "", &NONE), 0)),
        ("unit", 1, |stage, _| assert_eq!(stage.counter("x", "ü", "", &NONE), 0)),
        ("label_keys", 1, |stage, _| assert_eq!(stage.counter("x", "", "", &[""]), 0)),
        ("bounds", 1, |stage, _| assert_eq!(stage.histogram("x", "", "", &NONE, &[f64::NAN]), 0)),
        ("reserved", 1, |stage, _| assert_eq!(stage.counter("hottap.x", "", "", &NONE), 0)),
        ("unknown_id", 1, |stage, _| assert_eq!(stage.series_of(4, &NONE), 0)),
        ("unknown_id", 1, |stage, _| assert_eq!(stage.series_of(u32::MAX, &NONE), 0)),
        ("unknown_id", 2, |stage, _| stage.add(&[4, u32::MAX], &[1.0, 1.0])),
        ("unknown_id", 2, |stage, _| stage.set(&[4, u32::MAX], &[1.0, 1.0])),
        ("unknown_id", 1, |stage, _| stage.merge(4, &[1, 1], 1.0)),
        ("refused", 1, |stage, _| stage.add(&[0], &[1.0])),
        ("refused", 1, |stage, _| stage.set(&[0], &[1.0])),
        ("refused", 1, |stage, _| stage.merge(0, &[], 1.0)),
        ("length", 1, |stage, _| assert_eq!(stage.series_of(1, &NONE), 0)),
        ("length", 1, |stage, [counter, ..]| stage.add(&[counter, counter], &[1.0])),
        ("length", 1, |stage, [_, gauge, _]| stage.set(&[gauge], &[1.0, 1.0])),
        ("length", 1, |stage, [.., histogram]| stage.merge(histogram, &[1], 1.0)),
        ("length", 1, |stage, [.., histogram]| stage.merge(histogram, &[1; 3], 1.0)),
        ("kind", 1, |stage, [counter, ..]| stage.set(&[counter], &[1.0])),
        ("kind", 2, |stage, [counter, gauge, _]| {
            stage.merge(counter, &[1, 1], 1.0);
            stage.merge(gauge, &[], 1.0);
        }),
        ("kind", 2, |stage, [.., histogram]| {
            stage.add(&[histogram], &[1.0]);
            stage.set(&[histogram], &[1.0]);
        }),
        ("negative", 2, |stage, [counter, ..]| stage.add(&[counter, counter], &[-1e-300, f64::NEG_INFINITY])),
        ("not_finite", 2, |stage, [counter, ..]| stage.add(&[counter, counter], &[f64::NAN, f64::INFINITY])),
        ("not_finite", 2, |stage, [_, gauge, _]| stage.set(&[gauge, gauge], &[f64::NAN, f64::INFINITY])),
        ("not_finite", 2, |stage, [_, gauge, _]| stage.add(&[gauge, gauge], &[f64::NAN, f64::NEG_INFINITY])),
        ("not_finite", 1, |stage, [.., histogram]| stage.merge(histogram, &[1, 1], f64::NAN)),
    ];
    for (index, (reason, count, wrong)) in cases.iter().enumerate() {
        let registry = registry();
        let mut stage = stage(&registry);
        let counter = stage.counter("c", "", "", &["k"]);
        let gauge = stage.gauge("g", "", "", &NONE);
        let histogram = stage.histogram("h", "", "", &NONE, &[1.0]);
        let ids = [stage.series_of(counter, &["v"]), stage.series_of(gauge, &NONE), stage.series_of(histogram, &NONE)];
        wrong(&mut stage, ids);
        let wrong = |stage: &Stage| assert_eq!(errors(stage), [(*reason, *count)], "case {index}");
        wrong(&stage);
        stage.add(&[ids[0]], &[2.0]);
        stage.set(&[ids[1]], &[3.0]);
        stage.merge(ids[2], &[4, 0], 0.5);
        stage.commit(1);
        wrong(&stage);
        let page = page(&registry, 1);
        let got = [
            ("c_total", &[("tracer", "t"), ("k", "v")][..]),
            ("g", &[("tracer", "t")]),
            ("h_count", &[("tracer", "t")]),
        ]
        .map(|(name, labels)| page.value(name, labels));
        assert_eq!(got, [Some(2.0), Some(3.0), Some(4.0)], "case {index}");
        assert_eq!(registry.usage("t").map(|usage| usage.errors), Some(errors(&stage)), "case {index}");
    }
}

#[test]
fn a_value_beyond_the_finite_is_refused_and_what_was_staged_stays() {
    let registry = registry();
    let mut stage = stage(&registry);
    let calls = stage.counter("calls", "", "", &NONE);
    let series = stage.series_of(calls, &NONE);
    stage.add(&[series, series], &[f64::MAX, f64::MAX]);
    stage.commit(1);
    stage.add(&[series], &[f64::MAX]);
    stage.commit(2);
    assert_eq!(errors(&stage), [("not_finite", 1)]);
    assert_eq!(value(&registry, 2, "calls_total", &[]), Some(f64::MAX));
}

#[test]
fn a_reader_sees_all_of_a_commit_or_nothing_of_it() {
    const COMMITS: u64 = 20_000;
    let registry = registry();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let mut stage = stage(&registry);
            let calls = stage.counter("calls", "", "", &["k"]);
            let time = stage.histogram("time", "", "", &NONE, &[1.0]);
            let ids = ["a", "b", "c"].map(|v| stage.series_of(calls, &[v]));
            let times = stage.series_of(time, &NONE);
            for _ in 0..COMMITS {
                stage.add(&ids[..2], &[1.0, 1.0]);
                stage.merge(times, &[1, 0], 1.0);
                stage.add(&ids[2..], &[1.0]);
                stage.commit(1);
            }
            done.store(true, Ordering::Release);
        });
        let mut reads = 0;
        let mut last = 0.0;
        while last < COMMITS as f64 {
            let finished = done.load(Ordering::Acquire);
            let page = page(&registry, 1);
            let got = [
                page.value("calls_total", &[("tracer", "t"), ("k", "a")]),
                page.value("calls_total", &[("tracer", "t"), ("k", "b")]),
                page.value("calls_total", &[("tracer", "t"), ("k", "c")]),
                page.value("time_count", &[("tracer", "t")]),
                page.value("time_sum", &[("tracer", "t")]),
            ];
            assert!(got.iter().all(|value| *value == got[0]), "{got:?}");
            let now = got[0].unwrap_or(0.0);
            assert!(now >= last, "a counter went back from {last} to {now}");
            last = now;
            reads += 1;
            assert!(!finished || last == COMMITS as f64, "{last} after {reads} reads");
        }
    });
}
