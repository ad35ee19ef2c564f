//! The table `[trace]` of `hottap.toml`: the formats that traces travel in, and the sampler. Pure.

use toml::{Table, Value};

use super::{ConfigError, check_keys};
use hottap_core::propagate::{PROPAGATORS, Propagator, Propagators, SAMPLERS, Sampler};

const KEYS: &[&str] = &["propagators", "sampler", "sampler_arg"];
const RATIO: &str = "write a number from 0 to 1, such as 0.1";

/// The operator's settings of traces. A field that is none keeps the setting of the service and its environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TraceConfig {
    pub(crate) propagators: Option<Propagators>,
    pub(crate) sampler: Option<Sampler>,
}

impl TraceConfig {
    /// Reads the table `[trace]`.
    ///
    /// # Errors
    /// They name the key and say what to write; none repeats a value.
    pub(super) fn from_toml(value: Option<&Value>) -> Result<Self, ConfigError> {
        let Some(value) = value else { return Ok(Self::default()) };
        let table = value.as_table().ok_or_else(|| ConfigError::value("trace", "write a table [trace]"))?;
        check_keys(table, KEYS, "trace.")?;
        Ok(Self { propagators: table.get("propagators").map(propagators).transpose()?, sampler: sampler(table)? })
    }
}

fn propagators(value: &Value) -> Result<Propagators, ConfigError> {
    let key = "trace.propagators";
    let list = value
        .as_array()
        .ok_or_else(|| ConfigError::value(key, "write a list, such as [\"tracecontext\", \"baggage\"]"))?;
    let format = |name: &Value| name.as_str().and_then(Propagator::named);
    let formats: Option<Vec<_>> = list.iter().map(format).collect();
    formats.map(Propagators::new).ok_or_else(|| ConfigError::value(key, PROPAGATORS))
}

fn sampler(table: &Table) -> Result<Option<Sampler>, ConfigError> {
    let (name_key, ratio_key) = ("trace.sampler", "trace.sampler_arg");
    let ratio = match table.get("sampler_arg") {
        None => None,
        Some(Value::Float(ratio)) => Some(*ratio),
        Some(Value::Integer(whole @ 0..=1)) => Some(*whole as f64),
        Some(_) => return Err(ConfigError::value(ratio_key, RATIO)),
    };
    if ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
        return Err(ConfigError::value(ratio_key, RATIO));
    }
    let name = match table.get("sampler") {
        None if ratio.is_some() => {
            return Err(ConfigError::Missing {
                key: name_key.to_owned(),
                expected: "the sampler that has this argument",
            });
        }
        None => return Ok(None),
        Some(name) => name.as_str().ok_or_else(|| ConfigError::value(name_key, SAMPLERS))?,
    };
    if name.to_ascii_lowercase().ends_with("traceidratio") {
        if ratio.is_none() {
            return Err(ConfigError::Missing { key: ratio_key.to_owned(), expected: RATIO });
        }
    } else if ratio.is_some() {
        return Err(ConfigError::value(ratio_key, "only traceidratio has an argument; leave it out"));
    }
    Sampler::named(name, ratio.unwrap_or(1.0)).map(Some).ok_or_else(|| ConfigError::value(name_key, SAMPLERS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Propagator::{B3, Baggage, TraceContext};

    fn parse(text: &str) -> Result<TraceConfig, ConfigError> {
        let table: Table = text.parse().expect("TOML");
        TraceConfig::from_toml(table.get("trace"))
    }

    #[test]
    fn formats_and_sampler_are_read() {
        let named = |name, ratio| Sampler::named(name, ratio).expect("known");
        for (text, propagators, sampler, reason) in [
            ("", None, None, "nothing is said"),
            ("[trace]", None, None, "nothing is said in it"),
            ("[trace]\npropagators = []", Some(&[][..]), None, "none"),
            (
                "[trace]\npropagators = [\"b3\", \"TraceContext\", \"baggage\", \"b3\"]",
                Some(&[B3, TraceContext, Baggage]),
                None,
                "in their order, in either case",
            ),
            ("[trace]\nsampler = \"always_off\"", None, Some(named("always_off", 1.0)), "without an argument"),
            (
                "[trace]\nsampler = \"parentbased_traceidratio\"\nsampler_arg = 0.1",
                None,
                Some(named("parentbased_traceidratio", 0.1)),
                "with one",
            ),
            (
                "[trace]\nsampler = \"traceidratio\"\nsampler_arg = 0",
                None,
                Some(named("traceidratio", 0.0)),
                "a whole one",
            ),
        ] {
            let propagators = propagators.map(|formats: &[_]| Propagators::new(formats.iter().copied()));
            assert_eq!(parse(text), Ok(TraceConfig { propagators, sampler }), "{reason}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key_and_without_its_value() {
        for (text, part) in [
            ("trace = \"s3cret\"", "`trace`"),
            ("[trace]\nsample = 1", "unknown key `trace.sample`; did you mean `trace.sampler`?"),
            ("[trace]\npropagator = []", "did you mean `trace.propagators`?"),
            ("[trace]\nsampler_args = 1", "did you mean `trace.sampler_arg`?"),
            ("[trace]\nsampler = \"s3cret\"", "`trace.sampler` that cannot be used: always_on, always_off"),
            ("[trace]\nsampler = 0.5", "`trace.sampler`"),
            ("[trace]\nsampler = \"jaeger_remote\"", "`trace.sampler`"),
            ("[trace]\nsampler = \"traceidratio\"", "needs `trace.sampler_arg`"),
            ("[trace]\nsampler = \"traceidratio\"\nsampler_arg = 1.5", "`trace.sampler_arg`"),
            ("[trace]\nsampler = \"traceidratio\"\nsampler_arg = nan", "`trace.sampler_arg`"),
            ("[trace]\nsampler = \"traceidratio\"\nsampler_arg = 2", "`trace.sampler_arg`"),
            ("[trace]\nsampler = \"traceidratio\"\nsampler_arg = \"0.1\"", "`trace.sampler_arg`"),
            ("[trace]\nsampler = \"always_on\"\nsampler_arg = 0.1", "leave it out"),
            ("[trace]\nsampler_arg = 0.1", "needs `trace.sampler`"),
            ("[trace]\npropagators = \"s3cret\"", "`trace.propagators`"),
            (
                "[trace]\npropagators = [\"b3\", \"s3cret\"]",
                "`trace.propagators` that cannot be used: a list of tracecontext",
            ),
            ("[trace]\npropagators = [1]", "`trace.propagators`"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part) && !error.contains("s3cret"), "{text:?}: {error}");
        }
    }
}
