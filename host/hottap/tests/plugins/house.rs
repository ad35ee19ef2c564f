//! A Hottap with a plugin dir of its own, and calls made by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hottap::rpc::{Outcome, Protocol, Side, Symbol};
use hottap::{Builder, Hottap};
use serde_json::Value;
use tempfile::TempDir;

/// An interpreter's 18 MiB, compiled for the first time on a busy machine at low priority, takes minutes; nothing waits
/// longer than it must.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) struct House {
    pub(crate) tap: Hottap,
    directory: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Hottap::builder())
    }

    /// A Hottap whose plugin dir does not exist yet.
    pub(crate) fn without_directory() -> Self {
        Self::over(tempfile::tempdir().expect("a temporary directory"), Hottap::builder())
    }

    /// With what the builder has beside.
    pub(crate) fn with(builder: Builder) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("plugins")).expect("made");
        Self::over(directory, builder)
    }

    /// With a plugin dir `plugins` in this directory, or without one.
    pub(crate) fn over(directory: TempDir, builder: Builder) -> Self {
        let plugins = directory.path().join("plugins");
        let config = directory.path().join("hottap.toml");
        let builder = builder.service("house").plugin_dir(plugins).config(config);
        let tap = builder.start().expect("Hottap starts");
        Self { tap, directory }
    }

    /// The directory that holds the plugin dir.
    pub(crate) fn outside(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("plugins").join(name)
    }

    /// Puts a file into the plugin dir as a careful operator does: whole, by a rename.
    pub(crate) fn drop_in(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let draft = self.directory.path().join("draft");
        fs::write(&draft, bytes).expect("written");
        fs::rename(&draft, self.file(name)).expect("renamed");
    }

    /// Puts the operator's configuration where it belongs, whole.
    pub(crate) fn configure(&self, config: &str) {
        let draft = self.directory.path().join("draft");
        fs::write(&draft, config).expect("written");
        fs::rename(&draft, self.directory.path().join("hottap.toml")).expect("renamed");
    }

    /// What `/api/destinations` says of one destination; null if it is not there.
    pub(crate) fn destination(&self, name: &str) -> Value {
        let all = self.tap.destinations();
        let list = all["destinations"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|destination| destination["name"] == name).unwrap_or_default()
    }

    /// Waits until a destination is as wanted, and returns it. At every look its books balance.
    #[track_caller]
    pub(crate) fn until_destination(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let destination = self.destination(name);
            if !destination.is_null() {
                let term = |pointer: &str| destination.pointer(pointer).and_then(Value::as_u64).expect("a count");
                let dropped: u64 =
                    destination["dropped"].as_object().expect("by reason").values().filter_map(Value::as_u64).sum();
                assert_eq!(
                    term("/accepted"),
                    term("/delivered") + term("/queued/payloads") + dropped,
                    "{destination:#}"
                );
            }
            if wanted(&destination) {
                return destination;
            }
            assert!(began.elapsed() < PATIENCE, "{name} is not {what}: {:#}", self.tap.destinations());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Waits until the configuration is refused in these words, and returns all that is said of it.
    #[track_caller]
    pub(crate) fn until_config_error(&self, words: &str) -> String {
        let began = Instant::now();
        loop {
            let error = self.tap.destinations()["config_error"].clone();
            match error.as_str() {
                Some(error) if error.contains(words) => return error.to_owned(),
                _ => {}
            }
            assert!(began.elapsed() < PATIENCE, "nobody says {words:?}: {error}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).expect("removed");
    }

    /// What `/api/tracers` says of one tracer; null if it is not there.
    pub(crate) fn tracer(&self, name: &str) -> Value {
        let all = self.tap.tracers();
        let list = all["tracers"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|tracer| tracer["name"] == name).unwrap_or_default()
    }

    /// Waits until a tracer is as wanted, and returns it.
    #[track_caller]
    pub(crate) fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let tracer = self.tracer(name);
            if wanted(&tracer) {
                return tracer;
            }
            assert!(began.elapsed() < PATIENCE, "{name} is not {what}: {tracer:#}");
            std::thread::yield_now();
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    #[track_caller]
    pub(crate) fn until_live(&self, name: &str) -> Value {
        self.until(name, "live", |tracer| tracer["state"] == "live")
    }

    /// Waits until nothing is pending, and checks the books.
    #[track_caller]
    pub(crate) fn settled(&self, name: &str, finished: u64) -> Value {
        let tracer = self.until(name, "settled", |tracer| {
            assert_balanced(tracer);
            tracer["finished"] == finished && tracer["pending"] == 0
        });
        assert_balanced(&tracer);
        tracer
    }

    /// Waits until as many messages of open streams were observed and none is pending, and checks the books.
    #[track_caller]
    pub(crate) fn settled_moments(&self, name: &str, observed: u64) -> Value {
        self.until(name, "settled", |tracer| {
            assert_balanced(tracer);
            let moments = &tracer["moments"];
            moments["observed"] == observed && moments["pending"] == 0
        })
    }

    /// Makes calls on the server's side, one after the other.
    pub(crate) fn calls(&self, count: u64) {
        (0..count).for_each(|_| self.call(Side::Server, "house.v1.House/Call", 0));
    }

    /// Makes one gRPC call that ends with a status.
    pub(crate) fn call(&self, side: Side, method: &str, status: u16) {
        if let Some(mut call) = self.tap.start_call(side, method) {
            call.set_protocol(Protocol::Grpc);
            call.set_http_status(200);
            call.set_rpc_status(status);
            if status != 0 {
                call.fail(Outcome::Error, Symbol::intern("UNAVAILABLE"), "no room");
            }
            call.finish();
        }
    }

    /// One sample of the metrics page: the value of the line that starts with `series`.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let page = self.tap.metrics();
        let line = page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }
}

/// Every finished call is somewhere, at every moment, and so is every message of the streams that a tracer follows.
#[track_caller]
pub(crate) fn assert_balanced(tracer: &Value) {
    if tracer.is_null() {
        return;
    }
    let (term, moments) = (|name: &str| tracer[name].as_u64().expect("a count"), &tracer["moments"]);
    let dropped = |terms: &Value| -> u64 {
        terms["dropped"].as_object().expect("by reason").values().filter_map(Value::as_u64).sum()
    };
    assert_eq!(term("finished"), term("committed") + term("pending") + dropped(tracer) + term("dead"), "{tracer:#}");
    if !moments.is_null() {
        let term = |name: &str| moments[name].as_u64().expect("a count");
        assert_eq!(term("observed"), term("committed") + term("pending") + dropped(moments), "{tracer:#}");
    }
}
