//! The clocks that the machine has: the time-stamp counter, the monotonic clock of the system, and its date.

use std::time::{SystemTime, UNIX_EPOCH};

/// The clock source that the kernel has chosen, by name.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Nanoseconds that a reading of all clocks may take. A longer one was interrupted, so its times do not belong together.
const TIGHT: u64 = 20_000;
/// Attempts at a tight reading; then the best of them counts.
const ATTEMPTS: u32 = 3;

/// Reads the clocks, each in nanoseconds. The counter and the system's clock count from the creation of this value.
pub trait Clocks {
    /// The counter of the processor; none if it is not to be used.
    fn counter(&self) -> Option<u64>;
    /// The monotonic clock of the system, with time in suspend.
    fn system(&self) -> u64;
    /// The date of the system: nanoseconds since the Unix epoch.
    fn unix(&self) -> u64;

    /// Reads all of them at one moment, or nearly so.
    fn read(&self) -> Reading {
        let once = || {
            let (before, counter) = (self.system(), self.counter().unwrap_or(0));
            let (unix, system) = (self.unix(), self.system());
            (system.saturating_sub(before), Reading { counter, system, unix })
        };
        let mut best = once();
        for _ in 1..ATTEMPTS {
            if best.0 <= TIGHT {
                break;
            }
            let next = once();
            if next.0 < best.0 {
                best = next;
            }
        }
        best.1
    }
}

/// All clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    pub(crate) counter: u64,
    pub(crate) system: u64,
    pub(crate) unix: u64,
}

/// The clocks of this machine.
#[derive(Debug)]
pub struct MachineClocks {
    /// The counter, and where it stood when this was made.
    counter: Option<(quanta::Clock, u64)>,
    system_origin: u64,
}

impl MachineClocks {
    pub(super) fn new() -> Self {
        let counter = kernel_trusts_counter().then(|| {
            let counter = quanta::Clock::new();
            let origin = counter.raw();
            (counter, origin)
        });
        Self { counter, system_origin: system() }
    }
}

impl Clocks for MachineClocks {
    #[inline]
    fn counter(&self) -> Option<u64> {
        self.counter.as_ref().map(|(counter, origin)| counter.delta_as_nanos(*origin, counter.raw()))
    }

    fn system(&self) -> u64 {
        system().saturating_sub(self.system_origin)
    }

    fn unix(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The monotonic clock that counts time in suspend, too. On Linux that is a clock of its own, on macOS the plain one.
#[cfg(unix)]
fn system() -> u64 {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_os = "linux")]
    const SYSTEM: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const SYSTEM: ClockId = ClockId::Monotonic;
    let time = clock_gettime(SYSTEM);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// The monotonic clock since its first reading. On Windows it is the performance counter, which counts time in suspend, too.
#[cfg(not(unix))]
fn system() -> u64 {
    static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    u64::try_from(ORIGIN.get_or_init(std::time::Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The processor says only that its counter has a constant rate. The kernel also checks it against other clocks and
/// between cores, and gives it up if it is wrong; so the counter is used only where the kernel itself keeps time by it.
fn kernel_trusts_counter() -> bool {
    !cfg!(target_os = "linux") || std::fs::read_to_string(CLOCK_SOURCE).is_ok_and(|source| is_counter(&source))
}

/// Returns true if a clock source of the kernel is the counter that programs can read.
fn is_counter(source: &str) -> bool {
    matches!(source.trim(), "tsc" | "arch_sys_counter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_used_only_where_the_kernel_keeps_time_by_it() {
        for (source, expected, reason) in [
            ("tsc\n", true, "x86"),
            ("arch_sys_counter\n", true, "Arm"),
            ("hpet\n", false, "the kernel has given the counter up"),
            ("acpi_pm\n", false, "the same"),
            ("kvm-clock\n", false, "the counter may change when the machine moves to another host"),
            ("xen\n", false, "the same"),
            ("", false, "unknown"),
        ] {
            assert_eq!(is_counter(source), expected, "{source:?}: {reason}");
        }
    }

    #[test]
    fn the_clocks_of_the_machine_go_on_together() {
        let clocks = MachineClocks::new();
        let first = clocks.read();
        let second = loop {
            let reading = clocks.read();
            if reading.system > first.system + 2_000_000 {
                break reading;
            }
        };
        let passed = second.system - first.system;
        if clocks.counter().is_some() {
            assert!((second.counter - first.counter).abs_diff(passed) < 20_000_000, "{first:?} {second:?}");
        }
    }
}
