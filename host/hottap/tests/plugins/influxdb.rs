//! A real InfluxDB gets what the tracer influxdb sends, and is asked for it again: nothing is missing, nothing twice.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use hottap::rpc::Side;
use serde_json::Value;

use crate::house::House;
use crate::peers::{Server, get, post, until};

/// Methods that the calls go to, the last one with all that line protocol has a meaning for, and their statuses.
const METHODS: [&str; 3] = ["shop.v1.Checkout/Place", "shop.v1.Inventory/Reserve", r#"odd.v1.Odd/a b,c=d"e\f"#];
const STATUSES: [(u16, &str); 4] = [(0, "OK"), (5, "NOT_FOUND"), (4, "DEADLINE_EXCEEDED"), (14, "UNAVAILABLE")];

/// Side, method and status of a series.
type Kind = (String, String, String);

struct Influxdb {
    /// Ended before its files are removed: fields are dropped in this order.
    _server: Server,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Influxdb {
    /// Starts one with the empty database `rpc`.
    fn start(program: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let configuration = directory.path().join("influxdb.conf");
        std::fs::write(&configuration, configuration_in(directory.path())).expect("written");
        let mut command = Command::new(program);
        command.arg("run").arg("-config").arg(&configuration);
        let server = Server::start(&mut command, directory.path());
        let address = until("InfluxDB says where it listens", || {
            let log = server.log();
            let (_, listening) = log.split_once("\"Listening on HTTP\"")?;
            // The line may not be whole yet.
            let (line, _) = listening.split_once('\n')?;
            line.split(' ').find_map(|word| word.strip_prefix("addr="))?.parse().ok()
        });
        until("InfluxDB makes a database", || post(address, "/query?q=CREATE%20DATABASE%20rpc"));
        Self { _server: server, address, _directory: directory }
    }

    /// Each series of a measurement, with the given aggregates of its fields.
    fn series<const N: usize>(&self, select: [&str; N], measurement: &str) -> BTreeMap<Kind, [u64; N]> {
        let query = format!("SELECT {} FROM {measurement} GROUP BY side, method, status", select.join(", "));
        let body = get(self.address, &format!("/query?db=rpc&q={}", escaped(&query))).expect("InfluxDB answers");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let result = &answer["results"][0];
        assert!(result["error"].is_null(), "{query}: {result}");
        let series = result["series"].as_array().cloned().unwrap_or_default();
        let kinds = series.iter().map(|series| {
            let tag = |name: &str| series["tags"][name].as_str().expect("a tag").to_owned();
            // The first column is the time, which an aggregate has not.
            let value = |i: usize| series["values"][0][i + 1].as_u64().unwrap_or_else(|| panic!("{query}: {series}"));
            ((tag("side"), tag("method"), tag("status")), std::array::from_fn(value))
        });
        kinds.collect()
    }

    /// Writes a line as another client would.
    fn write(&self, line: &str) {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        write!(stream, "POST /write?db=rpc HTTP/1.0\r\ncontent-length: {}\r\n\r\n{line}", line.len()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains(" 204 "), "{line}: {answer}");
    }

    /// Points of a measurement.
    fn points(&self, measurement: &str, field: &str) -> u64 {
        self.series([&format!("count({field})")], measurement).values().map(|[points]| points).sum()
    }
}

/// Everything in one directory and on ports that the system chooses; no metrics of its own, no reports to its makers.
fn configuration_in(directory: &Path) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\ndir = {:?}\n[data]\ndir = {:?}\nwal-dir = {:?}\n\
         [http]\nbind-address = \"127.0.0.1:0\"\n[monitor]\nstore-enabled = false\n",
        at("meta"),
        at("data"),
        at("wal")
    )
}

/// A text as part of a URL's query.
fn escaped(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    bytes.collect()
}

#[test]
#[ignore = "needs InfluxDB"]
fn influxdb_has_every_call_exactly_once_summed_up_and_as_points() {
    let module = fixtures::guest("influxdb.wasm");
    let program = fixtures::peer("HOTTAP_TEST_INFLUXD");
    let influxdb = Influxdb::start(&program);
    let house = House::new();
    house.configure(&format!(
        "[destinations.influx]\nurl = \"http://{}/write?db=rpc\"\ntracers = [\"sums\", \"points\"]\n",
        influxdb.address
    ));
    // The same module twice, so that what one of them says can be held against the other.
    for (name, more) in [("sums", ""), ("points", "points = true\n")] {
        let config = format!("destinations = [\"influx\"]\n[config]\nmeasurement = \"{name}\"\n{more}");
        house.drop_in(&format!("{name}.toml"), config);
        house.drop_in(&format!("{name}.wasm"), &module);
        house.until(name, "allowed to send", |tracer| {
            tracer["state"] == "live" && tracer["destinations"]["influx"] == "granted"
        });
    }
    // In waves, so that series have points of several intervals.
    let mut made: BTreeMap<Kind, [u64; 2]> = BTreeMap::new();
    let mut total = 0_u64;
    for wave in 1..=3_u64 {
        for i in 0..wave * 1_000 {
            // Each kind often and none equally often.
            let roll = i * i + wave;
            let side = if roll.is_multiple_of(3) { Side::Client } else { Side::Server };
            let method = METHODS[(roll / 3 % 3) as usize];
            let (status, name) = STATUSES[(roll / 11 % 4) as usize];
            house.call(side, method, status);
            let kind = (side.as_str().to_owned(), method.to_owned(), name.to_owned());
            let [calls, errors] = made.entry(kind).or_default();
            *calls += 1;
            // A server that answers NOT_FOUND has not failed.
            *errors += u64::from(status != 0 && (side == Side::Client || name != "NOT_FOUND"));
            total += 1;
        }
        house.settled("sums", total);
        house.settled("points", total);
    }
    let influx = house.until_destination("influx", "empty", |influx| influx["queued"]["payloads"] == 0);
    assert_eq!(influx["dropped"], serde_json::json!({}), "{influx:#}");
    assert!(made.len() >= 20, "too few kinds to find anything: {made:#?}");

    assert_eq!(influxdb.series(["sum(\"count\")", "sum(errors)"], "sums"), made, "summed up");
    let counted = influxdb.series(["count(duration_ns)"], "points");
    let calls: BTreeMap<Kind, [u64; 1]> = made.into_iter().map(|(kind, [calls, _])| (kind, [calls])).collect();
    assert_eq!(counted, calls, "a point for each call");
    assert_eq!(
        influxdb.series(["sum(duration_sum_ns)", "min(duration_min_ns)", "max(duration_max_ns)"], "sums"),
        influxdb.series(["sum(duration_ns)", "min(duration_ns)", "max(duration_ns)"], "points"),
        "both say the same of how long calls took"
    );

    // No point was overwritten: as many are there as were sent.
    for (name, field) in [("sums", "errors"), ("points", "duration_ns")] {
        let sent = house.metric(&format!("influxdb_points_total{{tracer=\"{name}\"}}")).expect("counted");
        assert_eq!(influxdb.points(name, field) as f64, sent, "{name}");
    }
    assert_eq!(influxdb.points("points", "duration_ns"), total);
    assert!(influxdb.points("sums", "errors") > calls.len() as u64, "series have points of several intervals");
}

#[test]
#[ignore = "needs InfluxDB"]
fn a_partial_write_loses_the_points_that_influxdb_refused_and_no_others() {
    let module = fixtures::guest("influxdb.wasm");
    let program = fixtures::peer("HOTTAP_TEST_INFLUXD");
    let influxdb = Influxdb::start(&program);
    // From now on this field is a number in this measurement, and a text is refused there.
    influxdb.write("calls error_message=1.5");
    let house = House::new();
    house.configure(&format!(
        "[destinations.influx]\nurl = \"http://{}/write?db=rpc\"\ntracers = [\"influxdb\"]\n",
        influxdb.address
    ));
    let config = "measurement = \"calls\"\npoints = true\ntexts = true\n";
    house.drop_in("influxdb.toml", format!("destinations = [\"influx\"]\n[config]\n{config}"));
    house.drop_in("influxdb.wasm", module);
    house.until("influxdb", "allowed to send", |tracer| {
        tracer["state"] == "live" && tracer["destinations"]["influx"] == "granted"
    });
    const CALLS: u64 = 500;
    for i in 0..CALLS {
        // One call has an error, and so the field.
        house.call(Side::Server, METHODS[0], if i == 77 { 14 } else { 0 });
    }
    house.settled("influxdb", CALLS);
    let influx = house.until_destination("influx", "empty", |influx| influx["queued"]["payloads"] == 0);
    assert_eq!(
        (&influx["dropped"], &influx["refused"]),
        (&serde_json::json!({}), &serde_json::json!({})),
        "{influx:#}"
    );
    assert_eq!((&influx["delivered"], &influx["items_refused"]), (&influx["accepted"], &1.into()), "{influx:#}");
    assert_eq!(house.metric("hottap_destination_items_refused_total{destination=\"influx\"}"), Some(1.0));
    let error = influx["last_error"]["message"].as_str().unwrap_or_default();
    assert!(error.contains("but for 1 of its items") && error.contains("partial write"), "{influx:#}");
    assert_eq!(influxdb.points("calls", "duration_ns"), CALLS - 1);

    // The next payload is taken as a whole.
    house.calls(10);
    house.settled("influxdb", CALLS + 10);
    let influx = house.until_destination("influx", "whole again", |influx| influx["state"] == "ok");
    assert_eq!(influx["items_refused"], 1);
}
