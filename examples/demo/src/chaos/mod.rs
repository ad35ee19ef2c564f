//! `cargo xtask chaos`: the shop under load while tracers are added, swapped, broken, deleted, trap, spin and their
//! destination fails; what it came to is held against bounds.

mod figures;
mod outlet;
mod plan;
mod stage;
mod watch;

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::demo::screen::Screen;
use crate::files::{Places, shown};
use crate::interrupt::Interrupt;
use crate::shop::report::{COUNTED, Report};
use crate::shop::{Lap, Run, Shop, Tracer};

pub(crate) use figures::Figures;
use outlet::Outlet;
use plan::{Act, Plan};
use stage::Stage;
use watch::Watch;

/// RPCs a second. In the dev profile one takes some 0.5 ms of CPU time over all its services; of two cores half is
/// left, so that times tell of chaos and not of a queue.
const RATE: u32 = 1_000;
/// The time after which a wait fails for something that takes milliseconds on a machine that is not overloaded.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks at the admin API and at what is due.
const TICK: Duration = Duration::from_millis(100);
/// Time between two lines.
const LINE: Duration = Duration::from_secs(1);
/// The share of the time that is quiet, in percent.
const QUIET_PERCENT: u32 = 25;
/// The time before the first quiet window, at most and of a shorter run a fifth: chaos that is not compared with
/// anything. In three seconds buffers and queues have not yet become as large as they become.
const WARM: Duration = Duration::from_secs(12);
/// Settings by which glibc's allocator gives memory back at once, and has few arenas. Left alone it keeps most of what
/// was ever allocated at a time, which hides what is not freed.
const GIVES_BACK: &[(&str, &str)] =
    &[("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];
/// Seconds of the whole for which there is one more pair of windows: drift of the machine is in both alike.
const SECONDS_PER_PAIR: u64 = 15;
/// The time for which a swap may be on its way before the next one is made all the same.
const SWAP_LIMIT: Duration = Duration::from_secs(2);

/// Runs it.
///
/// # Errors
/// Something does not compile, the shop fails, or a bound is missed; the error names each.
pub(crate) fn command(
    places: &Places,
    interrupt: &Interrupt,
    seconds: u64,
    json: bool,
    seed: Option<u64>,
) -> anyhow::Result<()> {
    let plugins = places.empty_plugin_dir("chaos")?;
    let outlet = Outlet::start()?;
    let config = places.target.join("chaos/hottap.toml");
    let stage = Stage::new(places, plugins.clone(), config.clone(), &outlet)?;
    interrupt.also_terminate()?;
    let seed = seed.unwrap_or_else(any_seed);
    let mut screen = Screen::new(json);
    let log = places.target.join("chaos/shop.log");
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let run = Run { seconds, rate: Some(RATE), environment: GIVES_BACK };
    let shop = Shop::start(&places.shop, &plugins, &config, run)?;
    screen.event(format_args!("the shop serves: {}; the acts are those of --seed {seed}", shop.identity()?));
    screen.event(format_args!("its log goes to {}", shown(&log)));

    let mut chaos = Chaos::new(shop, stage, outlet, screen, interrupt, Plan::new(seed), file);
    let began = Instant::now();
    let played = chaos.play(Duration::from_secs(seconds));
    let took = began.elapsed().as_secs().min(seconds);
    if !interrupt.requested() {
        played?;
    }
    let report = chaos.shop.stop(interrupt.requested())?;
    chaos.keep_log();
    let figures = chaos.figures(&report);
    chaos.tell(&report, &figures, interrupt.requested());
    if json {
        println!("{}", figures.json());
    }
    let missed = figures.missed(took);
    // What was ended early has nothing to compare, and may not have come to the first trap.
    if !missed.is_empty() && !interrupt.requested() {
        bail!("bounds were missed: {}", missed.join("; "));
    }
    Ok(())
}

/// A seed that another run hardly has.
fn any_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_millis() as u64)
}

/// One run.
struct Chaos<'a> {
    shop: Shop,
    stage: Stage,
    outlet: Outlet,
    screen: Screen,
    interrupt: &'a Interrupt,
    plan: Plan,
    log: File,
    watch: Watch,
    quiet: Lap,
    chaos: Lap,
    rss: Option<(u64, u64)>,
    /// The time of all windows of chaos before this one.
    chaotic: Duration,
    /// The load generator counts what the counted tracer sees.
    is_counted: bool,
    began: Instant,
    line: Instant,
    rpcs: u64,
    /// The last replacement of the counted tracer, and its generation before; none once the new one is live.
    swapping: Option<(Instant, String)>,
}

/// The purpose of a window of time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Window {
    /// Chaos by which queues, buffers and stacks grow to what they are bounded by.
    Warm,
    Quiet,
    Chaos,
}

impl<'a> Chaos<'a> {
    fn new(
        shop: Shop,
        stage: Stage,
        outlet: Outlet,
        screen: Screen,
        interrupt: &'a Interrupt,
        plan: Plan,
        log: File,
    ) -> Self {
        let now = Instant::now();
        let (quiet, chaos) = <(Lap, Lap)>::default();
        let watch = Watch::default();
        Self {
            shop,
            stage,
            outlet,
            screen,
            interrupt,
            plan,
            log,
            watch,
            quiet,
            chaos,
            rss: None,
            chaotic: Duration::ZERO,
            is_counted: false,
            began: now,
            line: now,
            rpcs: 0,
            swapping: None,
        }
    }

    /// Everything from the first tracer to the moment before the end.
    fn play(&mut self, length: Duration) -> anyhow::Result<()> {
        self.shop.hold()?;
        let names = self.stage.open()?;
        self.until("load the tracers that stay", |watch| names.iter().all(|name| !watch.generation(name).is_empty()))?;
        self.rehearse()?;
        self.shop.go()?;
        self.is_counted = true;
        self.watch.swaps = 0;
        self.began = Instant::now();

        let pairs = (length.as_secs() / SECONDS_PER_PAIR).clamp(1, 8) as u32;
        let warm = WARM.min(length / 5);
        let all_quiet = length * QUIET_PERCENT / 100;
        let (quiet, chaos) = (all_quiet / (pairs + 1), (length - warm - all_quiet) / pairs);
        self.window(Window::Warm, warm)?;
        self.calm()?;
        self.window(Window::Quiet, quiet)?;
        for _ in 0..pairs {
            self.window(Window::Chaos, chaos)?;
            self.calm()?;
            self.window(Window::Quiet, quiet)?;
        }
        self.settle()
    }

    /// Loads each module once and compiles one anew, without load: what the first compile and the first instance of
    /// each kind cost for good is not taken for a leak. Nothing that happens here is counted.
    fn rehearse(&mut self) -> anyhow::Result<()> {
        let fresh = Some(u64::MAX);
        let visit = |fresh, starter| Act::AddVisitor { fresh, starter };
        let fickle = plan::FICKLE.map(|tracer| (Act::Fail { tracer, manifest: plan::FAILS_SELDOM.to_owned() }, tracer));
        let acts =
            [(visit(fresh, false), stage::VISITOR), (visit(fresh, true), stage::VISITOR), (Act::AddSpin, stage::SPIN)];
        for (act, name) in acts.into_iter().chain(fickle) {
            let before = self.watch.generation(name).to_owned();
            self.stage.act(&act, &self.outlet)?;
            self.until("load each module once", |watch| ![before.as_str(), ""].contains(&watch.generation(name)))?;
        }
        for act in [Act::RemoveSpin, Act::RemoveVisitor] {
            self.stage.act(&act, &self.outlet)?;
        }
        self.stage.remove_fickle()?;
        self.until_gone()
    }

    /// Lets time pass, with or without chaos, and adds what the load generator measured meanwhile.
    fn window(&mut self, window: Window, length: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        // The least that is held at any look: what is freed a moment later is not held for good.
        let mut held_kib = u64::MAX;
        self.shop.lap()?;
        while began.elapsed() < length && !self.interrupt.requested() {
            if window != Window::Quiet {
                for act in self.plan.due(self.chaotic + began.elapsed()) {
                    self.act(&act)?;
                }
            }
            self.look()?;
            held_kib = held_kib.min(self.shop.resident_kib()?);
            self.show(window)?;
            std::thread::sleep(TICK.min(length.saturating_sub(began.elapsed())));
        }
        let lap = self.shop.lap()?;
        match window {
            Window::Quiet => {
                self.quiet.add(&lap);
                let (start, _) = self.rss.unwrap_or((held_kib, held_kib));
                self.rss = Some((start, held_kib));
            }
            Window::Chaos => self.chaos.add(&lap),
            Window::Warm => {}
        }
        if window != Window::Quiet {
            self.chaotic += began.elapsed();
        }
        Ok(())
    }

    fn act(&mut self, act: &Act) -> anyhow::Result<()> {
        if *act == Act::SwapCounted {
            let is_under_way = self.swapping.as_ref().is_some_and(|(since, _)| since.elapsed() < SWAP_LIMIT);
            if is_under_way {
                return Ok(());
            }
            self.swapping = Some((Instant::now(), self.watch.generation(COUNTED).to_owned()));
        }
        self.stage.act(act, &self.outlet)
    }

    /// Takes back all that fails, and waits until it is gone.
    fn calm(&mut self) -> anyhow::Result<()> {
        for act in self.plan.calm() {
            self.act(&act)?;
        }
        self.stage.remove_fickle()?;
        self.until_gone()
    }

    /// A tracer that is deleted works off what waits for some seconds, and holds it until then.
    fn until_gone(&mut self) -> anyhow::Result<()> {
        let gone: Vec<&str> = [stage::SPIN, stage::VISITOR].into_iter().chain(plan::FICKLE).collect();
        let watch = &mut self.watch;
        self.shop.wait(PATIENCE, "unload the tracers that were deleted", |shop| {
            let tracers = shop.tracers()?;
            watch.look(&tracers);
            let is_there = |tracer: &&Tracer| gone.contains(&tracer.name.as_str()) && tracer.state != "removed";
            Ok(tracers.iter().all(|tracer| !is_there(&tracer)).then_some(()))
        })?;
        Ok(())
    }

    /// Stops the load, and waits until the tracers have committed what they were handed.
    fn settle(&mut self) -> anyhow::Result<()> {
        self.shop.hold()?;
        if self.interrupt.requested() {
            return Ok(());
        }
        let watch = &mut self.watch;
        self.shop.wait(PATIENCE, "commit what the tracers were handed", |shop| {
            let tracers = shop.tracers()?;
            watch.look(&tracers);
            Ok(tracers.iter().all(|tracer| tracer.counts.pending == 0).then_some(()))
        })?;
        Ok(())
    }

    fn look(&mut self) -> anyhow::Result<()> {
        self.watch.look(&self.shop.tracers()?);
        if self.swapping.as_ref().is_some_and(|(_, before)| before != self.watch.generation(COUNTED)) {
            self.swapping = None;
        }
        Ok(())
    }

    /// Waits for a state of the tracers; ends early at Ctrl-C.
    fn until(&mut self, what: &str, wanted: impl Fn(&Watch) -> bool) -> anyhow::Result<()> {
        let (watch, interrupt) = (&mut self.watch, self.interrupt);
        self.shop.wait(PATIENCE, what, |shop| {
            watch.look(&shop.tracers()?);
            Ok((wanted(watch) || interrupt.requested()).then_some(()))
        })?;
        Ok(())
    }

    /// One line a second.
    fn show(&mut self, window: Window) -> anyhow::Result<()> {
        self.keep_log();
        let since = self.line.elapsed();
        if since < LINE {
            return Ok(());
        }
        let (counted, mebibytes) = (self.shop.count()?, self.shop.resident_kib()? >> 10);
        let rate = counted.rpcs.saturating_sub(self.rpcs) as f64 / since.as_secs_f64();
        (self.line, self.rpcs) = (Instant::now(), counted.rpcs);
        let Watch { swaps, traps, dead, .. } = self.watch;
        let (second, failed) = (self.began.elapsed().as_secs(), counted.failed);
        let window = match window {
            Window::Warm => "start",
            Window::Quiet => "quiet",
            Window::Chaos => "chaos",
        };
        self.screen.event(format_args!(
            "{second:>4} s  {window}  {rate:>5.0} RPC/s  {failed} failed  {swaps} swaps  {traps} traps  {dead} dead  \
             {mebibytes} MiB"
        ));
        Ok(())
    }

    /// Writes what the service logged since the last time to a file, in which a fault can be looked for.
    fn keep_log(&mut self) {
        for line in self.shop.log() {
            // A full disk is no reason to end the run.
            drop(writeln!(self.log, "{line}"));
        }
    }

    fn figures(&self, report: &Report) -> Figures {
        let (rss_start_kib, rss_end_kib) = self.rss.unwrap_or_default();
        let tracers = report.tracers.values().map(|counts| counts.finished.abs_diff(counts.accounted()));
        let payloads = report.destinations.values().map(|payloads| payloads.accepted.abs_diff(payloads.accounted()));
        let counted = report.tracers.get(COUNTED).cloned().unwrap_or_default();
        let uncounted = if self.is_counted { report.rpcs.abs_diff(counted.finished) } else { 0 };
        let at_the_end: u64 = tracers.chain(payloads).sum::<u64>() + uncounted;
        Figures {
            rpcs: report.rpcs,
            failed: report.failed,
            swaps: self.watch.swaps,
            traps: self.watch.traps,
            dead: report.tracers.values().map(|counts| counts.dead).sum(),
            unaccounted: at_the_end.max(self.watch.unaccounted),
            lost: counted.finished.saturating_sub(counted.committed),
            p99_quiet_us: self.quiet.all.p99(),
            p99_chaos_us: self.chaos.all.p99(),
            prompt_p99_quiet_us: self.quiet.prompt.p99(),
            prompt_p99_chaos_us: self.chaos.prompt.p99(),
            rss_start_kib,
            rss_end_kib,
        }
    }

    /// Writes what stays on the screen.
    fn tell(&mut self, report: &Report, figures: &Figures, early: bool) {
        if early {
            self.screen.event("\nended early");
        }
        crate::demo::counts(&mut self.screen, report);
        let Figures { swaps, traps, lost, unaccounted, .. } = figures;
        self.screen.event(format_args!(
            "{swaps} swaps, {traps} traps, {lost} calls lost by {COUNTED}, {unaccounted} unaccounted"
        ));
        let ms = |micros: u64| micros as f64 / 1_000.0;
        self.screen.event(format_args!(
            "99 % of the RPCs ended within {:.1} ms in quiet windows and {:.1} ms during chaos; of those that are not \
             slow by design within {:.1} and {:.1} ms",
            ms(figures.p99_quiet_us),
            ms(figures.p99_chaos_us),
            ms(figures.prompt_p99_quiet_us),
            ms(figures.prompt_p99_chaos_us)
        ));
        let (start, end) = (figures.rss_start_kib, figures.rss_end_kib);
        self.screen.event(format_args!("the shop held {start} KiB of memory at the beginning, {end} KiB at the end"));
    }
}
