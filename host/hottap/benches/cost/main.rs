//! What tracing costs: one figure a line, each by itself or against what Rust users pick today; no test of behaviour.
//!
//! `cargo bench -p hottap --features drive,tonic,axum --bench cost -- [--json] [NAME…]` measures the figures whose names
//! contain one of the NAMEs, all if there is none. Comparisons are interleaved: both sides take turns in one run, and
//! the ratio is the median of the ratios of neighbouring turns. Time is CPU time, of the thread or of the process, so
//! that other programs on the machine disturb it little; the header of each module says what is left out.
//!
//! Tracers are the modules that `cargo xtask guests` builds; a figure whose module is not there is skipped and named.

mod allocations;
mod call;
mod clock;
#[path = "../../tests/layers/codec.rs"]
mod codec;
mod exporter;
mod figure;
mod guests;
mod layer;
mod live;
mod loopback;
mod null_server;
mod peer;
mod rounds;
mod rows;
mod runtime;
mod sdk;
mod service;
mod spans;

use std::process::ExitCode;

use figure::Figure;

/// Measures some figures that share what is made for them.
struct Group {
    /// The figures that it gives.
    names: &'static [&'static str],
    measure: fn() -> Result<Vec<Figure>, String>,
}

const GROUPS: &[Group] = &[
    Group { names: call::AGAINST_SDK, measure: call::against_sdk },
    Group { names: call::TWO_THREADS, measure: call::two_threads },
    Group { names: call::FURTHER_PLUGIN, measure: call::further_plugin },
    Group { names: call::START, measure: call::start },
    Group { names: call::HOST_CALL, measure: call::host_call },
    Group { names: call::UNWANTED, measure: call::unwanted },
    Group { names: rows::BATCHES, measure: rows::batches },
    Group { names: rows::SELECTION, measure: rows::selection },
    Group { names: rows::INFLUXDB, measure: rows::influxdb },
    Group { names: rows::PYTHON, measure: rows::python },
    Group { names: spans::AGAINST_OTLP, measure: spans::against_otlp },
    // Before the peer installs its subscriber, which is the process's: hyper and h2 would then trace for it.
    Group { names: loopback::LOOPBACK, measure: loopback::loopback },
    Group { names: runtime::RUNTIME, measure: runtime::against_tonic },
    Group { names: layer::UNWANTED, measure: layer::unwanted },
    Group { names: layer::AGAINST_TRACING, measure: layer::against_tracing },
    Group { names: layer::AT_A_RATE, measure: layer::at_a_rate },
    Group { names: layer::ALLOCATIONS, measure: layer::allocations },
];

fn main() -> ExitCode {
    let (mut json, mut wanted) = (false, Vec::new());
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => json = true,
            // cargo says so to every benchmark.
            "--bench" => {}
            null_server::ARGUMENT => {
                return null_server::serve().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
            }
            flag if flag.starts_with('-') => {
                eprintln!("{flag} is not known; the arguments are [--json] [NAME…]");
                return ExitCode::from(2);
            }
            name => wanted.push(name.to_owned()),
        }
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    for group in GROUPS.iter().filter(|group| group.names.iter().any(|name| is_wanted(name))) {
        match (group.measure)() {
            Ok(figures) => {
                for figure in figures.into_iter().filter(|figure| is_wanted(figure.name)) {
                    println!("{}", if json { figure.to_json() } else { figure.to_string() });
                }
            }
            Err(reason) => eprintln!("skipped: {}: {reason}", group.names.join(", ")),
        }
    }
    ExitCode::SUCCESS
}
