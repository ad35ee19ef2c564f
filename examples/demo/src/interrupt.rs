//! Ctrl-C as a flag that long work looks at; it ends nothing by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Whether somebody asked this process to end.
///
/// The first request sets the flag, so that children can be ended and counted; a second one ends the process at once.
pub(crate) struct Interrupt {
    requested: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes over Ctrl-C for the rest of the process. At a terminal all children get it too, and end by themselves.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let interrupt = Self { requested: Arc::new(AtomicBool::new(false)) };
        interrupt.also(SIGINT)?;
        Ok(interrupt)
    }

    /// Takes over SIGTERM too, which comes to this process alone: for work that ends its children itself.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn also_terminate(&self) -> anyhow::Result<()> {
        self.also(SIGTERM)
    }

    fn also(&self, signal: i32) -> anyhow::Result<()> {
        // The order matters: the first registered action sees the flag as it was before this signal.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&self.requested))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&self.requested)))
            .context("cannot handle signals")?;
        Ok(())
    }

    /// True from the first request on.
    pub(crate) fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }
}
