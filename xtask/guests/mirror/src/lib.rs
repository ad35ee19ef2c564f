//! A tracer that reads every column in each way that there is, for tests of the contract; no example to copy.

#[macro_use]
#[path = "../../../../wit/columns.rs"]
mod table;

use hottap_guest::metrics::Counter;
use hottap_guest::{Batch, Call, Config, Error, Field, Tracer, export};

/// Counts the calls of batches in which a column by itself and the same column among others say the same.
struct Mirror {
    agreed: Counter,
}

impl Tracer for Mirror {
    fn new(_: Config) -> Result<Self, Error> {
        Ok(Self { agreed: Counter::define("mirror.agreed").labels(["column"]).build() })
    }

    fn finish(&mut self, batch: &Batch) {
        macro_rules! compare {
            ($($(#[$doc:meta])* $number:literal $name:ident, $one:ident, $field:ident: $kind:ident $raw:ty => $sdk:ty;)*) => {
                let together = batch.columns([$(Field::$field),*]);
                let names = [$(stringify!($name)),*];
                let alone: [Vec<u64>; _] = [$(batch.$name().raw().iter().map(|&value| value as u64).collect()),*];
                for ((name, together), alone) in names.into_iter().zip(together).zip(&alone) {
                    if together == alone && alone.len() == batch.len() {
                        self.agreed.with(&[name]).add(batch.len() as f64);
                    }
                }
            };
        }
        number_columns!(compare);
        // A name that was only handed over among others may be asked for.
        let [methods] = batch.columns([Field::Method]);
        let named = batch.methods().texts().filter(|name| !name.is_empty()).count();
        if named == methods.len() {
            self.agreed.with(&["names"]).add(named as f64);
        }
        // One text by itself, all at once, and as the call's record has them.
        let first = batch.error_messages().next().map(|message| batch.text(message));
        let messages = batch.texts(batch.error_messages());
        let recorded = |call: Call<'_>| {
            let record: serde_json::Value = serde_json::from_str(&call.info()).unwrap_or_default();
            record["error_message"].as_str().map(str::to_owned)
        };
        let same = batch.calls().zip(&messages).filter(|(call, message)| recorded(*call).as_deref() == Some(message));
        if first == messages.first().copied() && same.count() == batch.len() {
            self.agreed.with(&["texts"]).add(batch.len() as f64);
        }
    }
}

export!(Mirror);
