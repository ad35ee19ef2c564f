//! Drives the way from row to committed metric on the calling thread, for the benchmarks; it serves no RPC.
//!
//! The threads of a running host sleep and wake between batches, and what that costs depends on the machine's kernel
//! more than on this crate; here it is left out, so that figures of two versions can be compared.

use std::sync::Arc;

use crate::config::OperatorConfig;
use crate::metrics::{Registry, RegistryLimits, SeriesLimits, Stage};
use crate::outbox::Outbox;
use crate::wasm::{Cause, Engines, Guest, Limits, Module, State, Surroundings};
use hottap_core::collect::{Batch, Buffer, Shards, View};
use hottap_core::live::{Mask, Shown};
use hottap_core::rpc::{Level, Method, Outcome, Protocol, RpcInfo, RpcStats, Side, Symbol, TraceContext, error_type};

/// The tracer's name.
const NAME: &str = "driven";

/// Full buffers that are used again; with more than these, the making of buffers is measured too.
pub const BUFFERS: usize = 32;

/// One tracer, and rows to feed it with.
#[expect(missing_debug_implementations, reason = "benchmarks print numbers only")]
pub struct Drive {
    guest: Box<dyn Guest>,
    registry: Arc<Registry>,
    shards: Arc<Shards>,
    infos: Vec<(RpcInfo, Symbol)>,
}

/// Which share of a batch's rows is in the tracer's scope: one row in so many.
#[derive(Clone, Copy, Debug)]
pub struct OneIn(pub usize);

impl Drive {
    /// Loads a tracer. The rows are calls of four methods on both sides, of which one in fifty fails.
    ///
    /// # Errors
    /// What kept the module from being loaded, in words.
    pub fn new(module: &[u8]) -> Result<Self, String> {
        Self::with(module, Outbox::default())
    }

    /// The same for a tracer that sends its payloads as datagrams to this address, by the destination's name.
    ///
    /// # Errors
    /// What kept the module from being loaded, in words.
    pub fn sending(module: &[u8], destination: &str, address: std::net::SocketAddr) -> Result<Self, String> {
        let config = format!("[destinations.{destination}]\nurl = \"udp://{address}\"\ntracers = [\"{NAME}\"]\n");
        let config = OperatorConfig::parse(config.as_bytes()).map_err(|error| error.to_string())?;
        let outbox = Outbox::default();
        outbox.configure(config.destinations);
        Self::with(module, outbox)
    }

    fn with(module: &[u8], outbox: Outbox) -> Result<Self, String> {
        let engines = Engines::new(&hottap_core::budget::Budget::unlimited()).map_err(|error| error.to_string())?;
        let module = Module::compile_unbounded(&engines, module).map_err(|error| error.to_string())?;
        let registry = Arc::new(Registry::new(RegistryLimits::default()));
        let name: Arc<str> = NAME.into();
        let stage = Stage::new(registry.clone(), name.clone(), SeriesLimits::default());
        let surroundings = Surroundings {
            config: "{}".into(),
            identity: Arc::default(),
            state: State::default(),
            headers: Arc::default(),
            outbox,
            now: 1,
        };
        let guest =
            module.instance(&name, Limits::default(), stage, &surroundings).map_err(|error| error.to_string())?;
        let methods =
            ["Place", "Watch", "Reserve", "Quote"].map(|name| Symbol::intern(&format!("drive.v1.Shop/{name}")));
        let infos = (0..400)
            .map(|i| {
                let method = methods[i % 4];
                let side = if i % 2 == 0 { Side::Server } else { Side::Client };
                let mut stats = RpcStats::new(Level::Base, i as u64, 1);
                stats.duration = 900_000 + 37_000 * i as u64;
                stats.http_status = Some(200);
                stats.rpc_status = Some(0);
                if i % 50 == 49 {
                    stats.rpc_status = Some(14);
                    stats.fail(Outcome::Error, error_type::grpc(14), "unavailable");
                }
                let mut info = RpcInfo::new(i as u64, side, Method::known(method), TraceContext::root(), stats);
                info.invocation.protocol = Protocol::Grpc;
                (info, method)
            })
            .collect();
        Ok(Self { guest, registry, shards: Arc::new(Shards::default()), infos })
    }

    /// Writes rows into buffers of `batch` rows each, as RPC threads do. Not part of what is measured. The buffers are
    /// used again, as in a running host, if there are not more than it keeps.
    #[must_use]
    pub fn rows(&self, batches: usize, batch: usize, wanted: OneIn) -> Rows {
        let mut next = self.infos.iter().cycle();
        let buffers = (0..batches)
            .map(|_| {
                let mut buffer = self.shards.spare();
                for (i, (info, method)) in next.by_ref().take(batch).enumerate() {
                    // Without a row for somebody else there would be no selection.
                    let mask = if i % wanted.0 == 0 { Mask::one(0).or(Mask::one(1)) } else { Mask::one(1) };
                    let mask = if wanted.0 == 1 { Mask::one(0) } else { mask };
                    buffer.write(info, *method, mask);
                }
                buffer
            })
            .collect();
        Rows(buffers)
    }

    /// From rows to the tracer's memory: merge, columns, the call into the guest. Returns the calls it was handed.
    ///
    /// # Errors
    /// The tracer trapped.
    pub fn finish(&mut self, rows: Rows) -> Result<u64, String> {
        let mut calls = 0;
        for buffer in rows.0 {
            for batch in Batch::from_buffers(vec![buffer], &self.shards) {
                let Some(view) = View::new(&batch, 0, Shown::of_all(Level::Base)) else { continue };
                calls += view.len() as u64;
                self.guest.finish(view).map_err(|error| error.to_string())?;
            }
        }
        Ok(calls)
    }

    /// Flush and commit.
    ///
    /// # Errors
    /// The tracer trapped.
    pub fn commit(&mut self) -> Result<(), String> {
        self.guest.flush(Cause::Period, 2, 1_000_000_000).map_err(|error| error.to_string())?;
        self.guest.commit(1);
        Ok(())
    }

    /// Series that were committed, so that a benchmark can see that work was done.
    #[must_use]
    pub fn series(&self) -> usize {
        self.registry.usage(NAME).map_or(0, |usage| usage.series)
    }
}

/// Rows, ready to be collected.
#[expect(missing_debug_implementations, reason = "benchmarks print numbers only")]
pub struct Rows(Vec<Buffer>);

/// A family of modules that are expensive to compile: its name, a size that is out of bounds or near the largest file, and
/// the function that makes a module of a size.
pub type CompileFamily = (&'static str, u32, fn(u32) -> Vec<u8>);

/// Every family of worst cases for the compiler.
pub const COMPILE_FAMILIES: &[CompileFamily] = crate::wasm::corpus::FAMILIES;

/// The estimate of the work that compiling a module takes, in words.
///
/// # Errors
/// The structural bound that the module breaks.
pub fn compile_work(module: &[u8]) -> Result<String, String> {
    let checked = crate::wasm::check(module).map_err(|error| error.to_string())?;
    let effort = if checked.work.is_optimized() { "optimized" } else { "quick" };
    Ok(format!("{effort} {:.1} s, {} MiB", checked.work.time().as_secs_f64(), checked.work.memory() >> 20))
}

/// Compiles a module whatever the structural bounds say, without a cache.
///
/// # Errors
/// The reason for which it is no tracer.
pub fn compile_unbounded(module: &[u8]) -> Result<(), String> {
    let engines = Engines::without_cache().map_err(|error| error.to_string())?;
    Module::compile_unbounded(&engines, module).map(drop).map_err(|error| error.to_string())
}
