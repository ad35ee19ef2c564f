//! The layers between real servers and clients: tonic, axum, hyper, and gRPC in Python.

mod codec;
mod echo;
mod pair;
mod peer;
mod recorder;
mod world;

mod bad_input;
mod business;
mod connect;
mod connections;
mod endings;
mod endpoints;
mod events;
mod grpc;
mod handles;
mod http;
mod naming;
mod natives;
mod python;
mod traces;
mod web;
