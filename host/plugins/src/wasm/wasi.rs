//! WASI 0.2 with nothing behind it, for guests whose toolchain pulls it in (Python, JavaScript, TinyGo, wasm32-wasip2).
//!
//! No files, sockets, environment or arguments; stdio goes into the tracer's log; the clock is the host's `now`;
//! randomness is seeded, so that a replay is the same; no call waits. Every interface is defined under the very name
//! that the component imports, so any 0.2 version links.

mod answer;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType, Val};
use wasmtime::{Engine, StoreContextMut};

use super::host::Host;
use super::log::Log;
use super::module::LoadError;
use answer::Answer;

/// Interfaces that are offered, without their version.
const OFFERED: &[&str] =
    &["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
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

/// The handles of type output-stream.
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
///
/// # Errors
/// A function has another type than WASI 0.2 gives it: the host's answer would not be one.
pub(super) fn add_to_linker(
    linker: &mut Linker<Host>,
    engine: &Engine,
    component: &Component,
) -> Result<(), LoadError> {
    let contract = |error: wasmtime::Error| LoadError::Contract { reason: format!("{error:#}") };
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if !offers(name) {
            continue;
        }
        let interface = name.split('@').next().unwrap_or(name);
        let mut linked = linker.instance(name).map_err(contract)?;
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => {
                    linked.resource(item, resource(item), |_, _| Ok(())).map_err(contract)?;
                }
                ComponentItem::ComponentFunc(function) => {
                    let answer = Answer::of(interface.trim_start_matches("wasi:"), item);
                    if !answer.fits(&function) {
                        return Err(LoadError::WasiType(format!("{name}#{item}")));
                    }
                    let shown = format!("{interface}#{item}");
                    let call = move |store: StoreContextMut<'_, Host>, _, params: &[Val], results: &mut [Val]| {
                        answer.give(store, &shown, params, results)
                    };
                    linked.func_new(item, call).map_err(contract)?;
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
