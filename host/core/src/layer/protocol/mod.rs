//! What the layers know of each RPC protocol: names of methods, framing of messages, how a call says that it failed.

mod base64;
mod connect;
mod encoding;
mod envelopes;
mod frames;
pub mod grpc;
mod grpc_web;
mod head;
pub(crate) mod http;
mod length;
mod methods;
mod payload;
mod reader;
mod verdict;
mod wire;

pub use base64::Base64;
pub(super) use head::Head;
pub use head::deadline;
pub(super) use length::Length;
pub use methods::method;
pub(super) use payload::transport;
pub use reader::Reader;
pub use verdict::End;
pub(super) use verdict::Verdict;
pub use wire::{Media, Wire};

use self::encoding::{Encoding, Opened};
use self::envelopes::Envelopes;
use self::frames::Frames;
