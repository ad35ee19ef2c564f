//! `export!` and what it registers: how instances are made, and tracer and starter behind one object-safe trait each.

use crate::batch::Batch;
use crate::config::Config;
use crate::error::Error;
use crate::metrics;
use crate::starter::{StartedCall, Starter};
use crate::tracer::{Flush, Tracer};

/// Makes a type the tracer of this module: `export!(MyTracer);`
///
/// The type implements [`Tracer`]. A tracer that also acts at the start of calls names the type that implements
/// [`Starter`] after it: `export!(MyTracer, MyStarter);`. Once in a crate of type `cdylib`; only builds for wasm export
/// anything.
#[macro_export]
macro_rules! export {
    ($tracer:ty $(,)?) => {
        $crate::export! { @ $crate::__macro::new_tracer::<$tracer> }
    };
    ($tracer:ty, $starter:ty $(,)?) => {
        $crate::export! { @ $crate::__macro::new_tracer_or_starter::<$tracer, $starter> }
        // Only here: a module that exported `starter` without a use for it would be asked about every call.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::__macro::start::Start;
    $crate::__macro::start::bindings::export!(Start with_types_in $crate::__macro::start::bindings);
        };
    };
    (@ $new_instance:expr) => {
        const _: () = {
            // The SDK exports the functions of the contract; all it needs from here is how an instance is made.
            #[cfg_attr(target_arch = "wasm32", unsafe(export_name = "hottap_guest_new_instance"))]
            fn new_instance(role: u8, config: $crate::Config) -> $crate::__macro::NewInstance {
                $new_instance(role, config)
            }
            const _: fn(u8, $crate::Config) -> $crate::__macro::NewInstance = new_instance;
        };
    };
    () => {
        ::core::compile_error!("name the type that implements `Tracer`: `export!(MyTracer);`");
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "name one type that implements `Tracer`, and after it one that implements `Starter` if there is one: \
             `export!(MyTracer);` or `export!(MyTracer, MyStarter);`"
        );
    };
}

/// The number of the role "collects".
const COLLECTS: u8 = 0;
/// The number of the role "starts".
const STARTS: u8 = 1;

/// A tracer of any type.
pub trait Collects {
    /// [`Tracer::finish`].
    fn finish(&mut self, batch: &Batch);
    /// [`Tracer::flush`], and the hand-over of metrics.
    fn flush(&mut self, at: Flush);
}

impl<T: Tracer> Collects for T {
    fn finish(&mut self, batch: &Batch) {
        Tracer::finish(self, batch);
    }

    fn flush(&mut self, at: Flush) {
        Tracer::flush(self, at);
        metrics::hand_over(at.elapsed);
    }
}

/// A starter of any type.
pub trait Starts {
    /// [`Starter::start`].
    fn start(&self, call: &StartedCall) -> u64;
}

impl<S: Starter> Starts for S {
    fn start(&self, call: &StartedCall) -> u64 {
        Starter::start(self, call)
    }
}

/// What an instance does: one of the two, never both.
#[expect(missing_debug_implementations, reason = "tracers need not implement it, and no one prints one")]
pub enum Instance {
    /// It is called when calls have finished.
    Collects(Box<dyn Collects>),
    /// It is called when calls start.
    Starts(Box<dyn Starts>),
}

/// An instance, or why there is none.
pub type NewInstance = Result<Instance, Error>;

/// What [`export!`] calls for a module without a starter.
///
/// # Errors
/// What [`Tracer::new`] returned; or a role that the module has not.
pub fn new_tracer<T: Tracer>(role: u8, config: Config) -> NewInstance {
    match role {
        COLLECTS => Ok(Instance::Collects(Box::new(T::new(config)?))),
        _ => Err(Error::new(format_args!("this tracer has only the role {COLLECTS}, and was asked for {role}"))),
    }
}

/// What [`export!`] calls for a module with a starter.
///
/// # Errors
/// What [`Tracer::new`] or [`Starter::new`] returned; or a role that this version does not know.
pub fn new_tracer_or_starter<T: Tracer, S: Starter>(role: u8, config: Config) -> NewInstance {
    match role {
        COLLECTS => Ok(Instance::Collects(Box::new(T::new(config)?))),
        STARTS => Ok(Instance::Starts(Box::new(S::new(config)?))),
        _ => {
            Err(Error::new(format_args!("this tracer has the roles {COLLECTS} and {STARTS}, and was asked for {role}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Both;

    impl Tracer for Both {
        fn new(_: Config) -> Result<Self, Error> {
            Ok(Self)
        }
    }

    impl Starter for Both {
        fn new(_: Config) -> Result<Self, Error> {
            Ok(Self)
        }

        fn start(&self, call: &StartedCall) -> u64 {
            call.id()
        }
    }

    #[test]
    fn a_role_that_a_module_has_not_is_refused_by_number() {
        let config = || Config::new("{}".to_owned(), Vec::new(), 0);
        let role = |new: fn(u8, Config) -> NewInstance, role| match new(role, config()) {
            Ok(Instance::Collects(_)) => "collects".to_owned(),
            Ok(Instance::Starts(_)) => "starts".to_owned(),
            Err(error) => error.to_string(),
        };
        for (new, number, expected) in [
            (new_tracer::<Both> as fn(u8, Config) -> NewInstance, 0, "collects"),
            (new_tracer::<Both>, 1, "this tracer has only the role 0, and was asked for 1"),
            (new_tracer_or_starter::<Both, Both>, 0, "collects"),
            (new_tracer_or_starter::<Both, Both>, 1, "starts"),
            (new_tracer_or_starter::<Both, Both>, 2, "this tracer has the roles 0 and 1, and was asked for 2"),
        ] {
            assert_eq!(role(new, number), expected);
        }
    }
}
