//! The instances of version 0.1.0-draft that start, and how they are called.

use std::sync::Arc;

use http::HeaderMap;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, TypedFunc};

use super::super::engine::Engine;
use super::super::guest::CallError;
use super::super::host::{Host, Phase};
use super::super::starter::Starter;
use hottap_core::panics::{Place, caught};
use hottap_core::rpc::{RpcInfo, Symbol};

/// The interface that a guest exports to act at the start of calls.
const STARTER: &str = "hottap:tracer/starter@0.1.0-draft";

/// The function that starters export: the call's id, side, method, callee, protocol, start, deadline, both halves of the
/// trace id, span id, parent, and whether it is sampled.
pub(super) type Start = TypedFunc<(u64, u8, u32, u32, u8, u64, u64, u64, u64, u64, u64, u8), (u64,)>;

/// Where a component exports `start`, if it does.
pub(in super::super) fn start_export(component: &Component) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, STARTER)?;
    component.get_export_index(Some(&interface), "start")
}

pub(super) struct Starting {
    store: Store<Host>,
    start: Start,
    engine: Arc<Engine>,
}

impl Starting {
    pub(super) fn new(store: Store<Host>, start: Start, engine: Arc<Engine>) -> Self {
        Self { store, start, engine }
    }
}

impl Starter for Starting {
    fn start(&mut self, call: &RpcInfo, headers: &mut HeaderMap, fuel: u64) -> Result<u64, CallError> {
        self.engine.touch();
        let host = self.store.data_mut();
        host.begin(Phase::Start);
        let method = call.invocation.method.symbol().unwrap_or(Symbol::NONE).id();
        let callee = call.to.service.id();
        host.handed.add([method, callee]);
        // Swapped and swapped back: a reference could not be kept in the store, and the headers themselves do not move.
        host.starting.begin(headers, call.side);
        self.store.set_epoch_deadline(1);
        let answer = self.store.set_fuel(fuel).and_then(|()| {
            let trace = &call.trace;
            let call = (
                call.id,
                call.side as u8,
                method,
                callee,
                call.invocation.protocol as u8,
                call.stats.started_unix,
                call.config.deadline,
                (trace.trace_id >> 64) as u64,
                trace.trace_id as u64,
                trace.span_id,
                trace.parent_span_id,
                u8::from(trace.sampled),
            );
            // Whatever happens in there, the request gets its headers back.
            caught(Place::Request, || self.start.call(&mut self.store, call)).unwrap_or_else(|panic| Err(panic.into()))
        });
        let host = self.store.data_mut();
        host.starting.end(headers);
        host.may_hand_over = u64::MAX;
        match answer.and_then(|answer| host.meter.end().map(|()| answer)) {
            Ok((token,)) => {
                host.write_log(Some(&call.trace));
                Ok(token)
            }
            Err(error) => Err(host.explain(&error)),
        }
    }
}
