//! A call's whole RpcInfo as JSON: slow, convenient, complete.

use super::row::{Record, RecordedEvent, symbol};
use super::view::View;
use crate::rpc::EventStatus;

impl View {
    /// One call as JSON; none if there is no such row.
    pub fn info(&self, index: usize) -> Option<String> {
        let (row, rest) = (self.row(index)?, self.rest(index)?);
        let (mut peer, mut local) = (String::new(), String::new());
        let mut events = Vec::new();
        self.each_event(index, |kind, nanos, status, info| {
            let status = EventStatus::from_number(status).unwrap_or_default().as_str();
            events.push(RecordedEvent { kind: symbol(kind), nanos, status, info: info.to_owned() });
        });
        let token = Some(row.token.of(self.slot)).filter(|&token| token != 0);
        let (peer, local) = (rest.peer(&mut peer), rest.local(&mut local));
        // Both bound the events: what the row has, and what the plugin is shown of it.
        let level = row.level.min(self.level(row)).as_str();
        let mut record = Record::new(row, rest);
        (record.peer, record.local, record.level, record.token, record.events) = (peer, local, level, token, events);
        serde_json::to_string(&record).ok()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::sample;
    use crate::live::Shown;
    use crate::rpc::Level;

    #[test]
    fn the_level_is_that_of_the_events_that_are_shown() {
        for (recorded, shown, expected, custom) in [
            (Level::Base, Level::Base, "base", false),
            (Level::Base, Level::Detailed, "base", false),
            (Level::Detailed, Level::Base, "base", false),
            (Level::Detailed, Level::Detailed, "detailed", true),
        ] {
            let mut view = sample(1, recorded).expect("rows");
            view.shown = Shown::of_all(shown);
            let record: Value = serde_json::from_str(&view.info(0).expect("a row")).expect("JSON");
            let events = record["events"].as_array().expect("events");
            let has_custom = events.iter().any(|event| event["kind"] == "server_handle_start");
            assert_eq!((record["level"].as_str(), has_custom), (Some(expected), custom), "{recorded:?} {shown:?}");
        }
    }
}
