//! The trait of tracers that follow open streams, and what they are told of a stream's messages; finished calls are
//! elsewhere.

#[cfg(target_arch = "wasm32")]
use std::cell::OnceCell;

#[cfg(target_arch = "wasm32")]
use crate::abi::{MomentSource, Pulled};
use crate::column::Column;
use crate::event::EventKind;
use crate::symbol::Symbol;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::MomentColumns;
use crate::tracer::Tracer;

/// A tracer that also follows streams while they are open: it is told of each message that is sent or received.
///
/// Without it a tracer hears of a stream when that has ended, which may be never. It is the same instance that is called
/// when calls have finished, so both may share what they count; say so with the word `streams` in
/// [`export!`](crate::export).
///
/// ```
/// use std::collections::BTreeMap;
/// use hottap_guest::{Call, Config, Error, Flush, Moments, Streams, Tracer, export};
/// use hottap_guest::metrics::{Gauge, GaugeSeries};
///
/// /// How many calls are open that a message has passed on.
/// struct Open {
///     bytes: BTreeMap<u64, u64>,
///     calls: GaugeSeries,
/// }
///
/// impl Tracer for Open {
///     fn new(_: Config) -> Result<Self, Error> {
///         Ok(Self { bytes: BTreeMap::new(), calls: Gauge::define("open.calls").build().with(&[]) })
///     }
///
///     fn finish_call(&mut self, call: &Call) {
///         self.bytes.remove(&call.id());
///     }
///
///     fn flush(&mut self, _: Flush) {
///         self.calls.set(self.bytes.len() as f64);
///     }
/// }
///
/// impl Streams for Open {
///     fn progress(&mut self, moments: &Moments) {
///         for moment in moments.iter() {
///             *self.bytes.entry(moment.call_id).or_default() += moment.size;
///         }
///     }
/// }
///
/// export!(Open, streams);
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not follow streams",
    label = "`hottap_guest::Streams` is not implemented for `{Self}`",
    note = "write `impl Streams for {Self}` with `fn progress(&mut self, moments: &Moments)`, or leave the word `streams` out"
)]
pub trait Streams: Tracer {
    /// Messages were sent or received on calls that were open then: those of calls in the tracer's scope, where the
    /// protocol frames messages (gRPC, gRPC-web, Connect's streams). A call that no tracer followed when it started is not
    /// followed later.
    ///
    /// Called in batches of at most a few thousand messages, like [`Tracer::finish`]: never on the RPC's own thread, never
    /// two calls at once, with the same deadline and the same share of the CPU. A call's messages come before the call
    /// itself, but for one that passes while the call ends. What the host has no room for is counted and comes never. A
    /// unary gRPC call has messages too, one each way: nobody can know before its end that it will not stream.
    fn progress(&mut self, moments: &Moments);
}

/// One message that was sent or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// The [`id`](crate::Call::id) of the call that it belongs to.
    pub call_id: u64,
    /// The call's method; [`Symbol::NONE`] if no call of it has finished yet.
    pub method: Symbol,
    /// What happened: [`Event::STREAM_SEND`](crate::Event::STREAM_SEND) or
    /// [`Event::STREAM_RECV`](crate::Event::STREAM_RECV).
    pub kind: EventKind,
    /// When, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// Bytes, with the message's prefix.
    pub size: u64,
}

/// Messages of open streams as columns, in the order of their times.
///
/// A column is copied into the guest's memory when it is first asked for; [`iter`](Self::iter) asks for all five.
#[derive(Debug)]
pub struct Moments {
    #[cfg(target_arch = "wasm32")]
    columns: MomentColumns,
    #[cfg(target_arch = "wasm32")]
    source: MomentSource,
    #[cfg(not(target_arch = "wasm32"))]
    columns: MomentColumns,
}

/// What was asked for so far.
#[cfg(target_arch = "wasm32")]
#[derive(Debug, Default)]
struct MomentColumns {
    call_ids: OnceCell<Pulled<u64>>,
    methods: OnceCell<Pulled<u32>>,
    kinds: OnceCell<Pulled<u32>>,
    times: OnceCell<Pulled<u64>>,
    sizes: OnceCell<Pulled<u64>>,
}

impl Moments {
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn new(source: MomentSource) -> Self {
        Self { columns: MomentColumns::default(), source }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn new(columns: MomentColumns) -> Self {
        Self { columns }
    }

    /// How many there are; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        #[cfg(target_arch = "wasm32")]
        return self.source.len();
        #[cfg(not(target_arch = "wasm32"))]
        self.columns.call_ids.len()
    }

    /// True if there are none, which the host never hands over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages, one at a time.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Moment> {
        let (ids, methods) = (self.call_ids(), self.methods());
        let rest = self.kinds().zip(self.times()).zip(self.sizes());
        ids.zip(methods).zip(rest).map(|((call_id, method), ((kind, time), size))| Moment {
            call_id,
            method,
            kind,
            time,
            size,
        })
    }
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl Moments {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Column<'_, $type> {
                    #[cfg(target_arch = "wasm32")]
                    let column = self.columns.$name.get_or_init(|| self.source.pull(|moments| moments.$name())).as_slice();
                    #[cfg(not(target_arch = "wasm32"))]
                    let column = &self.columns.$name;
                    Column::new(column)
                }
            )*
        }
    };
}

columns! {
    /// The ids of the calls that they belong to, as in [`Batch::ids`](crate::Batch::ids).
    call_ids: u64;
    /// Those calls' methods; [`Symbol::NONE`] where no call of the method has finished yet.
    methods: Symbol;
    /// What happened: [`Event::STREAM_SEND`](crate::Event::STREAM_SEND) or
    /// [`Event::STREAM_RECV`](crate::Event::STREAM_RECV).
    kinds: EventKind;
    /// When, in nanoseconds since the Unix epoch.
    times: u64;
    /// Bytes, with the message's prefix.
    sizes: u64;
}
