//! The word `streams` for a tracer that does not implement `Streams`.

use hottap_guest::{Config, Error, Tracer};

struct Cost;

impl Tracer for Cost {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self)
    }
}

hottap_guest::export!(Cost, streams);

fn main() {}
