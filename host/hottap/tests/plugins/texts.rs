//! Texts that guests and files choose: each is one plain line in the log, in the admin API and wherever else it is read.

use crate::guests::{PLAIN, QUIET, speaker};
use crate::house::House;
use crate::log;

/// The lines of the log about a tracer. Each of them, and everything that the admin API says, is plain.
#[track_caller]
fn told(house: &House, name: &str) -> Vec<String> {
    let is_plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{202e}' | '\u{200b}');
    let all = log::lines();
    let forged: Vec<_> = all.lines().filter(|line| line.starts_with("2026-11-30T00:00:00Z")).collect();
    assert!(forged.is_empty(), "{forged:#?}");
    let tracer = format!("tracer=\"{name}\"");
    let lines: Vec<String> = all.split('\n').filter(|line| line.contains(&tracer)).map(str::to_owned).collect();
    let pages = [house.tap.tracers().to_string(), house.tap.destinations().to_string()];
    for text in lines.iter().chain(&pages) {
        assert!(text.chars().all(is_plain), "{text:?}");
    }
    lines
}

#[track_caller]
fn contains(lines: &[String], words: &str) {
    assert!(lines.iter().any(|line| line.contains(words)), "{words:?} is not in {lines:#?}");
}

#[test]
fn a_refusal_of_init_is_one_plain_line() {
    log::listen();
    let house = House::new();
    house.drop_in("text-init.wasm", speaker("(call $refuses)", ""));
    let tracer = house.until("text-init", "refused", |tracer| tracer["state"] == "refused");
    let message = tracer["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.ends_with(&format!("init refused: {PLAIN}")), "{message}");
    contains(&told(&house, "text-init"), PLAIN);
}

#[test]
fn a_trap_in_a_function_with_such_a_name_and_its_last_words_are_one_plain_line() {
    log::listen();
    let house = House::new();
    house.drop_in("text-trap.wasm", speaker("", "(call $says (i32.const 5)) (call $traps)"));
    house.until_live("text-trap");
    let tracer = house.until("text-trap", "trapped", |tracer| {
        house.calls(5);
        !tracer["last_error"].is_null()
    });
    let message = tracer["last_error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("(in {PLAIN})")), "{message}");
    assert!(message.contains(&format!("its last words: {PLAIN}")), "{message}");
    contains(&told(&house, "text-trap"), &format!("(in {PLAIN})"));
}

#[test]
fn lines_that_a_tracer_logs_are_plain_and_at_most_four_kib_long_after_that() {
    log::listen();
    let house = House::new();
    let severities = [0, 1, 2, 3, 4, 5, 255].map(|severity| format!("(call $says (i32.const {severity}))")).concat();
    house.drop_in("text-log.wasm", speaker("", &format!("{severities} (call $floods)")));
    house.until_live("text-log");
    let lines = loop {
        house.calls(5);
        let lines = told(&house, "text-log");
        if lines.iter().any(|line| line.contains("\\u{0}\\u{0}")) {
            break lines;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(2));
    };
    for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] {
        assert!(lines.iter().any(|line| line.starts_with(level) && line.contains(PLAIN)), "{level}: {lines:#?}");
    }
    let longest = lines.iter().map(String::len).max().unwrap_or_default();
    // With the level and the names of fields before it.
    assert!((4_000..4_200).contains(&longest), "{longest}");
}

#[test]
fn what_a_manifest_says_is_repeated_in_plain_text() {
    log::listen();
    let house = House::new();
    house.drop_in("text-file.wasm", QUIET.component());
    house.until_live("text-file");
    let quoted = "\"so\\nforged\\u001b[31m\\u202e\\u2028end\"";
    let shown = "so\\nforged\\u{1b}[31m\\u{202e}\\u{2028}end";
    for (manifest, words) in [
        (format!("{quoted} = 1\n"), Some(format!("unknown key `{shown}`"))),
        (format!("[scope]\n{quoted} = 1\n"), Some(format!("unknown key `scope.{shown}`"))),
        (format!("[scope]\nsides = [{quoted}]\n"), Some(format!("`{shown}` is none of client"))),
        ("a \u{202e}\u{2028} = \u{1b}\n".to_owned(), Some("is not TOML".to_owned())),
        (format!("[scope]\nmethods = [{quoted}]\n"), None),
    ] {
        house.drop_in("text-file.toml", &manifest);
        let tracer = house.until("text-file", "read", |tracer| match &words {
            Some(words) => tracer["last_error"]["message"].as_str().is_some_and(|message| message.contains(words)),
            None => tracer["notices"][0]["message"].as_str().is_some_and(|message| message.contains(shown)),
        });
        assert_eq!(tracer["state"], "live", "{manifest}");
        told(&house, "text-file");
    }
}
