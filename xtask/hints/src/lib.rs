//! A service that has forgotten hottap's features is told so: by the compiler where it does not compile, by the log where
//! it does.
//!
//! A package of its own, because cargo gives all packages of one build the same features of crate hottap.

#![cfg(test)]

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use hottap::{CallContext, Hottap, Tracer};
use tower::ServiceExt;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Keeps the lines of the target `hottap::route`.
#[derive(Clone, Default)]
struct Notices(Arc<Mutex<Vec<(Level, String)>>>);

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Notices {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "hottap::route" {
            let mut message = String::new();
            event.record(&mut Message(&mut message));
            self.0.lock().expect("not poisoned").push((*event.metadata().level(), message));
        }
    }
}

struct Everything;

impl Tracer for Everything {
    fn start(&self, _: &mut CallContext) {}
    fn finish(&self, _: &CallContext) {}
}

#[tokio::test]
#[ignore = "needs crate hottap without features: cargo test --package hints -- --ignored"]
async fn axum_without_its_feature_is_warned_of_once() {
    let notices = Notices::default();
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(notices.clone()));
    let start = || Hottap::builder().service("users").tracer(Everything).start().expect("starts");
    let users = || Router::new().route("/users/{id}", get(async || "user"));
    // Each is a Hottap of its own: the line comes once in each.
    let (inside, around) = (start(), start());
    let inside = users().layer(inside.server_layer());
    let around = around.server_layer().layer(users());
    for _ in 0..3 {
        let request = || Request::get("/users/17").body(axum::body::Body::empty()).expect("a request");
        inside.clone().oneshot(request()).await.expect("answers");
        around.clone().oneshot(request()).await.expect("answers");
    }
    let lines = std::mem::take(&mut *notices.0.lock().expect("not poisoned"));
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (level, line) in &lines {
        assert_eq!(*level, Level::WARN);
        assert!(line.contains("enable the feature `axum` of the crate hottap"), "{line}");
    }
}

/// Does not compile without the feature `tonic`: `cargo xtask ci` reads the error.
#[cfg(forgotten)]
mod forgotten {
    fn is_a_transport(_: impl tonic::client::GrpcService<tonic::body::Body>) {}

    fn tonics_client(tap: &hottap::Hottap, channel: tonic::transport::Channel) {
        is_a_transport(tap.client_layer().layer(channel));
    }
}
