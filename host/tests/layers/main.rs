//! The layers between real servers and clients: tonic, axum, hyper, and gRPC in Python.

mod codec;
mod echo;
mod recorder;
mod world;

mod endings;
mod events;
mod grpc;
mod handles;
mod http;
mod naming;
mod natives;
mod python;
mod traces;
