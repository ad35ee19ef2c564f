//! Ctrl-C as a flag that long work looks at; it ends nothing by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Whether somebody asked this process to end, by Ctrl-C or SIGTERM.
///
/// The first request sets the flag, so that children can be ended and counted; a second one ends the process at once.
pub(crate) struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes over both signals for the rest of the process.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let requested = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the first registered action sees the flag as it was before this signal.
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&requested))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&requested)))
                .context("cannot handle Ctrl-C")?;
        }
        Ok(Self { requested })
    }

    /// True from the first request on.
    pub(crate) fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}
