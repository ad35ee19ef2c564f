//! Columns: one fact of all rows, made when it is first asked for and then kept for the other plugins.

use std::sync::OnceLock;

use super::row::Row;
use super::view::View;
use crate::rpc::{EventKind, EventStatus, Level};

/// The number of the column of tokens, which is another one for each plugin.
const TOKENS: u32 = 30;

/// Defines, for each column, its number, where it is kept and how it is made of a row.
macro_rules! columns {
    ($($number:literal $name:ident: $type:ty = $value:expr;)*) => {
        /// The columns that were made so far of a batch as a whole.
        #[derive(Default)]
        pub(crate) struct Columns {
            $($name: OnceLock<Box<[$type]>>,)*
            events: [OnceLock<EventColumns>; 2],
        }

        impl View {
            $(
                pub fn $name(&self) -> Vec<$type> {
                    let value: fn(&Row) -> $type = $value;
                    if self.alone || self.selection.is_some() {
                        return self.map(value);
                    }
                    let columns = self.batch.columns.get_or_init(Box::default);
                    columns.$name.get_or_init(|| self.map(value).into()).to_vec()
                }
            )*

            /// Several columns, each value widened to 64 bits, one column after the other in the order of their numbers.
            /// None if there is no column of some number.
            pub fn columns(&self, numbers: u64) -> Option<Vec<u64>> {
                const KNOWN: u64 = $(1 << $number)|* | 1 << TOKENS;
                if numbers & !KNOWN != 0 {
                    return None;
                }
                let rows = self.rows();
                let mut columns = Vec::with_capacity(rows.len() * numbers.count_ones() as usize);
                $(
                    if numbers & 1 << $number != 0 {
                        let value: fn(&Row) -> $type = $value;
                        columns.extend(rows.iter().map(|row| value(row) as u64));
                    }
                )*
                if numbers & 1 << TOKENS != 0 {
                    columns.extend(rows.iter().map(|row| row.tokens.of(self.slot)));
                }
                Some(columns)
            }
        }
    };
}

columns! {
    0 ids: u64 = |row| row.id;
    1 kinds: u8 = |row| row.kind;
    2 logical_ids: u64 = |row| row.logical_id;
    3 attempts: u16 = |row| row.attempts;
    4 sides: u8 = |row| row.side;
    5 methods: u32 = |row| row.method;
    6 callers: u32 = |row| row.caller;
    7 callees: u32 = |row| row.callee;
    8 protocols: u8 = |row| row.protocol;
    9 streaming: u8 = |row| row.streaming;
    10 started: u64 = |row| row.started_unix;
    11 durations: u64 = |row| row.duration;
    12 deadlines: u64 = |row| row.deadline;
    13 sent_bytes: u64 = |row| row.sent_bytes;
    14 received_bytes: u64 = |row| row.received_bytes;
    15 sent_messages: u32 = |row| row.sent_messages;
    16 received_messages: u32 = |row| row.received_messages;
    17 last_sent_bytes: u64 = |row| row.last_sent_bytes;
    18 last_received_bytes: u64 = |row| row.last_received_bytes;
    19 outcomes: u8 = |row| row.outcome;
    20 http_statuses: u16 = |row| row.http_status;
    21 rpc_statuses: u16 = |row| row.rpc_status;
    22 business_statuses: i32 = |row| row.business_status;
    23 error_types: u32 = |row| row.error_type;
    24 trace_ids_high: u64 = |row| row.trace_high;
    25 trace_ids_low: u64 = |row| row.trace_low;
    26 span_ids: u64 = |row| row.span_id;
    27 parent_span_ids: u64 = |row| row.parent_span_id;
    28 sampled: u8 = |row| row.sampled;
    29 events_elided: u32 = |row| row.events_elided;
}

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

    /// What this plugin's starter returned for the calls.
    pub fn tokens(&self) -> Vec<u64> {
        self.map(|row| row.tokens.of(self.slot))
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
