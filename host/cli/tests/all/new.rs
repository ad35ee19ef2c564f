//! `hottap new`: a project that works as it is, and nothing that is touched on the way.

use std::fs;

use crate::command::{complains, run, said};
use crate::project::{Project, repository};

#[test]
fn a_new_project_passes_its_test_and_its_module_is_taken() {
    let project = Project::new("new-tracer", &[]);
    // In release, so that cargo compiles the macros once for the test and the module.
    let tested = project.cargo(&["test", "--release"]);
    assert!(tested.out.contains("1 passed"), "{}", tested.out);
    let plugins = tempfile::tempdir().expect("a temporary directory");
    let built = run(project.hottap().args(["build", "--into"]).arg(plugins.path()));
    assert_eq!(built.code, Some(0), "{}", built.err);
    let module = plugins.path().join("new-tracer.wasm");
    let size = fs::metadata(&module).expect("placed").len();
    assert!(built.out.starts_with(&format!("{}  {}.", module.display(), size / 1024)), "{}", built.out);
    let checked = said(plugins.path(), &["check", "--json", "."]);
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    let report: serde_json::Value = serde_json::from_str(&checked.out).expect("one object");
    assert!(built.out.trim_end().ends_with(report["sha256"].as_str().expect("known")), "{}", built.out);
    assert_eq!(report["manifest"], "./new-tracer.toml");
    assert_eq!(report["metrics"][0]["name"], "new_tracer.calls");
    assert_eq!(report["metrics"][1]["name"], "new_tracer.slow");
}

#[test]
fn a_new_project_with_a_starter_passes_its_test_and_its_module_is_taken() {
    let project = Project::new("header-tracer", &["--starter"]);
    let tested = project.cargo(&["test", "--release"]);
    assert!(tested.out.contains("1 passed"), "{}", tested.out);
    let built = run(project.hottap().args(["build", "--into", "plugins"]));
    assert_eq!(built.code, Some(0), "{}", built.err);
    let checked = said(&project.folder, &["check", "--json", "plugins"]);
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    let report: serde_json::Value = serde_json::from_str(&checked.out).expect("one object");
    assert_eq!(report["starter"], true);
    assert_eq!(report["metrics"][0]["name"], "header_tracer.marked");
}

#[test]
fn a_new_project_is_formatted_and_says_its_name() {
    new_project_is_formatted("slow-calls", &[]);
    new_project_is_formatted("set-header", &["--starter"]);
}

#[track_caller]
fn new_project_is_formatted(name: &'static str, args: &[&str]) {
    let project = Project::new(name, args);
    // As rustfmt does it where nobody has told it otherwise; this repository has.
    project.cargo(&["fmt", "--check", "--", "--config", "max_width=100,use_small_heuristics=Default"]);
    for file in ["Cargo.toml", "README.md", &format!("{name}.toml"), "src/lib.rs", ".gitignore"] {
        let text = fs::read_to_string(project.folder.join(file)).expect("there");
        for left in ["my-tracer", "my_tracer", "MyTracer", "MyStarter", "HOTTAP_GUEST", "WHAT_IT_IS"] {
            assert!(!text.contains(left), "{file} has {left}");
        }
    }
}

#[test]
fn what_is_there_is_not_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(folder.path().join("precious")).expect("made");
    complains(folder.path(), &["new", "precious"], 2, &["precious is there already, and is left as it is"]);
    assert_eq!(fs::read_dir(folder.path().join("precious")).expect("there").count(), 0);
    fs::write(folder.path().join("file"), "words").expect("written");
    complains(folder.path(), &["new", "file"], 2, &["file is there already"]);
}

#[test]
fn a_name_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    complains(folder.path(), &["new", "../up"], 2, &["\"../up\" is no name for a tracer", "such as slow-calls"]);
    complains(folder.path(), &["new", "match"], 2, &["means something else in Rust"]);
    complains(folder.path(), &["new", "a", "--sdk", "."], 2, &["is not crate hottap-guest"]);
    assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0, "nothing was made");
}

#[test]
fn a_project_below_a_workspace_is_a_member_or_stands_for_itself() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let sdk = repository().join("guest-sdk");
    let sdk = sdk.to_str().expect("UTF-8");
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"in-it\"]\n";
    fs::write(folder.path().join("Cargo.toml"), workspace).expect("written");
    for (name, own) in [("in-it", false), ("beside", true)] {
        let made = said(folder.path(), &["new", name, "--sdk", sdk]);
        assert_eq!(made.code, Some(0), "{}", made.err);
        let manifest = fs::read_to_string(folder.path().join(name).join("Cargo.toml")).expect("there");
        assert_eq!(manifest.contains("[workspace]"), own, "{manifest}");
        assert_eq!(manifest.contains("[profile.release]"), own, "{manifest}");
        assert_eq!(made.err.contains("is a member of the workspace"), !own, "{}", made.err);
    }
}
