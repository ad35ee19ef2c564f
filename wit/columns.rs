//! The columns of numbers: the one table that the host's accessors, the SDK's columns and fields, and the order of
//! `batch.columns` are made of. ARCHITECTURE.md says how to add one.

/// Hands the table to a macro. Each line has what the SDK says of the column, its number in `batch.columns`, its name, that of
/// one value of it, its name among the SDK's fields, its kind, the type in the contract, and the type in the SDK.
///
/// Kinds: a `number`; a `symbol`, whose text a tracer may ask for once it has the column; a `half` of a number that is too
/// large for one column; `own`, which each tracer has its own of.
macro_rules! number_columns {
    ($then:ident) => {
        $then! {
            /// A number that is unique to the call within the host process.
            0 ids, id, Id: number u64 => u64;
            /// A call, or one attempt of a call.
            1 kinds, kind, Kind: number u8 => Kind;
            /// The id of the call that an attempt belongs to; a call's own id.
            2 logical_ids, logical_id, LogicalId: number u64 => u64;
            /// An attempt's number, from 1; on a call, how many attempts there were.
            3 attempts, attempt, Attempt: number u16 => u16;
            /// The side that observed the call.
            4 sides, side, Side: number u8 => Side;
            /// `package.Service/Method` for gRPC, `GET /route/{id}` for HTTP; never a raw path.
            5 methods, method, Method: symbol u32 => Symbol;
            /// The service that made the call; [`Symbol::NONE`] if not known.
            6 callers, caller, Caller: symbol u32 => Symbol;
            /// The service that was called; [`Symbol::NONE`] if not known.
            7 callees, callee, Callee: symbol u32 => Symbol;
            /// The protocol.
            8 protocols, protocol, Protocol: number u8 => Protocol;
            /// The sides that stream.
            9 streaming, streaming, Streaming: number u8 => Streaming;
            /// The call's start, in nanoseconds since the Unix epoch.
            10 started, started, Started: number u64 => u64;
            /// The call's duration; the raw column is in nanoseconds.
            11 durations, duration, Duration: number u64 => Duration;
            /// The deadline that the call had, from its start; the raw column is in nanoseconds, 0 for none.
            12 deadlines, deadline, Deadline: number u64 => Option<Duration>;
            /// Body bytes that this side sent, as on the wire: after compression, with message prefixes, without headers,
            /// trailers and transport framing.
            13 sent_bytes, sent_bytes, SentBytes: number u64 => u64;
            /// Body bytes that this side received; counted like [`sent_bytes`](Self::sent_bytes).
            14 received_bytes, received_bytes, ReceivedBytes: number u64 => u64;
            /// Messages sent; 0 for protocols that do not frame messages.
            15 sent_messages, sent_messages, SentMessages: number u32 => u32;
            /// Messages received; 0 for protocols that do not frame messages.
            16 received_messages, received_messages, ReceivedMessages: number u32 => u32;
            /// Size in bytes of the last message sent, with its prefix.
            17 last_sent_bytes, last_sent_bytes, LastSentBytes: number u64 => u64;
            /// Size in bytes of the last message received, with its prefix.
            18 last_received_bytes, last_received_bytes, LastReceivedBytes: number u64 => u64;
            /// The call's outcome.
            19 outcomes, outcome, Outcome: number u8 => Outcome;
            /// The HTTP status code.
            20 http_statuses, http_status, HttpStatus: number u16 => Option<u16>;
            /// The RPC protocol's own status code (gRPC: 0 to 16, see [`grpc_status_name`](crate::grpc_status_name)).
            21 rpc_statuses, rpc_status, RpcStatus: number u16 => Option<u16>;
            /// The status that the application gave itself; 0 is success or none.
            22 business_statuses, business_status, BusinessStatus: number i32 => i32;
            /// The kind of error; [`Symbol::NONE`] if there was none.
            23 error_types, error_type, ErrorType: symbol u32 => Symbol;
            /// The upper 64 bits of the W3C trace id.
            24 trace_ids_high, trace_id_high, TraceIdHigh: half u64 => u64;
            /// The lower 64 bits of the W3C trace id.
            25 trace_ids_low, trace_id_low, TraceIdLow: half u64 => u64;
            /// The id of the call's own span.
            26 span_ids, span_id, SpanId: number u64 => u64;
            /// The id of the span that the call's span belongs to; 0 if it is a root.
            27 parent_span_ids, parent_span_id, ParentSpanId: number u64 => u64;
            /// True if the trace is sampled (W3C trace flags).
            28 sampled, sampled, Sampled: number u8 => bool;
            /// The number of events that were left out of the middle of the call, because it had more than the host keeps.
            29 events_elided, events_elided, EventsElided: number u32 => u32;
            /// The token that the tracer's starter returned when the call started; 0 if there is none, because the start
            /// failed or was skipped or the module has no starter.
            30 tokens, token, Token: own u64 => u64;
        }
    };
}
