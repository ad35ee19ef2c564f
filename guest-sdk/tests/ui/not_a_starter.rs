//! A second type that does not implement `Starter`.

use hottap_guest::{Config, Error, Tracer};

struct Cost;

impl Tracer for Cost {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self)
    }
}

struct Stamp;

hottap_guest::export!(Cost, Stamp);

fn main() {}
