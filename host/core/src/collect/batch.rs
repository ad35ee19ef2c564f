//! Rows in finish order, shared by all plugins that want any of them.

use std::sync::{Arc, OnceLock, Weak};

use super::arena::Rest;
use super::columns::Columns;
use super::merge::{MAX_BATCH, RowId, merge};
use super::row::Row;
use super::shard::{Buffer, Shards};
use super::texts::Texts;
use crate::live::Mask;

/// The buffers that a batch's rows stand in; they go back to the shards when the last batch of them is gone.
struct Buffers {
    buffers: Vec<Buffer>,
    home: Weak<Shards>,
}

impl Drop for Buffers {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            self.buffers.drain(..).for_each(|buffer| home.recycle(buffer));
        }
    }
}

/// Finished calls, at most `MAX_BATCH`, in the order in which they finished.
pub struct Batch {
    buffers: Arc<Buffers>,
    order: Box<[RowId]>,
    /// Plugins that want some of the rows.
    pub(crate) any: Mask,
    /// Plugins that want all of them.
    pub(crate) all: Mask,
    bytes: usize,
    /// Made only if several plugins share them: there are many, and most batches are small.
    pub(super) columns: OnceLock<Box<Columns>>,
    pub(super) texts: Texts,
}

impl Batch {
    /// Batches of what the shards held.
    pub fn from_buffers(buffers: Vec<Buffer>, home: &Arc<Shards>) -> Vec<Arc<Self>> {
        let order = {
            let rows: Vec<_> = buffers.iter().map(Buffer::rows).collect();
            merge(&rows, |row| row.finished)
        };
        let rows = order.len().max(1);
        let bytes: usize = buffers.iter().map(|buffer| size_of_val(buffer.rows()) + buffer.arena.len()).sum();
        let buffers = Arc::new(Buffers { buffers, home: Arc::downgrade(home) });
        order
            .chunks(MAX_BATCH)
            .map(|order| {
                let mut batch = Self {
                    buffers: buffers.clone(),
                    order: order.into(),
                    any: Mask::NONE,
                    all: Mask::ALL,
                    bytes: bytes * order.len() / rows,
                    columns: OnceLock::new(),
                    texts: Texts::default(),
                };
                let masks = (Mask::NONE, Mask::ALL);
                (batch.any, batch.all) =
                    batch.rows().fold(masks, |(any, all), row| (any.or(row.mask), all.and(row.mask)));
                Arc::new(batch)
            })
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Memory that it holds, in bytes, without columns.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn row(&self, index: usize) -> Option<&Row> {
        let id = self.order.get(index)?;
        self.buffers.buffers.get(id.buffer())?.rows().get(id.row())
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.order.iter().filter_map(|id| self.buffers.buffers.get(id.buffer())?.rows().get(id.row()))
    }

    pub(crate) fn rest(&self, index: usize) -> Option<Rest<'_>> {
        let id = self.order.get(index)?;
        let buffer = self.buffers.buffers.get(id.buffer())?;
        Some(Rest::new(buffer.rows().get(id.row())?, &buffer.arena))
    }
}
