//! The bindings of WIT version 0.1.0-draft: the only file that knows the generated code.

use std::sync::Arc;

use http::HeaderMap;
use wasmtime::component::{Component, ComponentExportIndex, HasSelf, InstancePre, Linker, Resource, TypedFunc};
use wasmtime::{Result, Store};

use super::engine::Engine;
use super::guest::{CallError, Cause, Guest, Settings, Surroundings};
use super::host::{Host, Phase};
use super::limits::Limits;
use super::starter::Starter;
use crate::collect::View;
use crate::metrics::Stage;
use crate::outbox::Refusal;
use crate::rpc::{RpcInfo, Symbol};

mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "plugin",
        imports: { default: trappable },
        with: { "hottap:tracer/rpc.batch": super::Batch },
    });
}

use bindings::hottap::tracer::{log, metrics, outbox, rpc, setup, state};
use bindings::{Plugin, PluginIndices};

/// The version of the package, as it stands in the names of imports and exports.
pub(super) const VERSION: &str = "0.1.0-draft";
/// The interfaces that a guest of this version may import.
pub(super) const IMPORTS: &[&str] = &["rpc", "setup", "metrics", "outbox", "log", "state", "starting"];
/// The interface that a guest exports to act at the start of calls, and the one that it imports for it.
const STARTER: &str = "hottap:tracer/starter@0.1.0-draft";
const STARTING: &str = "hottap:tracer/starting@0.1.0-draft";

/// A batch is named by this handle; there is only one at a time, so the handle says no more.
#[expect(unreachable_pub, reason = "the generated code re-exports it")]
pub enum Batch {}
const BATCH: u32 = 0;

/// The numbers of columns of symbols, as `batch.columns` counts: methods, callers, callees, error types.
const SYMBOL_COLUMNS: [u32; 4] = [5, 6, 7, 23];
/// Symbols that one call of `symbols` may ask for.
const MAX_SYMBOLS: usize = 65_536;
/// Bytes that one call of `symbols` may get: repeating one id must not make the host build gigabytes.
const MAX_SYMBOL_BYTES: usize = 1 << 20;

pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> Result<()> {
    rpc::add_to_linker::<_, HasSelf<_>>(linker, |host| host)?;
    setup::add_to_linker::<_, HasSelf<_>>(linker, |host| host)?;
    metrics::add_to_linker::<_, HasSelf<_>>(linker, |host| host)?;
    outbox::add_to_linker::<_, HasSelf<_>>(linker, |host| host)?;
    log::add_to_linker::<_, HasSelf<_>>(linker, |host| host)?;
    state::add_to_linker::<_, HasSelf<_>>(linker, |host| host)?;
    // By hand: as a part of the world it would make every guest one that starts.
    let mut starting = linker.instance(STARTING)?;
    starting.func_wrap("header", |store, (name,): (String,)| {
        let Host { starting, grants, .. } = store.data();
        Ok((starting.header(&name, grants),))
    })?;
    starting.func_wrap("set-header", |mut store, (name, value): (String, String)| {
        let Host { starting, grants, .. } = store.data_mut();
        Ok((starting.set(&name, &value, grants),))
    })
}

/// The function that starters export: the call's id, side, method, callee, protocol, start, deadline, both halves of the
/// trace id, span id, parent, and whether it is sampled.
type Start = TypedFunc<(u64, u8, u32, u32, u8, u64, u64, u64, u64, u64, u64, u8), (u64,)>;

/// Where a component exports `start`, if it does.
pub(super) fn start_export(component: &Component) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, STARTER)?;
    component.get_export_index(Some(&interface), "start")
}

/// A component of this version, ready to be instantiated.
pub(super) struct Ready {
    pre: InstancePre<Host>,
    exports: PluginIndices,
}

/// What an instance is made of, beside the component.
pub(super) struct Make<'m> {
    pub(super) engine: &'m Arc<Engine>,
    /// The tracer's.
    pub(super) name: &'m Arc<str>,
    pub(super) limits: Limits,
    pub(super) metrics: Stage,
    pub(super) surroundings: &'m Surroundings,
}

impl Ready {
    pub(super) fn new(pre: InstancePre<Host>) -> Result<Self> {
        Ok(Self { exports: PluginIndices::new(&pre)?, pre })
    }

    /// Makes an instance that collects.
    pub(super) fn instance(&self, of: Make<'_>) -> std::result::Result<Box<dyn Guest>, CallError> {
        let engine = of.engine.clone();
        let running = engine.enter();
        let (store, plugin, _) = self.init(COLLECTS, None, of)?;
        drop(running);
        Ok(Box::new(Collecting { store, plugin, engine }))
    }

    /// Makes an instance that starts, by the function that it exports for that.
    pub(super) fn starter(
        &self,
        start: &ComponentExportIndex,
        of: Make<'_>,
    ) -> std::result::Result<Box<dyn Starter>, CallError> {
        let engine = of.engine.clone();
        let running = engine.enter();
        let (store, _, start) = self.init(STARTS, Some(start), of)?;
        drop(running);
        let Some(start) = start else {
            let (function, reason) = ("start", "it is not exported".to_owned());
            return Err(CallError::Trap { function, reason });
        };
        Ok(Box::new(Starting { store, start, engine }))
    }

    /// Makes an instance and calls `init`.
    fn init(
        &self,
        role: u8,
        start: Option<&ComponentExportIndex>,
        of: Make<'_>,
    ) -> std::result::Result<(Store<Host>, Plugin, Option<Start>), CallError> {
        let Make { engine, name, limits, metrics, surroundings } = of;
        let mut store = Store::new(engine.wasmtime(), Host::new(name, limits, metrics, surroundings));
        store.limiter(|host| &mut host.limiter);
        store.set_hostcall_fuel(MAX_LIFT_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| store.data_mut().meter.tick());
        if role == STARTS {
            // `init` is bounded by time; only `start` counts instructions.
            store.set_fuel(u64::MAX).map_err(|error| store.data_mut().explain(&error))?;
        }
        store.data_mut().begin(Phase::Instantiate);
        let made = self.pre.instantiate(&mut store).and_then(|instance| {
            let plugin = self.exports.load(&mut store, &instance)?;
            let start = start.map(|start| instance.get_typed_func(&mut store, start)).transpose()?;
            Ok((plugin, start))
        });
        let (plugin, start) = match made {
            Ok(made) => made,
            Err(error) => return Err(store.data_mut().explain(&error)),
        };
        store.data_mut().begin(Phase::Init);
        store.set_epoch_deadline(1);
        let identity = &surroundings.identity;
        let answer =
            plugin.hottap_tracer_tracer().call_init(&mut store, role, &surroundings.config, identity, surroundings.now);
        match answer {
            Ok(Ok(())) => Ok((store, plugin, start)),
            Ok(Err(refusal)) => Err(CallError::Init(crate::rpc::cut(&refusal, MAX_REFUSAL_BYTES).to_owned())),
            Err(error) => Err(store.data_mut().explain(&error)),
        }
    }
}

/// `init`'s role of an instance that collects.
const COLLECTS: u8 = 0;
/// `init`'s role of an instance that starts.
const STARTS: u8 = 1;
/// Bytes that one call from a guest may hand to the host.
const MAX_LIFT_BYTES: usize = 16 << 20;
/// Bytes kept of what `init` says when it refuses.
const MAX_REFUSAL_BYTES: usize = 1024;

struct Collecting {
    store: Store<Host>,
    plugin: Plugin,
    engine: Arc<Engine>,
}

struct Starting {
    store: Store<Host>,
    start: Start,
    engine: Arc<Engine>,
}

impl Starter for Starting {
    fn start(&mut self, call: &RpcInfo, headers: &mut HeaderMap, fuel: u64) -> std::result::Result<u64, CallError> {
        self.engine.touch();
        let host = self.store.data_mut();
        host.begin(Phase::Start);
        let method = call.invocation.method.symbol().unwrap_or(Symbol::NONE).id();
        let callee = call.to.service.id();
        host.handed.add([method, callee]);
        // Swapped and swapped back: a reference could not be kept in the store, and the headers themselves do not move.
        host.starting.begin(headers, call.side);
        self.store.set_epoch_deadline(1);
        let answer = self.store.set_fuel(fuel).and_then(|()| {
            let trace = &call.trace;
            let call = (
                call.id,
                call.side as u8,
                method,
                callee,
                call.invocation.protocol as u8,
                call.stats.started_unix,
                call.config.deadline,
                (trace.trace_id >> 64) as u64,
                trace.trace_id as u64,
                trace.span_id,
                trace.parent_span_id,
                u8::from(trace.sampled),
            );
            self.start.call(&mut self.store, call)
        });
        let host = self.store.data_mut();
        host.starting.end(headers);
        match answer {
            Ok((token,)) => {
                host.write_log();
                Ok(token)
            }
            Err(error) => Err(host.explain(&error)),
        }
    }
}

impl Guest for Collecting {
    fn finish(&mut self, calls: View) -> std::result::Result<(), CallError> {
        let _running = self.engine.enter();
        let host = self.store.data_mut();
        host.begin(Phase::Finish);
        host.show(calls);
        self.store.set_epoch_deadline(1);
        let batch = Resource::new_borrow(BATCH);
        let answer = self.plugin.hottap_tracer_tracer().call_finish(&mut self.store, batch);
        self.store.data_mut().hide();
        answer.map_err(|error| self.store.data_mut().explain(&error))
    }

    fn flush(&mut self, cause: Cause, now: u64, elapsed: u64) -> std::result::Result<(), CallError> {
        let _running = self.engine.enter();
        let host = self.store.data_mut();
        host.begin(Phase::Flush);
        host.now = now;
        self.store.set_epoch_deadline(1);
        let answer = self.plugin.hottap_tracer_tracer().call_flush(&mut self.store, cause as u8, now, elapsed);
        answer.map_err(|error| self.store.data_mut().explain(&error))
    }

    fn commit(&mut self, millis: u64) {
        self.store.data_mut().commit(millis);
    }

    fn settings(&self) -> Settings {
        self.store.data().settings
    }

    fn memory(&self) -> usize {
        self.store.data().limiter.memory()
    }

    #[cfg(feature = "cli")]
    fn trial(&mut self) -> super::guest::Trial {
        self.store.data_mut().trial()
    }
}

impl rpc::Host for Host {
    fn symbols(&mut self, ids: Vec<u32>) -> Result<Vec<String>> {
        if ids.len() > MAX_SYMBOLS {
            return Err(wasmtime::Error::msg("asked for more than 65,536 symbols at once"));
        }
        let mut bytes = 0;
        ids.into_iter()
            .map(|id| {
                let text = self.handed.text(id);
                bytes += text.len();
                if bytes > MAX_SYMBOL_BYTES {
                    return Err(wasmtime::Error::msg("asked for more than 1 MiB of symbols at once"));
                }
                Ok(text.to_owned())
            })
            .collect()
    }
}

/// Columns that are read as they are.
macro_rules! columns {
    ($($name:ident: $type:ty = $view:ident => $value:expr;)*) => {$(
        fn $name(&mut self, _: Resource<Batch>) -> Result<Vec<$type>> {
            let $view = self.view()?;
            Ok($value)
        }
    )*};
}

/// Columns of symbols: what is handed over may be asked for.
macro_rules! symbol_columns {
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
        for number in SYMBOL_COLUMNS.into_iter().filter(|number| which & 1 << number != 0) {
            let before = (which & ((1 << number) - 1)).count_ones() as usize;
            let symbols = columns.chunks_exact(len).nth(before).unwrap_or_default();
            self.handed.add(symbols.iter().map(|&symbol| symbol as u32));
        }
        Ok(columns)
    }

    fn info(&mut self, _: Resource<Batch>, index: u32) -> Result<String> {
        Ok(self.view()?.info(index as usize).unwrap_or_default())
    }

    fn drop(&mut self, _: Resource<Batch>) -> Result<()> {
        Ok(())
    }

    symbol_columns! {
        methods = view => view.methods();
        callers = view => view.callers();
        callees = view => view.callees();
        error_types = view => view.error_types();
        event_kinds = view => view.events().kinds;
        tag_keys = view => view.tag_keys();
    }

    columns! {
        texts: String = view => view.dictionary().texts.clone();
        peers: u32 = view => view.dictionary().peers.clone();
        error_messages: u32 = view => view.dictionary().messages.clone();
        event_infos: u32 = view => view.dictionary().event_infos.clone();
        event_offsets: u32 = view => view.events().offsets;
        event_times: u64 = view => view.events().times;
        event_statuses: u8 = view => view.events().statuses;
        tag_values: u32 = view => view.tag_values();
        ids: u64 = view => view.ids();
        kinds: u8 = view => view.kinds();
        logical_ids: u64 = view => view.logical_ids();
        attempts: u16 = view => view.attempts();
        sides: u8 = view => view.sides();
        protocols: u8 = view => view.protocols();
        streaming: u8 = view => view.streaming();
        started: u64 = view => view.started();
        durations: u64 = view => view.durations();
        deadlines: u64 = view => view.deadlines();
        sent_bytes: u64 = view => view.sent_bytes();
        received_bytes: u64 = view => view.received_bytes();
        sent_messages: u32 = view => view.sent_messages();
        received_messages: u32 = view => view.received_messages();
        last_sent_bytes: u64 = view => view.last_sent_bytes();
        last_received_bytes: u64 = view => view.last_received_bytes();
        outcomes: u8 = view => view.outcomes();
        http_statuses: u16 = view => view.http_statuses();
        rpc_statuses: u16 = view => view.rpc_statuses();
        business_statuses: i32 = view => view.business_statuses();
        trace_ids_high: u64 = view => view.trace_ids_high();
        trace_ids_low: u64 = view => view.trace_ids_low();
        span_ids: u64 = view => view.span_ids();
        parent_span_ids: u64 = view => view.parent_span_ids();
        sampled: u8 = view => view.sampled();
        tokens: u64 = view => view.tokens();
        events_elided: u32 = view => view.events_elided();
        tag_offsets: u32 = view => view.tag_offsets();
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
        // The layers see calls as a whole and make no rows of attempts, so there is nothing to switch on.
        self.in_init("setup.attempts");
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
        #[cfg(feature = "cli")]
        self.named(&destination);
        Ok(Host::send(self, &destination, &content_type, payload).map_err(|refusal| match refusal {
            Refusal::Unknown => 0,
            Refusal::Full => 1,
            Refusal::TooLarge => 2,
        }))
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
        Ok(Host::saved(self))
    }
}
