//! W3C's own suite for trace context of June 2026, <https://github.com/w3c/trace-context/blob/main/test/test.py>, as tables:
//! what comes to a server, and what goes out with a call that its handler makes. Its names stand beside its cases.

use hottap::Propagators;

use crate::propagation::{taps, through};

/// What comes as `traceparent`, and whether the trace goes on.
#[tokio::test]
async fn the_cases_of_w3c_for_traceparent_hold() {
    let id = "12345678901234567890123456789012";
    let parent = format!("00-{id}-1234567890123456-01");
    let with = |trace_id: &str, rest: &str| format!("00-{trace_id}-{rest}");
    for (values, continued, reason) in [
        (vec![], false, "test_both_traceparent_and_tracestate_missing"),
        (vec![parent.clone()], true, "test_traceparent_included_tracestate_missing"),
        (vec![parent.replace("12-", "11-"), parent.clone()], false, "test_traceparent_duplicated"),
        (vec![format!("{parent}.")], false, "test_traceparent_version_0x00"),
        (vec![format!("{parent}-what-the-future-will-be-like")], false, "test_traceparent_version_0x00"),
        (vec![parent.replacen("00", "cc", 1)], true, "test_traceparent_version_0xcc"),
        (vec![parent.replacen("00", "cc", 1) + "-what-the-future-will-be-like"], true, "test_traceparent_version_0xcc"),
        (
            vec![parent.replacen("00", "cc", 1) + ".what-the-future-will-be-like"],
            false,
            "test_traceparent_version_0xcc",
        ),
        (vec![parent.replacen("00", "ff", 1)], false, "test_traceparent_version_0xff"),
        (vec![parent.replacen("00", ".0", 1)], false, "test_traceparent_version_illegal_characters"),
        (vec![parent.replacen("00", "0.", 1)], false, "test_traceparent_version_illegal_characters"),
        (vec![parent.replacen("00", "000", 1)], false, "test_traceparent_version_too_long"),
        (vec![parent.replacen("00", "0000", 1)], false, "test_traceparent_version_too_long"),
        (vec![parent.replacen("00", "0", 1)], false, "test_traceparent_version_too_short"),
        (vec![with(&"0".repeat(32), "1234567890123456-01")], false, "test_traceparent_trace_id_all_zero"),
        (
            vec![with(&format!(".{}", &id[1..]), "1234567890123456-01")],
            false,
            "test_traceparent_trace_id_illegal_characters",
        ),
        (
            vec![with(&format!("{}.", &id[..31]), "1234567890123456-01")],
            false,
            "test_traceparent_trace_id_illegal_characters",
        ),
        (vec![with(&format!("{id}3"), "1234567890123456-01")], false, "test_traceparent_trace_id_too_long"),
        (vec![with(&id[..31], "1234567890123456-01")], false, "test_traceparent_trace_id_too_short"),
        (vec![with(&"ABCDEF01".repeat(4), "1234567890123456-01")], false, "upper case"),
        (vec![with(id, "0000000000000000-01")], false, "test_traceparent_parent_id_all_zero"),
        (vec![with(id, ".234567890123456-01")], false, "test_traceparent_parent_id_illegal_characters"),
        (vec![with(id, "123456789012345.-01")], false, "test_traceparent_parent_id_illegal_characters"),
        (vec![with(id, "12345678901234567-01")], false, "test_traceparent_parent_id_too_long"),
        (vec![with(id, "123456789012345-01")], false, "test_traceparent_parent_id_too_short"),
        (vec![with(id, "1234567890123456-.0")], false, "test_traceparent_trace_flags_illegal_characters"),
        (vec![with(id, "1234567890123456-0.")], false, "test_traceparent_trace_flags_illegal_characters"),
        (vec![with(id, "1234567890123456-001")], false, "test_traceparent_trace_flags_too_long"),
        (vec![with(id, "1234567890123456-1")], false, "test_traceparent_trace_flags_too_short"),
        (vec![with(id, "1234567890123456-ff")], true, "flags that are not known yet"),
        (vec![with(id, "1234567890123456-02")], true, "test_propagates_random_flag"),
        (vec![format!(" {parent}")], true, "test_traceparent_ows_handling"),
        (vec![format!("\t{parent}")], true, "test_traceparent_ows_handling"),
        (vec![format!("{parent} ")], true, "test_traceparent_ows_handling"),
        (vec![format!("{parent}\t")], true, "test_traceparent_ows_handling"),
        (vec![format!("\t {parent} \t")], true, "test_traceparent_ows_handling"),
    ] {
        for tap in taps(Propagators::default()) {
            let headers: Vec<_> = values.iter().map(|value| ("traceparent", value.as_str())).collect();
            let sent = through(&tap, &headers, || ()).await;
            let found: Vec<_> =
                sent.get_all("traceparent").iter().map(|value| value.to_str().expect("ASCII")).collect();
            assert!(found.len() <= 1, "{reason}: {found:?}");
            let goes_on = found.first().is_some_and(|value| {
                let given = values.iter().flat_map(|given| given.trim().split('-'));
                // However it was read: cut off, or in small letters.
                let given = given.filter(|part| part.len() >= 31).map(str::to_ascii_lowercase);
                given.map(|part| part.chars().take(32).collect::<String>()).any(|part| value.contains(&part))
            });
            assert_eq!(goes_on, continued, "{reason}: {sent:?}");
        }
    }
    for name in ["trace-parent", "trace.parent"] {
        for tap in taps(Propagators::default()) {
            let sent = through(&tap, &[(name, parent.as_str())], || ()).await;
            assert!(!format!("{:?}", sent.get("traceparent")).contains(id), "test_traceparent_header_name");
        }
    }
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        for tap in taps(Propagators::default()) {
            let sent = through(&tap, &[(name, parent.as_str())], || ()).await;
            assert!(
                sent["traceparent"].to_str().expect("ASCII").contains(id),
                "test_traceparent_header_name_valid_casing"
            );
        }
    }
}

/// What comes as `tracestate` beside a valid `traceparent`, and what goes on.
#[tokio::test]
async fn the_cases_of_w3c_for_tracestate_hold() {
    let parent = "00-12345678901234567890123456789012-1234567890123456-00";
    let members = |numbers: std::ops::RangeInclusive<usize>| {
        numbers.map(|number| format!("bar{number:02}={number:02}")).collect::<Vec<_>>().join(",")
    };
    let tens = [members(1..=10), members(11..=20), members(21..=30)];
    let (long, longer) = (format!("{}=1", "z".repeat(256)), format!("{}=1", "z".repeat(257)));
    let vendor = format!("{}@{}=1", "t".repeat(241), "v".repeat(14));
    let (tenant_longer, system_longer) = (format!("{}@v=1", "t".repeat(242)), format!("t@{}=1", "v".repeat(15)));
    // Of 499 bytes: with foo=1 and a comma 505, with bar=2 511.
    let five = ["a", "b", "c", "d", "e"].map(|key| format!("{key}={}", "x".repeat(97))).join(",");
    let five = format!("{five}{}", "x".repeat(499 - five.len()));
    let long_member = format!("long={}", "x".repeat(124));
    for (values, expected, reason) in [
        (&["foo=1,bar=2"][..], Some("foo=1,bar=2"), "test_tracestate_included_traceparent_included"),
        (&[""], None, "test_tracestate_empty_header"),
        (&["foo=1", ""], Some("foo=1,"), "test_tracestate_empty_header"),
        (&["", "foo=1"], Some(",foo=1"), "test_tracestate_empty_header"),
        (
            &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
            Some("foo=1,bar=2,rojo=1,congo=2,baz=3"),
            "test_tracestate_multiple_headers_different_keys",
        ),
        (&["foo=1,foo=1"], Some("foo=1"), "test_tracestate_duplicated_keys"),
        (&["foo=1,foo=2"], Some("foo=1"), "test_tracestate_duplicated_keys"),
        (&["foo=1", "foo=1"], Some("foo=1"), "test_tracestate_duplicated_keys"),
        (&["foo=1", "foo=2"], Some("foo=1"), "test_tracestate_duplicated_keys"),
        (&["foo=1 \t , \t bar=2, \t baz=3"], Some("foo=1 \t , \t bar=2, \t baz=3"), "test_tracestate_ows_handling"),
        (
            &["foo=1\t \t,\t \tbar=2,\t \tbaz=3"],
            Some("foo=1\t \t,\t \tbar=2,\t \tbaz=3"),
            "test_tracestate_ows_handling",
        ),
        (&[" foo=1"], Some(" foo=1"), "test_tracestate_ows_handling"),
        (&["\t foo=1 \t"], Some("\t foo=1 \t"), "test_tracestate_ows_handling"),
        (&["foo =1"], None, "test_tracestate_key_illegal_characters"),
        (&["FOO=1"], None, "test_tracestate_key_illegal_characters"),
        (&["foo.bar=1"], None, "test_tracestate_key_illegal_characters"),
        (&["foo@=1,bar=2"], Some("foo@=1,bar=2"), "test_tracestate_key_illegal_vendor_format"),
        (&["@foo=1,bar=2"], None, "test_tracestate_key_illegal_vendor_format"),
        (&["foo@@bar=1,bar=2"], Some("foo@@bar=1,bar=2"), "test_tracestate_key_illegal_vendor_format"),
        (&["foo@bar@baz=1,bar=2"], Some("foo@bar@baz=1,bar=2"), "test_tracestate_key_illegal_vendor_format"),
        (
            &[&tens[0], &tens[1], &tens[2], "bar31=31,bar32=32"],
            Some(&members(1..=32)),
            "test_tracestate_member_count_limit",
        ),
        // The suite would have all of it discarded, the specification no more than the right-most member.
        (
            &[&tens[0], &tens[1], &tens[2], "bar31=31,bar32=32,bar33=33"],
            Some(&members(1..=32)),
            "test_tracestate_member_count_limit",
        ),
        (&["foo=1", &long_member, &five], Some(&format!("foo=1,{five}")), "tracestate limits: long members first"),
        (&["foo=1", &five, "bar=2", "baz=3"], Some(&format!("foo=1,{five},bar=2")), "then those at the end"),
        (&["foo=1", &long], Some(&format!("foo=1,{long}")), "test_tracestate_key_length_limit"),
        (&["foo=1", &longer], None, "test_tracestate_key_length_limit"),
        (&["foo=1", &vendor], Some(&format!("foo=1,{vendor}")), "test_tracestate_key_length_limit"),
        (&["foo=1", &tenant_longer], Some(&format!("foo=1,{tenant_longer}")), "test_tracestate_key_length_limit"),
        (&["foo=1", &system_longer], Some(&format!("foo=1,{system_longer}")), "test_tracestate_key_length_limit"),
        (&["foo=bar=baz"], None, "test_tracestate_value_illegal_characters"),
        (&["foo=,bar=3"], None, "test_tracestate_value_illegal_characters"),
    ] {
        for tap in taps(Propagators::default()) {
            let mut headers = vec![("traceparent", parent)];
            headers.extend(values.iter().map(|value| ("tracestate", *value)));
            let sent = through(&tap, &headers, || ()).await;
            let state = sent.get("tracestate").map(|value| value.to_str().expect("ASCII"));
            assert_eq!(state, expected, "{reason}: {values:?}");
            assert!(
                sent["traceparent"].to_str().expect("ASCII").contains(&parent[3..35]),
                "the trace goes on: {reason}"
            );
        }
    }
    for tap in taps(Propagators::default()) {
        for headers in
            [&[("tracestate", "foo=1")][..], &[("traceparent", "00-nonsense"), ("tracestate", "foo=1,bar=2")]]
        {
            let sent = through(&tap, headers, || ()).await;
            assert!(sent.get("tracestate").is_none(), "test_tracestate_included_traceparent_missing: {sent:?}");
        }
        let sent =
            through(&tap, &[("traceparent", parent), ("trace-state", "foo=1"), ("trace.state", "foo=1")], || ()).await;
        assert!(sent.get("tracestate").is_none(), "test_tracestate_header_name: {sent:?}");
    }
}
