//! Tells one state of a file from another without reading it: what the plugin dir and the configuration are watched by.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// What a file system says of a file; it changes when the contents do, and when another file takes the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// A stamp that differs from those of other seeds.
    #[cfg(any(feature = "fuzz", test))]
    pub(crate) fn made_up(seed: u64) -> Self {
        Self { device: 1, inode: seed, size: 1, modified: (0, 0), changed: (0, 0) }
    }

    /// Bytes of the contents.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The time since the contents changed. A time in the future, by a clock that was set back or another machine's, is as old
    /// as it is far away: a file that bears one was not written just now.
    pub(crate) fn age(&self) -> Duration {
        let modified =
            Duration::new(u64::try_from(self.modified.0).unwrap_or(0), u32::try_from(self.modified.1).unwrap_or(0));
        let changed = SystemTime::UNIX_EPOCH + modified;
        SystemTime::now().duration_since(changed).unwrap_or_else(|future| future.duration())
    }

    /// Returns true if the file has no bytes, as every file has that is about to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Whether it is the same file, whatever stands in it.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}
