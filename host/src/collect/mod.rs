//! From finished calls to batches: rows, shards, the collector, columns, queues. Knows nothing of wasm.

mod account;
mod arena;
mod batch;
mod collector;
mod columns;
mod details;
mod merge;
mod moment;
mod queue;
mod record;
mod row;
mod sample;
mod shard;
mod texts;
mod view;
mod write;

pub(crate) use account::{Account, DropReason, MomentTerms, Terms};
pub(crate) use collector::{Collector, Inbox};
pub(crate) use moment::{Moment, Moments};
pub(crate) use queue::{Overflow, Queue, Work};
pub(crate) use sample::{sample, sample_moments, sample_starts};
#[cfg(feature = "drive")]
pub(crate) use shard::Buffer;
pub(crate) use shard::{Shard, Shards};
pub(crate) use view::View;
pub(crate) use write::{write, write_moment};
#[cfg(any(feature = "drive", feature = "fuzz", test))]
pub(crate) use {batch::Batch, write::write_row};
