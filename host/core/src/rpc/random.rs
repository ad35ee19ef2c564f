//! Random numbers for ids: one generator for each thread, xoshiro256++, which has 256 bits of state.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use rand::rngs::{SysRng, Xoshiro256PlusPlus};
use rand::{Rng, SeedableRng};

use crate::process::Process;

/// A thread's generator, and the process that it was seeded in.
struct Generator {
    process: Process,
    rng: Xoshiro256PlusPlus,
}

thread_local! {
    static GENERATOR: RefCell<Generator> = RefCell::new(Generator::seeded());
}

/// Returns so many random numbers of 64 bits.
#[inline]
pub(super) fn random<const COUNT: usize>() -> [u64; COUNT] {
    let numbers = GENERATOR.try_with(|generator| {
        let mut generator = generator.borrow_mut();
        // A forked child has a copy of the generator: it would make its parent's ids.
        if generator.process.is_forked() {
            *generator = Generator::seeded();
        }
        generator.numbers()
    });
    // While a thread ends, its generator is gone.
    numbers.unwrap_or_else(|_| Generator::seeded().numbers())
}

/// Returns a random number of 128 bits, for ids of other things than calls.
pub fn random_u128() -> u128 {
    let [high, low] = random();
    u128::from(high) << 64 | u128::from(low)
}

impl Generator {
    #[inline]
    fn numbers<const COUNT: usize>(&mut self) -> [u64; COUNT] {
        std::array::from_fn(|_| self.rng.next_u64())
    }

    #[cold]
    fn seeded() -> Self {
        let rng = Xoshiro256PlusPlus::try_from_rng(&mut SysRng).unwrap_or_else(|_| hashed());
        Self { process: Process::current(), rng }
    }
}

/// A generator for systems that refuse random bytes: seeded with hashes under keys that the standard library has.
fn hashed() -> Xoshiro256PlusPlus {
    let mut seed = [0; 32];
    for part in seed.chunks_mut(8) {
        part.copy_from_slice(&RandomState::new().build_hasher().finish().to_ne_bytes());
    }
    Xoshiro256PlusPlus::from_seed(seed)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_generator_without_the_systems_random_bytes_differs_from_others() {
        let numbers: HashSet<u64> = (0..1_000).map(|_| hashed().next_u64()).collect();
        assert_eq!(numbers.len(), 1_000);
    }
}
