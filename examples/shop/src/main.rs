//! The shop: three gRPC services under a load of their own, with Hottap on every server and every client. A program to
//! try tracers on, and to copy from; no part of what users of Hottap install.

mod args;
mod control;
mod design;
mod front;
mod load;
mod proto;
mod report;
mod run;
mod screen;
mod services;
mod shop;
mod signals;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Context;
use hottap::Hottap;
use hottap::otel::{self, Otel};

use args::{Command, Settings};

fn main() -> ExitCode {
    let settings = match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => {
            println!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(settings)) => settings,
        Err(error) => {
            eprintln!("error: {error:#}\n\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match serve(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: &Settings) -> anyhow::Result<()> {
    // Hottap names what it loads and what it refuses here.
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    let otel = settings.otel.then(|| otel::init_as("shop")).transpose().context("--otel")?;
    let tap = start(settings, otel.as_ref())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start tokio")?;
    runtime.block_on(run::run(settings, &tap, otel))
}

/// All that a service says to be traced; the layers are in `shop.rs`.
fn start(settings: &Settings, otel: Option<&Otel>) -> anyhow::Result<Hottap> {
    let mut builder = Hottap::builder().service("shop");
    if let Some(otel) = otel {
        builder = builder.otel(otel).tracer(otel.spans()).tracer(otel.metrics());
    }
    if let Some(dir) = &settings.plugins {
        builder = builder.plugin_dir(dir);
    }
    if let Some(file) = &settings.config {
        builder = builder.config(file);
    }
    if let Some(address) = &settings.admin {
        builder = builder.admin(address);
    }
    builder.start().context("cannot start Hottap")
}
