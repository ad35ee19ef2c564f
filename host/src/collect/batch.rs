//! Rows in finish order, shared by all plugins that want any of them.

use std::sync::{Arc, Weak};

use super::arena::Rest;
use super::columns::Columns;
use super::merge::{MAX_BATCH, RowId, merge};
use super::row::Row;
use super::shard::{Buffer, Shards};
use super::texts::Texts;
use crate::tracer::Mask;

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

/// Finished calls, at most [`MAX_BATCH`], in the order in which they finished.
pub(crate) struct Batch {
    buffers: Arc<Buffers>,
    order: Box<[RowId]>,
    /// Plugins that want some of the rows.
    pub(crate) any: Mask,
    /// Plugins that want all of them.
    pub(crate) all: Mask,
    bytes: usize,
    pub(super) columns: Columns,
    pub(super) texts: Texts,
}

impl Batch {
    /// Batches of what the shards held.
    pub(crate) fn from_buffers(buffers: Vec<Buffer>, home: &Arc<Shards>) -> Vec<Arc<Self>> {
        let order = {
            let times: Vec<_> =
                buffers.iter().map(|buffer| |row: usize| buffer.rows.get(row).map(|row: &Row| row.finished)).collect();
            merge(&times)
        };
        let rows = order.len().max(1);
        let bytes: usize = buffers.iter().map(|buffer| buffer.rows.len() * size_of::<Row>() + buffer.arena.len()).sum();
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
                    columns: Columns::default(),
                    texts: Texts::default(),
                };
                let (mut any, mut all) = (Mask::NONE, Mask::ALL);
                for row in batch.rows() {
                    any = any.or(row.mask);
                    all = all.and(row.mask);
                }
                (batch.any, batch.all) = (any, all);
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
        self.buffers.buffers.get(id.buffer())?.rows.get(id.row())
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.order.iter().filter_map(|id| self.buffers.buffers.get(id.buffer())?.rows.get(id.row()))
    }

    pub(crate) fn rest(&self, index: usize) -> Option<Rest<'_>> {
        let id = self.order.get(index)?;
        let buffer = self.buffers.buffers.get(id.buffer())?;
        Some(Rest::new(buffer.rows.get(id.row())?, &buffer.arena))
    }
}
