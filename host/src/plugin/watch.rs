//! Says when the plugin dir is worth a look. What it says is a hint: the look decides.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::supervisor::Event;

/// Watches the directory that the plugin dir is now; told anew at every look, because it may have been made or replaced.
pub(crate) struct Watch {
    directory: PathBuf,
    events: Sender<Event>,
    watcher: Option<(RecommendedWatcher, u64)>,
}

impl Watch {
    pub(crate) fn new(directory: PathBuf, events: Sender<Event>) -> Self {
        Self { directory, events, watcher: None }
    }

    /// Follows the directory if it is another one than before. Where the system can't watch, looks come by the clock.
    pub(crate) fn follow(&mut self) {
        let inode = inode(&self.directory);
        if inode == self.watcher.as_ref().map(|(_, inode)| *inode) {
            return;
        }
        self.watcher = inode.and_then(|inode| {
            let events = self.events.clone();
            let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // Reading the directory is an event too, and must not lead to the next look.
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    let _ = events.send(Event::Look);
                }
            })
            .ok()?;
            watcher.watch(&self.directory, RecursiveMode::NonRecursive).ok()?;
            Some((watcher, inode))
        });
    }
}

fn inode(directory: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(directory).ok().map(|metadata| metadata.ino())
}
