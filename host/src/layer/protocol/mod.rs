//! What the layers know of each RPC protocol: names of methods, framing of messages, how a call says that it failed.

mod base64;
mod connect;
mod encoding;
mod envelopes;
mod frames;
pub(crate) mod grpc;
mod grpc_web;
mod head;
pub(crate) mod http;
mod length;
mod methods;
mod payload;
mod reader;
mod verdict;
mod wire;

pub(crate) use base64::Base64;
pub(crate) use head::{Head, deadline};
pub(crate) use length::Length;
pub(crate) use methods::method;
pub(crate) use payload::transport;
pub(crate) use reader::Reader;
pub(crate) use verdict::{End, Verdict};
pub(crate) use wire::{Media, Wire};

use self::encoding::{Encoding, Opened};
use self::envelopes::Envelopes;
use self::frames::Frames;
