//! `cargo xtask bench`: runs the benchmarks of crate hottap and shows their figures; it measures nothing itself.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::guests;
use crate::python::{self, Venv};
use crate::step;
use crate::workspace::Workspace;

/// The benchmarks: plugins and layers beside their peers, and the native tracer.
const BENCHMARKS: [&str; 2] = ["cost", "otel"];

/// One figure of the benchmark.
#[derive(Debug, PartialEq)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
    target: Option<f64>,
    met: Option<bool>,
    ours: Option<f64>,
    peer: Option<f64>,
}

/// Runs the figures whose names contain one of `names`; all if there is none.
///
/// # Errors
/// It cannot be measured. A target that is missed is no error.
pub(crate) fn command(workspace: &Workspace, json: bool, names: &[String]) -> anyhow::Result<()> {
    let guests = guests::build(workspace, &[])?;
    let python = Venv::made(workspace, &python::TESTS)
        .and_then(|venv| python::guest(workspace, &venv, &python::RED_METRICS))
        .inspect_err(|error| step::say(format_args!("without the Python guest's figure: {error:#}")));
    step::say("building the benchmarks optimized; on two cores this takes minutes the first time");
    let mut figures = 0u32;
    for benchmark in BENCHMARKS {
        let mut cargo = workspace.cargo();
        cargo.args(["bench", "--package", "hottap", "--bench", benchmark]).args(["--", "--json"]).args(names);
        cargo.env("HOTTAP_TEST_GUESTS", guests.folder());
        if let Ok(guest) = &python {
            cargo.env("HOTTAP_TEST_PYTHON_GUEST", guest);
        }
        let status = step::lines(&mut cargo, |line| {
            let Ok(figure) = Figure::read(line) else {
                // What cargo prints itself, or a panic: not for whoever reads JSON from stdout.
                eprintln!("{line}");
                return;
            };
            match (json, figures) {
                (true, _) => println!("{line}"),
                (false, 0) => {
                    println!("{}", columns(["NAME", "VALUE", "UNIT", "TARGET", "MET", "OURS", "PEER"]));
                    println!("{figure}");
                }
                (false, _) => println!("{figure}"),
            }
            figures += 1;
        })?;
        step::succeeded(&cargo, status)?;
    }
    if figures == 0 {
        bail!("nothing was measured; if it was skipped, the reason is above{}", wanted(names));
    }
    Ok(())
}

fn wanted(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(", else no figure's name contains {}", names.join(" or ")) }
}

/// One line of the table; every line of it is made here, so that the columns stand below their heads.
fn columns([name, value, unit, target, met, ours, peer]: [&str; 7]) -> String {
    format!("{name:<46} {value:>10} {unit:<10} {target:>7} {met:<6} {ours:>10} {peer:>10}")
}

impl Figure {
    /// Reads a line of the benchmark.
    ///
    /// # Errors
    /// It is no figure.
    fn read(line: &str) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(line).context("no JSON")?;
        let text = |key: &str| value[key].as_str().map(str::to_owned).with_context(|| format!("no text {key:?}"));
        Ok(Self {
            name: text("name")?,
            value: value["value"].as_f64().context("no number \"value\"")?,
            unit: text("unit")?,
            target: value["target"].as_f64(),
            met: value["met"].as_bool(),
            ours: value["ours"].as_f64(),
            peer: value["peer"].as_f64(),
        })
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, value, unit, target, met, ours, peer } = self;
        let met = match met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "-",
        };
        let [value, target, ours, peer] = [Some(*value), *target, *ours, *peer].map(number);
        f.write_str(&columns([name, &value, unit, &target, met, &ours, &peer]))
    }
}

/// Four digits are more than such a measurement has.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value == 0.0 || value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 1.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"name":"layer against TraceLayer","value":0.0912,"unit":"ratio","target":0.1,"met":true,"ours":402,"peer":4410.2}"#;

    #[test]
    fn a_figure_is_one_aligned_line() {
        let figure = Figure::read(LINE).expect("it is a figure");
        let fields = ["layer against TraceLayer", "0.091", "ratio", "0.100", "yes", "402", "4410"];
        assert_eq!(figure.to_string(), columns(fields));
        assert_eq!(figure.to_string().len(), columns([""; 7]).len());
    }

    #[test]
    fn a_figure_without_a_target_is_neither_met_nor_missed() {
        let figure = Figure::read(r#"{"name":"swap","value":41,"unit":"ms"}"#).expect("it is a figure");
        assert_eq!((figure.target, figure.met), (None, None));
        assert!(Figure::read("running 3 tests").is_err());
        assert!(Figure::read(r#"{"name":"swap","value":"fast","unit":"ms"}"#).is_err());
    }
}
