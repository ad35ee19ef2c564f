//! The client runtime against real servers: tonic, axum, and sockets whose bytes the test makes by hand.

#[path = "../layers/codec.rs"]
mod codec;
#[path = "../layers/echo.rs"]
mod echo;
#[path = "../layers/recorder.rs"]
mod recorder;
mod script;
mod world;

mod attempts;
mod balancing;
mod broken;
mod composition;
mod deadlines;
mod endless;
mod events;
mod http;
mod names;
mod retries;
mod sharing;
mod tls;
mod tonic_transport;
