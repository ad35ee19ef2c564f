//! The time and memory that compiling takes: of the largest module that the bounds let pass in each family of worst cases,
//! and of modules given by path.
//!
//! `cargo bench --bench compile -- [--fraction F] [--into DIR] [FAMILY…] [FILE.wasm…]`
//!
//! Each module is compiled in a process of its own, by this program, so that its peak of memory is its own. It does not
//! measure how long a module takes to load beside that (reading, the trial). With `--fraction`, modules of that part of a
//! family's largest size are compiled whatever the bounds say; compiles of more than a minute are ended. With `--into`,
//! the families' modules are written there and not compiled.

use std::io::Read;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use hottap::drive::{COMPILE_FAMILIES, compile_unbounded, compile_work};

/// The end of a compile that is out of all bounds.
const LONGEST: Duration = Duration::from_secs(60);
const MIB: f64 = 1_048_576.0;

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == "--one") {
        return one();
    }
    let mut fraction = None;
    if args.first().is_some_and(|arg| arg == "--fraction") {
        fraction = args.get(1).and_then(|fraction| fraction.parse::<f64>().ok());
        args.drain(..2.min(args.len()));
    }
    let mut into = None;
    if args.first().is_some_and(|arg| arg == "--into") {
        into = args.get(1).cloned();
        args.drain(..2.min(args.len()));
    }
    println!("{:<48} {:>9} {:>9} {:>9} {:>9} {:>9}  estimate", "module", "size", "KiB", "ms", "MiB", "verdict");
    let (files, names): (Vec<String>, Vec<String>) = args.into_iter().partition(|arg| arg.ends_with(".wasm"));
    for file in &files {
        match std::fs::read(file) {
            Ok(bytes) => measure(file.rsplit('/').next().unwrap_or(file), 0, &bytes),
            Err(error) => eprintln!("{file}: {error}"),
        }
    }
    for (name, largest, make) in COMPILE_FAMILIES {
        if (!names.is_empty() || !files.is_empty()) && !names.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let size = match fraction {
            Some(fraction) => (f64::from(*largest) * fraction) as u32,
            None => largest_within_bounds(*largest, *make),
        };
        match &into {
            Some(folder) => write(folder, name, size, &make(size)),
            None => measure(name, size, &make(size)),
        }
    }
    ExitCode::SUCCESS
}

/// The largest size that the bounds let pass, to within one in a hundred.
fn largest_within_bounds(largest: u32, make: fn(u32) -> Vec<u8>) -> u32 {
    let (mut good, mut bad) = (0, largest);
    if compile_work(&make(largest)).is_ok() {
        return largest;
    }
    while bad - good > 1 + good / 100 {
        let middle = good + (bad - good) / 2;
        if compile_work(&make(middle)).is_ok() { good = middle } else { bad = middle }
    }
    good
}

fn write(folder: &str, name: &str, size: u32, bytes: &[u8]) {
    let path = format!("{folder}/{}.wasm", name.replace([' ', ','], "-"));
    let estimate = compile_work(bytes).unwrap_or_else(|refusal| refusal);
    match std::fs::write(&path, bytes) {
        Ok(()) => println!("{name:<48} {size:>9} {:>9}  {estimate}", bytes.len() / 1024),
        Err(error) => eprintln!("{path}: {error}"),
    }
}

fn measure(name: &str, size: u32, bytes: &[u8]) {
    let estimate = compile_work(bytes);
    let kib = bytes.len() / 1024;
    let (ms, mib, verdict) = in_child(bytes);
    let estimate = estimate.unwrap_or_else(|refusal| refusal);
    println!("{name:<48} {size:>9} {kib:>9} {ms:>9.0} {mib:>9.0} {verdict:>9}  {estimate}");
}

/// Compiles in a process of its own: milliseconds, MiB at the peak, and how it ended.
fn in_child(bytes: &[u8]) -> (f64, f64, String) {
    let failed = |why: &str| (f64::NAN, f64::NAN, why.to_owned());
    let Ok(file) = tempfile::NamedTempFile::new() else { return failed("no file") };
    if std::fs::write(file.path(), bytes).is_err() {
        return failed("no file");
    }
    let Ok(program) = std::env::current_exe() else { return failed("no self") };
    let child = Command::new(program).arg("--one").arg(file.path()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return failed("no child") };
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if began.elapsed() < LONGEST => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let mib = peak(child.id());
                let _ = child.kill();
                let _ = child.wait();
                return (LONGEST.as_secs_f64() * 1e3, mib, "ended".to_owned());
            }
        }
    }
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        let _ = stdout.read_to_string(&mut said);
    }
    let mut words = said.splitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN);
    let (ms, mib) = (number(), number());
    (ms, mib, words.next().unwrap_or("died").trim().chars().take(60).collect())
}

fn one() -> ExitCode {
    let Some(bytes) = std::env::args().next_back().and_then(|path| std::fs::read(path).ok()) else {
        return ExitCode::FAILURE;
    };
    let before = peak(std::process::id());
    let began = Instant::now();
    let verdict = compile_unbounded(&bytes).map_or_else(|error| error, |()| "ok".to_owned());
    let ms = began.elapsed().as_secs_f64() * 1e3;
    println!("{ms} {} {}", peak(std::process::id()) - before, verdict.replace('\n', " "));
    ExitCode::SUCCESS
}

/// The peak of a process's memory in MiB.
fn peak(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0 / MIB)
}
