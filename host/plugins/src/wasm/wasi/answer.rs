//! The host's answers to WASI functions: which function gets which, and which types it fits.

use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{Resource, ResourceAny, Val};
use wasmtime::{Error, Result, StoreContextMut};

use super::{Handle, INPUT, NETWORK, OUTPUT, POLLABLE, STDERR, STDOUT};
use crate::wasm::host::Host;

/// Bytes of one write that a guest may make.
const WRITE_BYTES: u64 = 4096;
/// Random bytes that one call may ask for.
const MAX_RANDOM_BYTES: u64 = 1 << 16;

/// The answer to one function. A guest can do without the rest, or traps and says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A list of nothing: environment, arguments, directories.
    EmptyList,
    /// No value: a working directory, terminals.
    None,
    /// No result at all.
    Nothing,
    StandardInput,
    StandardOutput,
    StandardError,
    Pollable,
    Network,
    /// The host's `now`, in nanoseconds.
    Nanos,
    /// A resolution of a nanosecond.
    OneNano,
    /// The host's `now`, as seconds and nanoseconds.
    Date,
    /// The same resolution, likewise.
    OneNanoDate,
    /// An error in words.
    Words,
    /// Nothing ever waits, so each of the pollables is ready.
    AllReady,
    True,
    RandomBytes,
    Random,
    RandomPair,
    /// `Err(access-denied)`.
    Denied,
    /// `Ok` with the bytes that may be written.
    Room,
    /// Takes what is written.
    Write,
    /// `Ok` with nothing.
    Done,
    /// `Err(closed)`: standard input is at its end.
    Closed,
    Exit,
    /// There is no answer, and none could be of another type.
    Unavailable,
}

impl Answer {
    /// The answer to a function of an interface, such as `cli/environment`.
    pub(super) fn of(interface: &str, function: &str) -> Self {
        match (interface, function) {
            ("cli/environment", "get-environment" | "get-arguments") => Self::EmptyList,
            ("cli/environment", "initial-cwd") => Self::None,
            ("cli/exit", _) => Self::Exit,
            ("cli/stdin", "get-stdin") => Self::StandardInput,
            ("cli/stdout", "get-stdout") => Self::StandardOutput,
            ("cli/stderr", "get-stderr") => Self::StandardError,
            ("cli/terminal-stdin", "get-terminal-stdin")
            | ("cli/terminal-stdout", "get-terminal-stdout")
            | ("cli/terminal-stderr", "get-terminal-stderr") => Self::None,
            ("clocks/monotonic-clock", "now") => Self::Nanos,
            ("clocks/monotonic-clock", "resolution") => Self::OneNano,
            ("clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => Self::Pollable,
            ("clocks/wall-clock", "now") => Self::Date,
            ("clocks/wall-clock", "resolution") => Self::OneNanoDate,
            ("filesystem/preopens", "get-directories") => Self::EmptyList,
            ("filesystem/types", "filesystem-error-code") => Self::None,
            ("io/error", "[method]error.to-debug-string") => Self::Words,
            ("io/poll", "poll") => Self::AllReady,
            ("io/poll", "[method]pollable.ready") => Self::True,
            ("io/poll", "[method]pollable.block") => Self::Nothing,
            ("io/streams", function) => match function.trim_start_matches("[method]") {
                "output-stream.check-write" => Self::Room,
                "output-stream.write" | "output-stream.blocking-write-and-flush" => Self::Write,
                "output-stream.flush" | "output-stream.blocking-flush" => Self::Done,
                "output-stream.subscribe" | "input-stream.subscribe" => Self::Pollable,
                _ => Self::Closed,
            },
            ("random/random", "get-random-bytes") | ("random/insecure", "get-insecure-random-bytes") => {
                Self::RandomBytes
            }
            ("random/random", "get-random-u64") | ("random/insecure", "get-insecure-random-u64") => Self::Random,
            ("random/insecure-seed", "insecure-seed") => Self::RandomPair,
            ("sockets/instance-network", "instance-network") => Self::Network,
            ("sockets/tcp-create-socket", "create-tcp-socket")
            | ("sockets/udp-create-socket", "create-udp-socket")
            | ("sockets/ip-name-lookup", "resolve-addresses") => Self::Denied,
            _ => Self::Unavailable,
        }
    }

    /// True if a function of this type can get the answer. A component says itself which types its imports have, and a
    /// value of another type than that can't be handed over.
    pub(super) fn fits(self, function: &ComponentFunc) -> bool {
        let params: Vec<Type> = function.params().map(|(_, param)| param).collect();
        let takes = match self {
            Self::AllReady => matches!(&*params, [Type::List(_)]),
            Self::RandomBytes => matches!(&*params, [Type::U64]),
            Self::Write => {
                matches!(&*params, [Type::Borrow(_), Type::List(bytes)] if bytes.ty() == Type::U8)
            }
            _ => true,
        };
        let mut results = function.results();
        let (result, more) = (results.next(), results.next());
        takes && more.is_none() && self.is_of(result.as_ref())
    }

    fn is_of(self, result: Option<&Type>) -> bool {
        match (self, result) {
            (Self::Exit | Self::Unavailable, _) | (Self::Nothing, None) => true,
            (Self::Nothing, Some(_)) | (_, None) => false,
            (Self::EmptyList, Some(of)) => matches!(of, Type::List(_)),
            (Self::None, Some(of)) => matches!(of, Type::Option(_)),
            (
                Self::StandardInput | Self::StandardOutput | Self::StandardError | Self::Pollable | Self::Network,
                Some(of),
            ) => matches!(of, Type::Own(_)),
            (Self::Nanos | Self::OneNano | Self::Random, Some(of)) => *of == Type::U64,
            (Self::Date | Self::OneNanoDate, Some(of)) => is_date(of),
            (Self::Words, Some(of)) => *of == Type::String,
            (Self::AllReady, Some(of)) => is_list_of(of, &Type::U32),
            (Self::True, Some(of)) => *of == Type::Bool,
            (Self::RandomBytes, Some(of)) => is_list_of(of, &Type::U8),
            (Self::RandomPair, Some(of)) => {
                matches!(of, Type::Tuple(pair) if pair.types().eq([Type::U64, Type::U64]))
            }
            (Self::Denied, Some(of)) => matches!(error_of(of), Some(Type::Enum(codes))
                if codes.names().any(|code| code == ACCESS_DENIED)),
            (Self::Room, Some(of)) => is_closable(of) && ok_of(of) == Some(Type::U64),
            (Self::Write | Self::Done, Some(of)) => is_closable(of) && ok_of(of).is_none(),
            (Self::Closed, Some(of)) => is_closable(of),
        }
    }

    /// Answers one call.
    pub(super) fn give(
        self,
        mut store: StoreContextMut<'_, Host>,
        function: &str,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let value = match self {
            Self::EmptyList => Val::List(Vec::new()),
            Self::None => Val::Option(None),
            Self::Nothing => return Ok(()),
            Self::StandardInput => own::<INPUT>(&mut store, 0)?,
            Self::StandardOutput => own::<OUTPUT>(&mut store, STDOUT)?,
            Self::StandardError => own::<OUTPUT>(&mut store, STDERR)?,
            Self::Pollable => own::<POLLABLE>(&mut store, 0)?,
            Self::Network => own::<NETWORK>(&mut store, 0)?,
            Self::Nanos => Val::U64(store.data().now),
            Self::OneNano => Val::U64(1),
            Self::Date => date(store.data().now),
            Self::OneNanoDate => date(1),
            Self::Words => Val::String("not available to tracers".into()),
            Self::AllReady => match params {
                [Val::List(pollables)] => Val::List((0..pollables.len() as u32).map(Val::U32).collect()),
                _ => Val::List(Vec::new()),
            },
            Self::True => Val::Bool(true),
            Self::RandomBytes => {
                let len = match params {
                    [Val::U64(len)] if *len <= MAX_RANDOM_BYTES => *len,
                    _ => return Err(Error::msg("asked for more than 64 KiB of random bytes at once")),
                };
                let random = &mut store.data_mut().wasi.random;
                Val::List((0..len).map(|_| Val::U8(random.u8(..))).collect())
            }
            Self::Random => Val::U64(store.data_mut().wasi.random.u64(..)),
            Self::RandomPair => {
                let random = &mut store.data_mut().wasi.random;
                Val::Tuple(vec![Val::U64(random.u64(..)), Val::U64(random.u64(..))])
            }
            Self::Denied => error(Val::Enum(ACCESS_DENIED.into())),
            Self::Room => ok(Some(Val::U64(WRITE_BYTES))),
            Self::Write => write(&mut store, params)?,
            Self::Done => ok(None),
            Self::Closed => closed(),
            Self::Exit => return Err(Error::msg("the guest called exit")),
            Self::Unavailable => return Err(Error::msg(format!("{function} is not available to tracers"))),
        };
        if let Some(result) = results.first_mut() {
            *result = value;
        }
        Ok(())
    }
}

const ACCESS_DENIED: &str = "access-denied";
const CLOSED: &str = "closed";

fn is_list_of(of: &Type, element: &Type) -> bool {
    matches!(of, Type::List(list) if list.ty() == *element)
}

fn is_date(of: &Type) -> bool {
    let Type::Record(record) = of else { return false };
    let fields = record.fields().map(|field| (field.name.to_owned(), field.ty));
    fields.eq([("seconds".to_owned(), Type::U64), ("nanoseconds".to_owned(), Type::U32)])
}

fn ok_of(of: &Type) -> Option<Type> {
    if let Type::Result(result) = of { result.ok() } else { None }
}

fn error_of(of: &Type) -> Option<Type> {
    if let Type::Result(result) = of { result.err() } else { None }
}

/// A result whose error can be `closed`.
fn is_closable(of: &Type) -> bool {
    let Some(Type::Variant(error)) = error_of(of) else { return false };
    error.cases().any(|case| case.name == CLOSED && case.ty.is_none())
}

/// A handle of a kind, in the guest's hands.
fn own<const KIND: u8>(store: &mut StoreContextMut<'_, Host>, which: u32) -> Result<Val> {
    ResourceAny::try_from_resource(Resource::<Handle<KIND>>::new_own(which), store).map(Val::Resource)
}

fn ok(value: Option<Val>) -> Val {
    Val::Result(Ok(value.map(Box::new)))
}

fn error(value: Val) -> Val {
    Val::Result(Err(Some(Box::new(value))))
}

fn closed() -> Val {
    error(Val::Variant(CLOSED.into(), None))
}

/// Standard output and error take everything.
fn write(store: &mut StoreContextMut<'_, Host>, params: &[Val]) -> Result<Val> {
    let [Val::Resource(handle), Val::List(bytes)] = params else { return Ok(closed()) };
    let bytes: Vec<u8> =
        bytes.iter().filter_map(|val| if let Val::U8(byte) = val { Some(*byte) } else { None }).collect();
    let which = handle.try_into_resource::<Handle<OUTPUT>>(&mut *store)?.rep();
    let host = store.data_mut();
    host.wasi.write(which, &bytes, &mut host.log);
    Ok(ok(None))
}

fn date(nanos: u64) -> Val {
    Val::Record(vec![
        ("seconds".into(), Val::U64(nanos / 1_000_000_000)),
        ("nanoseconds".into(), Val::U32((nanos % 1_000_000_000) as u32)),
    ])
}
