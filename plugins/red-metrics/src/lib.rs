//! Rate, errors and duration of RPCs and HTTP requests as OpenTelemetry's histograms; no traces, no per-peer labels.
//!
#![doc = include_str!("../README.md")]

mod conventions;
#[cfg(test)]
mod tests;

use hottap_guest::metrics::{DurationSeries, Keyed};
use hottap_guest::{Batch, Config, Error, Flush, Protocol, Tracer, export};

use conventions::{CALLEE, Instruments};

export!(RedMetrics);

const HTTP: u8 = Protocol::Http.number();

/// The tracer.
#[derive(Debug)]
pub struct RedMetrics {
    instruments: Instruments,
    /// By all that labels are made of, packed into numbers; texts are looked up once for each entry.
    series: Keyed<DurationSeries>,
}

impl Tracer for RedMetrics {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self { instruments: Instruments::define(), series: Keyed::new() })
    }

    /// Each column that is asked for costs as much as several calls, so there are six: the outcome is not among them,
    /// because a call that failed has an error type, and the HTTP status is only where there is plain HTTP.
    fn finish(&mut self, batch: &Batch) {
        let protocols = batch.protocols().raw();
        let rpc_statuses = batch.rpc_statuses().raw();
        let http_statuses = if protocols.contains(&HTTP) { batch.http_statuses().raw() } else { rpc_statuses };
        // Without the feature it is a column that is there already, and not looked at.
        let callees = if CALLEE { batch.callees().raw() } else { batch.methods().raw() };

        let who = batch.sides().raw().iter().zip(batch.methods().raw()).zip(protocols).zip(callees);
        let how = rpc_statuses.iter().zip(http_statuses).zip(batch.error_types().raw());
        let nanos = batch.durations().raw();
        for ((((((&side, &method), &protocol), &callee), ((&rpc, &http), &error_type)), &nanos), call) in
            who.zip(how).zip(nanos).zip(batch.calls())
        {
            let status = if protocol == HTTP { http } else { rpc };
            let callee = if CALLEE { callee } else { 0 };
            let symbols = u64::from(method) | u64::from(error_type) << 32;
            let rest = u64::from(side) | u64::from(protocol) << 8 | u64::from(status) << 16 | u64::from(callee) << 32;
            let key = u128::from(symbols) | u128::from(rest) << 64;
            self.series.get_or_insert_with(key, || self.instruments.series(call)).record_nanos(nanos);
        }
    }

    fn flush(&mut self, at: Flush) {
        self.series.forget_idle(at.elapsed);
    }
}
