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

pub use account::{Account, DropReason, MomentTerms, Terms};
pub use batch::Batch;
pub use collector::{Collector, Inbox};
pub use columns::symbol_columns;
pub use moment::{Moment, Moments};
pub use queue::{Overflow, Queue, Work};
pub use sample::{sample, sample_moments, sample_starts};
pub use shard::Buffer;
pub(crate) use shard::Shard;
pub use shard::Shards;
pub use view::View;
