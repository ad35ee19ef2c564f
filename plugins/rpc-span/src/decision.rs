//! What is decided when a span is opened, and how it gets to where the span is closed: as a number.

use hottap_guest::Side;

/// OTLP's kind of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

impl Kind {
    pub(crate) fn of(side: Side) -> Self {
        match side {
            Side::Client => Self::Client,
            Side::Server => Self::Server,
            _ => Self::Internal,
        }
    }

    /// The name that Kitex's example gives its spans.
    pub(crate) fn span_name(self) -> &'static str {
        match self {
            Self::Client => "RPC call",
            Self::Server => "RPC handle",
            Self::Internal => "RPC endpoint",
        }
    }
}

/// What was decided of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) sampled: bool,
    pub(crate) kind: Kind,
    /// A header that should have told of the trace could not be set.
    pub(crate) untold: bool,
}

/// Set in every token, because 0 is what a call has whose start was skipped.
const OPENED: u64 = 1;
const SAMPLED: u64 = 1 << 1;
const UNTOLD: u64 = 1 << 2;
/// Where the kind stands.
const KIND: u32 = 8;

impl Decision {
    /// A decision about a call on a side.
    pub(crate) fn make(side: Side, trace_id: u128, sampled: bool, ratio: f64) -> Self {
        Self { sampled: sampled && is_within(trace_id, ratio), kind: Kind::of(side), untold: false }
    }

    pub(crate) fn to_token(self) -> u64 {
        let flag = |set, bit| if set { bit } else { 0 };
        OPENED | flag(self.sampled, SAMPLED) | flag(self.untold, UNTOLD) | (self.kind as u64) << KIND
    }

    /// None if the span was not opened.
    pub(crate) fn from_token(token: u64) -> Option<Self> {
        let kind = match token >> KIND {
            2 => Kind::Server,
            3 => Kind::Client,
            _ => Kind::Internal,
        };
        (token & OPENED != 0).then_some(Self { sampled: token & SAMPLED != 0, kind, untold: token & UNTOLD != 0 })
    }
}

/// Whether a trace is among the share that is kept: by its id, so that it is kept or left as a whole, whichever service
/// decides.
fn is_within(trace_id: u128, ratio: f64) -> bool {
    // The lower half is the random part of ids that were 64 bits once. 63 of them, as OpenTelemetry's sampler does it.
    const ALL: f64 = (1_u64 << 63) as f64;
    // The greatest ids become `ALL` as floats, and the whole must have them too.
    ratio >= 1.0 || ((trace_id as u64 >> 1) as f64) < ratio * ALL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_was_decided() {
        for kind in [Kind::Internal, Kind::Server, Kind::Client] {
            for (sampled, untold) in [(false, false), (true, false), (false, true), (true, true)] {
                let decision = Decision { sampled, kind, untold };
                assert_ne!(decision.to_token(), 0);
                assert_eq!(Decision::from_token(decision.to_token()), Some(decision));
            }
        }
        assert_eq!(Decision::from_token(0), None);
    }

    #[test]
    fn a_ratio_keeps_about_that_share_of_traces() {
        let mut random = 1_u64;
        let ids: Vec<u128> = (0..10_000)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u128::from(random)
            })
            .collect();
        let kept = |ratio| ids.iter().filter(|&&id| is_within(id, ratio)).count();
        assert_eq!((kept(0.0), kept(1.0)), (0, 10_000));
        assert!((2_300..2_700).contains(&kept(0.25)), "{}", kept(0.25));
        assert!(!Decision::make(Side::Client, 0, false, 1.0).sampled, "what the trace left out stays out");
    }
}
