//! What the system knows of one thread: the CPU time that it has used, and its priority. One implementation per system.

pub(crate) use system::{lower_priority, thread_cpu_time};

#[cfg(unix)]
mod system {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    /// CPU time that the calling thread has used.
    pub(crate) fn thread_cpu_time() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    /// Lowers the priority of the calling thread; where that is not allowed, it stays as it is.
    #[cfg(target_os = "linux")]
    pub(crate) fn lower_priority(niceness: i32) {
        // On Linux a thread has a priority of its own, and its id names it.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), niceness);
    }

    /// Leaves the priority as it is: POSIX has one for the whole process only, and the RPCs' threads keep theirs.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn lower_priority(_: i32) {}
}

#[cfg(windows)]
#[expect(
    unsafe_code,
    reason = "the standard library asks Windows for neither; each call names only the calling thread"
)]
mod system {
    use std::time::Duration;

    use windows_sys::Win32::Foundation::FILETIME;
    use windows_sys::Win32::System::Threading::{
        GetCurrentThread, GetThreadTimes, SetThreadPriority, THREAD_PRIORITY_BELOW_NORMAL,
    };

    /// CPU time that the calling thread has used, in steps of the system's clock interrupt (up to 16 ms).
    pub(crate) fn thread_cpu_time() -> Duration {
        let mut times = [FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }; 4];
        let [created, ended, kernel, user] = &mut times;
        // SAFETY: the handle stands for the calling thread and needs no closing; the four places outlive the call.
        let told = unsafe { GetThreadTimes(GetCurrentThread(), created, ended, kernel, user) };
        if told == 0 {
            return Duration::ZERO;
        }
        in_units_of_100_ns(kernel) + in_units_of_100_ns(user)
    }

    fn in_units_of_100_ns(time: &FILETIME) -> Duration {
        let units = u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
        Duration::from_micros(units / 10)
    }

    /// Lowers the priority of the calling thread by one step, whatever the niceness.
    pub(crate) fn lower_priority(_: i32) {
        // SAFETY: the handle stands for the calling thread and needs no closing.
        let _ = unsafe { SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_BELOW_NORMAL) };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_of_a_thread_is_that_of_its_work() {
        let began = thread_cpu_time();
        while thread_cpu_time().saturating_sub(began) < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let worked = thread_cpu_time();
        std::thread::sleep(Duration::from_millis(50));
        assert!(thread_cpu_time().saturating_sub(worked) < Duration::from_millis(40), "sleep is no work");
        lower_priority(1);
    }
}
