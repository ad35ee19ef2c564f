//! From a directory to live plugins: what is there, what follows from it, who loads, who runs.

mod actions;
mod backoff;
mod books;
mod breaker;
mod configuration;
mod dead;
mod directory;
mod facts;
mod generation;
mod grace;
mod lanes;
mod loader;
mod manifest;
mod name;
mod notice;
mod operator;
mod passed_over;
mod plan;
mod plugins;
mod pool;
mod quarantine;
mod ready;
mod remedy;
mod report;
mod requests;
mod rest;
mod scan;
mod share;
#[cfg(test)]
mod shown;
mod starts;
mod startup;
mod supervisor;
mod turns;
mod watch;
mod worker;

pub use plugins::{PluginSettings, Plugins, follow_configuration};
pub use ready::Ready;
pub use report::Reporter;
pub use startup::NotReady;

pub use self::{
    generation::{Generation, Given},
    loader::{Files, Refusal, hex},
    name::{MAX_BYTES as MAX_NAME_BYTES, Name},
    operator::{Access, Operator},
    scan::scan,
};
pub use self::{
    manifest::Manifest,
    plan::{Action, Known, plan},
    scan::Found,
    worker::{Fault, Recovery, Segment, Step},
};
