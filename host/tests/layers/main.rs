//! The layers between real servers and clients: tonic, axum, hyper, gRPC in Python and JavaScript, curl, h2load, nginx.

mod codec;
mod echo;
mod handler;
mod mirror;
mod pair;
mod peer;
mod program;
mod recorder;
mod test_service;
mod wire;
mod world;

mod bad_input;
mod business;
mod connect;
mod connections;
mod curl;
mod endings;
mod endpoints;
mod events;
mod grpc;
mod h2load;
mod handles;
mod http;
mod interop;
mod limits;
mod naming;
mod natives;
mod nginx;
mod node;
mod node_connect;
mod panics;
mod python;
mod traces;
mod unread;
mod web;
