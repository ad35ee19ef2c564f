//! A panic of the host's in a plugin's turn: the plugin is named and gets nothing more, its books balance, and its thread
//! goes on with the others.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use crate::config::Grants;
use crate::metrics::RegistryLimits;
use crate::outbox::Outbox;
use crate::plugin::books::State;
use crate::plugin::generation::{GenerationId, Given};
use crate::plugin::manifest::Manifest;
use crate::plugin::name::Name;
use crate::plugin::pool::Pool;
use crate::wasm::{CallError, Cancel, Cause, Engines, Guest, Module, Pace, Settings};
use hottap_core::collect::{Moments, View, sample};
use hottap_core::live::{LiveCell, Rules};
use hottap_core::propagate::TraceSettings;
use hottap_core::rpc::{Level, Symbol};
use hottap_core::tracer::Natives;

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tracer that does nothing.
const QUIET: &str = r#"(module
    (import "hottap:tracer/rpc@0.1.0-draft" "[resource-drop]batch" (func $drop (param i32)))
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "hottap:tracer/tracer@0.1.0-draft#init") (param i32 i32 i32 i32 i32 i64) (result i32) (i32.const 8))
    (func (export "hottap:tracer/tracer@0.1.0-draft#finish") (param i32) (call $drop (local.get 0)))
    (func (export "hottap:tracer/tracer@0.1.0-draft#flush") (param i32 i64 i64)))"#;

/// An instance whose host is broken.
struct Broken {
    on_drop: bool,
}

impl Guest for Broken {
    fn set_pace(&mut self, _: Pace) {}

    fn finish(&mut self, _: View) -> Result<(), CallError> {
        panic!("an odd batch")
    }

    fn progress(&mut self, _: Moments) -> Result<(), CallError> {
        Ok(())
    }

    fn flush(&mut self, _: Cause, _: u64, _: u64) -> Result<(), CallError> {
        panic!("an odd flush")
    }

    fn commit(&mut self, _: u64) {}

    fn settings(&self) -> Settings {
        Settings::default()
    }

    fn memory(&self) -> usize {
        0
    }

    #[cfg(feature = "compiler")]
    fn trial(&mut self) -> crate::wasm::Trial {
        panic!("nobody tries it")
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        assert!(!self.on_drop || std::thread::panicking(), "an odd end");
    }
}

struct Desk {
    core: Arc<Core>,
    registry: Arc<Registry>,
    engines: Engines,
    pool: Pool,
}

impl Desk {
    fn new() -> Self {
        let trace = TraceSettings::default();
        let live = LiveCell::new(Rules::default());
        Self {
            core: Core::new(Symbol::intern("desk"), trace, live, Natives::new(Vec::new()), Level::Base),
            registry: Arc::new(Registry::new(RegistryLimits::default())),
            engines: Engines::new(&hottap_core::budget::Budget::unlimited()).expect("engines"),
            pool: Pool::start().expect("a pool"),
        }
    }

    fn generation(&self, name: &str, id: u8) -> Box<Generation> {
        let bytes = wat::parse_str(QUIET).expect("valid");
        let checked = crate::wasm::check(&bytes).expect("within bounds");
        let module = Module::compile(&self.engines, &bytes, checked, &Cancel::default()).expect("compiles");
        let given = Given { identity: Arc::default(), grants: Grants::default(), outbox: Outbox::default() };
        let id = GenerationId::of(&[id; 32], &[], &given.grants);
        let name = Name::new(name).expect("a name");
        Box::new(Generation::try_out(id, name, Manifest::default(), module, given, 1).expect("a tracer").0)
    }

    /// A live plugin, which has an instance already if one is given.
    fn worker(&self, name: &str, guest: Option<Box<dyn Guest>>) -> (Arc<Worker>, Arc<Book>) {
        let (book, generation) = (Arc::new(Book::default()), self.generation(name, 1));
        book.succeed(None, generation.id);
        book.current().enter(State::Live, 1);
        let worker = Worker::new(
            self.core.clone(),
            book.clone(),
            self.registry.clone(),
            generation,
            self.pool.handle(),
            Box::new(|_| {}),
        );
        lock(&worker.runner).guest = guest;
        (worker, book)
    }
}

/// Hands a plugin a batch, as the collector does.
fn hand_over(worker: &Arc<Worker>) -> u64 {
    let calls = sample(1, Level::Base).expect("a batch");
    let count = calls.len() as u64;
    worker.queue().account().book(|terms| {
        terms.finished += count;
        terms.pending += count;
    });
    worker.queue().push(calls);
    worker.clone().ready();
    count
}

/// Waits until every call is committed or dropped.
#[track_caller]
fn settled(book: &Book) -> (u64, Vec<(&'static str, u64)>) {
    let began = Instant::now();
    loop {
        let terms = book.account.terms();
        if terms.pending == 0 {
            let dropped: Vec<_> = terms.dropped.iter().filter(|(_, calls)| *calls > 0).collect();
            assert_eq!(terms.finished, terms.committed + dropped.iter().map(|(_, calls)| calls).sum::<u64>());
            return (terms.committed, dropped);
        }
        assert!(began.elapsed() < PATIENCE, "{terms:?}");
        std::thread::yield_now();
    }
}

/// Waits until the host has panicked in the plugin's turn, and checks what is said of it.
#[track_caller]
fn given_up(worker: &Worker, book: &Book) {
    let began = Instant::now();
    while !lock(&worker.runner).given_up {
        assert!(began.elapsed() < PATIENCE, "{:?}", book.account.terms());
        std::thread::yield_now();
    }
    let problem = book.current().problem.clone().expect("a problem");
    assert!(problem.message.contains("an internal error: Hottap panicked"), "{problem:?}");
    assert!(problem.what_to_do.contains("report it"), "{problem:?}");
}

#[test]
fn a_panic_in_a_plugins_turn_is_named_and_the_other_plugins_go_on() {
    let desk = Desk::new();
    for on_drop in [false, true] {
        let (bad, bad_book) = desk.worker("bad", Some(Box::new(Broken { on_drop })));
        let (good, good_book) = desk.worker("good", None);
        let mut calls = hand_over(&bad);
        given_up(&bad, &bad_book);
        // What comes later is not even tried.
        calls += hand_over(&bad);
        let committed = hand_over(&good);
        assert_eq!(settled(&good_book), (committed, vec![]), "the thread goes on");
        assert!(good_book.current().problem.is_none());
        assert_eq!(bad_book.account.terms().pending, calls);

        // Another generation of it takes over, and gets all of them.
        let (answer, is_answered) = channel();
        let answer = Box::new(move |result: Result<_, _>| _ = answer.send(result.is_ok()));
        bad.order(Order::Swap(desk.generation("bad", 2), Takeover::Succession, answer));
        assert_eq!(is_answered.recv_timeout(PATIENCE), Ok(true));
        calls += hand_over(&bad);
        assert_eq!(settled(&bad_book), (calls, vec![]));
    }
}

#[test]
fn each_order_is_answered_though_the_host_panics() {
    let desk = Desk::new();
    let broken = || Some(Box::new(Broken { on_drop: false }) as Box<dyn Guest>);
    let (swapping, book) = desk.worker("swapping", broken());
    let (answer, is_answered) = channel();
    let answer = Box::new(move |result: Result<_, _>| _ = answer.send(result.map(|_| ())));
    swapping.order(Order::Swap(desk.generation("swapping", 2), Takeover::Succession, answer));
    let result = is_answered.recv_timeout(PATIENCE).expect("an answer");
    assert!(matches!(result, Err(CallError::Panicked(_))), "{result:?}");
    given_up(&swapping, &book);
    let calls = hand_over(&swapping);
    swapping.order(Order::Retry);
    assert_eq!(settled(&book), (calls, vec![]), "with an instance of its own it does well");

    let (stopping, book) = desk.worker("stopping", broken());
    let calls = hand_over(&stopping);
    let (answer, is_answered) = channel();
    stopping.order(Order::Stop(Instant::now() + PATIENCE, Box::new(move || _ = answer.send(()))));
    assert_eq!(is_answered.recv_timeout(PATIENCE), Ok(()));
    assert_eq!(settled(&book), (0, vec![("shutdown", calls)]));
    desk.pool.stop();
}
