//! Rate, errors and duration of RPCs and HTTP requests as OpenTelemetry's histograms; no traces, no per-peer labels.
//!
#![doc = include_str!("../README.md")]

mod conventions;
#[cfg(test)]
mod tests;

use hottap_guest::metrics::{DurationSeries, Keyed};
use hottap_guest::{Batch, Config, Error, Field, Flush, Protocol, Tracer, export};

use conventions::{CALLEE, Instruments};

export!(RedMetrics);

const HTTP: u64 = Protocol::Http.number() as u64;

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

    /// The outcome is not asked for, because a call that failed has an error type.
    fn finish(&mut self, batch: &Batch) {
        use Field::{Callee, Duration, ErrorType, HttpStatus, Method, Protocol, RpcStatus, Side};
        // Without the feature the callee is a column that is there already, and not looked at.
        let last = if CALLEE { Callee } else { Method };
        let [sides, methods, protocols, rpc_statuses, http_statuses, error_types, nanos, callees] =
            batch.columns([Side, Method, Protocol, RpcStatus, HttpStatus, ErrorType, Duration, last]);

        let who = sides.iter().zip(methods).zip(protocols).zip(callees);
        let how = rpc_statuses.iter().zip(http_statuses).zip(error_types);
        for ((((((side, method), &protocol), callee), ((rpc, http), error_type)), &nanos), call) in
            who.zip(how).zip(nanos).zip(batch.calls())
        {
            let status = if protocol == HTTP { http } else { rpc };
            let callee = if CALLEE { callee } else { &0 };
            let symbols = method | error_type << 32;
            let rest = side | protocol << 8 | status << 16 | callee << 32;
            let key = u128::from(symbols) | u128::from(rest) << 64;
            self.series.get_or_insert_with(key, || self.instruments.series(call)).record_nanos(nanos);
        }
    }

    fn flush(&mut self, at: Flush) {
        self.series.forget_idle(at.elapsed);
    }
}
