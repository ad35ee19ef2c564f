//! A tracer that spins for ever, as the demo's bad neighbour; no example to copy.

use hottap_guest::{Batch, Config, Error, Tracer, export};

/// Well-behaved for its first batch, so that it passes the trial run that every module gets before it goes live, and
/// never again.
struct Spin {
    batches: u64,
}

impl Tracer for Spin {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self { batches: 0 })
    }

    fn finish(&mut self, _: &Batch) {
        self.batches += 1;
        if self.batches > 1 {
            loop {
                // The optimizer must not find out that nothing happens here.
                std::hint::black_box(&self.batches);
            }
        }
    }
}

export!(Spin);
