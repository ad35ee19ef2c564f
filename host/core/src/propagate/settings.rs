//! The formats and the sampler that are in effect: read by every call, changed by the operator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Propagators;
use super::sampler::{LiveSampler, Sampler};

/// The settings of one Hottap.
#[derive(Debug)]
pub struct TraceSettings {
    /// The formats that are in effect without the operator's.
    own: Propagators,
    propagators: AtomicU32,
    /// The first decides for calls; the others follow it, each in a provider of OpenTelemetry's spans.
    samplers: Vec<Arc<LiveSampler>>,
}

/// Those that hold where nothing is said.
impl Default for TraceSettings {
    fn default() -> Self {
        Self::new(Propagators::default(), Vec::new())
    }
}

impl TraceSettings {
    /// `samplers` are those of the providers that make spans of the calls.
    pub fn new(own: Propagators, mut samplers: Vec<Arc<LiveSampler>>) -> Self {
        if samplers.is_empty() {
            samplers.push(Arc::new(LiveSampler::new(Sampler::default())));
        }
        Self { own, propagators: AtomicU32::new(own.to_bits()), samplers }
    }

    #[inline]
    pub fn propagators(&self) -> Propagators {
        Propagators::from_bits(self.propagators.load(Ordering::Relaxed))
    }

    #[inline]
    pub fn sampler(&self) -> Sampler {
        self.samplers.first().map_or_else(Sampler::default, |sampler| sampler.get())
    }

    /// Puts the operator's in the place of what the builder and the environment said; what the operator does not say goes
    /// back to that.
    pub fn change(&self, propagators: Option<Propagators>, sampler: Option<Sampler>) {
        self.propagators.store(propagators.unwrap_or(self.own).to_bits(), Ordering::Relaxed);
        for live in &self.samplers {
            live.set(sampler);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Propagator::{B3, Baggage};
    use super::*;

    #[test]
    fn the_operators_word_goes_before_the_others_until_it_is_taken_back() {
        let named = |name| Sampler::named(name, 1.0);
        let own = [named("traceidratio"), named("always_off")].map(|own| own.expect("known"));
        for samplers in [vec![], own.map(|own| Arc::new(LiveSampler::new(own))).to_vec()] {
            let settings = TraceSettings::new(Propagators::new([Baggage]), samplers.clone());
            let sampler = settings.sampler();
            settings.change(Some(Propagators::new([B3])), named("always_on"));
            assert_eq!(settings.propagators(), Propagators::new([B3]));
            assert_eq!(Some(settings.sampler()), named("always_on"));
            assert!(samplers.iter().all(|live| Some(live.get()) == named("always_on")), "all follow");
            settings.change(Some(Propagators::new([])), None);
            assert_eq!((settings.propagators(), settings.sampler()), (Propagators::new([]), sampler));
            assert!(samplers.iter().map(|live| live.get()).eq(own.into_iter().take(samplers.len())), "each its own");
            settings.change(None, None);
            assert_eq!(settings.propagators(), Propagators::new([Baggage]));
        }
    }
}
