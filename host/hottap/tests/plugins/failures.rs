//! Destinations that fail, each in its own way, while RPCs are made: each failure is named and counted, and nobody but
//! the destination feels it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hottap::RequestBody;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use serde_json::{Value, json};
use tower::{ServiceExt, service_fn};

use crate::house::House;
use crate::log;
use crate::sink::{Refuses, Seen, Sink};

/// A part of every secret of these destinations, and of nothing else.
const SECRET: &str = "s3cret";
/// RPCs of one wave; each is a call of the client's side and one of the server's.
const RPCS: u64 = 50;
/// After each wave every tracer flushes, so that there is more than one payload.
const WAVES: u64 = 3;
const CALLS: u64 = 2 * RPCS * WAVES;

/// What a destination's URL leads to.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Connections are refused.
    Down,
    /// A server that accepts and does not answer.
    Silent,
    /// A server that repeats in its answer all that it was sent, secrets too, after this status and these headers.
    Answers(&'static str),
    /// A server that does so for its first request, and takes what comes later.
    AnswersOnce(&'static str),
    /// Something that speaks another protocol, and repeats what it was sent.
    Garbage,
    /// A server that takes everything.
    Takes,
}

/// What becomes of the payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    /// They wait for better times.
    Kept,
    /// They are dropped, for this reason.
    Lost(&'static str),
}

/// A tracer with a destination of its own, both of this name.
struct Case {
    name: &'static str,
    place: Place,
    /// More lines of its definition.
    settings: &'static str,
    fate: Fate,
    /// The destination's state.
    state: &'static str,
    /// Words of its last error and of what to do about it; "" if there is none.
    says: [&'static str; 2],
}

/// The tracer whose destination's credentials are put where they belong only later.
const KEYLESS: &str = "keyless";

const CASES: &[Case] = &[
    Case { name: "well", place: Place::Takes, settings: "", fate: Fate::Delivered, state: "ok", says: ["", ""] },
    Case {
        name: "down",
        place: Place::Down,
        settings: "",
        fate: Fate::Kept,
        state: "failing",
        says: ["no connection to 127.0.0.1", "start the server"],
    },
    Case {
        name: "slow",
        place: Place::Silent,
        settings: "timeout = \"100ms\"\nretry_for = \"150ms\"",
        fate: Fate::Lost("expired"),
        state: "failing",
        says: ["did not answer within 100ms; the payload was dropped (expired)", "`timeout`"],
    },
    Case {
        name: "refusing",
        place: Place::Answers("400 Bad Request"),
        settings: "",
        fate: Fate::Lost("rejected"),
        state: "failing",
        says: ["it answered 400 Bad Request: you sent POST /write?***", "format"],
    },
    Case {
        name: "limited",
        place: Place::AnswersOnce("429 Too Many Requests\r\nretry-after: 1"),
        settings: "",
        fate: Fate::Delivered,
        state: "ok",
        says: ["it answered 429 Too Many Requests: you sent POST /write?***", "the server limits the rate"],
    },
    Case {
        name: "broken",
        place: Place::Answers("500 Internal Server Error"),
        settings: "retry_for = \"150ms\"",
        fate: Fate::Lost("expired"),
        state: "failing",
        says: ["it answered 500 Internal Server Error: you sent POST /write?***", "for as long as `retry_for` says"],
    },
    Case {
        name: "garbage",
        place: Place::Garbage,
        settings: "retry_for = \"150ms\"",
        fate: Fate::Lost("expired"),
        state: "failing",
        says: ["no answer from 127.0.0.1", "does not speak HTTP/1.1"],
    },
    Case {
        name: KEYLESS,
        place: Place::Takes,
        settings: "",
        fate: Fate::Kept,
        state: "waiting",
        says: ["cannot be read", "put the secret there"],
    },
    Case {
        name: "unset",
        place: Place::Takes,
        settings: "",
        fate: Fate::Kept,
        state: "waiting",
        says: ["the environment variable HOTTAP_TEST_NOBODY_SETS_THIS is not set", "set it"],
    },
];

/// Tracers that may not send: the name, what `/api/tracers` says of the destination of that name.
const SHUT_OUT: [(&str, &str); 2] = [("unknown", "undefined"), ("not-granted", "not_granted")];

/// What listens behind the destinations, by name.
#[derive(Default)]
struct Places {
    sinks: BTreeMap<&'static str, Sink>,
    refusing: Vec<Refuses>,
}

impl Places {
    fn open(&mut self, name: &'static str, place: Place) -> SocketAddr {
        let echo = |seen: &Seen| format!("you sent {}{}", seen.head, seen.body);
        let says = move |status: &str, seen: &Seen| {
            let echo = echo(seen);
            Some(format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{echo}", echo.len()))
        };
        let sink = match place {
            Place::Down => {
                self.refusing.push(Refuses::start());
                return self.refusing[self.refusing.len() - 1].address;
            }
            Place::Silent => Sink::start(|_, _| None),
            Place::Answers(status) => Sink::start(move |_, seen| says(status, seen)),
            Place::AnswersOnce(status) => {
                Sink::start(move |n, seen| says(if n == 0 { status } else { "204 No Content" }, seen))
            }
            Place::Garbage => Sink::start(move |_, seen| Some(format!("220 ready\r\n{}", echo(seen)))),
            Place::Takes => {
                Sink::start(move |_, _| Some("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".into()))
            }
        };
        let address = sink.address;
        self.sinks.insert(name, sink);
        address
    }

    fn seen(&self, name: &str) -> Vec<Seen> {
        self.sinks.get(name).map(Sink::seen).unwrap_or_default()
    }
}

/// One destination of `hottap.toml`, with secrets in its query, a header and a file.
fn destination(house: &House, case: &Case, address: SocketAddr) -> String {
    let file = match case.name {
        KEYLESS => house.outside().join("token-to-come"),
        _ => house.outside().join("token"),
    };
    let authorization = match case.name {
        "unset" => "{ env = \"HOTTAP_TEST_NOBODY_SETS_THIS\" }".to_owned(),
        _ => format!("{{ file = {file:?}, prefix = \"Token \" }}"),
    };
    let Case { name, settings, .. } = case;
    format!(
        "[destinations.{name}]\nurl = \"http://{address}/write?db=rpc&u=bob&p={SECRET}-in-query\"\ntracers = [\"{name}\"]\n\
         headers = {{ authorization = {authorization}, x-text = \"{SECRET}-in-text\" }}\n{settings}\n"
    )
}

/// Makes RPCs through both layers; each is answered as it would be without a tracer.
fn rpcs(house: &House) {
    type Arrived = Request<RequestBody<RequestBody<Empty<Bytes>>>>;
    let handler = service_fn(|request: Arrived| async move {
        let path = request.uri().path().to_owned();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(path))))
    });
    let service = house.tap.client_layer().layer(house.tap.server_layer().layer(handler));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for _ in 0..RPCS {
            let request = Request::post("http://shop/shop.v1.Checkout/Place").body(Empty::new()).expect("valid");
            let response = service.clone().oneshot(request).await.expect("no RPC fails");
            assert_eq!(response.status(), 200);
            let body = response.into_body().collect().await.expect("no RPC fails").to_bytes();
            assert_eq!(body, "/shop.v1.Checkout/Place");
        }
    });
}

/// All that an operator can see: each page of the admin API, and the log.
fn shown(house: &House) -> String {
    let mut shown = format!("{:?}\n", house.tap);
    for page in ["/", "/metrics", "/api/tracers", "/api/destinations", "/healthz"] {
        let request = Request::get(page).body(()).expect("valid");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let response = runtime.block_on(house.tap.admin().oneshot(request)).expect("it never fails");
        let body = runtime.block_on(response.into_body().collect()).expect("it is whole").to_bytes();
        shown += &String::from_utf8_lossy(&body);
    }
    shown + &log::lines()
}

#[track_caller]
fn assert_keeps_secrets(house: &House) {
    let shown = shown(house);
    let leak = shown.lines().find(|line| line.contains(SECRET));
    assert!(leak.is_none(), "{}", leak.unwrap_or_default());
}

/// The numbers of a destination's books.
fn count(destination: &Value, what: &str) -> u64 {
    destination.pointer(what).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {what}: {destination:#}"))
}

/// Waits until a destination is where the case wants it, and checks all that is said of it.
#[track_caller]
fn fails_as_it_should(house: &House, case: &Case) {
    let Case { name, fate, state, says: [message, advice], .. } = case;
    let destination = house.until_destination(name, "where it should be", |destination| {
        let done = match fate {
            Fate::Kept => destination["state"] == *state,
            Fate::Delivered | Fate::Lost(_) => destination["queued"]["payloads"] == 0,
        };
        done && destination["accepted"].as_u64() >= Some(WAVES)
    });
    let accepted = count(&destination, "/accepted");
    let (delivered, queued, dropped) = match *fate {
        Fate::Delivered => (accepted, 0, json!({})),
        Fate::Kept => (0, accepted, json!({})),
        Fate::Lost(reason) => (0, 0, json!({ reason: accepted })),
    };
    assert_eq!((count(&destination, "/delivered"), count(&destination, "/queued/payloads")), (delivered, queued));
    assert_eq!((&destination["dropped"], &destination["refused"]), (&dropped, &json!({})), "{destination:#}");
    assert_eq!(destination["state"], *state, "{destination:#}");

    let error = &destination["last_error"];
    assert_eq!(error.is_null(), message.is_empty(), "{destination:#}");
    if !message.is_empty() {
        let (found, what_to_do) = (error["message"].as_str().unwrap_or(""), error["what_to_do"].as_str().unwrap_or(""));
        assert!(found.contains(message) && what_to_do.contains(advice), "{destination:#}");
        let line = log::lines().lines().any(|line| {
            line.contains(&format!("destination=\"{name}\"")) && line.contains(message) && line.contains(advice)
        });
        assert!(line, "{name} is named in the log");
    }

    let labels = format!("destination=\"{name}\"");
    for (metric, expected) in [("accepted_total", accepted), ("delivered_total", delivered), ("queued", queued)] {
        let found = house.metric(&format!("hottap_destination_{metric}{{{labels}}}"));
        assert_eq!(found, Some(expected as f64), "{metric} of {name}");
    }
    if let Fate::Lost(reason) = fate {
        let found = house.metric(&format!("hottap_destination_dropped_total{{{labels},reason=\"{reason}\"}}"));
        assert_eq!(found, Some(accepted as f64), "{name}");
    }
}

/// The tracer's own books, which no destination disturbs.
#[track_caller]
fn assert_tracer(house: &House, name: &str, points: u64, refused: u64) {
    let tracer = house.settled(name, CALLS);
    assert_eq!((&tracer["committed"], &tracer["dropped"], &tracer["dead"]), (&json!(CALLS), &json!({}), &json!(0)));
    assert!(tracer["state"] == "live" && tracer["last_error"].is_null() && tracer["traps"] == 0, "{tracer:#}");
    let metric = |name: String| house.metric(&name).unwrap_or_default();
    let found = (
        metric(format!("influxdb_points_total{{tracer=\"{name}\"}}")),
        metric(format!("influxdb_points_refused_total{{tracer=\"{name}\",reason=\"not_allowed\"}}")),
    );
    assert_eq!(found, (points as f64, refused as f64), "{name}");

    // The host counts payloads that are in no destination's books, whatever the tracer says of them.
    let lost = tracer["payloads_refused"]["not_allowed"].as_u64();
    assert!(if refused > 0 { lost >= Some(WAVES) } else { tracer["payloads_refused"].is_null() }, "{tracer:#}");
    let series = format!("hottap_tracer_payloads_refused_total{{tracer=\"{name}\",reason=\"not_allowed\"}}");
    assert_eq!(house.metric(&series), Some(lost.unwrap_or(0) as f64));
}

/// Lines that arrived.
fn points(seen: &[Seen]) -> u64 {
    seen.iter().map(|seen| seen.body.lines().count() as u64).sum()
}

#[test]
fn destinations_that_fail_are_named_and_counted_and_nobody_else_feels_it() {
    let module = fixtures::guest("influxdb.wasm");
    log::listen();
    let house = House::new();
    fs::write(house.outside().join("token"), format!("{SECRET}-in-file\n")).expect("written");

    let mut places = Places::default();
    let mut config = String::new();
    for case in CASES {
        let address = places.open(case.name, case.place);
        config += &destination(&house, case, address);
    }
    config += &format!(
        "[destinations.not-granted]\nurl = \"http://{}/\"\ntracers = []\n",
        places.open("not-granted", Place::Takes)
    );
    house.configure(&config);
    for (name, access) in CASES.iter().map(|case| (case.name, "granted")).chain(SHUT_OUT) {
        let manifest = format!("destinations = [\"{name}\"]\n[config]\npoints = true\ndestination = \"{name}\"\n");
        house.drop_in(&format!("{name}.toml"), manifest);
        house.drop_in(&format!("{name}.wasm"), &module);
        house.until(name, "live with its destination", |tracer| {
            tracer["state"] == "live" && tracer["destinations"][name] == access
        });
    }

    for wave in 1..=WAVES {
        rpcs(&house);
        for name in CASES.iter().map(|case| case.name).chain(SHUT_OUT.map(|(name, _)| name)) {
            house.settled(name, 2 * RPCS * wave);
        }
    }
    for case in CASES {
        fails_as_it_should(&house, case);
        assert_tracer(&house, case.name, CALLS, 0);
    }
    for (name, _) in SHUT_OUT {
        assert_tracer(&house, name, 0, CALLS);
        let words = format!("there is no destination {name:?} for this tracer");
        assert!(log::lines().lines().any(|line| line.contains(&words.replace('"', "\\\"")) || line.contains(&words)));
    }
    assert!(house.destination("unknown").is_null());
    let not_granted = house.destination("not-granted");
    assert!(not_granted["refused"]["not_granted"].as_u64() >= Some(WAVES), "{not_granted:#}");
    assert_eq!((count(&not_granted, "/accepted"), places.seen("not-granted").len()), (0, 0));
    assert_keeps_secrets(&house);

    // What arrived is all that there was, with the credentials; the server that limits the rate was left alone for as
    // long as it had asked for.
    let limited = places.seen("limited");
    assert_eq!((points(&places.seen("well")), points(&limited[1..])), (CALLS, CALLS));
    assert!(limited[1].at.duration_since(limited[0].at) >= Duration::from_secs(1));
    assert_eq!(count(&house.destination("limited"), "/retries"), 1);
    assert!(limited.iter().all(|seen| seen.head.contains(&format!("authorization: Token {SECRET}-in-file\n"))));
    for name in [KEYLESS, "unset"] {
        assert_eq!(places.seen(name).len(), 0, "nothing leaves without its credentials");
    }

    // The credentials come late, and nothing was lost.
    fs::write(house.outside().join("token-to-come"), format!("{SECRET}-in-file\n")).expect("written");
    house.until_destination(KEYLESS, "served", |keyless| keyless["queued"]["payloads"] == 0);
    assert_eq!((points(&places.seen(KEYLESS)), &house.destination(KEYLESS)["state"]), (CALLS, &json!("ok")));

    // A secret in a configuration that is not even TOML is not shown with what is wrong about it.
    house.configure(&format!("{config}headers = {{ authorization = \"{SECRET}-in-text\n"));
    house.until_config_error("is not TOML");

    // The end does not wait for the sick, and their books close.
    assert!(!house.tap.shutdown(Duration::from_secs(2)), "some of it could not be delivered");
    for case in CASES {
        let destination =
            house.until_destination(case.name, "stopped", |destination| destination["state"] == "stopped");
        let lost = if case.fate == Fate::Kept && case.name != KEYLESS { count(&destination, "/accepted") } else { 0 };
        assert_eq!(count(&destination, "/queued/payloads"), 0);
        assert_eq!(destination["dropped"]["shutdown"].as_u64().unwrap_or_default(), lost, "{destination:#}");
    }
    assert_keeps_secrets(&house);
}
