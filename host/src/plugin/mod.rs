//! From a directory to live plugins: what is there, what follows from it, who loads, who runs.

mod name;
mod scan;
mod manifest;
mod plan;
mod generation;
mod loader;
mod watch;
mod books;
mod status;
mod supervisor;
mod share;
mod worker;
mod pool;
mod plugins;

pub(crate) use plugins::{PluginSettings, Plugins};
pub(crate) use status::Reporter;
