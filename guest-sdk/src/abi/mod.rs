//! The bindings to the host, and all that is unsafe: exported functions, memory for columns, how the tracer is made.
//!
//! Nothing of it is public. It is compiled for wasm only; what can be tested elsewhere is elsewhere.

#![expect(unsafe_code, reason = "the canonical ABI is raw pointers; this room is where they end")]

mod arena;
pub(crate) mod imports;
pub mod start;
pub mod streams;
mod texts;

use std::cell::RefCell;

use crate::batch::Batch;
use crate::config::Config;
use crate::export::{Collects, Instance, NewInstance};
use crate::log;
use crate::tracer::Flush;

pub(crate) use arena::Pulled;
pub(crate) use streams::Source as MomentSource;
pub(crate) use texts::Texts;

#[cfg(not(target_os = "unknown"))]
compile_error!("hottap-guest needs no system interface: build the tracer with `--target wasm32-unknown-unknown`");

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "plugin" });
}

unsafe extern "Rust" {
    /// What `export!` defines.
    #[link_name = "hottap_guest_new_instance"]
    safe fn new_instance(role: u8, config: Config) -> NewInstance;
}

thread_local! {
    /// The tracer of this instance; none before `init`, if that failed, and in instances that start.
    static TRACER: RefCell<Option<Box<dyn Collects>>> = const { RefCell::new(None) };
}

/// The functions of the contract.
struct Exports;

bindings::export!(Exports with_types_in bindings);

impl bindings::exports::hottap::tracer::tracer::Guest for Exports {
    fn init(role: u8, config: String, identity: Vec<(String, String)>, now: u64) -> Result<(), String> {
        // Without it a panic is a trap that says nothing.
        std::panic::set_hook(Box::new(|panic| log::error(panic)));
        match new_instance(role, Config::new(config, identity, now)).map_err(|error| error.to_string())? {
            Instance::Collects(tracer) => TRACER.set(Some(tracer)),
            Instance::Starts(starter) => start::keep(starter),
        }
        Ok(())
    }

    fn finish(calls: &bindings::hottap::tracer::rpc::Batch) {
        let batch = Batch::new(Source::new(calls));
        TRACER.with_borrow_mut(|tracer| {
            if let Some(tracer) = tracer {
                tracer.finish(&batch);
            }
        });
    }

    fn flush(cause: u8, now: u64, elapsed: u64) {
        TRACER.with_borrow_mut(|tracer| {
            if let Some(tracer) = tracer {
                tracer.flush(Flush::new(cause, now, elapsed));
            }
        });
    }
}

/// Where a batch's columns come from: the host's handle of it, and the memory that they are copied into.
#[derive(Debug)]
pub(crate) struct Source {
    batch: bindings::hottap::tracer::rpc::Batch,
}

impl Source {
    /// Takes the handle over from the generated code, so that it is given back before `finish` returns, as the contract
    /// wants it, and not before the batch is dropped.
    fn new(calls: &bindings::hottap::tracer::rpc::Batch) -> Self {
        // SAFETY: `take_handle` leaves nothing behind that would use or drop the handle.
        let batch = unsafe { bindings::hottap::tracer::rpc::Batch::from_handle(calls.take_handle()) };
        Self { batch }
    }

    pub(crate) fn len(&self) -> usize {
        self.batch.len() as usize
    }

    pub(crate) fn texts(&self, of: &[u32]) -> Vec<String> {
        self.batch.texts(of)
    }

    pub(crate) fn info(&self, index: u32) -> String {
        self.batch.info(index)
    }

    /// Has several columns copied into the arena.
    pub(crate) fn columns(&self, which: u64) -> &[u64] {
        arena::pull(|| self.batch.columns(which)).until_dropped(self)
    }

    /// Has a column copied into the arena.
    pub(crate) fn pull<T>(&self, accessor: impl FnOnce(&bindings::hottap::tracer::rpc::Batch) -> Vec<T>) -> Pulled<T> {
        arena::pull(|| accessor(&self.batch))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // The batch that owned this source is gone, and with it the columns that it gave references to.
        arena::reset();
    }
}
