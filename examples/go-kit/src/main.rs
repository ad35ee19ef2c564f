//! Go kit's tracing example in Rust: OpenTelemetry's spans around a router and around the endpoint inside of it.
//!
//! `cargo run -p go-kit`, then `curl localhost:8080/hello`. Spans go in batches to a collector over OTLP, by OpenTelemetry's
//! environment variables; Jaeger is one: `docker run -p 16686:16686 -p 4318:4318 jaegertracing/jaeger`. (The port 14268 of
//! Jaeger's own exporter, which is gone, is 4318 now: `OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318`, the default.)
//!
//! `--plugins DIR` leaves the spans to the modules in a directory: with rpc-span in it, whose scope names the sides server
//! and endpoint, there are the same two.

mod args;
mod hello;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::Context;
use hottap::otel::Otel;
use hottap::{Hottap, Propagator, Propagators, otel};
use tokio::net::TcpListener;

use args::Args;

/// How long the end waits for spans to be delivered.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let args = Args::parse(std::env::args_os().skip(1))?;
    let (tap, otel) = trace(&args)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start tokio")?;
    runtime.block_on(serve(&tap, args.port))?;
    tap.shutdown(PATIENCE);
    if otel.is_some_and(|otel| !otel.shutdown(PATIENCE)) {
        eprintln!("not all spans were delivered");
    }
    Ok(())
}

/// Sets tracing up: by the native tracer, or by plugins.
fn trace(args: &Args) -> anyhow::Result<(Hottap, Option<Otel>)> {
    let composite = Propagators::new([Propagator::TraceContext, Propagator::Baggage]);
    let builder = Hottap::builder().service("hello").propagators(composite);
    let (builder, otel) = match &args.plugins {
        #[cfg(feature = "plugins")]
        Some(directory) => (builder.plugin_dir(directory), None),
        #[cfg(not(feature = "plugins"))]
        Some(_) => anyhow::bail!("--plugins: it was built without plugins"),
        None => {
            let otel = otel::init_as("hello").context("cannot export spans")?;
            (builder.tracer(otel.spans()).tracer(otel.metrics()), Some(otel))
        }
    };
    Ok((builder.start().context("cannot start Hottap")?, otel))
}

/// Serves until Ctrl-C.
async fn serve(tap: &Hottap, port: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port} is not free"))?;
    println!("http://{}/hello", listener.local_addr().context("the listener has no address")?);
    let until_interrupted = async { _ = tokio::signal::ctrl_c().await };
    let serving = axum::serve(listener, hello::router(tap)).with_graceful_shutdown(until_interrupted);
    serving.await.context("the server failed")
}
