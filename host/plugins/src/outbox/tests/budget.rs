//! Payloads that wait count for the memory that all plugins share.

use std::sync::Arc;

use super::super::account::DropReason;
use super::super::destination::Destination;
use super::super::parcel::{Parcel, Payload, cost};
use super::definition;
use crate::outbox::Refusal;
use hottap_core::budget::{Budget, Kind};

const MIB: usize = 1 << 20;

#[test]
fn a_full_budget_refuses_payloads_but_leaves_each_destination_its_part() {
    let budget = Budget::new(8 * MIB as u64);
    let lines = "url = \"http://127.0.0.1:9/\"\nqueue = \"64MiB\"\nmax_payload = \"1MiB\"";
    let destination = || Destination::new("d", definition(lines), Some(&budget));
    let used = || budget.by_kind().find(|(kind, _)| *kind == Kind::Outbox).map_or(0, |(_, used)| used) as usize;
    let (greedy, other) = (Arc::new(destination()), destination());
    let payload = vec![0; MIB / 2];
    let mut taken = 0;
    let refusal = loop {
        match greedy.reserve("t", payload.len(), cost(&payload)) {
            Ok(()) => taken += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((refusal, used()), (Refusal::Full, taken * cost(&payload)));
    assert!((7 * MIB..=8 * MIB).contains(&used()), "{taken}: {}", used());
    for _ in 0..3 {
        other.reserve("t", payload.len(), cost(&payload)).expect("its part");
    }
    assert_eq!(other.reserve("t", MIB, MIB), Err(Refusal::Full), "and no more");

    // What is given back, lost or delivered makes room.
    greedy.give_back(cost(&payload));
    Parcel::new(greedy.clone(), Payload::new("", payload.clone())).commit();
    assert_eq!(used(), (taken + 2) * cost(&payload), "what waits counts as it did");
    drop(other);
    assert_eq!(used(), (taken - 1) * cost(&payload));
    greedy.give_up(DropReason::Removed);
    assert_eq!(used(), (taken - 2) * cost(&payload));
}
