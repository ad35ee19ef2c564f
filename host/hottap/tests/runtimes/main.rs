//! Both runtimes with peers that others made: the layers' tests of peers, held against the runtimes instead, and what only
//! runtimes do with such peers.

mod certificate;
#[path = "../layers/codec.rs"]
mod codec;
#[path = "../layers/echo.rs"]
mod echo;
#[path = "../layers/interop_cases.rs"]
mod interop_cases;
#[expect(dead_code, reason = "gRPC alone is tried with tonic at one end")]
#[path = "../layers/stand.rs"]
mod layered;
#[path = "../layers/mirror.rs"]
mod mirror;
#[path = "../layers/program.rs"]
mod program;
#[path = "../layers/recorder.rs"]
mod recorder;
mod stand;
#[path = "../layers/test_service.rs"]
mod test_service;
#[path = "../layers/wire.rs"]
mod wire;
#[expect(dead_code, reason = "only some of the layers' tests are run here")]
#[path = "../layers/world.rs"]
mod world;

#[path = "../layers/curl.rs"]
mod curl;
mod curl_tls;
#[path = "../layers/disabled.rs"]
mod disabled;
#[path = "../layers/files.rs"]
mod files;
#[path = "../layers/h2load.rs"]
mod h2load;
mod interop;
#[path = "../layers/nginx.rs"]
mod nginx;
mod nginx_tls;
#[path = "../layers/node.rs"]
mod node;
#[path = "../layers/node_connect.rs"]
mod node_connect;
#[path = "../layers/python.rs"]
mod python;
mod python_tls;
mod shutdown;
mod unavailable;
