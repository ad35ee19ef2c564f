//! `hottap build`: cargo's build of a tracer, and the module's way into a plugin dir; once, or whenever a source changes.

mod cargo;
mod compile;
mod package;
mod place;
mod system;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use self::compile::{Compile, Compiled, module_in};
use self::package::Package;
use self::place::{Kept, Manifest, Placed, place};
use self::watch::{Change, Watch};
use super::Verdict;
use super::args::BuildArgs;
use super::screen::{Screen, Tone, human_bytes};
use hottap_plugins::plugin::{Name, hex};

/// After a change, how long nothing may change before a build begins: an editor writes several files for one save.
const QUIET: Duration = Duration::from_millis(30);
/// However much goes on changing, a build begins after this time.
const GATHER: Duration = Duration::from_millis(300);

/// What happens while this command runs.
enum Event {
    /// Something that the tracer may be made of.
    Changed(Change),
    /// cargo has said all it has to say; this is the module if there is one.
    Built(Option<PathBuf>),
    /// Somebody asked this process to end.
    End,
}

/// Builds once, or until Ctrl-C.
pub(super) fn command(args: &BuildArgs) -> anyhow::Result<Verdict> {
    let package = Package::find(&args.path)?;
    if args.into.is_some() && Name::new(&package.name).is_none() {
        bail!("{:?} is no name for a plugin: shorten the package's name in Cargo.toml", package.name);
    }
    let (events, inbox) = channel();
    listen_for_signals(events.clone())?;
    let mut builder = Builder {
        args,
        package,
        manifest: Manifest::default(),
        theirs_was_said: false,
        events,
        inbox,
        screen: Screen::stderr(),
    };
    if args.watch { builder.watch() } else { builder.once() }
}

/// A second Ctrl-C is not needed: nothing here waits but for events.
fn listen_for_signals(events: Sender<Event>) -> anyhow::Result<()> {
    let listen = system::wait_for_ctrl_c(move || events.send(Event::End).is_ok()).context("cannot handle signals")?;
    std::thread::Builder::new().name("hottap-signals".into()).spawn(listen).context("cannot start a thread")?;
    Ok(())
}

/// What came of one build.
enum Outcome {
    Verdict(Verdict),
    Interrupted,
}

struct Builder<'a> {
    args: &'a BuildArgs,
    package: Package,
    manifest: Manifest,
    theirs_was_said: bool,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    screen: Screen,
}

impl Builder<'_> {
    fn once(&mut self) -> anyhow::Result<Verdict> {
        match self.build(&mut Pending::default())? {
            Outcome::Verdict(verdict) => Ok(verdict),
            Outcome::Interrupted => bail!("interrupted; nothing was placed"),
        }
    }

    fn watch(&mut self) -> anyhow::Result<Verdict> {
        let mut watch = Watch::start(&self.package, self.args.into.as_deref(), self.events.clone())?;
        loop {
            let mut pending = Pending::default();
            match self.build(&mut pending) {
                Ok(Outcome::Verdict(_)) => {}
                Ok(Outcome::Interrupted) => break,
                // A plugin dir that is away, a disk that is full: it may be mended while we go on.
                Err(error) => self.screen.complain(&format!("{error:#}")),
            }
            if !pending.changed {
                self.screen.say(&format!("watching {}; Ctrl-C ends", self.package.folder().display()));
            }
            if !self.await_change(&mut pending) {
                break;
            }
            if pending.packages {
                watch.look_for_packages(&self.package);
            }
            // Before the build: what is saved in a new folder from here on is seen, what was saved before is built.
            watch.follow()?;
        }
        self.screen.say("ended");
        Ok(Verdict::Good)
    }

    /// Waits until something has changed and no more does. False if this process is to end.
    fn await_change(&self, pending: &mut Pending) -> bool {
        while !pending.changed {
            match self.inbox.recv() {
                Ok(Event::Changed(change)) => pending.add(change),
                Ok(Event::Built(_)) => {}
                Ok(Event::End) | Err(_) => return false,
            }
        }
        let until = Instant::now() + GATHER;
        loop {
            match self.inbox.recv_timeout(QUIET.min(until.saturating_duration_since(Instant::now()))) {
                Ok(Event::Changed(change)) => pending.add(change),
                Ok(Event::Built(_)) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(Event::End) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Builds, and places what comes of it. Notes what changes meanwhile.
    fn build(&mut self, pending: &mut Pending) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        self.screen.say(&format!("building {}", self.package.name));
        let mut compile = Compile::start(&self.package, self.args)?;
        let (messages, package, events) = (compile.messages(), self.package.clone(), self.events.clone());
        let read = move || {
            let _ = events.send(Event::Built(module_in(messages, &package)));
        };
        std::thread::Builder::new().name("hottap-cargo".into()).spawn(read).context("cannot start a thread")?;
        let module = loop {
            match self.inbox.recv() {
                Ok(Event::Built(module)) => break module,
                // cargo itself writes it while it builds.
                Ok(Event::Changed(Change::Lock)) => {}
                Ok(Event::Changed(change)) => pending.add(change),
                Ok(Event::End) | Err(_) => {
                    compile.end();
                    return Ok(Outcome::Interrupted);
                }
            }
        };
        let took = began.elapsed();
        match compile.finish(&self.package, module)? {
            Compiled::Failed => {
                let meanwhile = match &self.args.into {
                    Some(into) => format!("; {} stays as it is", self.file_in(into, "wasm").display()),
                    None => String::new(),
                };
                self.screen.complain(&format!("{} does not compile{meanwhile}", self.package.name));
                Ok(Outcome::Verdict(Verdict::Bad))
            }
            Compiled::Module(module) => self.deliver(&module, took).map(|()| Outcome::Verdict(Verdict::Good)),
        }
    }

    /// Places the module, with its manifest before it, and says where it is and what.
    fn deliver(&mut self, module: &Path, took: Duration) -> anyhow::Result<()> {
        let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
        let (path, placed) = match &self.args.into {
            None => (shown(module), Placed::New),
            Some(into) => {
                let path = self.file_in(into, "wasm");
                self.place_manifest(into)?;
                let placed = place(&bytes, &path)?;
                (path, placed)
            }
        };
        let word = match placed {
            Placed::New => "built",
            Placed::Same => "unchanged",
        };
        self.screen.say_with(Tone::Good, word, &format!("in {:.2} s", took.as_secs_f64()));
        if placed == Placed::New || !self.args.watch {
            let (size, sha256) = (human_bytes(bytes.len() as u64), hex(&Sha256::digest(&bytes)));
            let mut out = std::io::stdout().lock();
            std::io::Write::write_fmt(&mut out, format_args!("{}  {size}  sha256 {sha256}\n", path.display()))?;
            std::io::Write::flush(&mut out)?;
        }
        Ok(())
    }

    fn place_manifest(&mut self, into: &Path) -> anyhow::Result<()> {
        let from = self.package.folder().join(format!("{}.toml", self.package.name));
        let to = self.file_in(into, "toml");
        match self.manifest.place(&from, &to)? {
            Kept::Same => {}
            Kept::Placed => self.screen.say(&format!("placed its manifest, {}", to.display())),
            Kept::Theirs if self.theirs_was_said => {}
            Kept::Theirs => {
                self.theirs_was_said = true;
                let (ours, theirs) = (from.display(), to.display());
                self.screen.note(&format!("{theirs} is not {ours}, and stays; remove it to have the project's"));
            }
        }
        Ok(())
    }

    fn file_in(&self, folder: &Path, extension: &str) -> PathBuf {
        folder.join(format!("{}.{extension}", self.package.name))
    }
}

/// What changed since a build began.
#[derive(Debug, Default)]
struct Pending {
    changed: bool,
    /// There may be other packages to watch.
    packages: bool,
}

impl Pending {
    fn add(&mut self, change: Change) {
        self.changed = true;
        self.packages |= change == Change::Manifest;
    }
}

/// A path as it is best shown: relative to the current folder where it lies below it.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}
