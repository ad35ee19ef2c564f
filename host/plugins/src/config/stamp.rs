//! Tells one state of a file from another without reading it: what the plugin dir and the configuration are watched by.

use std::fs::Metadata;
use std::time::{Duration, SystemTime};

pub(crate) use system::file_id;

/// Tells one file or directory from another that takes its place.
pub(crate) type FileId = (u64, u64);

#[cfg(unix)]
mod system {
    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt;

    /// Device and inode.
    pub(crate) fn file_id(metadata: &Metadata) -> super::FileId {
        (metadata.dev(), metadata.ino())
    }

    /// The times of the last change of the contents, and of anything at all, since the Unix epoch.
    pub(super) fn times(metadata: &Metadata) -> [(i64, i64); 2] {
        [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())]
    }
}

#[cfg(windows)]
mod system {
    use std::fs::Metadata;
    use std::os::windows::fs::MetadataExt;
    use std::time::SystemTime;

    /// The time at which it was made. Windows tells a file's number only by an open handle. A file that takes another's
    /// name within 15 seconds may get its time as well: then it is seen as the same file with other contents.
    pub(crate) fn file_id(metadata: &Metadata) -> super::FileId {
        (0, metadata.creation_time())
    }

    /// The time of the last change of the contents, since the Unix epoch, and once more: there is no other.
    pub(super) fn times(metadata: &Metadata) -> [(i64, i64); 2] {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        [(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), i64::from(since.subsec_nanos())); 2]
    }
}

/// What a file system says of a file; it changes when the contents do, and when another file takes the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    id: FileId,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let [modified, changed] = system::times(metadata);
        Self { id: file_id(metadata), size: metadata.len(), modified, changed }
    }

    /// A stamp that differs from those of other seeds.
    #[cfg(any(feature = "fuzz", test))]
    pub(crate) fn made_up(seed: u64) -> Self {
        Self { id: (1, seed), size: 1, modified: (0, 0), changed: (0, 0) }
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
        self.id == other.id
    }
}
