//! A tracer that writes down all that is known of each call, for tests of the contract; no example to copy.

use hottap_guest::{Call, Config, Error, Level, Tracer, export, log, outbox};

struct Scribe;

impl Tracer for Scribe {
    fn new(config: Config) -> Result<Self, Error> {
        config.level(Level::Detailed);
        Ok(Self)
    }

    fn finish_call(&mut self, call: &Call) {
        if let Err(refusal) = outbox::send("records", "application/json", format!("{}\n", call.info()).as_bytes()) {
            log::warn(format_args!("no record of call {}: {refusal}", call.id()));
        }
    }
}

export!(Scribe);
