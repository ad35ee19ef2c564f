//! From finished calls to batches: rows, shards, the collector, columns, queues. Knows nothing of wasm.

mod row;
mod arena;
mod shard;
mod write;
mod merge;
mod batch;
mod view;
mod columns;
mod texts;
mod record;
mod account;
mod queue;
mod collector;
mod sample;

pub(crate) use account::{Account, DropReason, Terms};
pub(crate) use collector::{Collector, Inbox};
pub(crate) use queue::Queue;
pub(crate) use sample::sample;
pub(crate) use shard::{Shard, Shards};
pub(crate) use view::View;
pub(crate) use write::write;
