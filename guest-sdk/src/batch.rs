//! A batch of finished calls: columns that are copied into the guest when they are first asked for, and only then.

#[cfg(target_arch = "wasm32")]
use std::cell::OnceCell;
use std::time::Duration;

#[cfg(target_arch = "wasm32")]
use crate::abi::{Pulled, Source, Texts};
pub use crate::call::Call;
use crate::column::{Column, Element};
use crate::event::{EventKind, EventStatus};
use crate::field::Field;
use crate::kinds::{Kind, Outcome, Protocol, Side, Streaming};
use crate::symbol::{Symbol, Text};
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::Source;

/// Calls that have finished, as columns: one fact of all calls each, in the order in which the calls finished.
///
/// A column is copied into the guest's memory when it is first asked for, which takes about a tenth of a microsecond
/// and some picoseconds per call; what is not asked for costs nothing. [`calls`](Self::calls) reads the same columns
/// one call at a time.
#[derive(Debug)]
pub struct Batch {
    source: Source,
    #[cfg(target_arch = "wasm32")]
    columns: Columns,
    #[cfg(target_arch = "wasm32")]
    len: OnceCell<usize>,
    #[cfg(target_arch = "wasm32")]
    texts: Texts,
}

impl Batch {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            #[cfg(target_arch = "wasm32")]
            columns: Columns::default(),
            #[cfg(target_arch = "wasm32")]
            len: OnceCell::new(),
            #[cfg(target_arch = "wasm32")]
            texts: Texts::default(),
        }
    }

    /// How many calls there are; at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        #[cfg(target_arch = "wasm32")]
        return *self.len.get_or_init(|| self.source.len());
        #[cfg(not(target_arch = "wasm32"))]
        self.source.len()
    }

    /// True if there are no calls, which the host never hands over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The calls, one at a time.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Call<'_>> {
        (0..self.len()).map(|index| Call::new(self, index))
    }

    /// The call at `index`; none if it is not below [`len`](Self::len).
    #[must_use]
    pub fn call(&self, index: usize) -> Option<Call<'_>> {
        (index < self.len()).then(|| Call::new(self, index))
    }

    /// What a text stands for. "" if it is of another batch and means nothing in this one.
    ///
    /// The host is asked for each text once per batch; for many of them, [`texts`](Self::texts) asks once for all.
    #[must_use]
    pub fn text(&self, text: Text) -> &str {
        #[cfg(target_arch = "wasm32")]
        return self.texts.get(text.number(), &self.source);
        #[cfg(not(target_arch = "wasm32"))]
        self.source.text(text.number())
    }

    /// What several texts stand for, in the order given: one question to the host for all that are new.
    ///
    /// ```
    /// # use hottap_guest::{Batch, Outcome};
    /// fn failures(batch: &Batch) -> Vec<&str> {
    ///     let failed = batch.error_messages().zip(batch.outcomes()).filter(|(_, outcome)| *outcome == Outcome::Error);
    ///     batch.texts(failed.map(|(message, _)| message))
    /// }
    /// ```
    pub fn texts(&self, texts: impl IntoIterator<Item = Text>) -> Vec<&str> {
        let texts: Vec<Text> = texts.into_iter().collect();
        #[cfg(target_arch = "wasm32")]
        self.texts.learn(texts.iter().map(|text| text.number()).collect(), &self.source);
        texts.into_iter().map(|text| self.text(text)).collect()
    }

    /// All that is known of one call, as a JSON object: slow (microseconds), convenient, complete. "" if there is no
    /// call at `index`.
    #[must_use]
    pub fn info(&self, index: usize) -> String {
        u32::try_from(index).map_or_else(|_| String::new(), |index| self.source.info(index))
    }

    /// Several columns at once, each value widened to 64 bits: what [`Column::raw`] would say, in the order asked for.
    ///
    /// One question to the host instead of one for each, and it is the questions that a small batch costs: a tracer that
    /// reads six columns this way takes a third of the time. Only for numbers; see [`Field`] for which.
    ///
    /// ```
    /// # use hottap_guest::{Batch, Field};
    /// fn slowest_server_call(batch: &Batch) -> Option<u64> {
    ///     let [sides, nanos] = batch.columns([Field::Side, Field::Duration]);
    ///     sides.iter().zip(nanos).filter(|&(&side, _)| side == 1).map(|(_, &nanos)| nanos).max()
    /// }
    /// ```
    #[must_use]
    pub fn columns<const N: usize>(&self, fields: [Field; N]) -> [&[u64]; N] {
        #[cfg(target_arch = "wasm32")]
        {
            let which = fields.iter().fold(0, |which, field| which | field.bit());
            let all = if which == 0 { &[][..] } else { self.source.columns(which) };
            let len = all.len() / (which.count_ones() as usize).max(1);
            if which != 0 {
                self.note_len(len);
            }
            fields.map(|field| {
                let before = (which & (field.bit() - 1)).count_ones() as usize;
                all.get(before * len..(before + 1) * len).unwrap_or_default()
            })
        }
        #[cfg(not(target_arch = "wasm32"))]
        fields.map(|field| self.source.widened(field))
    }

    /// A column with one element per call tells how many calls there are, so the host need not be asked.
    #[cfg(target_arch = "wasm32")]
    fn note_len(&self, len: usize) {
        self.len.get_or_init(|| len);
    }

    /// The W3C trace ids: both columns put together.
    pub fn trace_ids(&self) -> impl ExactSizeIterator<Item = u128> {
        self.trace_ids_high().zip(self.trace_ids_low()).map(|(high, low)| u128::from(high) << 64 | u128::from(low))
    }
}

/// Defines the columns: those of the table, then texts, which have no numbers of their own in `batch.columns`, and those
/// whose calls have several elements or none.
macro_rules! columns {
    ($($(#[$doc:meta])* $number:literal $name:ident, $one:ident, $field:ident: $kind:ident $raw:ty => $type:ty;)*) => {
        columns! {
            one element per call {
                $($(#[$doc])* $name: $type;)*
                /// The other side's address, such as `10.0.0.7:41234`; "" if not known.
                peers: Text;
                /// The error in words; "" if there was none.
                error_messages: Text;
            }
            ragged {
                /// The position of each call's first event in the columns `event_*`; one element more than there are calls.
                event_offsets: u32;
                /// The kind of event.
                event_kinds: EventKind;
                /// The time after the call's start.
                event_times: Duration;
                /// The event's severity.
                event_statuses: EventStatus;
                /// The event in words; may be "".
                event_infos: Text;
                /// The position of each call's first tag in the columns `tag_*`; one element more than there are calls.
                tag_offsets: u32;
                /// The tags' keys; those of the caller and the callee begin with `from.` and `to.`.
                tag_keys: Symbol;
                /// The tags' values.
                tag_values: Text;
            }
        }
    };
    (one element per call { $($call:tt)* } ragged { $($ragged:tt)* }) => {
        columns! { @types $($call)* $($ragged)* }
        columns! { @accessors true, $($call)* }
        columns! { @accessors false, $($ragged)* }
    };
    (@types $($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        /// What this batch was asked for so far.
        #[cfg(target_arch = "wasm32")]
        #[derive(Debug, Default)]
        struct Columns {
            $($name: OnceCell<Pulled<<$type as Element>::Raw>>,)*
        }

        /// The columns of a batch that a test made.
        #[cfg(not(target_arch = "wasm32"))]
        #[derive(Debug, Default)]
        pub(crate) struct Columns {
            $(pub(crate) $name: Vec<<$type as Element>::Raw>,)*
        }
    };
    (@accessors $per_call:literal, $($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl Batch {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Column<'_, $type> {
                    #[cfg(target_arch = "wasm32")]
                    return Column::new(
                        self.columns
                            .$name
                            .get_or_init(|| {
                                let column = self.source.pull(|batch| batch.$name());
                                if $per_call {
                                    self.note_len(column.len());
                                }
                                column
                            })
                            .as_slice(),
                    );
                    #[cfg(not(target_arch = "wasm32"))]
                    Column::new(&self.source.pull(stringify!($name)).$name)
                }
            )*
        }
    };
}

number_columns!(columns);

#[cfg(test)]
#[cfg(not(target_arch = "wasm32"))]
mod tests {
    use crate::testing::{Harness, TestCall};
    use crate::{Batch, Config, Error, Side, Tracer};

    /// Looks at a batch by whole columns.
    #[derive(Default)]
    struct Columns {
        seen: Vec<(String, u64)>,
        peers: Vec<String>,
        traces: Vec<u128>,
    }

    impl Tracer for Columns {
        fn new(_: Config) -> Result<Self, Error> {
            Ok(Self::default())
        }

        fn finish(&mut self, batch: &Batch) {
            assert_eq!(batch.len(), batch.durations().len());
            assert!(batch.call(batch.len()).is_none());
            for (method, ns) in batch.methods().texts().zip(batch.durations().raw()) {
                self.seen.push((method.to_owned(), *ns));
            }
            self.peers.extend(batch.peers().map(|peer| batch.text(peer).to_owned()));
            self.traces.extend(batch.trace_ids());
            assert!(batch.sides().all(|side| side == Side::Server));
            assert_eq!(batch.info(batch.len()), "");
        }
    }

    #[test]
    fn a_column_is_pulled_only_if_it_is_asked_for() {
        let mut host = Harness::<Columns>::start();
        host.finish([
            TestCall::server("a.B/C").nanos(5).peer("10.0.0.7:1").trace_id(u128::MAX),
            TestCall::server("GET /x").nanos(6),
        ]);
        let tracer = host.tracer();
        assert_eq!(tracer.seen, [("a.B/C".to_owned(), 5), ("GET /x".to_owned(), 6)]);
        assert_eq!(tracer.peers, ["10.0.0.7:1", ""]);
        assert_eq!(tracer.traces.first(), Some(&u128::MAX));
        assert_eq!(
            host.columns_pulled(),
            ["durations", "methods", "peers", "sides", "trace_ids_high", "trace_ids_low"]
        );
        assert_eq!(host.symbol_questions(), 1);
    }
}
