//! `export!` and what it registers: how instances are made, and tracer and starter behind one object-safe trait each.

use crate::batch::Batch;
use crate::config::Config;
use crate::error::Error;
use crate::metrics;
use crate::starter::{StartedCall, Starter};
use crate::streams::{Moments, Streams};
use crate::tracer::{Flush, Tracer};

/// Makes a type the tracer of this module: `export!(MyTracer);`
///
/// The type implements [`Tracer`]. A tracer that also acts at the start of calls names the type that implements
/// [`Starter`] after it: `export!(MyTracer, MyStarter);`. One that also follows open streams implements [`Streams`] and says
/// so by the word: `export!(MyTracer, streams);` or `export!(MyTracer, MyStarter, streams);`. Once in a crate of type
/// `cdylib`; only builds for wasm export anything.
#[macro_export]
macro_rules! export {
    ($tracer:ty $(,)?) => {
        $crate::export! { @ $crate::__macro::new_tracer::<$tracer> }
    };
    // Before the arm that takes any type.
    ($tracer:ty, streams $(,)?) => {
        $crate::export! { @ $crate::__macro::new_follower::<$tracer> }
        $crate::export! { @streams }
    };
    ($tracer:ty, $starter:ty $(,)?) => {
        $crate::export! { @ $crate::__macro::new_tracer_or_starter::<$tracer, $starter> }
        $crate::export! { @starter }
    };
    ($tracer:ty, $starter:ty, streams $(,)?) => {
        $crate::export! { @ $crate::__macro::new_follower_or_starter::<$tracer, $starter> }
        $crate::export! { @starter }
        $crate::export! { @streams }
    };
    // Only for those who ask: a module that exported `starter` without a use for it would be asked about every call.
    (@starter) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::__macro::start::Start;
    $crate::__macro::start::bindings::export!(Start with_types_in $crate::__macro::start::bindings);
        };
    };
    // Likewise: it would be told of every message.
    (@streams) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::__macro::streams::Follow;
    $crate::__macro::streams::bindings::export!(Follow with_types_in $crate::__macro::streams::bindings);
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
             `export!(MyTracer);` or `export!(MyTracer, MyStarter);`. A tracer that follows open streams adds the word \
             `streams`: `export!(MyTracer, streams);`"
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
    /// [`Streams::progress`]; a tracer that does not follow streams is not asked.
    fn progress(&mut self, _: &Moments) {}
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

/// A tracer of any type that follows streams.
struct Follows<T>(T);

impl<T: Streams> Collects for Follows<T> {
    fn finish(&mut self, batch: &Batch) {
        Collects::finish(&mut self.0, batch);
    }

    fn flush(&mut self, at: Flush) {
        Collects::flush(&mut self.0, at);
    }

    fn progress(&mut self, moments: &Moments) {
        Streams::progress(&mut self.0, moments);
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
    only_collects(role, || Ok(Box::new(T::new(config)?)))
}

/// What [`export!`] calls for a module that follows streams, without a starter.
///
/// # Errors
/// As [`new_tracer`].
pub fn new_follower<T: Streams>(role: u8, config: Config) -> NewInstance {
    only_collects(role, || Ok(Box::new(Follows(T::new(config)?))))
}

fn only_collects(role: u8, new: impl FnOnce() -> Result<Box<dyn Collects>, Error>) -> NewInstance {
    match role {
        COLLECTS => new().map(Instance::Collects),
        _ => Err(Error::new(format_args!("this tracer has only the role {COLLECTS}, and was asked for {role}"))),
    }
}

/// What [`export!`] calls for a module with a starter.
///
/// # Errors
/// What [`Tracer::new`] or [`Starter::new`] returned; or a role that this version does not know.
pub fn new_tracer_or_starter<T: Tracer, S: Starter>(role: u8, config: Config) -> NewInstance {
    match role {
        COLLECTS => new_tracer::<T>(role, config),
        _ => starts::<S>(role, config),
    }
}

/// What [`export!`] calls for a module that follows streams, with a starter.
///
/// # Errors
/// As [`new_tracer_or_starter`].
pub fn new_follower_or_starter<T: Streams, S: Starter>(role: u8, config: Config) -> NewInstance {
    match role {
        COLLECTS => new_follower::<T>(role, config),
        _ => starts::<S>(role, config),
    }
}

fn starts<S: Starter>(role: u8, config: Config) -> NewInstance {
    match role {
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

    impl Streams for Both {
        fn progress(&mut self, _: &Moments) {}
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
            (new_follower::<Both>, 0, "collects"),
            (new_follower::<Both>, 1, "this tracer has only the role 0, and was asked for 1"),
            (new_follower_or_starter::<Both, Both>, 0, "collects"),
            (new_follower_or_starter::<Both, Both>, 1, "starts"),
            (new_follower_or_starter::<Both, Both>, 2, "this tracer has the roles 0 and 1, and was asked for 2"),
            (new_tracer_or_starter::<Both, Both>, 2, "this tracer has the roles 0 and 1, and was asked for 2"),
        ] {
            assert_eq!(role(new, number), expected);
        }
    }
}
