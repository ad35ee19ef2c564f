//! The exported function of tracers that follow streams: compiled into every guest, exported only by modules whose
//! `export!` says so.

use crate::abi::arena::{self, Pulled};
use crate::streams::Moments;

/// The world with nothing but what such a tracer has beyond others, as that of starters.
pub mod bindings {
    #![expect(missing_docs, reason = "generated, and seen by `export!` alone")]

    wit_bindgen::generate!({
        path: "wit",
        world: "follow",
        with: {
            "hottap:tracer/rpc@0.1.0-draft": crate::abi::bindings::hottap::tracer::rpc,
            "hottap:tracer/progress@0.1.0-draft": generate,
            "hottap:tracer/streams@0.1.0-draft": generate,
        },
        pub_export_macro: true,
    });
}

use bindings::hottap::tracer::progress;

/// The function of the contract.
#[derive(Debug)]
pub struct Follow;

impl bindings::exports::hottap::tracer::streams::Guest for Follow {
    fn progress(moments: &progress::Moments) {
        let moments = Moments::new(Source::new(moments));
        super::TRACER.with_borrow_mut(|tracer| {
            if let Some(tracer) = tracer {
                tracer.progress(&moments);
            }
        });
    }
}

/// Where the columns come from: the host's handle, and the memory that they are copied into.
#[derive(Debug)]
pub(crate) struct Source {
    moments: progress::Moments,
}

impl Source {
    /// Takes the handle over from the generated code, so that it is given back before `progress` returns, as the contract
    /// wants it, and not before the moments are dropped.
    fn new(moments: &progress::Moments) -> Self {
        // SAFETY: `take_handle` leaves nothing behind that would use or drop the handle.
        let moments = unsafe { progress::Moments::from_handle(moments.take_handle()) };
        Self { moments }
    }

    pub(crate) fn len(&self) -> usize {
        self.moments.len() as usize
    }

    /// Has a column copied into the arena.
    pub(crate) fn pull<T>(&self, accessor: impl FnOnce(&progress::Moments) -> Vec<T>) -> Pulled<T> {
        arena::pull(|| accessor(&self.moments))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // The moments that owned this source are gone, and with them the columns that they gave references to. No batch
        // has any: the host never calls two functions at once.
        arena::reset();
    }
}
