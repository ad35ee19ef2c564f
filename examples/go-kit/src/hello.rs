//! The service: a router with the HTTP middleware, and in it the endpoint with its own.

use std::convert::Infallible;

use axum::Router;
use axum::routing::get;
use hottap::Hottap;
use tower::{ServiceExt, service_fn};

/// What an endpoint is asked; Go kit's endpoints are functions from a request to a response, whatever carries them.
#[derive(Debug)]
struct Request;

async fn hello(_: Request) -> Result<String, Infallible> {
    Ok("Hello, World!".to_owned())
}

/// `GET /hello`.
pub(crate) fn router(tap: &Hottap) -> Router {
    let hello = tap.endpoint_layer("hello").layer(service_fn(hello));
    let handler = move || {
        let hello = hello.clone();
        async move {
            let Ok(answer) = hello.oneshot(Request).await;
            answer
        }
    };
    Router::new().route("/hello", get(handler)).layer(tap.server_layer())
}
