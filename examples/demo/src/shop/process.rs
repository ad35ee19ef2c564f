//! Who a process is: its pid and when it started, as the system tells it, so that a restart cannot go unseen.

use std::process::Command;

use anyhow::Context;

/// Clock ticks a second in what /proc shows; fixed at 100 by Linux's interface to programs, whatever the kernel's own.
const TICKS_PER_SECOND: u64 = 100;

/// A process, told apart from any other that had or will have its pid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pid: u32,
    started: String,
}

impl Identity {
    /// Asks the system.
    ///
    /// # Errors
    /// There is no such process.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let started = from_proc(pid).or_else(|| from_ps(pid)).with_context(|| format!("there is no process {pid}"))?;
        Ok(Self { pid, started })
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {}, started {}", self.pid, self.started)
    }
}

/// The memory that a process holds, in KiB.
///
/// # Errors
/// There is no such process, or no /proc.
pub(crate) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("the memory of process {pid} cannot be read"))?;
    resident(&status).with_context(|| format!("/proc/{pid}/status has no line VmRSS"))
}

/// `VmRSS: 104212 kB`, with more blanks, among other lines.
fn resident(status: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

fn from_proc(pid: u32) -> Option<String> {
    let process = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let system = std::fs::read_to_string("/proc/stat").ok()?;
    started(&process, &system)
}

/// `process` is /proc/PID/stat, `system` is /proc/stat; the answer is a time of day with hundredths.
fn started(process: &str, system: &str) -> Option<String> {
    // The program's name is in parentheses and may hold anything; the fields after it are numbers.
    let (_, fields) = process.rsplit_once(") ")?;
    // Field 22 of the line; the name was field 2.
    let ticks: u64 = fields.split(' ').nth(19)?.parse().ok()?;
    let boot: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let seconds = boot + ticks / TICKS_PER_SECOND;
    let (day, hundredths) = (seconds % 86_400, ticks % TICKS_PER_SECOND);
    Some(format!("{:02}:{:02}:{:02}.{hundredths:02} UTC", day / 3_600, day / 60 % 60, day % 60))
}

/// Where there is no /proc.
fn from_ps(pid: u32) -> Option<String> {
    let output = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let started = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !started.is_empty()).then_some(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_read_past_any_program_name() {
        let process = "71 (a) b) S 1 71 71 0 -1 4194560 90 0 0 0 1 2 3 4 20 0 3 0 123456 9 10";
        let system = "cpu 1 2 3\nbtime 1700000000\nprocesses 9\n";
        assert_eq!(started(process, system).as_deref(), Some("22:33:54.56 UTC"));
        assert_eq!(started("71 (cut", system), None);
        assert_eq!(started(process, "cpu 1\n"), None);
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        assert_eq!(resident("Name:\ta\nVmHWM:\t  9 kB\nVmRSS:\t  104212 kB\n"), Some(104_212));
        assert_eq!(resident("Name:\ta\n"), None);
        assert!(resident_kib(std::process::id()).is_ok_and(|kib| kib > 100));
    }

    #[test]
    fn a_process_is_itself_and_nobody_else() {
        let me = Identity::of(std::process::id()).expect("this process runs");
        assert_eq!(Identity::of(std::process::id()).ok(), Some(me));
        assert!(Identity::of(u32::MAX).is_err());
    }
}
