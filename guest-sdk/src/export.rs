//! `export!` and what it registers: how a tracer is made, and the tracer behind one object-safe trait.

use crate::batch::Batch;
use crate::config::Config;
use crate::error::Error;
use crate::metrics;
use crate::tracer::{Flush, Tracer};

/// Makes a type the tracer of this module: `export!(MyTracer);`
///
/// The type implements [`Tracer`]. Once in a crate of type `cdylib`; only builds for wasm export anything.
#[macro_export]
macro_rules! export {
    ($tracer:ty $(,)?) => {
        const _: () = {
            // The SDK exports the functions of the contract; all it needs from here is how the tracer is made.
            #[cfg_attr(target_arch = "wasm32", unsafe(export_name = "hottap_guest_new_tracer"))]
            fn new_tracer(config: $crate::Config) -> $crate::__macro::NewTracer {
                $crate::__macro::new_tracer::<$tracer>(config)
            }
            const _: fn($crate::Config) -> $crate::__macro::NewTracer = new_tracer;
        };
    };
    () => {
        ::core::compile_error!("name the type that implements `Tracer`: `export!(MyTracer);`");
    };
    ($($other:tt)*) => {
        ::core::compile_error!("one type that implements `Tracer`, and nothing else: `export!(MyTracer);`");
    };
}

/// A tracer of any type.
pub trait Instance {
    /// [`Tracer::finish`].
    fn finish(&mut self, batch: &Batch);
    /// [`Tracer::flush`], and the hand-over of metrics.
    fn flush(&mut self, at: Flush);
}

impl<T: Tracer> Instance for T {
    fn finish(&mut self, batch: &Batch) {
        Tracer::finish(self, batch);
    }

    fn flush(&mut self, at: Flush) {
        Tracer::flush(self, at);
        metrics::hand_over(at.elapsed);
    }
}

/// A tracer, or why there is none.
pub type NewTracer = Result<Box<dyn Instance>, Error>;

/// What [`export!`] calls.
///
/// # Errors
/// What [`Tracer::new`] returned.
pub fn new_tracer<T: Tracer>(config: Config) -> NewTracer {
    Ok(Box::new(T::new(config)?))
}
