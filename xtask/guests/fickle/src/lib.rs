//! A tracer that fails in the way and as often as its manifest says, for chaos and for tests; no example to copy.

use hottap_guest::metrics::{Counter, CounterSeries};
use hottap_guest::{Batch, Call, Config, Error, Flush, Tracer, export};
use serde::Deserialize;

/// The ways of failing.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Fails {
    /// Traps at every n-th call that the instance sees: a new instance takes the same calls.
    Call,
    /// Traps at calls of whose ids one in n is bad: every instance traps at them again.
    Row,
    /// Traps in every n-th flush.
    Flush,
    /// Spins at every n-th call.
    Spin,
    /// Takes memory at every n-th call until there is no more.
    Memory,
    /// Traps in `init` whenever the time divided by n is odd, which depends on the moment alone.
    Init,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    fails: Fails,
    /// The n above.
    every: u64,
    /// Another seed is another generation, and other bad calls.
    #[serde(default)]
    seed: u64,
}

struct Fickle {
    settings: Settings,
    calls: u64,
    flushes: u64,
    counted: CounterSeries,
}

impl Tracer for Fickle {
    fn new(config: Config) -> Result<Self, Error> {
        let mut settings: Settings = config.parse()?;
        settings.every = settings.every.max(1);
        let odd = (config.now() / 1_000_000 / settings.every) % 2 == 1;
        assert!(settings.fails != Fails::Init || !odd, "an odd moment");
        let counted = Counter::define("fickle.calls").build().with(&[]);
        Ok(Self { settings, calls: 0, flushes: 0, counted })
    }

    fn finish(&mut self, batch: &Batch) {
        // Row by row, so that it fails in the midst of a batch.
        for call in batch.calls() {
            self.finish_call(&call);
        }
    }

    fn finish_call(&mut self, call: &Call) {
        self.calls += 1;
        self.counted.increment();
        let due = self.calls.is_multiple_of(self.settings.every);
        match self.settings.fails {
            Fails::Call => assert!(!due, "the call is one too many"),
            Fails::Row => assert!(!self.is_bad(call.id()), "the call is a bad one"),
            Fails::Spin if due => loop {
                std::hint::black_box(&self.calls);
            },
            Fails::Memory if due => {
                let mut held = Vec::new();
                loop {
                    held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
                }
            }
            _ => {}
        }
    }

    fn flush(&mut self, _: Flush) {
        self.flushes += 1;
        let due = self.flushes.is_multiple_of(self.settings.every);
        assert!(self.settings.fails != Fails::Flush || !due, "the flush is one too many");
    }
}

impl Fickle {
    /// SplitMix64 of the id and the seed: bad calls are spread over the load.
    fn is_bad(&self, id: u64) -> bool {
        let mut bits = id.wrapping_add(self.settings.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)).is_multiple_of(self.settings.every)
    }
}

export!(Fickle);
