//! What one plugin sees of a batch: all of its rows, or those in its scope.

use std::ops::Range;
use std::sync::Arc;

use super::arena::Rest;
use super::batch::Batch;
use super::row::Row;
use super::texts::Texts;
use crate::live::Shown;
use crate::rpc::{Level, Symbol};

/// A batch as one plugin gets it. Row numbers count within the view.
pub struct View {
    pub(super) batch: Arc<Batch>,
    /// The rows of the batch that are in the plugin's scope; none if all are.
    pub(super) selection: Option<Arc<[u32]>>,
    /// A selection has texts of its own: it must not show those of other rows.
    pub(super) texts: Texts,
    /// The plugin's slot.
    pub(super) slot: usize,
    /// Which events the plugin sees.
    pub(super) shown: Shown,
    /// No other plugin sees the batch, so its columns are made for this view alone.
    pub(super) alone: bool,
}

#[expect(clippy::len_without_is_empty, reason = "no caller asks for it")]
impl View {
    /// What the plugin in `slot` gets of a batch; none if it wants no row.
    pub fn new(batch: &Arc<Batch>, slot: usize, shown: Shown) -> Option<Self> {
        if !batch.any.has(slot) {
            return None;
        }
        let selection = (!batch.all.has(slot)).then(|| {
            let wanted = batch.rows().enumerate().filter(|(_, row)| row.mask.has(slot));
            wanted.map(|(index, _)| index as u32).collect()
        });
        let alone = batch.any.without(slot).is_empty();
        Some(Self { batch: batch.clone(), selection, texts: Texts::default(), slot, shown, alone })
    }

    /// The same rows, or a range of them. What was made of this view (columns, texts) is not in it, so that keeping it
    /// holds on to nothing but the batch. Rows beyond the end are left out.
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let end = rows.end.min(self.len());
        let start = rows.start.min(end);
        let selection = match &self.selection {
            selection if start == 0 && end == self.len() => selection.clone(),
            Some(selection) => Some(selection.get(start..end).unwrap_or_default().into()),
            None => Some((start as u32..end as u32).collect()),
        };
        let (batch, shown) = (self.batch.clone(), self.shown.clone());
        Self { batch, selection, texts: Texts::default(), slot: self.slot, shown, alone: self.alone }
    }

    /// Events above it are not shown of this row.
    pub(super) fn level(&self, row: &Row) -> Level {
        self.shown.level(|| Symbol::from_id(row.method).map_or("", Symbol::as_str))
    }

    pub fn len(&self) -> usize {
        self.selection.as_ref().map_or(self.batch.len(), |rows| rows.len())
    }

    /// Its share of the memory that the batch holds, in bytes. Plugins share batches; each is charged for its own rows.
    pub(crate) fn bytes(&self) -> usize {
        self.batch.bytes() * self.len() / self.batch.len().max(1)
    }

    /// Where a row of the view stands in the batch.
    fn index(&self, index: usize) -> Option<usize> {
        match &self.selection {
            Some(rows) => rows.get(index).map(|&row| row as usize),
            None => Some(index),
        }
    }

    pub(crate) fn row(&self, index: usize) -> Option<&Row> {
        self.batch.row(self.index(index)?)
    }

    pub(crate) fn rest(&self, index: usize) -> Option<Rest<'_>> {
        self.batch.rest(self.index(index)?)
    }

    pub(super) fn rows(&self) -> Vec<&Row> {
        let mut rows = Vec::with_capacity(self.len());
        match &self.selection {
            None => rows.extend(self.batch.rows()),
            Some(selection) => rows.extend(selection.iter().filter_map(|&row| self.batch.row(row as usize))),
        }
        rows
    }

    /// One value per row.
    pub(super) fn map<T>(&self, value: impl Fn(&Row) -> T) -> Vec<T> {
        self.rows().into_iter().map(value).collect()
    }

    pub(super) fn rests(&self) -> impl Iterator<Item = Rest<'_>> {
        (0..self.len()).filter_map(|index| self.rest(index))
    }
}
