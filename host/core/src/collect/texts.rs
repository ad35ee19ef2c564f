//! The texts of one batch: any cardinality, each distinct one once, freed with the batch.

use std::sync::OnceLock;

use hashbrown::HashMap;

use super::view::View;

/// The texts that a view's columns point into, and the columns that point.
#[derive(Default)]
pub(crate) struct Texts(OnceLock<Dictionary>);

/// Made as a whole when the first of it is asked for.
pub struct Dictionary {
    pub texts: Vec<String>,
    pub peers: Vec<u32>,
    pub messages: Vec<u32>,
    pub event_infos: Vec<u32>,
    pub tag_values: Vec<u32>,
}

impl View {
    /// The dictionary of what this view shows. Views of a whole batch share one, except at the base level, which shows
    /// no words of events.
    pub fn dictionary(&self) -> &Dictionary {
        let shared = self.selection.is_none() && self.shown.uniform() == Some(crate::rpc::Level::Detailed);
        let texts = if shared { &self.batch.texts } else { &self.texts };
        texts.0.get_or_init(|| Dictionary::of(self))
    }
}

impl Dictionary {
    fn of(view: &View) -> Self {
        let mut dictionary = Self {
            texts: vec![String::new()],
            peers: Vec::new(),
            messages: Vec::new(),
            event_infos: Vec::new(),
            tag_values: Vec::new(),
        };
        let mut known = HashMap::<String, u32>::new();
        let mut texts = std::mem::take(&mut dictionary.texts);
        let mut index = |text: &str| match text {
            "" => 0,
            text => *known.entry_ref(text).or_insert_with(|| {
                texts.push(text.to_owned());
                texts.len() as u32 - 1
            }),
        };
        let mut buffer = String::new();
        // Putting an address into words takes longer than all the rest, and few clients make most of the calls.
        let mut peers = HashMap::new();
        for (i, rest) in view.rests().enumerate() {
            let peer = peers.entry(rest.raw_peer()).or_insert_with(|| index(rest.peer(&mut buffer)));
            dictionary.peers.push(*peer);
            dictionary.messages.push(index(rest.message()));
            view.each_event(i, |_, _, _, info| dictionary.event_infos.push(index(info)));
            dictionary.tag_values.extend(rest.tags().map(|(_, value)| index(value)));
        }
        dictionary.texts = texts;
        dictionary
    }
}
