//! The client runtime against real servers: tonic, axum, and sockets whose bytes the test makes by hand.

#[path = "../layers/codec.rs"]
mod codec;
mod counted;
#[path = "../layers/echo.rs"]
mod echo;
#[path = "../server/frame.rs"]
mod frame;
#[path = "../layers/recorder.rs"]
mod recorder;
mod script;
#[expect(dead_code, reason = "the client is needed here, the runtime's own server is not")]
#[path = "../runtimes/stand.rs"]
mod stand;
#[expect(dead_code, reason = "the client is needed here, the runtime's own server is not")]
#[path = "../layers/world.rs"]
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
