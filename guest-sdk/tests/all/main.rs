//! Tests of the SDK as tracers use it, through the harness; the ABI itself is tested by the host, with real modules.

#[macro_use]
#[path = "../../wit/columns.rs"]
mod table;

mod contract;
mod facts;
mod failures;
mod flush;
mod macros;
mod metrics;
mod readme;
mod starter;
mod streams;
