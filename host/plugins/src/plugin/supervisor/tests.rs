//! A panic of the host's while something is done for one tracer.

use std::sync::mpsc::channel;

use super::*;
use crate::metrics::RegistryLimits;
use crate::plugin::loader::Loader;
use crate::plugin::pool::Pool;
use crate::wasm::Engines;
use hottap_core::budget::Budget;
use hottap_core::live::{LiveCell, Rules};
use hottap_core::propagate::TraceSettings;
use hottap_core::rpc::Symbol;
use hottap_core::tracer::Natives;

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_panic_of_the_supervisor_names_the_tracer_and_the_next_event_is_handled() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let natives = Natives::new(Vec::new());
    let core = Core::new(
        Symbol::intern("desk"),
        TraceSettings::default(),
        LiveCell::new(Rules::default()),
        natives,
        Level::Base,
    );
    let books = Arc::new(Books::default());
    let pool = Pool::start().expect("a pool");
    let (events, inbox) = channel();
    let operator = Arc::new(Operator::new(None, core.trace.clone()));
    let loader = Loader {
        directory: directory.path().to_owned(),
        engines: Engines::new(&Budget::unlimited()).expect("engines"),
        identity: Arc::default(),
        operator: operator.clone(),
    };
    let lanes = Lanes::start(loader, events.clone()).expect("threads");
    let plugins = Arc::new(PluginDir::new(directory.path()));
    let supervisor = Supervisor::new(
        plugins,
        Arc::new(Startup::new(books.clone())),
        core.clone(),
        Arc::new(Registry::new(RegistryLimits::default())),
        books.clone(),
        operator,
        Arc::new(Collector::start(core.shards.clone(), Duration::from_millis(20)).expect("a collector")),
        pool.handle(),
        Level::Base,
        events.clone(),
        lanes,
    );
    let thread = std::thread::spawn(move || supervisor.run(&inbox));
    let name = Name::new("odd").expect("a name");
    events.send(Event::Panic(name.clone())).expect("it runs");
    let began = Instant::now();
    let problem = loop {
        if let Some(problem) = books.get(&name).and_then(|odd| odd.current().problem.clone()) {
            break problem;
        }
        assert!(began.elapsed() < PATIENCE, "it is not named");
        std::thread::yield_now();
    };
    assert!(problem.message.contains("odd.wasm was not loaded: an internal error"), "{problem:?}");
    assert!(problem.what_to_do.contains("report it"), "{problem:?}");
    // The next file is handed to the loader as ever.
    std::fs::write(directory.path().join("next.wasm"), "no module").expect("written");
    events.send(Event::Look).expect("it runs");
    let next = Name::new("next").expect("a name");
    let refused = || books.get(&next).is_some_and(|book| book.current().state == State::Refused);
    while !refused() {
        assert!(began.elapsed() < PATIENCE, "the loader has not had it");
        std::thread::yield_now();
    }
    let (done, is_done) = channel();
    events.send(Event::Shutdown(Instant::now() + PATIENCE, done)).expect("it runs");
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(true));
    thread.join().expect("it ended by itself");
    pool.stop();
}
