//! The layers between real servers and clients: tonic, axum, hyper, gRPC in Python and JavaScript, curl, h2load, nginx.

mod codec;
mod echo;
mod mirror;
mod program;
mod recorder;
mod wire;
mod world;

mod curl;
mod endings;
mod events;
mod grpc;
mod h2load;
mod http;
mod naming;
mod natives;
mod nginx;
mod node;
mod python;
mod traces;
