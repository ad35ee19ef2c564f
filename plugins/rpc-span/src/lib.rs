//! A span for each call, opened when it starts and closed when it finishes, as OTLP to a destination; no metrics of calls.
//!
#![doc = include_str!("../README.md")]

mod decision;
mod otlp;
mod peers;
mod protobuf;
mod request;
mod settings;
mod span;
mod starter;
#[cfg(test)]
mod tests;

use hottap_guest::outbox::Outlet;
use hottap_guest::{Batch, Config, Error, Flush, Level, Tracer, export};

use request::Request;
use settings::Settings;
use span::Spans;

pub use starter::OpensSpan;

export!(RpcSpan, OpensSpan);

/// The tracer: it closes spans.
#[derive(Debug)]
pub struct RpcSpan {
    spans: Spans,
    request: Request,
}

impl Tracer for RpcSpan {
    fn new(config: Config) -> Result<Self, Error> {
        let settings = Settings::parse(&config)?;
        if settings.events {
            config.level(Level::Detailed);
        }
        let outlet = Outlet::define("rpc_span.spans", "{span}", &settings.destination, "application/x-protobuf");
        let request = Request::new(otlp::resource(config.identities()), outlet);
        Ok(Self { spans: Spans::new(settings), request })
    }

    fn finish(&mut self, batch: &Batch) {
        self.spans.finish(batch, &mut self.request);
    }

    fn flush(&mut self, at: Flush) {
        self.spans.flush(at);
        self.request.send();
    }
}
