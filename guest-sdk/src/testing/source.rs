//! Where the columns of a batch come from in tests: calls that the test made up.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::call::TestCall;
use super::host::Symbols;
use crate::batch::Columns;
use crate::config::Level;
use crate::field::Field;

/// Names of columns that were asked for.
pub(crate) type PulledNames = Rc<RefCell<BTreeSet<&'static str>>>;

/// The columns of one batch, and a note of those that the tracer asked for.
#[derive(Debug, Default)]
pub(crate) struct Source {
    columns: Columns,
    widened: [OnceCell<Box<[u64]>>; Field::COUNT],
    texts: Vec<String>,
    calls: Vec<TestCall>,
    pulled: PulledNames,
    level: Level,
}

impl Source {
    pub(crate) fn new(calls: Vec<TestCall>, level: Level, symbols: &mut Symbols, pulled: PulledNames) -> Self {
        let mut source = Self { level, texts: vec![String::new()], pulled, ..Self::default() };
        source.columns.event_offsets.push(0);
        source.columns.tag_offsets.push(0);
        for call in &calls {
            source.push(call, symbols);
        }
        source.calls = calls;
        source
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        self.texts.get(number as usize).map_or("", String::as_str)
    }

    pub(crate) fn info(&self, index: u32) -> String {
        self.calls.get(index as usize).map(|call| call.info_json(self.level)).unwrap_or_default()
    }

    pub(crate) fn pull(&self, name: &'static str) -> &Columns {
        self.pulled.borrow_mut().insert(name);
        &self.columns
    }

    pub(crate) fn widened(&self, field: Field) -> &[u64] {
        let columns = self.pull(field.name());
        self.widened.get(field as usize).map_or(&[], |column| column.get_or_init(|| field.widen(columns)))
    }

    fn number(&mut self, text: &str) -> u32 {
        let index = self.texts.iter().position(|known| known == text).unwrap_or_else(|| {
            self.texts.push(text.to_owned());
            self.texts.len() - 1
        });
        u32::try_from(index).unwrap_or(0)
    }

    fn push(&mut self, call: &TestCall, symbols: &mut Symbols) {
        let (peer, message) = (self.number(&call.peer), self.number(&call.error_message));
        for event in call.events_at(self.level) {
            let info = self.number(&event.info);
            let columns = &mut self.columns;
            columns.event_kinds.push(symbols.hand_over(&event.kind));
            columns.event_times.push(event.at);
            columns.event_statuses.push(event.status);
            columns.event_infos.push(info);
        }
        for (key, value) in &call.tags {
            let value = self.number(value);
            self.columns.tag_keys.push(symbols.hand_over(key));
            self.columns.tag_values.push(value);
        }
        let columns = &mut self.columns;
        columns.event_offsets.push(u32::try_from(columns.event_kinds.len()).unwrap_or(u32::MAX));
        columns.tag_offsets.push(u32::try_from(columns.tag_keys.len()).unwrap_or(u32::MAX));
        columns.peers.push(peer);
        columns.error_messages.push(message);
        call.fill(columns, symbols);
    }
}
