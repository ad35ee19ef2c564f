//! What has a limit or an end: metrics, series, bytes, time.

use super::*;

#[test]
fn a_tracer_with_too_many_metrics_is_refused_the_next() {
    let registry = registry();
    let limits = SeriesLimits { instruments: 2, ..SeriesLimits::default() };
    let mut stage = Stage::new(Arc::clone(&registry), "t".into(), limits);
    assert!(stage.counter("a", "", "", &NONE) > 0);
    assert!(stage.counter("b", "", "", &NONE) > 0);
    assert_eq!(stage.counter("c", "", "", &NONE), 0);
    assert!(stage.counter("b", "s", "", &NONE) > 0, "one that it has may change");
    for round in 0..100 {
        stage.counter("a", &format!("{round}"), "", &NONE);
    }
    assert_eq!(stage.instruments.len(), 16, "but not for ever");
    assert_eq!(errors(&stage), [("too_many_instruments", 1 + 100 - 13)]);
}

#[test]
fn values_beyond_the_series_limit_go_to_the_overflow_series() {
    let registry = registry();
    let mut stage = small(&registry, 2);
    let calls = stage.counter("calls", "", "", &["k"]);
    let ids: Vec<u32> = ["a", "b", "c", "d", "a"].iter().map(|v| stage.series_of(calls, &[v])).collect();
    assert_eq!(ids[2], ids[3]);
    assert_eq!(ids[0], ids[4]);
    stage.add(&ids, &[1.0, 2.0, 4.0, 8.0, 16.0]);
    stage.commit(1);
    assert_eq!(value(&registry, 1, "calls_total", &[("k", "a")]), Some(17.0));
    assert_eq!(value(&registry, 1, "calls_total", &[("k", "b")]), Some(2.0));
    assert_eq!(value(&registry, 1, "calls_total", &[OVERFLOW]), Some(12.0));
    assert_eq!(errors(&stage), [("too_many_series", 2)]);
}

#[test]
fn a_definition_that_changes_gives_back_the_room_of_the_one_before() {
    let registry = registry();
    let line = 76;
    let limits = SeriesLimits { series: 2, page_bytes: 2 * line, ..SeriesLimits::default() };
    let mut stage = Stage::new(Arc::clone(&registry), "t".into(), limits);
    for round in 1..20 {
        let calls = stage.counter("calls", if round % 2 == 0 { "s" } else { "By" }, "", &["k"]);
        let ids = ["x", "y"].map(|v| stage.series_of(calls, &[v]));
        stage.add(&ids, &[1.0, 1.0]);
        stage.commit(round);
    }
    assert_eq!(errors(&stage), []);
    assert_eq!(value(&registry, 20, "calls_bytes_total", &[("k", "x")]), Some(1.0));
}

#[test]
fn generations_share_the_series_limit() {
    let registry = registry();
    let mut one = small(&registry, 2);
    let calls = one.counter("calls", "", "", &["k"]);
    let ids = [one.series_of(calls, &["a"]), one.series_of(calls, &["b"])];
    one.add(&ids, &[1.0, 1.0]);
    one.commit(1);
    drop(one);
    let mut next = small(&registry, 2);
    let calls = next.counter("calls", "", "", &["k"]);
    let ids = [next.series_of(calls, &["b"]), next.series_of(calls, &["c"])];
    next.add(&ids, &[1.0, 1.0]);
    next.commit(2);
    assert_eq!(value(&registry, 2, "calls_total", &[("k", "b")]), Some(2.0));
    assert_eq!(value(&registry, 2, "calls_total", &[("k", "c")]), None);
    assert_eq!(value(&registry, 2, "calls_total", &[OVERFLOW]), Some(1.0));
    assert_eq!(errors(&next), [("too_many_series", 1)]);
    // Once what the one before left has been idle for long, there is room.
    next.add(&ids, &[1.0, 1.0]);
    next.commit(IDLE + 200);
    assert_eq!(value(&registry, IDLE + 200, "calls_total", &[("k", "c")]), Some(1.0));
}

#[test]
fn all_tracers_together_share_the_registrys_limit() {
    // One of these series is taken for 76 bytes: its names, a value of one letter, and 64 for the rest of the line.
    let limits = RegistryLimits { page_bytes: 3 * 76, idle: Duration::from_millis(IDLE) };
    let registry = Arc::new(Registry::new(limits));
    let mut stages: Vec<Stage> =
        ["a", "b"].map(|tracer| Stage::new(Arc::clone(&registry), tracer.into(), SeriesLimits::default())).into();
    for stage in &mut stages {
        let calls = stage.counter("calls", "", "", &["k"]);
        let ids = ["x", "y"].map(|v| stage.series_of(calls, &[v]));
        stage.add(&ids, &[1.0, 1.0]);
        stage.commit(1);
    }
    let page = page(&registry, 1);
    let count = page.samples().filter(|sample| sample.0 == "calls_total").count();
    assert_eq!(count, 4, "three and an overflow series: {page:?}");
    assert_eq!(page.value("calls_total", &[("tracer", "b"), OVERFLOW]), Some(1.0));
}

#[test]
fn a_tracer_cannot_fill_a_page_beyond_its_bytes() {
    let registry = registry();
    let limits = SeriesLimits { page_bytes: 200 << 10, ..SeriesLimits::default() };
    let mut stage = Stage::new(Arc::clone(&registry), "t".into(), limits);
    let bounds: Vec<f64> = (0..64).map(f64::from).collect();
    for round in 0..200 {
        let time = stage.histogram("time", "s", "", &["k", "l"], &bounds);
        let long = round.to_string().repeat(200);
        let series = stage.series_of(time, &[&long, &long]);
        stage.merge(series, &[1; 65], 1.0);
        stage.commit(1);
    }
    let mut writer = Writer::default();
    registry.write(&mut writer, 1);
    let text = writer.finish();
    assert!((100 << 10..250 << 10).contains(&text.len()), "{} bytes", text.len());
    let page = strict::parse(&text);
    let all: f64 = page.samples().filter(|sample| sample.0 == "time_seconds_count").map(|sample| sample.2).sum();
    assert_eq!(all, 200.0 * 65.0, "nothing is lost");
}

#[test]
fn idle_series_are_forgotten_and_their_ids_stay_valid() {
    let registry = registry();
    let mut stage = stage(&registry);
    let calls = stage.counter("calls", "", "", &["k"]);
    let ids = [stage.series_of(calls, &["busy"]), stage.series_of(calls, &["idle"])];
    stage.add(&ids, &[1.0, 1.0]);
    stage.commit(1);
    stage.add(&ids[..1], &[1.0]);
    stage.commit(IDLE);
    assert_eq!(value(&registry, IDLE, "calls_total", &[("k", "idle")]), Some(1.0));
    let later = IDLE + IDLE / 16 + 1;
    assert_eq!(value(&registry, later, "calls_total", &[("k", "idle")]), None);
    assert_eq!(value(&registry, later, "calls_total", &[("k", "busy")]), Some(2.0));
    stage.add(&ids, &[1.0, 1.0]);
    stage.commit(later + 1);
    assert_eq!(value(&registry, later + 1, "calls_total", &[("k", "idle")]), Some(1.0), "from zero");
    assert_eq!(value(&registry, later + 1, "calls_total", &[("k", "busy")]), Some(3.0));
}

#[test]
fn a_removed_tracer_is_kept_until_it_is_idle_and_then_forgotten() {
    let registry = registry();
    let mut one = stage(&registry);
    let calls = one.counter("calls", "", "", &NONE);
    let series = one.series_of(calls, &NONE);
    one.add(&[series], &[1.0]);
    one.commit(1);
    drop(one);
    assert_eq!(value(&registry, IDLE / 2, "calls_total", &[]), Some(1.0));
    assert_eq!(value(&registry, 3 * IDLE, "calls_total", &[]), None);
    assert_eq!(registry.usage("t"), None);
}

#[test]
fn an_instance_that_outlives_its_label_values_gets_room_for_new_ones() {
    let registry = registry();
    let mut stage = small(&registry, 2);
    let calls = stage.counter("calls", "", "", &["day"]);
    let monday = stage.series_of(calls, &["monday"]);
    let tuesday = stage.series_of(calls, &["tuesday"]);
    stage.add(&[monday, tuesday], &[1.0, 1.0]);
    stage.commit(1);
    let wednesday = stage.series_of(calls, &["wednesday"]);
    stage.add(&[tuesday, wednesday], &[1.0, 1.0]);
    stage.commit(IDLE);
    assert_eq!(value(&registry, IDLE, "calls_total", &[OVERFLOW]), Some(1.0));
    // That one found no room makes the next commit give up what is idle: monday, and nothing else.
    assert_eq!(stage.series_of(calls, &["wednesday"]), wednesday);
    stage.commit(IDLE + 200);
    let thursday = stage.series_of(calls, &["thursday"]);
    assert_ne!(thursday, wednesday);
    stage.add(&[monday, tuesday, thursday], &[1.0, 1.0, 1.0]);
    stage.commit(IDLE + 201);
    assert_eq!(value(&registry, IDLE + 201, "calls_total", &[("day", "thursday")]), Some(1.0));
    assert_eq!(value(&registry, IDLE + 201, "calls_total", &[("day", "tuesday")]), Some(3.0));
    assert_eq!(value(&registry, IDLE + 201, "calls_total", &[("day", "monday")]), None);
    assert_eq!(value(&registry, IDLE + 201, "calls_total", &[OVERFLOW]), Some(2.0), "an id kept for long is not lost");
}

#[test]
fn label_values_that_come_back_after_their_place_was_given_up_get_another() {
    let registry = registry();
    let mut stage = small(&registry, 1);
    let calls = stage.counter("calls", "", "", &["day"]);
    let monday = stage.series_of(calls, &["monday"]);
    stage.add(&[monday], &[1.0]);
    stage.commit(1);
    let overflow = stage.series_of(calls, &["tuesday"]);
    stage.commit(IDLE + 1);
    let again = stage.series_of(calls, &["monday"]);
    assert!(![monday, overflow].contains(&again));
    stage.add(&[again], &[1.0]);
    stage.commit(IDLE + 2);
    assert_eq!(value(&registry, IDLE + 2, "calls_total", &[("day", "monday")]), Some(1.0));
    assert_eq!(value(&registry, IDLE + 2, "calls_total", &[OVERFLOW]), None);
}

#[test]
fn a_series_that_is_never_used_does_not_hold_its_place_for_ever() {
    let registry = registry();
    let mut stage = small(&registry, 1);
    let calls = stage.counter("calls", "", "", &["k"]);
    let unused = stage.series_of(calls, &["unused"]);
    // Each time that one finds no room, the next commit looks for who could give up theirs.
    let overflow = stage.series_of(calls, &["a"]);
    stage.commit(10 * IDLE);
    assert_eq!(stage.series_of(calls, &["unused"]), unused, "its time began with that look");
    assert_eq!(stage.series_of(calls, &["a"]), overflow);
    stage.commit(11 * IDLE);
    let a = stage.series_of(calls, &["a"]);
    assert!(![unused, overflow].contains(&a));
}

#[test]
fn a_stage_stays_within_its_bytes_whatever_is_asked_of_it() {
    let registry = registry();
    let limits = SeriesLimits { bytes: 256 << 10, ..SeriesLimits::default() };
    let mut stage = Stage::new(Arc::clone(&registry), "t".into(), limits);
    let bounds: Vec<f64> = (0..64).map(f64::from).collect();
    let keys: Vec<String> = (0..16).map(|n| format!("k{n}")).collect();
    let help = "h".repeat(5000);
    let mut now = 0;
    for round in 0..3000 {
        let of = stage.histogram(&format!("h{}", round % 300), &format!("{}", round % 7), &help, &keys, &bounds);
        let values: Vec<String> = (0..16).map(|n| format!("{round}-{n}").repeat(100)).collect();
        let series = stage.series_of(of, &values);
        stage.merge(series, &[1; 65], 1.0);
        if round % 100 == 0 {
            now += IDLE;
            stage.commit(now);
        }
    }
    // Overflow series come on top: one per metric, without labels.
    assert!(stage.bytes() < 2 * limits.bytes, "{stage:?}");
    assert!(stage.slots.entries.len() < MAX_IDS);
}
