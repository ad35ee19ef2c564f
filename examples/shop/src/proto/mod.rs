//! The code that tonic-prost-build makes of proto/shop.proto. It is committed, so that neither protoc nor a generator is
//! needed to build the shop; CI compares, and `cargo xtask proto` writes it anew.

#![expect(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "the generator has its own style"
)]

include!("shop.v1.rs");
