//! Ten million distinct names: a process of its own, because it looks at the process's memory.

#![cfg(test)]

use hottap::rpc::{Peer, Side};
use hottap::{CallContext, Hottap, Tracer};

/// Somebody who wants every call, so that every name is looked at.
struct Everybody;

impl Tracer for Everybody {
    fn start(&self, _: &mut CallContext) {}
    fn finish(&self, _: &CallContext) {}
}

/// Bytes of memory that the process holds.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4096
}

#[test]
fn ten_million_distinct_paths_and_peers_leave_memory_flat() {
    let tap = Hottap::builder().service("flood").tracer(Everybody).start().expect("Hottap starts");
    let call = |i: u64, routed: bool| {
        let mut call = tap.start_call(Side::Server, &format!("flood.v1.Made/Up{i}")).expect("wanted");
        call.set_peer(Peer::text(&format!("peer-{i}")));
        if !routed {
            call.set_unrouted();
        }
        call.finish();
    };
    // What a router knows may fill the table, up to its bound; it is full before the measuring begins.
    (0..100_000).for_each(|i| call(i, true));
    (100_000..200_000).for_each(|i| call(i, false));
    let before = resident();
    (1_000_000..6_000_000).for_each(|i| call(i, false));
    (6_000_000..11_000_000).for_each(|i| call(i, true));
    let after = resident();
    assert!(after < before + (8 << 20), "{} MiB became {} MiB", before >> 20, after >> 20);
}
