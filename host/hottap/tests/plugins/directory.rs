//! The plugin dir fails closed: what cannot be read or is away for a moment unloads nothing, and says so.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use hottap::rpc::Side;
use serde_json::{Value, json};

use crate::apart;
use crate::guests::{QUIET, Wat};
use crate::house::House;

/// The same as the quiet one, in other bytes.
const OTHER: Wat = Wat { items: "(global $other i32 (i32.const 1))", ..QUIET };
const STARTS: Wat = Wat { start: "(drop (i32.const 1))", ..QUIET };
/// The time for which a plugin dir may be away.
const GRACE: Duration = Duration::from_secs(10);

/// Waits until the plugin dir has a problem in these words.
#[track_caller]
fn until_problem(house: &House, words: &str) {
    let began = Instant::now();
    loop {
        let problem = house.tap.tracers()["plugin_dir_error"].clone();
        if problem.as_str().is_some_and(|problem| problem.contains(words)) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "nobody says {words:?}: {problem}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The tracer stays live for as long as this takes.
#[track_caller]
fn stays_live(house: &House, name: &str, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        let tracer = house.tracer(name);
        assert_eq!(tracer["state"], "live", "after {:?}: {tracer:#}", began.elapsed());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Counts the tracers in a state.
fn count(house: &House, state: &str) -> usize {
    let all = house.tap.tracers();
    all["tracers"].as_array().map_or(0, |list| list.iter().filter(|tracer| tracer["state"] == state).count())
}

#[test]
fn a_module_that_becomes_something_else_leaves_the_live_one_live() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    let first = house.until_live("quiet")["generation"].clone();
    let status = std::process::Command::new("mkfifo").arg(house.outside().join("pipe")).status().expect("mkfifo runs");
    assert!(status.success());
    let path = house.file("quiet.wasm");
    for (make, words) in [
        (&(|| fs::create_dir(&path).expect("made")) as &dyn Fn(), "it is a directory, not a file"),
        (&|| fs::rename(house.outside().join("pipe"), &path).expect("renamed"), "it is a named pipe, not a file"),
        (&|| symlink("nowhere", &path).expect("linked"), "No such file"),
        (&|| symlink("quiet.wasm", &path).expect("linked"), "symbolic link"),
        (&|| symlink("/proc/self/mem/x", &path).expect("linked"), "cannot be read"),
    ] {
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).expect("removed");
        make();
        let quiet = house.until("quiet", "refused", |tracer| {
            tracer["last_error"]["message"].as_str().is_some_and(|message| message.contains(words))
        });
        assert_eq!((&quiet["state"], &quiet["generation"]), (&json!("live"), &first));
        stays_live(&house, "quiet", Duration::from_millis(400));
    }
    fs::remove_file(&path).expect("removed");
    house.drop_in("quiet.wasm", OTHER.component());
    house.until("quiet", "swapped", |tracer| tracer["generation"] != first && tracer["last_error"].is_null());
}

#[test]
fn a_plugin_dir_that_is_away_for_a_moment_unloads_nothing() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    let (there, aside) = (house.outside().join("plugins"), house.outside().join("aside"));
    fs::rename(&there, &aside).expect("moved away");
    until_problem(&house, "stay live for 10 seconds");
    assert_eq!(house.metric("hottap_plugin_dir_error"), Some(1.0));
    stays_live(&house, "quiet", Duration::from_secs(2));
    fs::rename(&aside, &there).expect("moved back");
    house.until("quiet", "seen again", |_| house.tap.tracers()["plugin_dir_error"].is_null());
    assert_eq!(house.metric("hottap_plugin_dir_error"), Some(0.0));
    // Another directory in its place, which is filled later: an unmounted volume, a deployment that copies.
    fs::rename(&there, &aside).expect("moved away");
    fs::create_dir(&there).expect("made");
    until_problem(&house, "was replaced");
    stays_live(&house, "quiet", Duration::from_secs(2));
    house.drop_in("quiet.wasm", QUIET.component());
    house.until("quiet", "whole again", |_| house.tap.tracers()["plugin_dir_error"].is_null());
    let quiet = house.tracer("quiet");
    assert_eq!((&quiet["state"], &quiet["loads"]), (&json!("live"), &json!(1)), "{quiet:#}");
    // One file is another matter.
    house.remove("quiet.wasm");
    let began = Instant::now();
    house.until("quiet", "removed", |tracer| tracer["state"] == "removed");
    assert!(began.elapsed() < GRACE);
}

#[test]
fn a_plugin_dir_that_is_removed_unloads_after_its_grace_and_is_watched_again() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    let directory = house.outside().join("plugins");
    fs::remove_dir_all(&directory).expect("removed");
    let began = Instant::now();
    house.until("quiet", "removed", |tracer| tracer["state"] == "removed");
    // Single files may have been seen going before the directory went.
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    until_problem(&house, "does not exist");
    fs::create_dir(&directory).expect("made");
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    fs::rename(&directory, house.outside().join("aside")).expect("moved away");
    let began = Instant::now();
    house.until("quiet", "removed", |tracer| tracer["state"] == "removed");
    assert!(began.elapsed() >= GRACE, "it could have come back: {:?}", began.elapsed());
}

#[test]
fn a_manifest_that_a_replaced_directory_has_not_got_yet_counts_as_before() {
    let house = House::new();
    house.drop_in("quiet.toml", "[scope]\nsides = [\"client\"]\n");
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    let there = house.outside().join("plugins");
    let copy = house.outside().join("copy");
    fs::create_dir(&copy).expect("made");
    // As a copy in the order of names does it: the module comes first.
    fs::write(copy.join("quiet.wasm"), OTHER.component()).expect("written");
    fs::rename(&there, house.outside().join("aside")).expect("moved away");
    fs::rename(&copy, &there).expect("moved");
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert!(house.tap.start_call(Side::Server, "m").is_none(), "without its manifest it would see servers, too");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let first = house.tracer("quiet")["generation"].clone();
    house.drop_in("quiet.toml", "[scope]\nsides = [\"client\"]\n");
    house.until("quiet", "swapped", |tracer| tracer["generation"] != first);
    assert!(house.tap.start_call(Side::Server, "m").is_none());
}

#[test]
fn a_directory_that_cannot_be_read_or_searched_unloads_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("set");
    apart::run_with("directory::without_rights", |command| {
        // Root may read everything.
        if rustix::process::geteuid().is_root() {
            command.uid(65_534).gid(65_534).env("TMPDIR", directory.path());
        }
    });
}

#[test]
#[ignore = "has to run as a user who may not read everything: the test above runs it"]
fn without_rights() {
    if !apart::is_apart() {
        return;
    }
    assert!(!rustix::process::geteuid().is_root());
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    let first = house.until_live("quiet")["generation"].clone();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    let directory = house.outside().join("plugins");
    for (path, rights) in [(&*directory, 0o000), (&directory, 0o600), (&directory, 0o300), (house.outside(), 0o600)] {
        mode(path, rights);
        until_problem(&house, "cannot be read");
        // Longer than a directory may be away.
        let time = if rights == 0o600 { GRACE + Duration::from_secs(1) } else { Duration::from_secs(2) };
        stays_live(&house, "quiet", time);
        mode(path, 0o700);
        house.until("quiet", "seen again", |_| house.tap.tracers()["plugin_dir_error"].is_null());
    }
    // A file that may not be read is refused by name.
    mode(&house.file("quiet.wasm"), 0o000);
    house.drop_in("quiet.toml", "[scope]\nsides = [\"client\"]\n");
    let quiet = house.until("quiet", "refused", |tracer| !tracer["last_error"].is_null());
    assert!(quiet["last_error"]["message"].to_string().contains("Permission denied"), "{quiet:#}");
    mode(&house.file("quiet.wasm"), 0o600);
    mode(&house.file("quiet.toml"), 0o000);
    house.until("quiet", "refused for its manifest", |tracer| {
        tracer["last_error"]["message"].as_str().is_some_and(|message| message.contains("quiet.toml cannot be read"))
    });
    assert_eq!((&house.tracer("quiet")["state"], &house.tracer("quiet")["generation"]), (&json!("live"), &first));
    mode(&house.file("quiet.toml"), 0o600);
    house.until("quiet", "swapped", |tracer| tracer["generation"] != first && tracer["last_error"].is_null());
}

#[test]
fn without_watches_changes_are_seen_by_the_clock() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Another user's instances of inotify: those of this one are other tests'.
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("set");
    apart::run_with("directory::inotify_exhausted", |command| {
        _ = command.uid(65_533).gid(65_533).env("TMPDIR", directory.path())
    });
}

#[test]
#[ignore = "uses up its user's instances of inotify: the test above runs it as another user"]
fn inotify_exhausted() {
    use rustix::fs::inotify;
    if !apart::is_apart() {
        return;
    }
    crate::log::listen();
    let mut taken = Vec::new();
    while let Ok(instance) = inotify::init(inotify::CreateFlags::CLOEXEC) {
        taken.push(instance);
        assert!(taken.len() < 100_000, "there is a limit");
    }
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    let first = house.until_live("quiet")["generation"].clone();
    house.drop_in("quiet.wasm", OTHER.component());
    house.until("quiet", "swapped", |tracer| tracer["generation"] != first);
    let told = |words: &str| crate::log::lines().lines().filter(|line| line.contains(words)).count();
    assert_eq!(told("the plugin dir cannot be watched"), 1);
    drop(taken);
    let began = Instant::now();
    while told("the plugin dir is watched now") == 0 {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::park_timeout(Duration::from_millis(10));
    }
    house.remove("quiet.wasm");
    house.until("quiet", "removed", |tracer| tracer["state"] == "removed");
}

#[test]
fn entries_that_are_no_plugins_are_listed_with_the_reason() {
    let house = House::new();
    let files: [&[u8]; 9] = [
        b".hidden.wasm",
        b"..data",
        b"quiet.wasm~",
        b"README.md",
        b"white space.wasm",
        b"\xff\xfe\n.wasm",
        b"alone.toml",
        b"loud.WASM",
        "\u{202e}.wasm".as_bytes(),
    ];
    for file in files {
        fs::write(house.outside().join("plugins").join(OsStr::from_bytes(file)), QUIET.component()).expect("written");
    }
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    let all = house.tap.tracers();
    assert_eq!(all["tracers"].as_array().map(Vec::len), Some(1));
    let listed = all["passed_over"].as_array().expect("a list");
    let listed: Vec<_> = listed.iter().map(|entry| (entry["file"].as_str(), entry["reason"].as_str())).collect();
    let name = Some("its name is none for a plugin: at most 64 letters, digits, ., - and _, and no . first");
    let other = Some("it is neither NAME.wasm nor NAME.toml");
    let expected = [
        (Some("\\u{202e}.wasm"), name),
        (Some("\\xff\\xfe\\n.wasm"), name),
        (Some("white space.wasm"), name),
        (Some("loud.WASM"), Some("its ending is in capital letters: write .wasm or .toml")),
        (Some("alone.toml"), Some("there is no module beside it")),
        (Some(".hidden.wasm"), Some("it is hidden: its name begins with a dot")),
        (Some("README.md"), other),
        (Some("quiet.wasm~"), other),
    ];
    assert_eq!(listed, expected);
    assert_eq!(all["more_passed_over"], 0);
}

#[test]
fn files_that_are_no_plugins_are_in_nobodys_way() {
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    for index in 0..5_000 {
        fs::write(house.file(&format!("{index}.txt")), "").expect("written");
    }
    house.drop_in("other.wasm", OTHER.component());
    house.until_live("other");
    stays_live(&house, "quiet", Duration::from_millis(500));
    let all = house.tap.tracers();
    assert_eq!((all["passed_over"].as_array().map(Vec::len), &all["more_passed_over"]), (Some(32), &json!(4_968)));
    assert_eq!(house.tracer("quiet")["loads"], 1);
}

#[test]
fn five_hundred_files_at_once_fill_the_slots_and_each_that_is_freed_goes_to_the_next_by_name() {
    let house = House::new();
    let bytes = QUIET.component();
    let draft = house.outside().join("filled");
    fs::create_dir(&draft).expect("made");
    for i in 0..500 {
        fs::write(draft.join(format!("p{i:03}.wasm")), &bytes).expect("written");
    }
    fs::write(draft.join("p005.wasm"), "hello").expect("written");
    // An old file's failure is final at once.
    let file = fs::File::options().write(true).open(draft.join("p005.wasm")).expect("opened");
    file.set_modified(SystemTime::now() - Duration::from_secs(3_600)).expect("set");
    fs::remove_dir(house.outside().join("plugins")).expect("removed");
    fs::rename(&draft, house.outside().join("plugins")).expect("moved");
    house.until("p000", "live beside 127 others", |_| count(&house, "live") == 128 && count(&house, "refused") == 372);
    let is = |name: &str, state: &str| assert_eq!(house.tracer(name)["state"], state, "{name}");
    is("p005", "refused");
    is("p128", "live");
    is("p129", "refused");
    let error = house.tracer("p129")["last_error"].clone();
    assert!(error["message"].as_str().is_some_and(|message| message.contains("128 live plugins already")), "{error}");
    assert!(error["what_to_do"].as_str().is_some_and(|what| what.contains("remove one of them")), "{error}");
    // Two go, one after the other: no other file is touched.
    for (gone, next) in [("p000", "p129"), ("p077", "p130")] {
        house.remove(&format!("{gone}.wasm"));
        let live = house.until_live(next);
        assert_eq!(live["last_error"], Value::Null, "{live:#}");
        is("p131", "refused");
        assert_eq!(count(&house, "live"), 128);
    }
    // One that is disabled gives its slot back, too.
    house.drop_in("p100.toml", "enabled = false\n");
    house.until_live("p131");
    house.drop_in("p100.toml", "enabled = true\n");
    house.until("p100", "refused", |tracer| tracer["state"] == "refused");
    // One that waits and is removed is removed.
    house.remove("p499.wasm");
    house.until("p499", "removed", |tracer| tracer["state"] == "removed");
    house.calls(10);
    house.settled("p001", 10);
}

#[test]
fn a_start_that_is_freed_goes_to_the_next_that_was_refused_for_it() {
    let house = House::new();
    for name in ["s1", "s2", "s3", "s4"] {
        house.drop_in(&format!("{name}.wasm"), STARTS.component());
        house.until_live(name);
    }
    // One that is live without a start, and one that is not live at all.
    house.drop_in("s5.wasm", QUIET.component());
    let quiet = house.until_live("s5")["generation"].clone();
    house.drop_in("s5.wasm", STARTS.component());
    house.drop_in("s6.wasm", STARTS.component());
    for name in ["s5", "s6"] {
        house.until(name, "refused a start", |tracer| {
            tracer["last_error"]["message"]
                .as_str()
                .is_some_and(|message| message.contains("act at the start of calls already"))
        });
    }
    assert_eq!(house.tracer("s5")["generation"], quiet);
    house.remove("s2.wasm");
    house.until("s5", "swapped", |tracer| tracer["generation"] != quiet && tracer["last_error"].is_null());
    assert_eq!(house.tracer("s6")["state"], "refused");
    // A swap to a generation without a start frees one, too.
    house.drop_in("s1.wasm", QUIET.component());
    house.until_live("s6");
}

#[test]
fn a_module_with_a_time_in_the_future_goes_live() {
    let house = House::new();
    for (name, ahead) in [("second", 1), ("day", 86_400), ("age", 1 << 33)] {
        let draft = house.outside().join(name);
        fs::write(&draft, QUIET.component()).expect("written");
        let file = fs::File::options().write(true).open(&draft).expect("opened");
        file.set_modified(SystemTime::now() + Duration::from_secs(ahead)).expect("set");
        fs::rename(&draft, house.file(&format!("{name}.wasm"))).expect("renamed");
        house.until_live(name);
    }
}

#[test]
fn a_module_that_is_rewritten_in_pieces_replaces_the_live_one_when_it_is_whole() {
    use std::io::Write;
    let house = House::new();
    house.drop_in("quiet.wasm", QUIET.component());
    let first = house.until_live("quiet")["generation"].clone();
    let bytes = OTHER.component();
    let mut file = fs::File::create(house.file("quiet.wasm")).expect("emptied");
    for piece in bytes.chunks(bytes.len() / 20) {
        file.write_all(piece).expect("written");
        stays_live(&house, "quiet", Duration::from_millis(60));
    }
    house.until("quiet", "swapped", |tracer| tracer["generation"] != first && tracer["last_error"].is_null());
    house.calls(10);
    house.settled("quiet", 10);
}

#[test]
fn a_copy_that_stalls_is_named_and_goes_live_when_it_is_whole() {
    use std::io::Write;
    let house = House::new();
    house.drop_in("live.wasm", QUIET.component());
    let first = house.until_live("live")["generation"].clone();
    let bytes = OTHER.component();
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    let mut files = ["live", "new"].map(|name| fs::File::create(house.file(&format!("{name}.wasm"))).expect("made"));
    files.iter_mut().for_each(|file| file.write_all(half).expect("written"));
    for name in ["live", "new"] {
        house.until(name, "refused", |tracer| {
            tracer["last_error"]["message"].as_str().is_some_and(|message| message.contains("cut short"))
        });
    }
    assert_eq!((&house.tracer("live")["state"], &house.tracer("live")["generation"]), (&json!("live"), &first));
    files.iter_mut().for_each(|file| file.write_all(rest).expect("written"));
    house.until("live", "swapped", |tracer| tracer["generation"] != first && tracer["last_error"].is_null());
    house.until_live("new");
}

#[test]
fn a_config_map_that_is_swapped_is_one_version_at_every_moment() {
    let house = House::new();
    let plugins = house.outside().join("plugins");
    // Kubernetes' layout: each file is a link through ..data, which is swapped by a rename.
    let version = |number: usize| {
        let directory = plugins.join(format!("..v{number}"));
        fs::create_dir(&directory).expect("made");
        let guest = if number.is_multiple_of(2) { QUIET } else { OTHER };
        fs::write(directory.join("quiet.wasm"), guest.component()).expect("written");
        // Without its manifest it would see servers; with the other version's it would be refused.
        let sha256: String = sha256(&guest.component());
        let manifest = format!("sha256 = \"{sha256}\"\n[scope]\nsides = [\"client\"]\n[config]\nversion = {number}\n");
        fs::write(directory.join("quiet.toml"), manifest).expect("written");
        symlink(format!("..v{number}"), plugins.join("..next")).expect("linked");
        fs::rename(plugins.join("..next"), plugins.join("..data")).expect("renamed");
        if let Some(before) = number.checked_sub(1) {
            fs::remove_dir_all(plugins.join(format!("..v{before}"))).expect("removed");
        }
    };
    version(0);
    for file in ["quiet.toml", "quiet.wasm"] {
        symlink(format!("..data/{file}"), plugins.join(file)).expect("linked");
    }
    house.until_live("quiet");
    for number in 1..=12 {
        let before = house.tracer("quiet")["generation"].clone();
        version(number);
        house.until("quiet", "swapped", |tracer| {
            assert_eq!(tracer["state"], "live", "{tracer:#}");
            assert!(tracer["last_error"].is_null(), "{tracer:#}");
            assert!(house.tap.start_call(Side::Server, "m").is_none(), "no version sees servers");
            tracer["generation"] != before
        });
    }
    assert_eq!(house.tracer("quiet")["loads"], 13);
}

/// The digest as a manifest has it, by the system's own tool.
fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child =
        Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha256sum runs");
    child.stdin.take().expect("piped").write_all(bytes).expect("written");
    let said = String::from_utf8(child.wait_with_output().expect("ends").stdout).expect("text");
    said.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn a_configuration_that_is_no_file_is_named_and_not_waited_for() {
    let house = House::new();
    house.configure("[destinations.one]\nurl = \"stdout:\"\ntracers = []\n");
    house.until_destination("one", "there", |one| !one.is_null());
    let path = house.outside().join("hottap.toml");
    let status = std::process::Command::new("mkfifo").arg(house.outside().join("pipe")).status().expect("mkfifo runs");
    assert!(status.success());
    fs::rename(house.outside().join("pipe"), &path).expect("renamed");
    let error = house.until_config_error("it is a named pipe, not a file");
    assert!(error.contains("nothing changes"), "{error}");
    // The supervisor goes on.
    house.drop_in("quiet.wasm", QUIET.component());
    house.until_live("quiet");
    assert!(!house.destination("one").is_null());
}
