//! The process that something belongs to. A child made by `fork` has a copy of all memory and none of the threads: rows
//! would wait there for a collector that does not exist, and a lock that another thread held is never given back.
//!
//! Each process has a word of its own in a page that the kernel empties in every child ([`MADV_WIPEONFORK`]). Comparing
//! it costs the request path one load; asking for the process id costs a system call.
//!
//! [`MADV_WIPEONFORK`]: https://man7.org/linux/man-pages/man2/madvise.2.html

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The process that a value was made in.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    word: &'static AtomicU64,
    own: u64,
}

impl Process {
    /// The process that runs.
    pub fn current() -> Self {
        let word = word();
        // In a child the word is 0 until something is made there that belongs to the child.
        let own = match word.compare_exchange(0, new_word(), Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => word.load(Ordering::Relaxed),
            Err(own) => own,
        };
        Self { word, own }
    }

    /// True in a child that was forked after this value was made.
    #[inline]
    pub fn is_forked(self) -> bool {
        self.word.load(Ordering::Relaxed) != self.own
    }

    /// Says once in each child, in the log, that nothing is traced there.
    #[cold]
    pub(crate) fn tell_forked(self) {
        /// The child that has said so; its own children have still to.
        static TOLD: AtomicU32 = AtomicU32::new(0);
        let pid = std::process::id();
        if TOLD.swap(pid, Ordering::Relaxed) != pid {
            tracing::warn!(
                pid,
                "this process was forked from one that is traced, without the threads that tracing needs: nothing is \
                 traced here; start Hottap after the fork to trace this process"
            );
        }
    }
}

/// A word that no ancestor has: ids of processes are used again, times are not.
fn new_word() -> u64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    (nanos ^ u64::from(std::process::id()).rotate_left(40)) | 1
}

fn word() -> &'static AtomicU64 {
    static WORD: OnceLock<&'static AtomicU64> = OnceLock::new();
    WORD.get_or_init(|| wiped_on_fork().unwrap_or_else(|| Box::leak(Box::default())))
}

/// A word in a page of its own, 0 at first and again in every child. None where the kernel has no such pages: before
/// Linux 4.14 and on other systems, where a child is not noticed.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a page is mapped and kept for ever; nothing else is done with its address")]
fn wiped_on_fork() -> Option<&'static AtomicU64> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    let (none, bytes) = (std::ptr::null_mut(), rustix::param::page_size());
    // SAFETY: the kernel chooses the place, so no memory that is in use is mapped anew.
    let page = unsafe { mmap_anonymous(none, bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }.ok()?;
    // SAFETY: the page was just mapped, and nothing refers to it yet.
    if unsafe { madvise(page, bytes, Advice::LinuxWipeOnFork) }.is_err() {
        // SAFETY: the same.
        let _ = unsafe { munmap(page, bytes) };
        return None;
    }
    // SAFETY: the page is never unmapped, its start is aligned for any word, and zeroes are a valid one. In a child the
    // kernel sets it to 0 before the first instruction runs there.
    Some(unsafe { &*page.cast::<AtomicU64>() })
}

#[cfg(not(target_os = "linux"))]
fn wiped_on_fork() -> Option<&'static AtomicU64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_its_own() {
        let (first, second) = (Process::current(), Process::current());
        assert_eq!(first.own, second.own);
        assert!(first.own != 0 && !first.is_forked() && !second.is_forked());
    }
}
