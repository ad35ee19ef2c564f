//! The engines of a host, and the one ticker that lets their guests be interrupted.

#[cfg(feature = "compiler")]
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use hottap_core::budget::Budget;
use hottap_core::panics::{Place, caught};
#[cfg(feature = "compiler")]
use wasmtime::{Cache, CacheConfig, OptLevel, RegallocAlgorithm};
use wasmtime::{Config, OperatorCost};

/// Without a compiler there is nothing to cache.
#[cfg(not(feature = "compiler"))]
#[derive(Clone)]
enum Cache {}

/// How often a guest that has been seen running looks whether its time is over.
const TICK: Duration = Duration::from_millis(5);
/// How often it is looked whether one runs. Most batches take microseconds, and waking a thread costs as much as some
/// hundreds of calls. A deadline is kept to within one of these and two of the others.
const LOOK: Duration = Duration::from_millis(20);
/// Without a running guest for this long, the ticker sleeps.
const IDLE: Duration = Duration::from_secs(1);
/// Stack of a guest. Workers have more than this, because wasmtime counts from the current stack pointer and an overrun
/// of the thread's own stack would abort the process.
const WASM_STACK: usize = 512 << 10;
/// Stack of a starter: small, because it runs on a thread whose stack the service chose.
const START_STACK: usize = 128 << 10;
/// What must be left of a thread's stack for a starter to run on it: its own, and the host's calls under it.
pub(crate) const START_NEEDS_STACK: usize = START_STACK + (128 << 10);
/// Stack of a thread that runs guests: wasm's, and as much again for the host's own calls under it.
pub const WORKER_STACK: usize = 4 << 20;

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("this machine cannot run the WebAssembly engine: {0:#}")]
    Config(wasmtime::Error),
    #[error("{0}")]
    NoCompiler(String),
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
}

/// The effort that the compiler makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// Every optimization.
    Optimized,
    /// Linear algorithms only, for what is large.
    Quick,
}

/// What an engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Instances that collect, on threads of the host's own.
    Collect,
    /// Starters, on the RPC's threads: with a small stack, and stopped by counting instructions.
    Start,
}

/// Compiles and runs guests.
pub(crate) struct Engine {
    wasmtime: wasmtime::Engine,
    budget: Budget,
    ticking: Arc<Ticking>,
}

/// The ticker's thread, which ends with the last of its engines. Both have one, because a thread that looks around fifty
/// times a second costs a busy service more than most tracers do.
struct Ticking {
    ticker: Arc<Ticker>,
    thread: Thread,
}

#[derive(Default)]
struct Ticker {
    running: AtomicUsize,
    /// A starter ran since the ticker last looked.
    touched: AtomicBool,
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// A guest is running as long as this lives.
pub(crate) struct Running<'e>(&'e Ticker);

impl Engine {
    /// The engines of those that collect and of starters, first those that optimize, then those that are quick.
    pub(crate) fn all(budget: &Budget) -> Result<[Self; 4], EngineError> {
        Self::with_cache(cache(), budget)
    }

    /// Engines that compile everything themselves, so that the time it takes is that of compiling.
    #[cfg(feature = "compiler")]
    pub(crate) fn all_without_cache() -> Result<[Self; 4], EngineError> {
        Self::with_cache(None, &Budget::unlimited())
    }

    fn with_cache(cache: Option<Cache>, budget: &Budget) -> Result<[Self; 4], EngineError> {
        let engines = [
            engine(Use::Collect, Effort::Optimized, cache.clone())?,
            engine(Use::Start, Effort::Optimized, cache.clone())?,
            engine(Use::Collect, Effort::Quick, cache.clone())?,
            engine(Use::Start, Effort::Quick, cache)?,
        ];
        let ticker = Arc::new(Ticker::default());
        let thread = std::thread::Builder::new()
            .name("hottap-epoch".into())
            .spawn({
                let (ticker, engines) = (ticker.clone(), engines.clone());
                // Without it no guest would be interrupted any more.
                move || while caught(Place::Epoch, || ticker.run(&engines)).is_err() {}
            })
            .map_err(EngineError::Thread)?;
        let ticking = Arc::new(Ticking { ticker, thread: thread.thread().clone() });
        Ok(engines.map(|wasmtime| Self { wasmtime, budget: budget.clone(), ticking: ticking.clone() }))
    }

    /// The memory that the instances of all plugins share.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// To be called before a starter runs. Counting instructions does not bound those that copy much memory, so the
    /// ticker looks after them too; it costs the RPC's threads one read that they share.
    pub(super) fn touch(&self) {
        let Ticking { ticker, thread } = &*self.ticking;
        if !ticker.touched.load(Ordering::Relaxed) {
            ticker.touched.store(true, Ordering::SeqCst);
            if ticker.asleep.swap(false, Ordering::SeqCst) {
                thread.unpark();
            }
        }
    }

    /// To be held while a guest runs: the ticker ticks.
    pub(super) fn enter(&self) -> Running<'_> {
        let Ticking { ticker, thread } = &*self.ticking;
        ticker.running.fetch_add(1, Ordering::SeqCst);
        if ticker.asleep.swap(false, Ordering::SeqCst) {
            thread.unpark();
        }
        Running(ticker)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.ticker.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Ticker {
    fn run(&self, engines: &[wasmtime::Engine]) {
        let (mut used, mut running) = (Instant::now(), false);
        while !self.stop.load(Ordering::SeqCst) {
            std::thread::park_timeout(if running { TICK } else { LOOK });
            engines.iter().for_each(wasmtime::Engine::increment_epoch);
            running = self.running.load(Ordering::SeqCst) > 0;
            if running || self.touched.swap(false, Ordering::SeqCst) {
                used = Instant::now();
            } else if used.elapsed() > IDLE {
                self.asleep.store(true, Ordering::SeqCst);
                // Asleep is said before the last look: whoever comes now either is seen or sees it and wakes.
                while self.running.load(Ordering::SeqCst) == 0
                    && !self.touched.load(Ordering::SeqCst)
                    && self.asleep.load(Ordering::SeqCst)
                    && !self.stop.load(Ordering::SeqCst)
                {
                    std::thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                used = Instant::now();
            }
        }
    }
}

/// Addresses of a memory where they are limited, and how many more it gets when it grows. Rust's guests use 1 to 2 MiB, so
/// they never move; larger ones move once in so many bytes.
const LIMITED_RESERVATION: u64 = 4 << 20;
/// Addresses behind a memory where they are limited: checks of bounds do what the guard does elsewhere.
const LIMITED_GUARD: u64 = 64 << 10;

/// The words of the system, if an error comes from a lack of memory or of addresses.
pub(super) fn lack_of_memory(error: &wasmtime::Error) -> Option<String> {
    let is_lack = |cause: &(dyn std::error::Error + 'static)| {
        let kind = match cause.downcast_ref::<rustix::io::Errno>() {
            Some(errno) => Some(std::io::Error::from(*errno).kind()),
            None => cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind),
        };
        kind == Some(std::io::ErrorKind::OutOfMemory)
    };
    error.chain().any(is_lack).then(|| format!("{:#}", error))
}

fn engine(of: Use, effort: Effort, cache: Option<Cache>) -> Result<wasmtime::Engine, EngineError> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .max_wasm_stack(if of == Use::Start { START_STACK } else { WASM_STACK })
        .consume_fuel(of == Use::Start)
        .wasm_memory64(false)
        .wasm_relaxed_simd(false);
    if of == Use::Start {
        config.operator_cost(start_costs());
    }
    if super::rlimits::is_address_space_limited() {
        // A memory of 4 GiB of addresses needs no checks of bounds; where addresses are few, it gets what it uses, and moves
        // when that is not enough.
        config
            .memory_reservation(LIMITED_RESERVATION)
            .memory_reservation_for_growth(LIMITED_RESERVATION)
            .memory_guard_size(LIMITED_GUARD);
    }
    #[cfg(feature = "compiler")]
    config.cache(cache);
    #[cfg(not(feature = "compiler"))]
    let _ = (cache, effort);
    #[cfg(feature = "compiler")]
    if effort == Effort::Quick {
        config.cranelift_opt_level(OptLevel::None).cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
    }
    wasmtime::Engine::new(&config).map_err(EngineError::Config)
}

/// Fuel of a starter's instructions: one each, one for each byte or element that is copied, and for new memory about the
/// nanoseconds that the kernel takes to give it.
fn start_costs() -> OperatorCost {
    let mut costs = OperatorCost::new();
    costs.MemoryGrow = u8::MAX;
    costs.TableGrow = u8::MAX;
    costs.variable.memory_grow_per_page = u8::MAX;
    // What takes the processor some 20 cycles and more.
    costs.I32DivS = 10;
    costs.I32DivU = 10;
    costs.I32RemS = 10;
    costs.I32RemU = 10;
    costs.I64DivS = 10;
    costs.I64DivU = 10;
    costs.I64RemS = 10;
    costs.I64RemU = 10;
    costs.F32Sqrt = 5;
    costs.F64Sqrt = 5;
    costs.F32Div = 5;
    costs.F64Div = 5;
    costs
}

#[cfg(not(feature = "compiler"))]
fn cache() -> Option<Cache> {
    None
}

/// The cache of compiled guests. What stands in it is run as native code, so it must be a directory that only this user
/// can write; without one there is no cache, which only costs time.
#[cfg(feature = "compiler")]
fn cache() -> Option<Cache> {
    let directory = match cache_directory() {
        Ok(directory) => directory,
        Err(reason) => {
            tracing::info!(reason, "compiled plugins are not cached; every start compiles them anew");
            return None;
        }
    };
    let mut config = CacheConfig::new();
    config.with_directory(&directory);
    Cache::new(config).inspect_err(|error| tracing::info!(%error, "compiled plugins are not cached")).ok()
}

#[cfg(feature = "compiler")]
fn cache_directory() -> Result<PathBuf, String> {
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(base), _) if Path::new(&base).is_absolute() => PathBuf::from(base),
        (_, Some(home)) if Path::new(&home).is_absolute() => Path::new(&home).join(".cache"),
        _ => return Err("neither XDG_CACHE_HOME nor HOME names a directory".into()),
    };
    let directory = base.join("hottap");
    make_private(&directory)?;
    Ok(directory)
}

/// Makes a directory that only this user can write; one that is there already must be so.
#[cfg(all(feature = "compiler", unix))]
fn make_private(directory: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};

    let shown = directory.display();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| format!("{shown} cannot be made: {error}"))?;
    let metadata = std::fs::symlink_metadata(directory).map_err(|error| format!("{shown}: {error}"))?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(format!("others can write to {shown}"));
    }
    Ok(())
}

/// Refuses: the standard library does not tell who may write to a directory on Windows.
#[cfg(all(feature = "compiler", windows))]
fn make_private(directory: &Path) -> Result<(), String> {
    Err(format!("on Windows it is not checked that others cannot write to {}", directory.display()))
}
