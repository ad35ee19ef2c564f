//! Says when the plugin dir is worth a look. What it says is a hint: the look decides.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::supervisor::Event;
use crate::config::{FileId, file_id};

/// Watches the directory that the plugin dir is now; told anew at every look, because it may have been made or replaced.
pub(crate) struct Watch {
    directory: PathBuf,
    events: Sender<Event>,
    watcher: Option<(RecommendedWatcher, FileId)>,
    make: Make,
    /// The log says that the directory cannot be watched.
    is_told: bool,
}

/// Makes a watcher of a directory.
type Make = fn(&Path, Sender<Event>) -> notify::Result<RecommendedWatcher>;

impl Watch {
    pub(crate) fn new(directory: PathBuf, events: Sender<Event>) -> Self {
        Self { directory, events, watcher: None, make, is_told: false }
    }

    /// Follows the directory if it is another one than before. Where the system can't watch, as when its instances or
    /// watches of inotify are used up, looks come by the clock, once a second; the log says so once, and it is tried again
    /// at each of them.
    pub(crate) fn follow(&mut self) {
        let id = id(&self.directory);
        if id == self.watcher.as_ref().map(|(_, id)| *id) {
            return;
        }
        self.watcher = None;
        let Some(id) = id else { return };
        match (self.make)(&self.directory, self.events.clone()) {
            Ok(watcher) => {
                self.watcher = Some((watcher, id));
                if std::mem::take(&mut self.is_told) {
                    tracing::info!("the plugin dir is watched now: changes are seen at once");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_told, true) {
                    tracing::warn!(
                        "the plugin dir cannot be watched: {}; changes are seen within a second all the same. If the system \
                         has no watches left, raise fs.inotify.max_user_instances or fs.inotify.max_user_watches",
                        hottap_core::plain::message(&error.to_string())
                    );
                }
            }
        }
    }
}

fn make(directory: &Path, events: Sender<Event>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the directory is an event too, and must not lead to the next look.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = events.send(Event::Look);
        }
    })?;
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

fn id(directory: &Path) -> Option<FileId> {
    std::fs::metadata(directory).ok().map(|metadata| file_id(&metadata))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_directory_that_cannot_be_watched_is_tried_again_and_watched_when_it_can_be() {
        let directory = tempfile::tempdir().expect("a directory");
        let (events, hints) = channel();
        let mut watch = Watch::new(directory.path().to_owned(), events);
        watch.make = |_, _| Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch));
        for _ in 0..3 {
            watch.follow();
            assert!(watch.watcher.is_none() && watch.is_told);
        }
        watch.make = make;
        watch.follow();
        assert!(watch.watcher.is_some() && !watch.is_told);
        std::fs::write(directory.path().join("one.wasm"), "").expect("written");
        hints.recv_timeout(Duration::from_secs(30)).expect("a hint");
    }
}
