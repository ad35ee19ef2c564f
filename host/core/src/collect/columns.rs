//! Columns: one fact of all rows, made when it is first asked for and then kept for the other plugins.

use std::sync::OnceLock;

use super::view::View;
use crate::rpc::{EventKind, EventStatus, Level};

/// Tells if a column is of a kind.
macro_rules! is {
    (own, own) => {
        true
    };
    (symbol, symbol) => {
        true
    };
    ($kind:ident, $other:ident) => {
        false
    };
}

/// One row's value in a column: the row's field of that name.
macro_rules! value {
    (own $row:ident.$one:ident, $slot:expr) => {
        $row.$one.of($slot)
    };
    ($kind:ident $row:ident.$one:ident, $slot:expr) => {
        $row.$one
    };
}

/// Defines, for each column, where it is kept and how it is read.
macro_rules! columns {
    ($($(#[$doc:meta])* $number:literal $name:ident, $one:ident, $field:ident: $kind:ident $type:ty => $sdk:ty;)*) => {
        /// The columns that were made so far of a batch as a whole.
        #[derive(Default)]
        pub(crate) struct Columns {
            $($name: OnceLock<Box<[$type]>>,)*
            events: [OnceLock<EventColumns>; 2],
        }

        /// Bit n is set if there is a column of the number n.
        const KNOWN: u64 = $(1 << $number)|*;

        /// The numbers of the columns of symbols, lowest first.
        pub fn symbol_columns() -> impl Iterator<Item = u32> {
            const SYMBOLS: u64 = $((is!($kind, symbol) as u64) << $number)|*;
            (0..u64::BITS).filter(|number| SYMBOLS & 1 << number != 0)
        }

        impl View {
            $(
                pub fn $name(&self) -> Vec<$type> {
                    let make = || self.map(|row| value!($kind row.$one, self.slot));
                    if is!($kind, own) || self.alone || self.selection.is_some() {
                        return make();
                    }
                    let columns = self.batch.columns.get_or_init(Box::default);
                    columns.$name.get_or_init(|| make().into()).to_vec()
                }
            )*

            /// Several columns, each value widened to 64 bits, one column after the other in the order of their numbers.
            /// None if there is no column of some number.
            pub fn columns(&self, numbers: u64) -> Option<Vec<u64>> {
                if numbers & !KNOWN != 0 {
                    return None;
                }
                let rows = self.rows();
                let mut columns = Vec::with_capacity(rows.len() * numbers.count_ones() as usize);
                $(
                    if numbers & 1 << $number != 0 {
                        columns.extend(rows.iter().map(|row| value!($kind row.$one, self.slot) as u64));
                    }
                )*
                Some(columns)
            }
        }
    };
}

number_columns!(columns);

/// The ragged columns of events, without their words.
#[derive(Clone, Default)]
pub struct EventColumns {
    pub offsets: Vec<u32>,
    pub kinds: Vec<u32>,
    pub times: Vec<u64>,
    pub statuses: Vec<u8>,
}

impl View {
    /// The events that the plugin's level shows: start and finish are in the row, the others in the arena.
    pub fn events(&self) -> EventColumns {
        let level = self.shown.uniform().filter(|_| !self.alone && self.selection.is_none());
        let Some(level) = level else { return self.make_events() };
        let kept = &self.batch.columns.get_or_init(Box::default).events[usize::from(level == Level::Detailed)];
        kept.get_or_init(|| self.make_events()).clone()
    }

    fn make_events(&self) -> EventColumns {
        let mut columns = EventColumns::default();
        columns.offsets.push(0);
        for index in 0..self.len() {
            self.each_event(index, |kind, at, status, _| {
                columns.kinds.push(kind);
                columns.times.push(at);
                columns.statuses.push(status);
            });
            columns.offsets.push(columns.kinds.len() as u32);
        }
        columns
    }

    /// Calls `each` with kind, time, status and words of every event of a row, in order.
    pub(super) fn each_event(&self, index: usize, mut each: impl FnMut(u32, u64, u8, &str)) {
        let Some(row) = self.row(index) else { return };
        each(EventKind::RPC_START.0.id(), 0, EventStatus::Info as u8, "");
        if self.level(row) == Level::Detailed
            && let Some(rest) = self.rest(index)
        {
            rest.events().for_each(|event| each(event.kind, event.at, event.status, event.info));
        }
        each(EventKind::RPC_FINISH.0.id(), row.duration, EventStatus::Info as u8, "");
    }

    /// The tags of all calls: where each call's begin, and their keys.
    pub fn tag_offsets(&self) -> Vec<u32> {
        let mut sum = 0;
        let ends = self.rows().into_iter().map(|row| {
            sum += u32::from(row.tags);
            sum
        });
        std::iter::once(0).chain(ends.collect::<Vec<_>>()).collect()
    }

    /// See [`tag_offsets`](Self::tag_offsets).
    pub fn tag_keys(&self) -> Vec<u32> {
        self.rests().flat_map(|rest| rest.tags()).map(|(key, _)| key).collect()
    }
}
