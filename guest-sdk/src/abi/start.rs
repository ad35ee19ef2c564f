//! The exported function of starters: compiled into every guest, exported only by modules whose `export!` says so.

use std::cell::OnceCell;

use crate::export::Starts;
use crate::starter::StartedCall;

/// The world with nothing but what a starter has beyond a tracer: a world that includes the tracer's would export its
/// functions a second time. wit-component makes one world of this and the tracer's.
pub mod bindings {
    #![expect(missing_docs, reason = "generated, and seen by `export!` alone")]

    wit_bindgen::generate!({
        path: "wit",
        world: "start",
        with: {
            "hottap:tracer/rpc@0.1.0-draft": crate::abi::bindings::hottap::tracer::rpc,
            "hottap:tracer/starting@0.1.0-draft": generate,
            "hottap:tracer/starter@0.1.0-draft": generate,
        },
        pub_export_macro: true,
    });
}

thread_local! {
    /// The starter of this instance; none before `init`, if that failed, and in instances that collect.
    static STARTER: OnceCell<Box<dyn Starts>> = const { OnceCell::new() };
}

/// Keeps the starter that `init` made; the host calls `init` once.
pub(super) fn keep(starter: Box<dyn Starts>) {
    STARTER.with(|kept| drop(kept.set(starter)));
}

/// The function of the contract.
#[derive(Debug)]
pub struct Start;

impl bindings::exports::hottap::tracer::starter::Guest for Start {
    #[inline]
    fn start(
        id: u64,
        side: u8,
        method: u32,
        callee: u32,
        protocol: u8,
        started: u64,
        deadline: u64,
        trace_id_high: u64,
        trace_id_low: u64,
        span_id: u64,
        parent_span_id: u64,
        sampled: u8,
    ) -> u64 {
        let trace_id = u128::from(trace_id_high) << 64 | u128::from(trace_id_low);
        let sampled = sampled != 0;
        let call = StartedCall {
            id,
            side,
            method,
            callee,
            protocol,
            started,
            deadline,
            trace_id,
            span_id,
            parent_span_id,
            sampled,
        };
        STARTER.with(|starter| starter.get().map_or(0, |starter| starter.start(&call)))
    }
}
