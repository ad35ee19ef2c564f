//! Which version of OpenTelemetry's semantic conventions spans and metrics follow; what each says is in `attributes`.

/// The environment variable that chooses, as all of OpenTelemetry's instrumentations read it.
pub(super) const VARIABLE: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";

/// The names of one kind of call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// The newer ones: of RPCs since version 1.39 of the conventions, of HTTP since 1.23.
    #[default]
    Stable,
    /// The older ones.
    Old,
    /// Both, for as long as dashboards are moved from one to the other. Where a name means two things, `rpc.method`, it
    /// has its newer meaning.
    Both,
}

/// Which names RPCs have, and which plain HTTP.
///
/// By default both have the stable ones, and [`from_env`](Self::from_env) takes what `OTEL_SEMCONV_STABILITY_OPT_IN` says: a
/// list of `rpc`, `rpc/dup` (both), `rpc/old`, and the same for `http`. `rpc/old` and `http/old` are Hottap's: other
/// instrumentations have the old names unless told otherwise, this one has the new ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Conventions {
    pub(super) rpc: Names,
    pub(super) http: Names,
}

impl Conventions {
    /// These names for RPCs, those for plain HTTP.
    pub const fn new(rpc: Names, http: Names) -> Self {
        Self { rpc, http }
    }

    /// What the environment says. A word that is not known counts as not said.
    pub fn from_env() -> Self {
        Self::parse(&std::env::var(VARIABLE).unwrap_or_default())
    }

    pub(super) fn parse(list: &str) -> Self {
        let words = || list.split(',').map(str::trim);
        let names = |stable: &str, both: &str, old: &str| {
            // Who asks for both at once wants both: so the specification has it.
            if words().any(|word| word == both) {
                Names::Both
            } else if words().any(|word| word == old) && !words().any(|word| word == stable) {
                Names::Old
            } else {
                Names::Stable
            }
        };
        Self { rpc: names("rpc", "rpc/dup", "rpc/old"), http: names("http", "http/dup", "http/old") }
    }
}

impl Names {
    pub(super) fn stable(self) -> bool {
        self != Self::Old
    }

    pub(super) fn old(self) -> bool {
        self != Self::Stable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_the_names() {
        use Names::{Both, Old, Stable};
        for (list, rpc, http, reason) in [
            ("", Stable, Stable, "nothing is said"),
            ("rpc", Stable, Stable, "as it is"),
            ("rpc/dup", Both, Stable, "one kind of call alone"),
            (" http/dup , rpc/old", Old, Both, "each its own, with spaces"),
            ("rpc,rpc/dup", Both, Stable, "both wins"),
            ("rpc/old,rpc", Stable, Stable, "the newer wins"),
            ("database/dup,gen_ai,,RPC/DUP", Stable, Stable, "of others, or of nobody"),
        ] {
            assert_eq!(Conventions::parse(list), Conventions::new(rpc, http), "{list:?}: {reason}");
        }
    }
}
