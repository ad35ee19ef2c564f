//! A tracer that writes down all that is known of each call, for tests of the contract; no example to copy.

use hottap_guest::{Call, Config, Error, Level, Tracer, export, log, outbox};
use serde::Deserialize;

struct Scribe {
    destination: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Writes down attempts as well.
    #[serde(default)]
    attempts: bool,
    /// Where the records go.
    #[serde(default = "records")]
    destination: String,
}

fn records() -> String {
    "records".to_owned()
}

impl Tracer for Scribe {
    fn new(config: Config) -> Result<Self, Error> {
        config.level(Level::Detailed);
        let Settings { attempts, destination } = config.parse()?;
        if attempts {
            config.attempts();
        }
        Ok(Self { destination })
    }

    fn finish_call(&mut self, call: &Call) {
        if let Err(refusal) =
            outbox::send(&self.destination, "application/json", format!("{}\n", call.info()).as_bytes())
        {
            log::warn(format_args!("no record of call {}: {refusal}", call.id()));
        }
    }
}

export!(Scribe);
