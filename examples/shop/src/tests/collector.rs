//! The spans of an order in a real OpenTelemetry collector: one tree for each, drawn as its calls were made.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hottap::Hottap;

use crate::design::{Order, Prices};
use crate::proto::PlaceRequest;
use crate::shop::Shop;

/// Nothing waits longer than it must; a module that is compiled on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// An order that is priced when Pricing is asked for the second time.
const ASKED_TWICE: &str = "\
RPC call shop.v1.Checkout/Place OK
  RPC handle shop.v1.Checkout/Place OK
    RPC call shop.v1.Inventory/Reserve OK
      RPC handle shop.v1.Inventory/Reserve OK
    RPC call shop.v1.Pricing/Quote UNAVAILABLE
      RPC handle shop.v1.Pricing/Quote UNAVAILABLE
    RPC call shop.v1.Pricing/Quote OK
      RPC handle shop.v1.Pricing/Quote OK
";
/// An order that is out of stock.
const OUT_OF_STOCK: &str = "\
RPC call shop.v1.Checkout/Place FAILED_PRECONDITION
  RPC handle shop.v1.Checkout/Place FAILED_PRECONDITION
    RPC call shop.v1.Inventory/Reserve FAILED_PRECONDITION
      RPC handle shop.v1.Inventory/Reserve FAILED_PRECONDITION
";

/// A file that `cargo xtask test` provides. None, and a line that says so, if it did not; under `HOTTAP_TEST_REAL=1` that
/// is a failure.
fn found(what: &str, variable: &str, path: impl FnOnce(PathBuf) -> PathBuf) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from).map(path).filter(|path| path.is_file());
    if path.is_none() {
        assert!(std::env::var("HOTTAP_TEST_REAL").as_deref() != Ok("1"), "{variable} does not lead to {what}");
        let test = "the_spans_of_an_order_are_one_tree_in_a_real_collector";
        println!("skipped: {test}: {variable} does not lead to {what}; run cargo xtask test --real");
    }
    path
}

/// Polls until there is what is wanted.
#[track_caller]
fn until<T>(what: &str, mut wanted: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = wanted() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A running collector that prints the spans it gets. Ended when dropped; what it printed is shown if the test failed.
struct Collector {
    child: Child,
    log: PathBuf,
    address: SocketAddr,
}

impl Collector {
    fn start(program: &Path, directory: &Path) -> Self {
        // Free a moment ago; if somebody takes one in between, the collector ends and the test says so.
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [address, grpc] = ports.map(|port| port.local_addr().expect("it has one"));
        let log = directory.join("collector.log");
        let file = File::create(&log).expect("made");
        let child = Command::new(program)
            .args(["start", "--exporter", "blackhole", "--debug-log", "traces", "--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &address.to_string(), "--otlp-grpc-endpoint", &grpc.to_string()])
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .expect("the collector starts");
        let collector = Self { child, log, address };
        until("the collector listens", || TcpStream::connect(address).ok());
        collector
    }

    fn printed(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The spans that it has printed as a whole.
    fn spans(&self) -> Vec<Span> {
        self.printed().split("\nSpan #").skip(1).filter_map(Span::read).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("the collector printed:\n{}", self.printed());
        }
    }
}

/// A span as the collector understood it.
#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    /// Name, method and status, and whether the kind is that of the name.
    title: String,
    started: u64,
    ended: u64,
}

impl Span {
    /// None if the text ends before the span does.
    fn read(text: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.trim().trim_start_matches("-> "), value.trim()))
            .collect();
        let field = |name: &str| fields.get(name).copied();
        let attribute = |name: &str| field(name)?.strip_prefix("Str(")?.strip_suffix(')');
        let name = field("Name")?;
        let kind = if name == "RPC call" { "SPAN_KIND_CLIENT" } else { "SPAN_KIND_SERVER" };
        let amiss = if field("Kind")? == kind { "" } else { " of the wrong kind" };
        Some(Self {
            trace: field("Trace ID")?.to_owned(),
            id: field("ID")?.to_owned(),
            parent: field("Parent ID")?.to_owned(),
            title: format!("{name} {} {}{amiss}", attribute("rpc.method")?, attribute("rpc.response.status_code")?),
            started: field("Start time")?.parse().ok()?,
            ended: field("End time")?.parse().ok()?,
        })
    }
}

/// Draws the spans below one, in the order in which they began, and checks that each lies where its parent does.
fn draw(spans: &[Span], parent: Option<&Span>, depth: usize, drawing: &mut String) {
    let id = parent.map_or("", |parent| &parent.id);
    for span in spans.iter().filter(|span| span.parent == id) {
        if let Some(parent) = parent {
            let during = parent.started..=parent.ended;
            assert!(during.contains(&span.started), "{span:?} did not begin during {parent:?}");
        }
        *drawing += &format!("{}{}\n", "  ".repeat(depth), span.title);
        draw(spans, Some(span), depth + 1, drawing);
    }
}

/// Places an order for each of these, one after the other, and ends the shop.
async fn place(tap: &Hottap, orders: [Order; 2]) {
    let shop = Shop::open(tap).await.expect("loopback ports");
    let mut client = shop.client(tap).expect("an address");
    for order in orders {
        let reply = client.place(PlaceRequest { order: order.number(), items: order.items() }).await;
        assert_eq!(reply.is_ok(), order.in_stock(), "{reply:?}");
    }
    drop(client);
    shop.close(PATIENCE).await.expect("no call is open");
}

#[test]
fn the_spans_of_an_order_are_one_tree_in_a_real_collector() {
    let module = found("rpc-span.wasm", "HOTTAP_TEST_GUESTS", |folder| folder.join("rpc-span.wasm"));
    let Some(module) = module else { return };
    let Some(program) = found("a collector", "HOTTAP_TEST_COLLECTOR", |program| program) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let collector = Collector::start(&program, directory.path());

    let (plugins, config) = (directory.path().join("plugins"), directory.path().join("hottap.toml"));
    let destination = format!("url = \"http://{}/v1/traces\"\ntracers = [\"rpc-span\"]", collector.address);
    fs::write(&config, format!("[destinations.otlp]\n{destination}\n")).expect("written");
    fs::create_dir(&plugins).expect("made");
    fs::write(plugins.join("rpc-span.toml"), "destinations = [\"otlp\"]\n").expect("written");
    fs::copy(module, plugins.join("rpc-span.wasm")).expect("copied");
    let tap = Hottap::builder().service("shop").plugin_dir(&plugins).config(&config).start().expect("it starts");
    let tracer = || tap.tracers()["tracers"][0].clone();
    until("rpc-span goes live and may send", || {
        let tracer = tracer();
        (tracer["state"] == "live" && tracer["destinations"]["otlp"] == "granted").then_some(())
    });

    let order = |is_so: &dyn Fn(Order) -> bool| (1..).map(Order::new).find(|order| is_so(*order)).expect("some are");
    let asked_twice = order(&|order| order.in_stock() && order.prices() == Prices::KnownAtRetry);
    let out_of_stock = order(&|order| !order.in_stock());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(place(&tap, [asked_twice, out_of_stock]));
    assert!(tap.shutdown(PATIENCE), "everything is flushed and delivered: {:#}", tap.destinations());

    let expected = ASKED_TWICE.lines().count() + OUT_OF_STOCK.lines().count();
    let tracer = tracer();
    assert_eq!(tracer["committed"], expected, "a call of each side for each span: {tracer:#}");
    assert!(tracer["start"]["calls"].as_u64() > Some(0), "spans were opened: {tracer:#}");
    let mut spans = until("the collector has printed every span", || {
        Some(collector.spans()).filter(|spans| spans.len() >= expected)
    });
    assert_eq!(spans.len(), expected, "{spans:#?}");

    spans.sort_by_key(|span| span.started);
    let mut trees: Vec<(String, Vec<Span>)> = Vec::new();
    for span in spans {
        match trees.iter_mut().find(|(trace, _)| *trace == span.trace) {
            Some((_, spans)) => spans.push(span),
            None => trees.push((span.trace.clone(), vec![span])),
        }
    }
    let drawings: Vec<String> = trees
        .iter()
        .map(|(_, spans)| {
            let mut drawing = String::new();
            draw(spans, None, 0, &mut drawing);
            drawing
        })
        .collect();
    assert_eq!(drawings, [ASKED_TWICE, OUT_OF_STOCK], "{trees:#?}");
}
