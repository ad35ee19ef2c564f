//! reqwest's clients, through a client layer as their middleware and as a tower service around them, against real servers.

#[path = "../layers/recorder.rs"]
mod recorder;
#[expect(dead_code, reason = "the servers are needed here, the runtime's client is not")]
#[path = "../client/script.rs"]
mod script;

mod attempts;
mod calls;
mod deadlines;
mod errors;
mod tower;

use hottap::rpc::{Outcome, RpcInfo};
use hottap::{ClientLayer, Hottap};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

use crate::recorder::Recorder;

/// A client with the layer as its only middleware, and what its calls are recorded by.
fn client(recorder: &Recorder) -> ClientWithMiddleware {
    with(layer(&recorder.start("shop")))
}

fn layer(tap: &Hottap) -> ClientLayer {
    tap.client_layer().callee("inventory")
}

fn with(layer: ClientLayer) -> ClientWithMiddleware {
    ClientBuilder::new(plain()).with(layer).build()
}

/// A client of reqwest's that asks no proxy.
fn plain() -> reqwest::Client {
    builder().build().expect("builds")
}

fn builder() -> reqwest::ClientBuilder {
    // Makes the provider the process's own; a second time it is already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

#[track_caller]
fn check(info: &RpcInfo, outcome: Outcome, error_type: &str) {
    let stats = info.stats();
    assert_eq!((stats.outcome(), stats.error_type().as_str()), (outcome, error_type), "{}", stats.error_message());
}
