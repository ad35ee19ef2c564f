//! Kitex's `clientTracer`: what each call cost its client, from the events of its start and its finish.

use std::time::Duration;

use hottap::rpc::EventKind;
use hottap::{CallContext, Tracer};

use crate::report::Report;

pub(crate) struct ClientTracer {
    pub(crate) report: Report,
}

impl Tracer for ClientTracer {
    fn start(&self, _call: &mut CallContext) {}

    fn finish(&self, call: &CallContext) {
        let stats = call.info().stats();
        let (Some(rpc_start), Some(rpc_finish)) =
            (stats.event(EventKind::RPC_START), stats.event(EventKind::RPC_FINISH))
        else {
            return;
        };
        let cost = Duration::from_nanos(rpc_finish.at.saturating_sub(rpc_start.at));
        self.report.add("cost", call.info().invocation().method().as_str(), cost);
    }
}
