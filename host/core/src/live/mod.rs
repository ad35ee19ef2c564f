//! The set of live tracers as the RPCs' threads read it: what each asked for, which calls are in its scope, and the switch
//! that turns all off.

mod cell;
mod mask;
mod scope;
mod seen;
mod snapshot;

pub use cell::LiveCell;
pub use mask::{MAX_PLUGINS, Mask};
pub use scope::{Scope, ScopeError, Shown};
pub use snapshot::{BUDGET, Live, Rule, Rules, Start};
pub(crate) use snapshot::{MethodId, SIDES};
