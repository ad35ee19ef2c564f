//! The shop under load with a good tracer in its plugin dir, and what is looked at while hostile inputs come and go.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use super::case::{Becomes, Case, write};
use crate::child::Shop;

/// RPCs a second: enough that each hostile tracer gets its calls at once, and few enough for a debug build beside other
/// tests.
const RATE: &str = "500";
/// The tracer beside them. Its scope is what the load generator counts, so that the two counts can be compared.
const NEIGHBOUR: &str = "neighbour";
const SCOPE: &str = "[scope]\nsides = [\"client\"]\nmethods = [\"shop.v1.Checkout/*\"]\n";
/// The time within which a cause is named once it can be known.
const NAMED: Duration = Duration::from_secs(1);
/// The time after which a wait fails: nothing waits longer than it must.
const PATIENCE: Duration = Duration::from_secs(30);
/// Memory that may be left after the inputs of a kind, beyond what the service had at the beginning: the allocator keeps
/// what the largest compile took. An input that leaks in proportion to calls or loads is far beyond this.
const LEFT_KIB: u64 = 256 << 10;

pub(super) struct Ground {
    shop: Shop,
    folder: TempDir,
    neighbour: Vec<u8>,
    admin: SocketAddr,
    rss: u64,
    placed: (Instant, u64),
}

impl Ground {
    /// Starts the shop with its good tracer.
    pub(super) fn open() -> Self {
        let neighbour = fixtures::guest("red-metrics.wasm");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).expect("made");
        // Free a moment ago; if another program takes it in between, the shop says so and ends.
        let admin = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let dir = plugins.to_str().expect("text");
        let args = ["--plugins", dir, "--admin", &admin.to_string(), "--rate", RATE, "--seconds", "900", "--json"];
        let mut shop = Shop::start(&args);
        // Its first answer says that it is up.
        shop.ask("hold");
        write(&plugins.join(format!("{NEIGHBOUR}.toml")), SCOPE.as_bytes());
        write(&plugins.join(format!("{NEIGHBOUR}.wasm")), &neighbour);
        let mut ground = Self { shop, folder, neighbour, admin, rss: 0, placed: (Instant::now(), unix_ms()) };
        ground.until(NEIGHBOUR, "live", |tracer| tracer["state"] == "live");
        assert_eq!(ground.shop.ask("go")["rpcs"], 0);
        ground.until(NEIGHBOUR, "committing", |tracer| tracer["committed"].as_u64() > Some(100));
        ground.rss = ground.resident();
        ground
    }

    /// The good module.
    pub(super) fn neighbour(&self) -> &[u8] {
        &self.neighbour
    }

    fn plugins(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    pub(super) fn place(&mut self, case: &Case) {
        // Files that are gone unload their tracers a moment later, and only four may act at the start of calls.
        if case.kind == "starters" {
            self.until_there_is_room_for_a_start();
        }
        println!("{}", case.name);
        self.placed = (Instant::now(), unix_ms());
        case.place(&self.plugins(), &self.neighbour);
    }

    pub(super) fn remove(&mut self, case: &Case) {
        case.remove(&self.plugins());
    }

    /// Waits for what has to become of the input.
    pub(super) fn judge(&mut self, case: &Case) {
        match case.becomes {
            Becomes::Refused(words) => self.is_refused(case, words),
            Becomes::Fails(words) => self.fails(case, words),
            Becomes::Lives => self.lives(case),
            Becomes::Either => self.is_decided(case),
            Becomes::Nothing => self.is_no_tracer(case),
        }
        let tracer = self.tracer(&case.name);
        for part in ["message", "what_to_do", "meanwhile"] {
            let text = tracer["last_error"][part].as_str().unwrap_or_default();
            assert!(text.chars().all(is_of_a_line), "{part} is more than one line: {text:?}");
        }
    }

    /// The service is there still; if not, what it was that ended it is said.
    pub(super) fn is_up(&mut self, name: &str, panic: Box<dyn std::any::Any + Send>) {
        if let Some(status) = self.shop.child.try_wait().expect("it is ours") {
            println!("{name} ended the service: {status}");
            std::panic::resume_unwind(panic);
        }
    }

    /// It is not loaded, and why not is said in time.
    #[track_caller]
    fn is_refused(&mut self, case: &Case, words: &[&str]) {
        let tracer = self.until(&case.name, "refused", |tracer| has_error(tracer) && tracer["state"] != "live");
        says(&tracer, words);
        self.is_named_in_time(case, &tracer, self.placed.1);
        assert_eq!(tracer["finished"], 0, "{tracer:#}");
    }

    /// It was loaded, got calls, and what went wrong is said in time.
    #[track_caller]
    fn fails(&mut self, case: &Case, words: &[&str]) {
        let tracer = self.until(&case.name, "failing", has_error);
        says(&tracer, words);
        assert!(tracer["loads"].as_u64() > Some(0), "it went live: {tracer:#}");
        // It went live after it was placed: the time of its load does not count.
        let loaded = tracer["live_since_unix_ms"].as_u64().or(tracer["since_unix_ms"].as_u64()).unwrap_or_default();
        self.is_named_in_time(case, &tracer, loaded.max(self.placed.1));
    }

    /// It is live, its calls are committed, and nothing is wrong.
    #[track_caller]
    fn lives(&mut self, case: &Case) {
        let tracer = self.until(&case.name, "committing or refused", |tracer| {
            tracer["committed"].as_u64() > Some(0) || has_error(tracer)
        });
        assert!(!has_error(&tracer) && tracer["traps"] == 0, "{tracer:#}");
    }

    /// It was loaded or refused.
    #[track_caller]
    fn is_decided(&mut self, case: &Case) {
        let began = Instant::now();
        let tracer = self.until(&case.name, "live or refused", |tracer| tracer["state"] == "live" || has_error(tracer));
        let limit = NAMED + case.known_after;
        assert!(began.elapsed() < limit, "it took {:?}: {tracer:#}", began.elapsed());
    }

    /// Files come to the supervisor in the order in which they changed: when a later one is live, this one was seen.
    #[track_caller]
    fn is_no_tracer(&mut self, case: &Case) {
        let plugins = self.plugins();
        write(&plugins.join("later.wasm"), &super::guest::QUIET.module());
        self.until("later", "live", |tracer| tracer["state"] == "live");
        let tracer = self.tracer(&case.name);
        assert!(tracer["loads"].as_u64().unwrap_or(0) == 0 && tracer["state"] != "live", "{tracer:#}");
        std::fs::remove_file(plugins.join("later.wasm")).expect("removed");
        self.until("later", "gone", is_gone);
    }

    /// After all inputs of a kind are gone: nothing of them is left, and the service is as it was.
    #[track_caller]
    pub(super) fn is_calm(&mut self, name: &str, kind: &[Case]) {
        for case in kind {
            self.until(&case.name, "gone", is_gone);
        }
        let page = self.get("/metrics");
        let own = format!("rpc_client_call_duration_seconds_count{{tracer=\"{NEIGHBOUR}\"");
        assert!(page.contains(&own), "after {name} the neighbour's metrics have lost their name");
        let resident = self.resident();
        assert!(resident < self.rss + LEFT_KIB, "after {name}: {} KiB became {resident} KiB", self.rss);
        println!("after {name}: {resident} KiB, {}", self.shop.ask("count"));
    }

    /// Everything is where it belongs, to the last call.
    #[track_caller]
    pub(super) fn close(mut self) {
        let counted = self.shop.ask("hold");
        let neighbour = self.until(NEIGHBOUR, "settled", |tracer| tracer["pending"] == 0);
        assert_eq!(counted["failed"], 0, "{counted}");
        for term in ["finished", "committed"] {
            assert_eq!(neighbour[term], counted["rpcs"], "{neighbour:#}");
        }
        let resident = self.resident();
        assert!(resident < self.rss + LEFT_KIB, "{} KiB became {resident} KiB", self.rss);
        self.shop.terminate();
        let (report, success) = self.shop.end();
        assert!(success, "{report}");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!((&report["failed"], &report["rpcs"]), (&Value::from(0), &counted["rpcs"]), "{report}");
        for (name, tracer) in report["tracers"].as_object().expect("by name") {
            assert_eq!(tracer["finished"].as_u64(), Some(accounted(tracer)), "{name}: {tracer}");
        }
    }

    /// Waits until fewer tracers than may be act at the start of calls.
    #[track_caller]
    fn until_there_is_room_for_a_start(&mut self) {
        let began = Instant::now();
        let acts = |tracer: &Value| tracer["state"] == "live" && tracer["start"].is_object();
        while self.tracers().iter().filter(|tracer| acts(tracer)).count() > 3 {
            assert!(began.elapsed() < PATIENCE, "starters are not unloaded");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Waits until a tracer is as wanted. At every look no RPC has failed, no call is nowhere, and the neighbour has lost
    /// nothing.
    #[track_caller]
    fn until(&mut self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let all = self.tracers();
            self.check(&all);
            let tracer = all.into_iter().find(|tracer| tracer["name"] == name).unwrap_or_default();
            if wanted(&tracer) {
                return tracer;
            }
            assert!(began.elapsed() < PATIENCE, "{name} is not {what}: {tracer:#}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    #[track_caller]
    fn check(&mut self, all: &[Value]) {
        for tracer in all {
            assert_eq!(tracer["finished"].as_u64(), Some(accounted(tracer)), "calls are nowhere: {tracer:#}");
            if tracer["name"] == NEIGHBOUR {
                assert_eq!(tracer["dropped"], serde_json::json!({}), "the neighbour lost calls: {tracer:#}");
                assert_eq!((&tracer["dead"], &tracer["traps"]), (&Value::from(0), &Value::from(0)), "{tracer:#}");
            }
        }
        let counted = self.shop.ask("count");
        assert_eq!(counted["failed"], 0, "{counted}");
    }

    #[track_caller]
    fn is_named_in_time(&self, case: &Case, tracer: &Value, since: u64) {
        let at = tracer["last_error"]["at_unix_ms"].as_u64().expect("a time");
        let took = Duration::from_millis(at.saturating_sub(since));
        let limit = NAMED + case.known_after;
        assert!(took <= limit, "{} is named after {took:?}, at most {limit:?}: {tracer:#}", case.name);
    }

    fn tracer(&self, name: &str) -> Value {
        self.tracers().into_iter().find(|tracer| tracer["name"] == name).unwrap_or_default()
    }

    fn tracers(&self) -> Vec<Value> {
        let mut page: Value = serde_json::from_str(&self.get("/api/tracers")).expect("JSON");
        page["tracers"].as_array_mut().map(std::mem::take).expect("a list")
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).expect("the admin API answers");
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.admin).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer.split_once("\r\n\r\n").expect("a whole answer").1.to_owned()
    }

    /// The memory that the service holds, in KiB.
    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.shop.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

fn has_error(tracer: &Value) -> bool {
    !tracer["last_error"].is_null()
}

/// No calls go to it, and none wait.
fn is_gone(tracer: &Value) -> bool {
    tracer.is_null() || (tracer["state"] == "removed" && tracer["pending"] == 0)
}

fn accounted(tracer: &Value) -> u64 {
    let term = |name: &str| tracer[name].as_u64().expect("a count");
    let dropped: u64 = tracer["dropped"].as_object().expect("by reason").values().filter_map(Value::as_u64).sum();
    term("committed") + term("pending") + dropped + term("dead")
}

#[track_caller]
fn says(tracer: &Value, words: &[&str]) {
    let message = tracer["last_error"]["message"].as_str().unwrap_or_default();
    let error = format!("{message}; {}", tracer["last_error"]["what_to_do"].as_str().unwrap_or_default());
    assert!(words.iter().any(|word| error.contains(word)), "none of {words:?} is in {error:?}");
    assert!(error.len() > message.len() + 2, "nothing says what to do: {tracer:#}");
}

/// Neither ends a line nor changes how the rest of it is read.
fn is_of_a_line(c: char) -> bool {
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !breaks && !turns
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
