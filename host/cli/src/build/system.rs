//! What a build asks of the system: to end a tree of processes, to hear of Ctrl-C, and to tell one folder from another. One
//! implementation per system.

pub(super) use imp::{end, folder_id, in_a_group, wait_for_ctrl_c};

#[cfg(unix)]
mod imp {
    use std::fs::Metadata;
    use std::io;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use rustix::process::{Pid, Signal, kill_process_group};
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// Tells one folder from another that takes its place.
    pub(in crate::build) fn folder_id(metadata: &Metadata) -> u64 {
        metadata.ino()
    }

    /// Gives the processes of `command` a group of their own, so that they can be ended together.
    pub(in crate::build) fn in_a_group(command: &mut Command) -> &mut Command {
        command.process_group(0)
    }

    /// Ends a process that was started in a group of its own, and everything that it has started.
    pub(in crate::build) fn end(child: &mut Child) {
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself a moment ago.
        let _ = group.map(|group| kill_process_group(group, Signal::TERM));
    }

    /// Handles Ctrl-C and `SIGTERM` from here on. The result blocks, and calls `each` for each of them until it returns false.
    ///
    /// # Errors
    /// The system cannot handle signals.
    pub(in crate::build) fn wait_for_ctrl_c(each: impl Fn() -> bool) -> io::Result<impl FnOnce()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        Ok(move || {
            for _ in signals.forever() {
                if !each() {
                    return;
                }
            }
        })
    }
}

#[cfg(windows)]
mod imp {
    use std::fs::Metadata;
    use std::io;
    use std::os::windows::fs::MetadataExt;
    use std::process::{Child, Command};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use signal_hook::consts::SIGINT;

    /// The time between looks whether Ctrl-C was pressed: short enough that people do not press it twice.
    const LOOK: Duration = Duration::from_millis(100);

    /// Tells one folder from another that takes its place, by the time at which it was made.
    pub(in crate::build) fn folder_id(metadata: &Metadata) -> u64 {
        metadata.creation_time()
    }

    /// Leaves the command as it is: the console's Ctrl-C then reaches all its processes.
    pub(in crate::build) fn in_a_group(command: &mut Command) -> &mut Command {
        command
    }

    /// Ends the process. Compilers that it has started go on to their own end, and what they make is not used.
    pub(in crate::build) fn end(child: &mut Child) {
        // It may have ended by itself a moment ago.
        let _ = child.kill();
    }

    /// Handles Ctrl-C from here on. The result blocks, and calls `each` for it until it returns false.
    ///
    /// # Errors
    /// The system cannot handle it.
    pub(in crate::build) fn wait_for_ctrl_c(each: impl Fn() -> bool) -> io::Result<impl FnOnce()> {
        let pressed = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, pressed.clone())?;
        Ok(move || {
            while !pressed.swap(false, Ordering::Relaxed) || each() {
                std::thread::sleep(LOOK);
            }
        })
    }
}
