//! A tracer that can't be made.

use hottap_guest::{Call, Tracer, export};

struct Cost;

impl Tracer for Cost {
    fn finish_call(&mut self, _: &Call) {}
}

export!(Cost);

fn main() {}
