//! The memory that this process may use, by its cgroup or its machine.

use std::fs;
use std::path::{Path, PathBuf};

/// The most that is taken without being told to.
const MOST: u64 = 1 << 30;

/// The default budget in bytes: a quarter of the memory limit of the cgroup or the machine, whichever is less, and at most
/// 1 GiB. Where the system is not Linux it is 1 GiB: neither limit is known there.
pub fn default_limit() -> u64 {
    let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    of(memory, cgroup_limit(Path::new("/sys/fs/cgroup"), &groups))
}

fn of(memory: Option<u64>, cgroup: Option<u64>) -> u64 {
    let memory = memory.into_iter().chain(cgroup).min().unwrap_or(4 * MOST);
    (memory / 4).clamp(super::LEAST, MOST)
}

/// The machine's memory in bytes, from `/proc/meminfo`.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The least memory limit of the cgroup and those above it, of version 2 or 1. `groups` is `/proc/self/cgroup`.
fn cgroup_limit(mount: &Path, groups: &str) -> Option<u64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let (root, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            controllers if controllers.split(',').any(|controller| controller == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = root.join(group.trim_start_matches('/'));
        // In a container the group's own path may not be there, but the root is the container's.
        let above = group.ancestors().take_while(|path| path.starts_with(&root)).map(PathBuf::from);
        limits.extend(above.filter_map(|path| fs::read_to_string(path.join(file)).ok()?.trim().parse::<u64>().ok()));
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_default_is_a_quarter_of_the_lesser_limit_and_at_most_a_gibibyte() {
        for (memory, cgroup, expected) in [
            (Some(16 * GIB), None, GIB),
            (Some(2 * GIB), None, GIB / 2),
            (Some(16 * GIB), Some(GIB), GIB / 4),
            (Some(2 * GIB), Some(8 * GIB), GIB / 2),
            (None, None, GIB),
            (Some(GIB), Some(1 << 20), crate::budget::LEAST),
        ] {
            assert_eq!(of(memory, cgroup), expected, "{memory:?} {cgroup:?}");
        }
    }

    #[test]
    fn the_machines_memory_is_read() {
        assert_eq!(total("MemTotal:       24683912 kB\nMemFree: 3 kB\n"), Some(24_683_912 << 10));
        assert_eq!(total("MemFree: 3 kB\n"), None);
        assert_eq!(total("MemTotal: much\n"), None);
    }

    #[test]
    fn the_least_limit_of_a_cgroup_and_those_above_it_counts() {
        let mount = tempfile::tempdir().expect("a temporary directory");
        let put = |path: &str, file: &str, text: &str| {
            let folder = mount.path().join(path);
            fs::create_dir_all(&folder).expect("made");
            fs::write(folder.join(file), text).expect("written");
        };
        put("a", "memory.max", "3000\n");
        put("a/b", "memory.max", "max\n");
        put("memory/c", "memory.limit_in_bytes", "5000\n");
        put("memory", "memory.limit_in_bytes", "9223372036854771712\n");
        for (groups, expected) in [
            ("0::/a/b\n", Some(3000)),
            ("0::/a\n", Some(3000)),
            ("0::/elsewhere\n", None),
            ("12:cpu:/c\n4:memory:/c\n", Some(5000)),
            ("4:memory:/gone\n", Some(9_223_372_036_854_771_712)),
            ("0::/../../etc\n", None),
            ("nonsense", None),
        ] {
            assert_eq!(cgroup_limit(mount.path(), groups), expected, "{groups:?}");
        }
    }
}
