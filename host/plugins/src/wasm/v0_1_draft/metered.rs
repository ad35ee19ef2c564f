//! The price of a host call in fuel. A starter's imports are all defined here, so that none of them is free: each call
//! takes a flat price, and each byte that crosses between guest and host is one unit more.
//!
//! Instances that collect pay nothing: their calls are bounded in CPU time of their thread, and the time of a host call
//! is part of it.

use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower};
use wasmtime::{Result, StoreContextMut, Trap};

use super::bindings::hottap::tracer::{log, metrics, outbox, rpc, setup, state};
use crate::wasm::host::Host;

/// Fuel of a host call beside its bytes. One takes 100 to 300 ns, and fuel is about a nanosecond: with less, a loop of
/// host calls would use several times its budget; with much more, a starter that reads ten headers would be out of fuel.
const CALL: u64 = 200;
/// Bytes that one host call may take from a starter. They are lifted before the call can be charged, so this is how far
/// a starter can overdraw its budget: 64 µs. Names and values of headers have a kilobyte together, a log line four.
pub(super) const MAX_LIFT_BYTES: usize = 64 << 10;

/// Bytes that a value has in the guest's memory.
pub(super) trait Bytes {
    fn bytes(&self) -> u64;
}

macro_rules! plain {
    ($($plain:ty),*) => {$(
        impl Bytes for $plain {
            fn bytes(&self) -> u64 {
                size_of::<Self>() as u64
            }
        }
    )*};
}

plain!((), bool, u8, u32, u64, f64);

impl Bytes for String {
    fn bytes(&self) -> u64 {
        // Address and length, which a list of empty texts is made of.
        8 + self.len() as u64
    }
}

impl<T: Bytes> Bytes for Vec<T> {
    fn bytes(&self) -> u64 {
        8 + self.iter().map(Bytes::bytes).sum::<u64>()
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn bytes(&self) -> u64 {
        self.as_ref().map_or(4, Bytes::bytes)
    }
}

impl<T: Bytes, E: Bytes> Bytes for std::result::Result<T, E> {
    fn bytes(&self) -> u64 {
        self.as_ref().map_or_else(Bytes::bytes, Bytes::bytes)
    }
}

macro_rules! lists {
    ($(($($item:ident),*))*) => {$(
        impl<$($item: Bytes),*> Bytes for ($($item,)*) {
            #[expect(non_snake_case, reason = "the items have the names of their types")]
            fn bytes(&self) -> u64 {
                let ($($item,)*) = self;
                0 $(+ $item.bytes())*
            }
        }
    )*};
}

lists!((A)(A, B)(A, B, C)(A, B, C, D)(A, B, C, D, E));

/// Defines one function, which a starter pays for: before it runs what the guest hands over, after it what it gets. What
/// is more than the fuel that is left ends the call like a loop without end.
fn define<P, R>(
    linked: &mut LinkerInstance<'_, Host>,
    name: &str,
    call: impl Fn(&mut Host, P) -> Result<R> + Send + Sync + 'static,
) -> Result<()>
where
    P: ComponentNamedList + Lift + Bytes + 'static,
    R: ComponentNamedList + Lower + Bytes + 'static,
{
    linked.func_wrap(name, move |mut store: StoreContextMut<'_, Host>, params: P| {
        if !store.data().is_starter {
            return call(store.data_mut(), params);
        }
        // None of these functions runs the guest, so what is left before is left after.
        let left = store.get_fuel()?.checked_sub(CALL + params.bytes()).ok_or(Trap::OutOfFuel)?;
        // What the host would only find out to be too much after it has copied it.
        store.data_mut().may_hand_over = left;
        let result = call(store.data_mut(), params)?;
        store.set_fuel(left.checked_sub(result.bytes()).ok_or(Trap::OutOfFuel)?)?;
        Ok(result)
    })
}

/// Defines the functions of the contract that belong to no resource. Accessors of batches and moments are not here: a
/// starter that calls one is trapped, because it has neither.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    // The generated code, which defines the accessors of batches, has defined this one too.
    linker.allow_shadowing(true);
    let mut linked = linker.instance(&interface("rpc"))?;
    define(&mut linked, "symbols", |host, (ids,)| Ok((rpc::Host::symbols(host, ids)?,)))?;
    linker.allow_shadowing(false);
    let mut linked = linker.instance(&interface("setup"))?;
    define(&mut linked, "level", |host, (level,)| setup::Host::level(host, level))?;
    define(&mut linked, "every", |host, (millis,)| setup::Host::every(host, millis))?;
    define(&mut linked, "attempts", |host, ()| setup::Host::attempts(host))?;
    let mut linked = linker.instance(&interface("metrics"))?;
    define(&mut linked, "counter", |host, (name, unit, help, keys)| {
        Ok((metrics::Host::counter(host, name, unit, help, keys)?,))
    })?;
    define(&mut linked, "gauge", |host, (name, unit, help, keys)| {
        Ok((metrics::Host::gauge(host, name, unit, help, keys)?,))
    })?;
    define(&mut linked, "histogram", |host, (name, unit, help, keys, bounds)| {
        Ok((metrics::Host::histogram(host, name, unit, help, keys, bounds)?,))
    })?;
    define(&mut linked, "series-of", |host, (of, values)| Ok((metrics::Host::series_of(host, of, values)?,)))?;
    define(&mut linked, "add", |host, (to, values)| metrics::Host::add(host, to, values))?;
    define(&mut linked, "set", |host, (to, values)| metrics::Host::set(host, to, values))?;
    define(&mut linked, "merge", |host, (to, counts, sum)| metrics::Host::merge(host, to, counts, sum))?;
    let mut linked = linker.instance(&interface("outbox"))?;
    define(&mut linked, "send", |host, (destination, kind, payload)| {
        Ok((outbox::Host::send(host, destination, kind, payload)?,))
    })?;
    define(&mut linked, "max-payload", |host, (destination,)| Ok((outbox::Host::max_payload(host, destination)?,)))?;
    let mut linked = linker.instance(&interface("log"))?;
    define(&mut linked, "write", |host, (severity, message)| log::Host::write(host, severity, message))?;
    let mut linked = linker.instance(&interface("state"))?;
    define(&mut linked, "save", |host, (bytes,)| Ok((state::Host::save(host, bytes)?,)))?;
    define(&mut linked, "saved", |host, ()| Ok((state::Host::saved(host)?,)))?;
    let mut linked = linker.instance(&interface("starting"))?;
    define(&mut linked, "header", |host, (name,): (String,)| Ok((host.starting.header(&name, &host.grants),)))?;
    define(&mut linked, "set-header", |host, (name, value): (String, String)| {
        let Host { starting, grants, .. } = host;
        Ok((starting.set(&name, &value, grants).map_err(|refusal| refusal as u32),))
    })
}

/// The full name of an interface of the contract.
fn interface(name: &str) -> String {
    format!("hottap:tracer/{name}@{}", super::VERSION)
}
