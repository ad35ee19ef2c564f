//! SIGTERM and Ctrl-C: the first of either ends the load in order, a second Ctrl-C ends the process at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What a shell reports for a program that ended because of Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

/// Takes over both signals for the rest of the process; what it returns becomes true when the load is to end.
///
/// # Errors
/// The system does not let it.
pub(crate) fn listen() -> anyhow::Result<watch::Receiver<bool>> {
    let interrupt = signal(SignalKind::interrupt()).context("cannot handle Ctrl-C")?;
    let terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(heed(interrupt, terminate, stop));
    Ok(stopped)
}

async fn heed(mut interrupt: Signal, mut terminate: Signal, stop: watch::Sender<bool>) {
    let mut interrupts = 0;
    loop {
        tokio::select! {
            _ = interrupt.recv() => interrupts += 1,
            // However often: a supervisor that is in a hurry sends SIGKILL.
            _ = terminate.recv() => {}
        }
        if interrupts > 1 {
            at_once();
        }
        if !stop.send_replace(true) && interrupts > 0 {
            eprintln!("ending; Ctrl-C again ends it at once");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever presses Ctrl-C twice wants out, whatever is lost")]
fn at_once() -> ! {
    std::process::exit(EXIT_INTERRUPTED)
}
