//! One call of a batch, with an accessor for each fact.

use std::time::Duration;

use crate::batch::Batch;
use crate::column::{Column, Element};
use crate::event::{Event, EventKind, EventStatus, Tag};
use crate::kinds::{Kind, Outcome, Protocol, Side, Streaming};
use crate::symbol::{Symbol, Text, text_within};

/// One finished call: what is known of it, seen from one side (Kitex's RpcInfo).
///
/// It borrows from its batch. An accessor that is asked for the first time in a batch copies that fact of all its
/// calls, so looking at many calls costs no more than looking at whole columns, and facts that no one asks for cost
/// nothing.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    batch: &'a Batch,
    index: usize,
}

impl<'a> Call<'a> {
    pub(crate) fn new(batch: &'a Batch, index: usize) -> Self {
        Self { batch, index }
    }

    /// The element of this call; that of no call, if the host handed over a column that is too short.
    fn of<T: Element>(&self, column: Column<'a, T>) -> T
    where
        T::Raw: Default,
    {
        T::from_raw(column.raw().get(self.index).copied().unwrap_or_default())
    }

    fn symbol_text(&self, column: Column<'a, Symbol>) -> &'static str {
        let column = column.raw();
        column.get(self.index).map_or("", |&id| text_within(id, column))
    }

    fn text(&self, column: Column<'a, Text>) -> &'a str {
        self.batch.text(self.of(column))
    }

    /// The batch that it belongs to.
    #[must_use]
    pub fn batch(&self) -> &'a Batch {
        self.batch
    }

    /// Its position in the batch.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// All that is known of it, as a JSON object: slow (microseconds), convenient, complete.
    #[must_use]
    pub fn info(&self) -> String {
        self.batch.info(self.index)
    }

    /// `package.Service/Method` for gRPC, `GET /route/{id}` for HTTP; never a raw path.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.symbol_text(self.batch.methods())
    }

    /// The method's symbol, to key a table by.
    #[must_use]
    pub fn method_symbol(&self) -> Symbol {
        self.of(self.batch.methods())
    }

    /// The service that made the call; "" if not known.
    #[must_use]
    pub fn caller(&self) -> &'static str {
        self.symbol_text(self.batch.callers())
    }

    /// The service that was called; "" if not known.
    #[must_use]
    pub fn callee(&self) -> &'static str {
        self.symbol_text(self.batch.callees())
    }

    /// The other side's address, such as `10.0.0.7:41234`; "" if not known.
    #[must_use]
    pub fn peer(&self) -> &'a str {
        self.text(self.batch.peers())
    }

    /// What kind of error it was; [`Symbol::NONE`] if there was none. [`error_type`](crate::error_type) has the
    /// built-in ones. A call that has one need not count as an error: [`failure`](crate::conventions::failure) decides.
    #[must_use]
    pub fn error_type(&self) -> Symbol {
        self.of(self.batch.error_types())
    }

    /// The error in words; "" if there was none.
    #[must_use]
    pub fn error_message(&self) -> &'a str {
        self.text(self.batch.error_messages())
    }

    /// The W3C trace id; `format!("{:032x}", call.trace_id())` writes it as headers do.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        u128::from(self.of(self.batch.trace_ids_high())) << 64 | u128::from(self.of(self.batch.trace_ids_low()))
    }

    /// The call's events in the order of their times.
    pub fn events(&self) -> impl Iterator<Item = Event<'a>> + use<'a> {
        let batch = self.batch;
        let (kinds, times) = (batch.event_kinds(), batch.event_times());
        let (statuses, infos) = (batch.event_statuses(), batch.event_infos());
        range(&batch.event_offsets(), self.index).filter_map(move |i| {
            Some(Event {
                kind: kinds.get(i)?,
                at: times.get(i)?,
                status: statuses.get(i).unwrap_or(EventStatus::Error),
                info: batch.text(infos.get(i).unwrap_or_default()),
            })
        })
    }

    /// The first event of a kind: `call.event(Event::READ_START)`.
    #[must_use]
    pub fn event(&self, kind: EventKind) -> Option<Event<'a>> {
        let kinds = self.batch.event_kinds();
        let position = range(&self.batch.event_offsets(), self.index).find(|&i| kinds.get(i) == Some(kind))?;
        Some(Event {
            kind,
            at: self.batch.event_times().get(position)?,
            status: self.batch.event_statuses().get(position)?,
            info: self.batch.text(self.batch.event_infos().get(position)?),
        })
    }

    /// The call's tags.
    pub fn tags(&self) -> impl Iterator<Item = Tag<'a>> + use<'a> {
        let batch = self.batch;
        let (keys, values) = (batch.tag_keys(), batch.tag_values());
        range(&batch.tag_offsets(), self.index)
            .filter_map(move |i| Some(Tag { key: keys.get(i)?, value: batch.text(values.get(i)?) }))
    }

    /// The value of the first tag with this key.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&'a str> {
        let keys = self.batch.tag_keys();
        let ids = keys.raw();
        let position = range(&self.batch.tag_offsets(), self.index)
            .find(|&i| ids.get(i).is_some_and(|&id| text_within(id, ids) == key))?;
        Some(self.batch.text(self.batch.tag_values().get(position)?))
    }
}

/// Accessors of the table's columns. Those of symbols, and of numbers in halves, are above: what they stand for is not one
/// element of one column.
macro_rules! accessors {
    ($($(#[$doc:meta])* $number:literal $name:ident, $one:ident, $field:ident: $kind:ident $raw:ty => $type:ty;)*) => {
        impl Call<'_> {
            $(accessors! { @$kind $(#[$doc])* $name, $one: $type })*
        }
    };
    (@symbol $($rest:tt)*) => {};
    (@half $($rest:tt)*) => {};
    (@$kind:ident $(#[$doc:meta])* $name:ident, $one:ident: $type:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $one(&self) -> $type {
            self.of(self.batch.$name())
        }
    };
}

number_columns!(accessors);

/// Where the elements of the call at `index` are in ragged columns.
fn range(offsets: &Column<'_, u32>, index: usize) -> std::ops::Range<usize> {
    match (offsets.get(index), offsets.get(index + 1)) {
        (Some(start), Some(end)) => start as usize..end as usize,
        _ => 0..0,
    }
}
