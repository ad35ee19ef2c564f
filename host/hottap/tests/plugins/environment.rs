//! Settings from the environment, and the words of the log and the admin API about them: each in a process of its own.

use std::ffi::{OsStr, OsString};
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use hottap::rpc::Side;
use hottap::{CallContext, Hottap, StartError, Tracer};

use crate::{apart, log};

/// A busy machine takes its time; nothing waits longer than it must.
const PATIENCE: Duration = Duration::from_secs(60);

struct Everything;

impl Tracer for Everything {
    fn start(&self, _: &mut CallContext) {}
    fn finish(&self, _: &CallContext) {}
}

/// Returns the output of a service that was started with these variables.
#[track_caller]
fn started_with(variables: &[(&str, &OsStr)]) -> String {
    apart::run_with("environment::a_service_tells_of_its_start", |command| {
        for name in ["HOTTAP_PLUGINS", "HOTTAP_CONFIG", "HOTTAP_ADMIN", "HOTTAP_DISABLE"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied());
    })
}

#[test]
#[ignore = "takes the environment of its process: the tests below run it in ones of their own"]
fn a_service_tells_of_its_start() {
    if !apart::is_apart() {
        return;
    }
    log::listen();
    let tap = Hottap::builder().service("told").tracer(Everything).start().expect("starts");
    println!("ready: {:?}", tap.ready(PATIENCE).wait());
    println!("traced: {}", tap.start_call(Side::Server, "told.v1.Told/Call").is_some());
    println!("admin: {:?}", tap.admin_address().map(|_| "open"));
    println!("tracers: {}\ndestinations: {}", tap.tracers(), tap.destinations());
    println!("{}", log::lines());
}

#[track_caller]
fn check(variables: &[(&str, &OsStr)], expected: &[&str], absent: &[&str]) {
    let said = started_with(variables);
    for words in expected {
        assert!(said.contains(words), "{variables:?}: {words:?} is not in\n{said}");
    }
    for words in absent {
        assert!(!said.contains(words), "{variables:?}: {words:?} is in\n{said}");
    }
}

#[test]
fn one_line_tells_what_was_started() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [plugins, config] = ["plugins", "hottap.toml"].map(|name| directory.path().join(name));
    std::fs::create_dir(&plugins).expect("made");
    std::fs::write(&config, "").expect("written");
    let line = format!(
        "INFO message=started version=\"{}\" service=\"told\" plugin_dir=\"{}\" config=\"{}\" admin=\"127.0.0.1:",
        env!("CARGO_PKG_VERSION"),
        plugins.display(),
        config.display()
    );
    let variables = [
        ("HOTTAP_PLUGINS", plugins.as_os_str()),
        ("HOTTAP_CONFIG", config.as_os_str()),
        ("HOTTAP_ADMIN", OsStr::new("127.0.0.1:0")),
    ];
    check(&variables, &[&line, "native_tracers=1 disabled=false", "admin: Some", "traced: true"], &["WARN"]);
    let nothing = "plugin_dir=\"none\" config=\"none\" admin=\"none\" native_tracers=1 disabled=false";
    check(&[], &[nothing], &["WARN"]);
    let empty =
        ["HOTTAP_PLUGINS", "HOTTAP_CONFIG", "HOTTAP_ADMIN", "HOTTAP_DISABLE"].map(|name| (name, OsStr::new("")));
    check(&empty, &[nothing, "traced: true"], &["WARN"]);
}

#[test]
fn the_kill_switch_is_told_and_a_value_that_is_not_understood_too() {
    for value in ["1", "True", "YES", "on"] {
        let told = ["tracing is disabled by HOTTAP_DISABLE", "disabled=true", "traced: false", "\"disabled\":true"];
        let variables = [("HOTTAP_DISABLE", OsStr::new(value)), ("HOTTAP_PLUGINS", OsStr::new("/nope"))];
        check(&variables, &told, &["WARN"]);
    }
    check(&[("HOTTAP_DISABLE", OsStr::new("Off"))], &["disabled=false", "traced: true"], &["WARN"]);
    let not_utf_8 = OsString::from_vec(vec![0xff]);
    for value in [OsStr::new("ture"), &not_utf_8] {
        let told = ["WARN message=HOTTAP_DISABLE=", "so tracing is not disabled", "disabled=false", "traced: true"];
        check(&[("HOTTAP_DISABLE", value)], &told, &[]);
    }
}

#[test]
fn a_plugin_dir_that_is_missing_is_told_in_the_log_and_in_the_admin_api() {
    let told = [
        "WARN message=the plugin dir /nope/plugins does not exist",
        "looked for every second",
        "\"plugin_dir\":\"/nope/plugins\"",
        "\"plugin_dir_error\":\"the plugin dir /nope/plugins does not exist",
        "ready: Ok(())",
    ];
    check(&[("HOTTAP_PLUGINS", OsStr::new("/nope/plugins"))], &told, &[]);
    let here = std::env::current_dir().expect("somewhere");
    let whole = format!("the plugin dir {} does not exist", here.join("no/such/dir").display());
    check(&[("HOTTAP_PLUGINS", OsStr::new("no/such/dir"))], &[&whole], &[]);
}

#[test]
fn a_configuration_that_is_missing_is_told() {
    let plugins = tempfile::tempdir().expect("a temporary directory");
    let config = ("HOTTAP_CONFIG", OsStr::new("/nope/hottap.toml"));
    let told =
        ["WARN message=/nope/hottap.toml is not there; create it", "\"config_error\":\"/nope/hottap.toml is not there"];
    check(&[config, ("HOTTAP_PLUGINS", plugins.path().as_os_str())], &told, &[]);
    check(&[config], &["WARN message=/nope/hottap.toml is not there; create it"], &[]);
}

#[test]
fn an_admin_port_in_use_does_not_keep_a_service_from_starting_if_the_environment_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let not_open = format!("admin=\"{address} (not open)\"");
    let told = ["the service goes on without the admin api, and it is tried again every 5s", &not_open, "traced: true"];
    let said = started_with(&[("HOTTAP_ADMIN", OsStr::new(&address))]);
    for words in told {
        assert!(said.contains(words), "{words:?} is not in\n{said}");
    }
    assert_eq!(said.matches("WARN").count(), 1, "one warning:\n{said}");
    check(
        &[("HOTTAP_ADMIN", OsStr::new("nothing"))],
        &["goes on without the admin api", "traced: true"],
        &["tried again"],
    );
    let not_utf_8 = OsString::from_vec(vec![0xff]);
    check(&[("HOTTAP_ADMIN", &not_utf_8)], &["WARN message=HOTTAP_ADMIN=", "admin: None", "traced: true"], &[]);
}

#[test]
fn an_admin_port_in_use_is_an_error_for_code_unless_it_says_otherwise() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let builder = || Hottap::builder().service("told").tracer(Everything).admin(address.to_string());
    let error = builder().start().expect_err("the port is taken");
    assert!(
        matches!(error, StartError::Admin { .. }) && error.to_string().contains("admin_required(false)"),
        "{error}"
    );
    let tap = builder().start().unwrap_or_else(|_| Hottap::disabled());
    assert!(tap.start_call(Side::Server, "m").is_none() && tap.tracers()["disabled"] == true);
    let tap = builder().admin_required(false).start().expect("it goes on without the port");
    assert!(tap.start_call(Side::Server, "m").is_some() && tap.admin_address().is_none());
    assert!(tap.shutdown(PATIENCE));
}
