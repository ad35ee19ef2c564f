//! The server runtime on real sockets: what it answers, what it bounds, how it ends.

#[path = "../layers/codec.rs"]
mod codec;
#[path = "../layers/echo.rs"]
mod echo;
#[path = "../layers/recorder.rs"]
mod recorder;
#[expect(dead_code, reason = "the client is needed here, tonic's own server is not")]
#[path = "../layers/stand.rs"]
mod stand;
#[expect(dead_code, reason = "the client is needed here, tonic's own server is not")]
#[path = "../layers/world.rs"]
mod world;

mod apart;
mod frame;
mod frames;
mod house;
mod raw;

mod bulk;
mod endless;
mod events;
mod floods;
mod http1;
mod http2;
mod limits;
mod panics;
mod scope;
mod services;
mod shutdown;
mod timeouts;
mod tls;
mod unix;
