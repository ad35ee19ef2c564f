//! The limits that the system sets a process: asked before the engine takes addresses, and set by the process that compiles.
//! One implementation per system.

pub(super) use system::is_address_space_limited;
#[cfg(feature = "compiler")]
pub(super) use system::limit;

#[cfg(unix)]
mod system {
    use rustix::process::{Resource, getrlimit};

    /// Returns true if `ulimit -v` or the like limits the addresses of this process.
    pub(in crate::wasm) fn is_address_space_limited() -> bool {
        getrlimit(Resource::As).current.is_some()
    }

    /// Limits this process for the rest of its life: CPU time, addresses, no core file, and on Linux it does not outlive the
    /// thread that started it. macOS does not hold a process to a number of addresses, so there it is not set.
    #[cfg(feature = "compiler")]
    pub(in crate::wasm) fn limit(cpu_seconds: u64, addresses: u64) -> std::io::Result<()> {
        use rustix::process::{Rlimit, setrlimit};

        let limit = |resource, value| {
            let maximum = getrlimit(resource).maximum;
            let value = Some(maximum.map_or(value, |maximum| maximum.min(value)));
            setrlimit(resource, Rlimit { current: value, maximum: value })
        };
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        limit(Resource::Cpu, cpu_seconds)?;
        if cfg!(not(target_vendor = "apple")) {
            limit(Resource::As, addresses)?;
        }
        limit(Resource::Core, 0)?;
        Ok(())
    }
}

#[cfg(windows)]
mod system {
    /// Returns false: Windows has no such limit.
    pub(in crate::wasm) fn is_address_space_limited() -> bool {
        false
    }

    /// Sets nothing: Windows limits processes from outside only, as jobs. The service that started this one still ends it
    /// when it takes too long.
    #[cfg(feature = "compiler")]
    pub(in crate::wasm) fn limit(_: u64, _: u64) -> std::io::Result<()> {
        Ok(())
    }
}
