//! CPU time: what was used, whoever else ran in between.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CPU that the calling thread has used.
pub(crate) fn thread() -> f64 {
    read(ClockId::ThreadCPUTime)
}

/// Nanoseconds of CPU that all threads of the process have used.
pub(crate) fn process() -> f64 {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
