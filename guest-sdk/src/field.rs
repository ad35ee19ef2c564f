//! Which columns can be had together, widened to 64 bits.

#[cfg(not(target_arch = "wasm32"))]
use crate::batch::Columns;

macro_rules! fields {
    ($($number:literal $field:ident = $column:ident,)*) => {
        /// A number that every call has: what [`Batch::columns`](crate::Batch::columns) is asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Field {
            $(
                #[doc = concat!("[`", stringify!($column), "`](crate::Batch::", stringify!($column), ")")]
                $field = $number,
            )*
        }

        #[cfg(not(target_arch = "wasm32"))]
        impl Field {
            /// How many there are.
            pub(crate) const COUNT: usize = [$($number),*].len();

            /// The name of the column.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$field => stringify!($column),)*
                }
            }

            /// The column, widened as the host does it.
            pub(crate) fn widen(self, columns: &Columns) -> Box<[u64]> {
                match self {
                    $(Self::$field => columns.$column.iter().map(|&value| value as u64).collect(),)*
                }
            }
        }
    };
}

fields! {
    0 Id = ids,
    1 Kind = kinds,
    2 LogicalId = logical_ids,
    3 Attempt = attempts,
    4 Side = sides,
    5 Method = methods,
    6 Caller = callers,
    7 Callee = callees,
    8 Protocol = protocols,
    9 Streaming = streaming,
    10 Started = started,
    11 Duration = durations,
    12 Deadline = deadlines,
    13 SentBytes = sent_bytes,
    14 ReceivedBytes = received_bytes,
    15 SentMessages = sent_messages,
    16 ReceivedMessages = received_messages,
    17 LastSentBytes = last_sent_bytes,
    18 LastReceivedBytes = last_received_bytes,
    19 Outcome = outcomes,
    20 HttpStatus = http_statuses,
    21 RpcStatus = rpc_statuses,
    22 BusinessStatus = business_statuses,
    23 ErrorType = error_types,
    24 TraceIdHigh = trace_ids_high,
    25 TraceIdLow = trace_ids_low,
    26 SpanId = span_ids,
    27 ParentSpanId = parent_span_ids,
    28 Sampled = sampled,
    29 EventsElided = events_elided,
    30 Token = tokens,
}

impl Field {
    /// Its bit in the host's question.
    #[cfg(target_arch = "wasm32")]
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}
