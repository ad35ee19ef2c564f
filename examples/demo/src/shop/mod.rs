//! The shop as a child process: how it is started and ended, what it answers. All that the demo and chaos take for
//! granted of examples/shop and of the admin API stands in this folder.
//!
//! - `shop --plugins DIR --config FILE --admin ADDR --front ADDR --seconds N --json` begins its load at once, and `GET /healthz` is 200 from then.
//! - `POST /place` on the front places an order, which is not the load generator's and which it does not count.
//! - It reads commands from stdin, one a line, and answers each with one line of JSON on stdout,
//!   `{"rpcs":N,"failed":N}`: `count` says what the load generator counted so far; `hold` stops the load and answers
//!   when no RPC is open; `go` begins to count at 0 and lets the load go on. `lap` answers with the histograms of
//!   [`Lap`] besides.
//! - At SIGTERM, and after `--seconds`, it ends the load, lets open RPCs finish, shuts Hottap down and prints its
//!   [`Report`] as the last line.
//! - `GET /api/tracers` has a list `tracers`; see [`Tracer::read`].

mod http;
mod lap;
mod process;
pub(crate) mod report;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) use lap::Lap;
use process::Identity;
use report::{Counts, Report};

/// The manifest of the tracer whose counts are compared with the load generator's: each of its RPCs once, as its own
/// client sees it. Without it the servers' side and the calls between the services would be counted as well.
pub(crate) const COUNTED_SCOPE: &str = "\
# Only what the load generator counts itself, so that the two counts can be compared.
[scope]
sides = [\"client\"]
methods = [\"shop.v1.Checkout/*\"]
";

/// Where the front takes orders.
pub(crate) const FRONT_PATH: &str = "/place";

/// The manifest of the tracer that counts what the front serves.
pub(crate) const FRONT_SCOPE: &str = "\
[scope]
sides = [\"server\"]
methods = [\"POST /place\"]
";

/// Opening three ports takes milliseconds; a machine that needs longer than this is not going to show anything.
const UP: Duration = Duration::from_secs(30);
/// The slowest RPCs of the shop take well below a second.
const ANSWER: Duration = Duration::from_secs(10);
/// Draining and the last flush.
const DOWN: Duration = Duration::from_secs(30);
/// The time in which a shop that got Ctrl-C ends by itself: it drains and flushes.
const BY_ITSELF: Duration = Duration::from_secs(12);
/// How often the admin API is asked while something is waited for.
const POLL: Duration = Duration::from_millis(20);
/// Lines of the shop that wait to be read. On stdout it prints one per command and one at the end, and blocks beyond;
/// of its log, what is beyond is lost.
const LINES: usize = 256;
/// The shop ends by itself this long after the demo should have ended it, in case the demo was killed.
const GRACE_SECONDS: u64 = 300;

/// A running shop; ended when dropped.
pub(crate) struct Shop {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    log: Receiver<String>,
    admin: SocketAddr,
    front: SocketAddr,
    /// Its report, if it came before it was asked for.
    ended: Option<String>,
}

/// The way in which the shop runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    /// The time for which it is needed; it ends by itself some minutes later.
    pub(crate) seconds: u64,
    /// RPCs a second; none is the shop's own choice.
    pub(crate) rate: Option<u32>,
    /// Variables of its environment.
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

/// What the load generator counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) rpcs: u64,
    pub(crate) failed: u64,
}

/// A tracer as the admin API tells it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tracer {
    pub(crate) name: String,
    /// `live`, or what else it is.
    pub(crate) state: String,
    /// Empty if none is live.
    pub(crate) generation: String,
    pub(crate) counts: Counts,
    /// Instances that ended in a trap, over all generations.
    pub(crate) traps: u64,
    pub(crate) calls: u64,
    pub(crate) ns_per_call: Option<f64>,
    /// What went wrong last, and what to do.
    pub(crate) error: Option<String>,
}

impl Shop {
    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// It ends at once, or does not serve within 30 s.
    pub(crate) fn start(program: &Path, plugins: &Path, config: &Path, run: Run<'_>) -> anyhow::Result<Self> {
        let Run { seconds, rate, environment } = run;
        // Free a moment ago; if somebody takes it in between, the shop says so and ends.
        let [admin, front] = free_ports()?;
        let mut command = Command::new(program);
        command.arg("--plugins").arg(plugins).arg("--config").arg(config);
        command.args(["--admin", &admin.to_string(), "--front", &front.to_string(), "--json"]);
        // What a developer's shell says of plugins is not meant for the demo.
        command.args(rate.iter().flat_map(|rate| ["--rate".to_owned(), rate.to_string()]));
        command.envs(environment.iter().copied());
        command.env_remove("HOTTAP_PLUGINS").env_remove("HOTTAP_CONFIG").env_remove("HOTTAP_ADMIN");
        command.args(["--seconds", &(seconds + GRACE_SECONDS).to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let stdin = child.stdin.take().context("the shop has no stdin")?;
        let stdout = child.stdout.take().context("the shop has no stdout")?;
        let stderr = child.stderr.take().context("the shop has no stderr")?;
        let lines = follow("shop-stdout", stdout, |sender, line| sender.send(line).is_ok())?;
        // The log is to be looked at; a shop that says more than anybody reads must not wait for it.
        let log = follow("shop-stderr", stderr, |sender, line| {
            !matches!(sender.try_send(line), Err(TrySendError::Disconnected(_)))
        })?;
        let mut shop = Self { child, stdin, lines, log, admin, front, ended: None };
        shop.wait(UP, "serve", |shop| Ok(http::get(shop.admin, "/healthz").is_ok().then_some(())))?;
        Ok(shop)
    }

    /// Its pid and start time.
    ///
    /// # Errors
    /// It is gone.
    pub(crate) fn identity(&self) -> anyhow::Result<Identity> {
        Identity::of(self.child.id())
    }

    /// The memory that it holds, in KiB.
    ///
    /// # Errors
    /// It is gone, or the system does not tell.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        process::resident_kib(self.child.id())
    }

    /// What it logged since this was last asked.
    pub(crate) fn log(&self) -> impl Iterator<Item = String> + '_ {
        self.log.try_iter()
    }

    /// What the load generator counted so far.
    ///
    /// # Errors
    /// The shop is gone or does not answer.
    pub(crate) fn count(&mut self) -> anyhow::Result<Counted> {
        self.ask("count")
    }

    /// Stops the load and waits until no RPC is open.
    ///
    /// # Errors
    /// The shop is gone or does not answer.
    pub(crate) fn hold(&mut self) -> anyhow::Result<Counted> {
        self.ask("hold")
    }

    /// Lets the load go on, counted from 0.
    ///
    /// # Errors
    /// The shop is gone or does not answer.
    pub(crate) fn go(&mut self) -> anyhow::Result<Counted> {
        self.ask("go")
    }

    /// What the admin API says of all tracers.
    ///
    /// # Errors
    /// It does not answer, or not as documented.
    pub(crate) fn tracers(&self) -> anyhow::Result<Vec<Tracer>> {
        let answer: Value =
            serde_json::from_str(&http::get(self.admin, "/api/tracers")?).context("/api/tracers is no JSON")?;
        let tracers = answer["tracers"].as_array().context("/api/tracers has no list \"tracers\"")?;
        tracers.iter().map(Tracer::read).collect()
    }

    /// The metrics, as Prometheus would read them.
    ///
    /// # Errors
    /// The admin API does not answer.
    pub(crate) fn metrics(&self) -> anyhow::Result<String> {
        http::get(self.admin, "/metrics")
    }

    /// Where orders are taken over plain HTTP.
    pub(crate) fn front(&self) -> SocketAddr {
        self.front
    }

    /// Places an order there, and returns the answer.
    ///
    /// # Errors
    /// The front does not answer, or not well.
    pub(crate) fn place_order(&self) -> anyhow::Result<String> {
        http::post(self.front, FRONT_PATH)
    }

    /// Waits until `until` has an answer, and returns it with how long that took.
    ///
    /// # Errors
    /// The shop is gone, `until` fails, or `limit` passes; the error says what was waited for.
    pub(crate) fn wait<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut until: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<(T, Duration)> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("lost the shop")? {
                bail!("the shop ended by itself with {status}; its last words are above");
            }
            if let Some(found) = until(self)? {
                return Ok((found, began.elapsed()));
            }
            if began.elapsed() > limit {
                bail!("the shop did not {what} within {} s", limit.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Ends it in order, as a supervisor would, and returns its report. What it logs meanwhile is for [`Self::log`].
    ///
    /// `interrupted` says that Ctrl-C was pressed: at a terminal the shop has got it too, and a second signal
    /// would end it without a report. So it is told only if it does not end by itself.
    ///
    /// # Errors
    /// It does not end within 30 s, fails, or prints no report.
    pub(crate) fn stop(&mut self, interrupted: bool) -> anyhow::Result<Report> {
        let mut last = self.ended.take();
        let mut told = !interrupted;
        if told {
            self.terminate();
        }
        let mut deadline = Instant::now() + if told { DOWN } else { BY_ITSELF };
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => last = Some(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if told => {
                    bail!("the shop did not end within {} s of SIGTERM", DOWN.as_secs())
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.terminate();
                    (told, deadline) = (true, Instant::now() + DOWN);
                }
            }
        }
        let status = self.child.wait().context("lost the shop")?;
        if !status.success() {
            bail!("the shop ended with {status}");
        }
        Report::parse(&last.context("the shop ended without a report")?)
    }

    /// Ends a lap: how long the RPCs took that finished since this was last called.
    ///
    /// # Errors
    /// The shop is gone or does not answer.
    pub(crate) fn lap(&mut self) -> anyhow::Result<Lap> {
        Lap::read(&self.answer("lap")?)
    }

    fn ask(&mut self, command: &str) -> anyhow::Result<Counted> {
        let answer = self.answer(command)?;
        let count = |key: &str| answer[key].as_u64().with_context(|| format!("{command:?} got {answer}"));
        Ok(Counted { rpcs: count("rpcs")?, failed: count("failed")? })
    }

    fn answer(&mut self, command: &str) -> anyhow::Result<Value> {
        // A late answer to something earlier must not be taken for this one's; nor must a report.
        while let Ok(line) = self.lines.try_recv() {
            self.keep_report(&line);
        }
        writeln!(self.stdin, "{command}").and_then(|()| self.stdin.flush()).context("the shop is gone")?;
        let line = match self.lines.recv_timeout(ANSWER) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => bail!("the shop is gone"),
            Err(RecvTimeoutError::Timeout) => bail!("the shop did not answer {command:?} in {} s", ANSWER.as_secs()),
        };
        self.keep_report(&line);
        if self.ended.is_some() {
            bail!("the shop has ended");
        }
        serde_json::from_str(&line).with_context(|| format!("{command:?} got {line:?}"))
    }

    /// Keeps the report of a shop that ends unasked, such as at a Ctrl-C that it got as well.
    fn keep_report(&mut self, line: &str) {
        if Report::parse(line).is_ok() {
            self.ended = Some(line.to_owned());
        }
    }

    fn terminate(&self) {
        // It may have ended a moment ago; then there is nothing to end.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let mut ended = matches!(self.child.try_wait(), Ok(Some(_)));
        if !ended {
            self.terminate();
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while !ended && Instant::now() < deadline {
            std::thread::sleep(POLL);
            ended = matches!(self.child.try_wait(), Ok(Some(_)));
        }
        if !ended {
            drop(self.child.kill());
            drop(self.child.wait());
        }
        // Last words, to the end of the pipe.
        for line in self.log.iter() {
            eprintln!("    {line}");
        }
    }
}

/// Two loopback ports that nobody has.
fn free_ports() -> anyhow::Result<[SocketAddr; 2]> {
    let free = || TcpListener::bind("127.0.0.1:0").context("no port is free");
    // Both at once, so that they are not the same one.
    let (one, other) = (free()?, free()?);
    Ok([one.local_addr()?, other.local_addr()?])
}

/// Reads a pipe line by line on a thread of its own, until it ends or `hand_over` says that nobody listens.
fn follow(
    name: &str,
    pipe: impl Read + Send + 'static,
    hand_over: impl Fn(&SyncSender<String>, String) -> bool + Send + 'static,
) -> anyhow::Result<Receiver<String>> {
    let (sender, lines) = sync_channel(LINES);
    let read = move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if !hand_over(&sender, line) {
                break;
            }
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(read).context("cannot start a thread")?;
    Ok(lines)
}

impl Tracer {
    /// One element of `/api/tracers`.
    fn read(value: &Value) -> anyhow::Result<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Ok(Self {
            name: text("name").context("a tracer in /api/tracers has no name")?,
            state: text("state").context("a tracer in /api/tracers has no state")?,
            generation: text("generation").unwrap_or_default(),
            counts: Counts::read(value)?,
            traps: value["traps"].as_u64().context("a tracer in /api/tracers has no count \"traps\"")?,
            calls: value["calls"].as_u64().unwrap_or_default(),
            ns_per_call: value["ns_per_call"].as_f64(),
            error: error(&value["last_error"]),
        })
    }

    /// Whether it gets calls.
    pub(crate) fn is_live(&self) -> bool {
        self.state == "live"
    }
}

/// `{"message": …, "meanwhile": …}`, or null.
fn error(value: &Value) -> Option<String> {
    let message = value["message"].as_str()?;
    let meanwhile = value["meanwhile"].as_str().filter(|meanwhile| !meanwhile.is_empty());
    Some(meanwhile.map_or_else(|| message.to_owned(), |meanwhile| format!("{message}; {meanwhile}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracer_is_read_from_the_admin_api() {
        let value = serde_json::json!({
            "name": "spin", "state": "live", "generation": "77b0", "calls": 3, "ns_per_call": 12.5, "traps": 2,
            "finished": 9, "committed": 3, "pending": 1, "dropped": {"trap": 5}, "dead": 0,
            "last_error": {"message": "used up its CPU time", "meanwhile": "a new instance took over"},
        });
        let tracer = Tracer::read(&value).expect("it is complete");
        assert!(tracer.is_live());
        assert_eq!((tracer.calls, tracer.ns_per_call), (3, Some(12.5)));
        assert_eq!(tracer.error.as_deref(), Some("used up its CPU time; a new instance took over"));
        assert_eq!((tracer.traps, tracer.counts.finished, tracer.counts.accounted()), (2, 9, 9));

        let refused = serde_json::json!({
            "name": "x", "state": "refused", "generation": null, "last_error": null, "traps": 0,
            "finished": 0, "committed": 0, "pending": 0, "dropped": {}, "dead": 0,
        });
        assert!(Tracer::read(&refused).is_ok_and(|refused| !refused.is_live() && refused.error.is_none()));
        assert!(Tracer::read(&serde_json::json!({"state": "live"})).is_err());
    }
}
