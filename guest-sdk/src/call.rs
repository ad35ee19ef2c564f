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

    /// A number that is unique to the call within the host process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.of(self.batch.ids())
    }

    /// Whether this is a call or one attempt of it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.of(self.batch.kinds())
    }

    /// The id of the call that an attempt belongs to; a call's own id.
    #[must_use]
    pub fn logical_id(&self) -> u64 {
        self.of(self.batch.logical_ids())
    }

    /// An attempt's number, from 1; on a call, how many attempts there were.
    #[must_use]
    pub fn attempt(&self) -> u16 {
        self.of(self.batch.attempts())
    }

    /// Where the call was observed.
    #[must_use]
    pub fn side(&self) -> Side {
        self.of(self.batch.sides())
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

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.of(self.batch.protocols())
    }

    /// Which sides stream.
    #[must_use]
    pub fn streaming(&self) -> Streaming {
        self.of(self.batch.streaming())
    }

    /// When it started, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.of(self.batch.started())
    }

    /// How long it took.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.of(self.batch.durations())
    }

    /// The deadline that it had, from its start.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.of(self.batch.deadlines())
    }

    /// Body bytes that this side sent, as on the wire: after compression, with message prefixes, without headers,
    /// trailers and transport framing.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.of(self.batch.sent_bytes())
    }

    /// Body bytes that this side received; counted like [`sent_bytes`](Self::sent_bytes).
    #[must_use]
    pub fn received_bytes(&self) -> u64 {
        self.of(self.batch.received_bytes())
    }

    /// Messages sent; 0 for protocols that do not frame messages.
    #[must_use]
    pub fn sent_messages(&self) -> u32 {
        self.of(self.batch.sent_messages())
    }

    /// Messages received; 0 for protocols that do not frame messages.
    #[must_use]
    pub fn received_messages(&self) -> u32 {
        self.of(self.batch.received_messages())
    }

    /// Size in bytes of the last message sent, with its prefix.
    #[must_use]
    pub fn last_sent_bytes(&self) -> u64 {
        self.of(self.batch.last_sent_bytes())
    }

    /// Size in bytes of the last message received, with its prefix.
    #[must_use]
    pub fn last_received_bytes(&self) -> u64 {
        self.of(self.batch.last_received_bytes())
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.of(self.batch.outcomes())
    }

    /// The HTTP status code.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.of(self.batch.http_statuses())
    }

    /// The RPC protocol's own status code (gRPC: 0 to 16, see [`grpc_status_name`](crate::grpc_status_name)).
    #[must_use]
    pub fn rpc_status(&self) -> Option<u16> {
        self.of(self.batch.rpc_statuses())
    }

    /// The status that the application gave itself; 0 is success or none.
    #[must_use]
    pub fn business_status(&self) -> i32 {
        self.of(self.batch.business_statuses())
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

    /// The id of the call's own span.
    #[must_use]
    pub fn span_id(&self) -> u64 {
        self.of(self.batch.span_ids())
    }

    /// The id of the span that the call's span belongs to; 0 if it is a root.
    #[must_use]
    pub fn parent_span_id(&self) -> u64 {
        self.of(self.batch.parent_span_ids())
    }

    /// Whether the trace is sampled (W3C trace flags).
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.of(self.batch.sampled())
    }

    /// What the tracer returned when the call started; 0 if it was not asked.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.of(self.batch.tokens())
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

    /// How many events were left out of the middle of the call, because it had more than the host keeps.
    #[must_use]
    pub fn events_elided(&self) -> u32 {
        self.of(self.batch.events_elided())
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

/// Where the elements of the call at `index` are in ragged columns.
fn range(offsets: &Column<'_, u32>, index: usize) -> std::ops::Range<usize> {
    match (offsets.get(index), offsets.get(index + 1)) {
        (Some(start), Some(end)) => start as usize..end as usize,
        _ => 0..0,
    }
}
