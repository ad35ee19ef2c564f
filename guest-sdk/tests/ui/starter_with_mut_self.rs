//! A starter that wants to change itself.

use hottap_guest::{Config, Error, StartedCall, Starter};

struct Stamp(u64);

impl Starter for Stamp {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self(0))
    }

    fn start(&mut self, _: &StartedCall) -> u64 {
        self.0 += 1;
        self.0
    }
}

fn main() {}
