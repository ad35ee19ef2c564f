//! WASI 0.2 with nothing behind it, for guests whose toolchain pulls it in (Python, JavaScript, TinyGo, wasm32-wasip2).
//!
//! No files, sockets, environment or arguments; stdio goes into the tracer's log; the clock is the host's `now`;
//! randomness is seeded, so that a replay is the same; no call waits. Every interface is defined under the very name
//! that the component imports, so any 0.2 version links.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Engine, Result, StoreContextMut};

use super::host::Host;
use super::log::Log;

/// Interfaces that are offered, without their version.
const OFFERED: &[&str] =
    &["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
/// Bytes of one write that a guest may make.
const WRITE_BYTES: u64 = 4096;
/// Random bytes that one call may ask for.
const MAX_RANDOM_BYTES: u64 = 1 << 16;
/// Bytes of a line of stdio before it is logged without its end.
const MAX_LINE_BYTES: usize = 4096;
/// The seed of every instance: two instances of a tracer that see the same calls do the same.
const SEED: u64 = 0x686f_7474_6170;

/// The handles' types; a handle says nothing more.
enum Handle<const KIND: u8> {}
const ERROR: u8 = 0;
const POLLABLE: u8 = 1;
const INPUT: u8 = 2;
const OUTPUT: u8 = 3;
const NETWORK: u8 = 4;
const NEVER: u8 = 5;

/// Which stream a handle of type output-stream is.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// What WASI keeps of an instance.
pub(super) struct Wasi {
    random: fastrand::Rng,
    lines: [Vec<u8>; 2],
}

impl Wasi {
    pub(super) fn new() -> Self {
        Self { random: fastrand::Rng::with_seed(SEED), lines: [Vec::new(), Vec::new()] }
    }

    fn write(&mut self, stream: u32, bytes: &[u8], log: &mut Log) {
        let (line, severity) = match stream {
            STDERR => (&mut self.lines[1], 4),
            _ => (&mut self.lines[0], 3),
        };
        for &byte in bytes {
            if byte == b'\n' || line.len() >= MAX_LINE_BYTES {
                log.write(severity, &String::from_utf8_lossy(line));
                line.clear();
            }
            if byte != b'\n' {
                line.push(byte);
            }
        }
    }

    /// Logs what stands in lines that have not ended.
    pub(super) fn flush_lines(&mut self, log: &mut Log) {
        for (line, severity) in self.lines.iter_mut().zip([3, 4]) {
            if !line.is_empty() {
                log.write(severity, &String::from_utf8_lossy(line));
                line.clear();
            }
        }
    }
}

/// True if an import of this name is something we stand in for.
pub(super) fn offers(name: &str) -> bool {
    OFFERED.iter().any(|offered| name.starts_with(offered)) && name.contains("@0.2.")
}

/// Defines every WASI import of a component.
pub(super) fn add_to_linker(linker: &mut Linker<Host>, engine: &Engine, component: &Component) -> Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if !offers(name) {
            continue;
        }
        let interface = name.split('@').next().unwrap_or(name).to_owned();
        let mut linked = linker.instance(name)?;
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => linked.resource(item, resource(item), |_, _| Ok(()))?,
                ComponentItem::ComponentFunc(_) => {
                    let function = format!("{interface}#{item}");
                    linked.func_new(item, move |store, _, params, results| call(store, &function, params, results))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// WASI 0.2 uses each of these names for one resource only.
fn resource(name: &str) -> ResourceType {
    match name {
        "error" => ResourceType::host::<Handle<ERROR>>(),
        "pollable" => ResourceType::host::<Handle<POLLABLE>>(),
        "input-stream" => ResourceType::host::<Handle<INPUT>>(),
        "output-stream" => ResourceType::host::<Handle<OUTPUT>>(),
        "network" => ResourceType::host::<Handle<NETWORK>>(),
        // Terminals, descriptors, sockets: there never is one, but each name is a type of its own.
        "terminal-input" => ResourceType::host::<(Handle<NEVER>, [(); 1])>(),
        "terminal-output" => ResourceType::host::<(Handle<NEVER>, [(); 2])>(),
        "descriptor" => ResourceType::host::<(Handle<NEVER>, [(); 3])>(),
        "directory-entry-stream" => ResourceType::host::<(Handle<NEVER>, [(); 4])>(),
        "udp-socket" => ResourceType::host::<(Handle<NEVER>, [(); 5])>(),
        "incoming-datagram-stream" => ResourceType::host::<(Handle<NEVER>, [(); 6])>(),
        "outgoing-datagram-stream" => ResourceType::host::<(Handle<NEVER>, [(); 7])>(),
        "tcp-socket" => ResourceType::host::<(Handle<NEVER>, [(); 8])>(),
        "resolve-address-stream" => ResourceType::host::<(Handle<NEVER>, [(); 9])>(),
        _ => ResourceType::host::<(Handle<NEVER>, [(); 0])>(),
    }
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
    error(Val::Variant("closed".into(), None))
}

/// One call of a WASI function. What a guest can get by without is answered; the rest traps and says why.
fn call(mut store: StoreContextMut<'_, Host>, function: &str, params: &[Val], results: &mut [Val]) -> Result<()> {
    let (interface, name) = function.split_once('#').unwrap_or((function, ""));
    let value = match (interface.trim_start_matches("wasi:"), name) {
        ("cli/environment", "get-environment" | "get-arguments") => Val::List(Vec::new()),
        ("cli/environment", "initial-cwd") => Val::Option(None),
        ("cli/exit", _) => return Err(wasmtime::Error::msg("the guest called exit")),
        ("cli/stdin", _) => own::<INPUT>(&mut store, 0)?,
        ("cli/stdout", _) => own::<OUTPUT>(&mut store, STDOUT)?,
        ("cli/stderr", _) => own::<OUTPUT>(&mut store, STDERR)?,
        ("cli/terminal-stdin" | "cli/terminal-stdout" | "cli/terminal-stderr", _) => Val::Option(None),
        ("clocks/monotonic-clock", "now") => Val::U64(store.data().now),
        ("clocks/monotonic-clock", "resolution") => Val::U64(1),
        ("clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => own::<POLLABLE>(&mut store, 0)?,
        ("clocks/wall-clock", "now") => datetime(store.data().now),
        ("clocks/wall-clock", "resolution") => datetime(1),
        ("filesystem/preopens", "get-directories") => Val::List(Vec::new()),
        ("filesystem/types", "filesystem-error-code") => Val::Option(None),
        ("io/error", "[method]error.to-debug-string") => Val::String("not available to tracers".into()),
        ("io/poll", "poll") => match params {
            // Nothing ever waits, so everything is ready.
            [Val::List(pollables)] => Val::List((0..pollables.len() as u32).map(Val::U32).collect()),
            _ => Val::List(Vec::new()),
        },
        ("io/poll", "[method]pollable.ready") => Val::Bool(true),
        ("io/poll", "[method]pollable.block") => return Ok(()),
        ("io/streams", name) => stream(&mut store, name, params)?,
        ("random/random", "get-random-bytes") | ("random/insecure", "get-insecure-random-bytes") => {
            let len = match params {
                [Val::U64(len)] if *len <= MAX_RANDOM_BYTES => *len,
                _ => return Err(wasmtime::Error::msg("asked for more than 64 KiB of random bytes at once")),
            };
            let random = &mut store.data_mut().wasi.random;
            Val::List((0..len).map(|_| Val::U8(random.u8(..))).collect())
        }
        ("random/random", "get-random-u64") | ("random/insecure", "get-insecure-random-u64") => {
            Val::U64(store.data_mut().wasi.random.u64(..))
        }
        ("random/insecure-seed", _) => {
            let random = &mut store.data_mut().wasi.random;
            Val::Tuple(vec![Val::U64(random.u64(..)), Val::U64(random.u64(..))])
        }
        ("sockets/instance-network", _) => own::<NETWORK>(&mut store, 0)?,
        ("sockets/tcp-create-socket" | "sockets/udp-create-socket", _)
        | ("sockets/ip-name-lookup", "resolve-addresses") => error(Val::Enum("access-denied".into())),
        _ => return Err(wasmtime::Error::msg(format!("{function} is not available to tracers"))),
    };
    match results.first_mut() {
        Some(result) => *result = value,
        None => debug_assert!(false, "{function} has a result"),
    }
    Ok(())
}

/// Standard output and error take everything; standard input is at its end.
fn stream(store: &mut StoreContextMut<'_, Host>, name: &str, params: &[Val]) -> Result<Val> {
    Ok(match name.trim_start_matches("[method]") {
        "output-stream.check-write" => ok(Some(Val::U64(WRITE_BYTES))),
        "output-stream.write" | "output-stream.blocking-write-and-flush" => {
            let [Val::Resource(handle), Val::List(bytes)] = params else { return Ok(closed()) };
            let bytes: Vec<u8> =
                bytes.iter().filter_map(|val| if let Val::U8(byte) = val { Some(*byte) } else { None }).collect();
            let which = handle.try_into_resource::<Handle<OUTPUT>>(&mut *store)?.rep();
            let host = store.data_mut();
            host.wasi.write(which, &bytes, &mut host.log);
            ok(None)
        }
        "output-stream.flush" | "output-stream.blocking-flush" => ok(None),
        "output-stream.subscribe" | "input-stream.subscribe" => own::<POLLABLE>(store, 0)?,
        _ => closed(),
    })
}

fn datetime(nanos: u64) -> Val {
    Val::Record(vec![
        ("seconds".into(), Val::U64(nanos / 1_000_000_000)),
        ("nanoseconds".into(), Val::U32((nanos % 1_000_000_000) as u32)),
    ])
}
