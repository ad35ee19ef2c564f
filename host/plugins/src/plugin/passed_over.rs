//! The entries of the plugin dir that are no plugins, with the reason, for operators.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::name::MAX_BYTES;
use super::scan::MAX_PLUGINS_FOUND;
use hottap_core::plain;

/// Entries that are listed. More are counted.
const MAX_LISTED: usize = 32;
/// Entries that one line of the log names.
const MAX_TOLD: usize = 4;
/// The time between two lines of the log. Files come and go while they are copied, and a process that writes into the
/// plugin dir can rename them without end.
const QUIET: Duration = Duration::from_secs(60);

/// The reason for which an entry is no plugin. Those that are meant as plugins come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Its name is none for a plugin.
    Name,
    /// Its ending is in capital letters.
    Capitals,
    /// There are too many plugins.
    TooMany,
    /// A manifest whose module is not there.
    Alone,
    /// A hidden module or manifest.
    Hidden,
    /// It is neither a module nor a manifest.
    Other,
}

impl Reason {
    pub(crate) fn words(self) -> String {
        match self {
            Self::Name => format!(
                "its name is none for a plugin: at most {MAX_BYTES} letters, digits, ., - and _, and no . first"
            ),
            Self::Capitals => "its ending is in capital letters: write .wasm or .toml".to_owned(),
            Self::TooMany => format!("there are more than {MAX_PLUGINS_FOUND} modules"),
            Self::Alone => "there is no module beside it".to_owned(),
            Self::Hidden => "it is hidden: its name begins with a dot".to_owned(),
            Self::Other => "it is neither NAME.wasm nor NAME.toml".to_owned(),
        }
    }

    /// It seems to be meant as a plugin, so the log tells it.
    fn is_told(self) -> bool {
        matches!(self, Self::Name | Self::Capitals | Self::TooMany)
    }
}

/// Entries that are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PassedOver {
    listed: BTreeSet<(Reason, String)>,
    more: usize,
    /// The entries beyond which nothing was looked at.
    cut_at: Option<usize>,
}

/// An entry as the admin API lists it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    file: String,
    reason: String,
}

impl PassedOver {
    pub(super) fn add(&mut self, file: &OsStr, reason: Reason) {
        self.listed.insert((reason, plain::path(Path::new(file))));
        if self.listed.len() > MAX_LISTED {
            self.listed.pop_last();
            self.more += 1;
        }
    }

    pub(super) fn cut_at(&mut self, entries: usize) {
        self.cut_at = Some(entries);
    }

    /// Those that are listed: first those that are meant as plugins.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.listed.iter().map(|(reason, file)| Entry { file: file.clone(), reason: reason.words() }).collect()
    }

    /// Entries that are not listed; there may be many more where the directory is too large to be looked at whole.
    pub(super) fn more(&self) -> usize {
        self.more
    }

    /// One sentence for the log, if something seems to be meant as a plugin, or the directory is too large.
    pub(super) fn told(&self) -> Option<String> {
        let told: Vec<_> = self.listed.iter().filter(|(reason, _)| reason.is_told()).collect();
        let named: Vec<_> =
            told.iter().take(MAX_TOLD).map(|(reason, file)| format!("{file} ({})", reason.words())).collect();
        let others = told.len().saturating_sub(MAX_TOLD);
        let more = if others > 0 { " and others" } else { "" };
        let cut = self.cut_at.map(|entries| {
            format!(
                "it has more than {entries} entries, of which only so many are looked at: leave only plugins and their \
                 manifests in it"
            )
        });
        match (named.is_empty(), cut) {
            (true, cut) => cut,
            (false, None) => Some(format!("it passes over {}{more}", named.join(", "))),
            (false, Some(cut)) => Some(format!("it passes over {}{more}; {cut}", named.join(", "))),
        }
    }

    #[cfg(test)]
    pub(super) fn shown(&self) -> Vec<(String, Reason)> {
        self.listed.iter().map(|(reason, file)| (file.clone(), *reason)).collect()
    }

    #[cfg(test)]
    pub(super) fn is_cut(&self) -> bool {
        self.cut_at.is_some()
    }
}

/// The entries passed over that the log was last told of.
#[derive(Debug, Default)]
pub(super) struct Told(Option<(Instant, String)>);

impl Told {
    /// Returns what the log is to be told now: something else than before, and at most once in [`QUIET`].
    pub(super) fn tells(&mut self, words: Option<String>, now: Instant) -> Option<String> {
        let words = words?;
        let tells =
            self.0.as_ref().is_none_or(|(at, told)| *told != words && now.saturating_duration_since(*at) >= QUIET);
        if tells {
            self.0 = Some((now, words.clone()));
        }
        tells.then_some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_meant_as_plugins_are_listed_first_and_told_once_each() {
        let mut passed_over = PassedOver::default();
        for index in 0..100 {
            passed_over.add(OsStr::new(&format!("{index:02}.txt")), Reason::Other);
        }
        assert_eq!(passed_over.told(), None);
        passed_over.add(OsStr::new("two\nwords.wasm"), Reason::Name);
        let entries = passed_over.entries();
        assert_eq!((entries.len(), passed_over.more()), (MAX_LISTED, 69));
        assert_eq!(entries[0].file, "two\\nwords.wasm");
        assert!(entries[0].reason.contains("at most 64 letters"), "{entries:?}");
        let told = passed_over.told().expect("one is meant as a plugin");
        assert!(told.starts_with("it passes over two\\nwords.wasm (its name is none"), "{told}");
        (0..9).for_each(|index| passed_over.add(OsStr::new(&format!("{index}.WASM")), Reason::Capitals));
        let told = passed_over.told().expect("more of them");
        assert!(told.ends_with("2.WASM (its ending is in capital letters: write .wasm or .toml) and others"), "{told}");
        passed_over.cut_at(7);
        assert!(passed_over.told().is_some_and(|told| told.contains("more than 7 entries")));
    }

    #[test]
    fn the_log_is_told_of_what_is_new_once_a_minute() {
        let (mut told, began) = (Told::default(), Instant::now());
        let mut tells = |words: &str, seconds| told.tells(Some(words.to_owned()), began + Duration::from_secs(seconds));
        assert!(tells("a", 0).is_some());
        assert!(tells("a", 100).is_none(), "the same again");
        assert!(tells("b", 101).is_some());
        assert!(tells("c", 102).is_none(), "too soon");
        assert!(tells("c", 161).is_some());
        assert_eq!(told.tells(None, began), None);
    }
}
