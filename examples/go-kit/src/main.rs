//! Go kit's tracing example in Rust: OpenTelemetry's spans around a router and around the endpoint inside of it.
//!
//! `cargo run -p go-kit`, then `curl localhost:8080/hello`. Spans go in batches to a collector over OTLP, by OpenTelemetry's
//! environment variables; Jaeger is one: `docker run -p 16686:16686 -p 4318:4318 jaegertracing/jaeger`. (The port 14268 of
//! Jaeger's own exporter, which is gone, is 4318 now: `OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318`, the default.)
//!
//! `--plugins DIR` leaves the spans to the modules in a directory: with rpc-span in it and its manifest beside it there are
//! the same two.
//!
//! ```toml
//! # DIR/rpc-span.toml
//! destinations = ["otlp"]
//! [scope]
//! sides = ["server", "endpoint"]
//! [config]
//! method_names = true
//!
//! # hottap.toml, which HOTTAP_CONFIG names
//! [destinations.otlp]
//! url = "http://localhost:4318/v1/traces"
//! tracers = ["rpc-span"]
//! ```

mod args;
mod hello;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use hottap::otel::Otel;
use hottap::{Hottap, Propagator, Propagators, otel};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use args::Args;

/// How long the end waits for requests that are under way, and then for spans to be delivered.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    if std::env::args_os().skip(1).any(|argument| argument == "--help" || argument == "-h") {
        println!("{}", args::USAGE);
        return Ok(());
    }
    // A collector that is not there is told of here, once.
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::stderr).init();
    let args = Args::parse(std::env::args_os().skip(1))?;
    let (tap, otel) = trace(&args)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start tokio")?;
    runtime.block_on(serve(&tap, args.port))?;
    tap.shutdown(PATIENCE);
    if let Some(otel) = otel
        && !otel.shutdown(PATIENCE)
    {
        eprintln!("not all arrived at the collector: {:?}, {:?}", otel.counts(), otel.metric_counts());
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

/// Serves until Ctrl-C or SIGTERM, and then until all is answered; a second one, or too long a wait, cuts it short.
async fn serve(tap: &Hottap, port: u16) -> anyhow::Result<()> {
    // Before anybody learns that it runs.
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port} is not free"))?;
    println!("http://{}/hello", listener.local_addr().context("the listener has no address")?);
    let (tell, told) = oneshot::channel::<Infallible>();
    // The spans tell who asked by the address that axum gives its services.
    let service = hello::router(tap).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async { drop(told.await) });
    tokio::select! {
        ended = serving => ended.context("the server failed"),
        () = async {
            ending(&mut terminate).await;
            drop(tell);
            let _ = tokio::time::timeout(PATIENCE, ending(&mut terminate)).await;
        } => Ok(()),
    }
}

/// Returns on Ctrl-C or SIGTERM.
async fn ending(terminate: &mut Signal) {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
