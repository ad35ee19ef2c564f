//! What guests of version 0.1.0-draft may call in the host.

use wasmtime::Result;
use wasmtime::component::Resource;

use super::Batch;
use super::bindings::hottap::tracer::{log, metrics, outbox, rpc, setup, state};
use crate::outbox::Refusal;
use crate::wasm::host::Host;
use hottap_core::collect::symbol_columns;

/// Symbols or texts that one call may ask for.
const MAX_ASKED: usize = 65_536;
/// Bytes that one call of `symbols` may get: repeating one id must not make the host build gigabytes.
const MAX_SYMBOL_BYTES: usize = 1 << 20;
/// Bytes that one call of `texts` may get: repeating one number must not make the host build gigabytes.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Texts by their numbers, as many as one call may get.
fn tell<'t>(ids: &[u32], most_bytes: usize, text: impl Fn(u32) -> &'t str) -> Result<Vec<String>> {
    if ids.len() > MAX_ASKED {
        return Err(wasmtime::Error::msg("asked for more than 65,536 texts at once"));
    }
    let mut bytes = 0;
    ids.iter()
        .map(|&id| {
            let text = text(id);
            bytes += text.len();
            if bytes > most_bytes {
                return Err(wasmtime::Error::msg(format!(
                    "asked for more than {} MiB of text at once",
                    most_bytes >> 20
                )));
            }
            Ok(text.to_owned())
        })
        .collect()
}

impl rpc::Host for Host {
    fn symbols(&mut self, ids: Vec<u32>) -> Result<Vec<String>> {
        let most = usize::try_from(self.may_hand_over).unwrap_or(usize::MAX);
        if most < MAX_SYMBOL_BYTES {
            return tell(&ids, most, |id| self.handed.text(id)).map_err(|_| wasmtime::Trap::OutOfFuel.into());
        }
        tell(&ids, MAX_SYMBOL_BYTES, |id| self.handed.text(id))
    }
}

/// Accessors of the table's columns. The text of a symbol that is handed over may be asked for.
macro_rules! number_accessors {
    ($($(#[$doc:meta])* $number:literal $name:ident, $one:ident, $field:ident: $kind:ident $type:ty => $sdk:ty;)*) => {
        $(number_accessors! { @$kind $name $type })*
    };
    (@symbol $name:ident $type:ty) => {
        symbol_accessors! { $name = view => view.$name(); }
    };
    (@$kind:ident $name:ident $type:ty) => {
        accessors! { $name: $type = view => view.$name(); }
    };
}

/// Accessors of columns that are read as they are.
macro_rules! accessors {
    ($($name:ident: $type:ty = $view:ident => $value:expr;)*) => {$(
        fn $name(&mut self, _: Resource<Batch>) -> Result<Vec<$type>> {
            let $view = self.view()?;
            Ok($value)
        }
    )*};
}

/// Accessors of columns of symbols.
macro_rules! symbol_accessors {
    ($($name:ident = $view:ident => $value:expr;)*) => {$(
        fn $name(&mut self, _: Resource<Batch>) -> Result<Vec<u32>> {
            let $view = self.view()?;
            let column: Vec<u32> = $value;
            self.handed.add(column.iter().copied());
            Ok(column)
        }
    )*};
}

impl rpc::HostBatch for Host {
    fn len(&mut self, _: Resource<Batch>) -> Result<u32> {
        Ok(self.view()?.len() as u32)
    }

    fn columns(&mut self, _: Resource<Batch>, which: u64) -> Result<Vec<u64>> {
        let view = self.view()?;
        let columns =
            view.columns(which).ok_or_else(|| wasmtime::Error::msg("asked for a column that is not there"))?;
        let len = view.len().max(1);
        for number in symbol_columns().filter(|number| which & 1 << number != 0) {
            let before = (which & ((1 << number) - 1)).count_ones() as usize;
            let symbols = columns.chunks_exact(len).nth(before).unwrap_or_default();
            self.handed.add(symbols.iter().map(|&symbol| symbol as u32));
        }
        Ok(columns)
    }

    fn texts(&mut self, _: Resource<Batch>, of: Vec<u32>) -> Result<Vec<String>> {
        let texts = &self.view()?.dictionary().texts;
        tell(&of, MAX_TEXT_BYTES, |number| texts.get(number as usize).map_or("", String::as_str))
    }

    fn info(&mut self, _: Resource<Batch>, index: u32) -> Result<String> {
        Ok(self.view()?.info(index as usize).unwrap_or_default())
    }

    fn drop(&mut self, _: Resource<Batch>) -> Result<()> {
        Ok(())
    }

    number_columns!(number_accessors);

    symbol_accessors! {
        event_kinds = view => view.events().kinds;
        tag_keys = view => view.tag_keys();
    }

    accessors! {
        peers: u32 = view => view.dictionary().peers.clone();
        error_messages: u32 = view => view.dictionary().messages.clone();
        event_offsets: u32 = view => view.events().offsets;
        event_times: u64 = view => view.events().times;
        event_statuses: u8 = view => view.events().statuses;
        event_infos: u32 = view => view.dictionary().event_infos.clone();
        tag_offsets: u32 = view => view.tag_offsets();
        tag_values: u32 = view => view.dictionary().tag_values.clone();
    }
}

impl setup::Host for Host {
    fn level(&mut self, level: u8) -> Result<()> {
        self.set_level(level);
        Ok(())
    }

    fn every(&mut self, milliseconds: u32) -> Result<()> {
        self.set_period(milliseconds);
        Ok(())
    }

    fn attempts(&mut self) -> Result<()> {
        self.set_attempts();
        Ok(())
    }
}

impl metrics::Host for Host {
    fn counter(&mut self, name: String, unit: String, help: String, label_keys: Vec<String>) -> Result<u32> {
        Ok(self.metrics.counter(&name, &unit, &help, &label_keys))
    }

    fn gauge(&mut self, name: String, unit: String, help: String, label_keys: Vec<String>) -> Result<u32> {
        Ok(self.metrics.gauge(&name, &unit, &help, &label_keys))
    }

    fn histogram(
        &mut self,
        name: String,
        unit: String,
        help: String,
        label_keys: Vec<String>,
        bounds: Vec<f64>,
    ) -> Result<u32> {
        Ok(self.metrics.histogram(&name, &unit, &help, &label_keys, &bounds))
    }

    fn series_of(&mut self, of: u32, label_values: Vec<String>) -> Result<u32> {
        Ok(self.metrics.series_of(of, &label_values))
    }

    fn add(&mut self, to: Vec<u32>, values: Vec<f64>) -> Result<()> {
        self.metrics.add(&to, &values);
        Ok(())
    }

    fn set(&mut self, to: Vec<u32>, values: Vec<f64>) -> Result<()> {
        self.metrics.set(&to, &values);
        Ok(())
    }

    fn merge(&mut self, to: u32, counts: Vec<u64>, sum: f64) -> Result<()> {
        self.metrics.merge(to, &counts, sum);
        Ok(())
    }
}

impl outbox::Host for Host {
    fn send(
        &mut self,
        destination: String,
        content_type: String,
        payload: Vec<u8>,
    ) -> Result<std::result::Result<(), u32>> {
        #[cfg(feature = "compiler")]
        self.named(&destination);
        Ok(Host::send(self, &destination, &content_type, payload).map_err(|refusal| match refusal {
            Refusal::Unknown => 0,
            Refusal::Full => 1,
            Refusal::TooLarge => 2,
        }))
    }

    fn max_payload(&mut self, destination: String) -> Result<Option<u32>> {
        let bytes = Host::max_payload(self, &destination);
        Ok(bytes.map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX)))
    }
}

impl log::Host for Host {
    fn write(&mut self, severity: u8, message: String) -> Result<()> {
        self.log.write(severity, &message);
        Ok(())
    }
}

impl state::Host for Host {
    fn save(&mut self, bytes: Vec<u8>) -> Result<bool> {
        Ok(Host::save(self, bytes))
    }

    fn saved(&mut self) -> Result<Option<Vec<u8>>> {
        Host::saved(self)
    }
}
