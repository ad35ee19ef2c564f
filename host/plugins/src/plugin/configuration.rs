//! The operator's configuration of a service without a plugin dir, in which no supervisor looks at it.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::operator::Operator;
use hottap_core::panics::{Place, caught};
use hottap_core::tracer::Core;

/// The interval between two looks at the file, the same as the supervisor's.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Puts the configuration into effect, and each change of it, until the last handle is dropped. Only what it says of traces
/// and of the admin API means something here: there are no tracers that could use a destination.
///
/// # Errors
/// The thread that looks at the file can't be started.
pub(crate) fn follow(operator: &Arc<Operator>, core: &Arc<Core>) -> io::Result<()> {
    let Some(mut file) = operator.file() else { return Ok(()) };
    // The first look is over before the first call.
    operator.look(&mut file);
    let (operator, core) = (operator.clone(), Arc::downgrade(core));
    let look = move || {
        while core.strong_count() > 0 {
            thread::sleep(LOOK_EVERY);
            let _ = caught(Place::Configuration, || operator.look(&mut file));
        }
    };
    thread::Builder::new().name("hottap-config".into()).spawn(look).map(drop)
}
