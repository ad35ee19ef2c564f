//! Cuts the Rust snippets out of README.md: each becomes a file that `src/lib.rs` includes.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let readme = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../README.md");
    println!("cargo::rerun-if-changed={}", readme.display());
    let folder = env::var("OUT_DIR")?;
    let mut names = String::new();
    for (name, code) in snippets(&fs::read_to_string(readme)?) {
        // Statements are included as one block; items stand for themselves.
        let is_items = code.lines().any(|line| line.starts_with("impl "));
        let text = if is_items { code } else { format!("{{\n{code}}}\n") };
        fs::write(Path::new(&folder).join(format!("{name}.rs")), text)?;
        writeln!(names, "{name}")?;
    }
    fs::write(Path::new(&folder).join("names"), names)?;
    Ok(())
}

/// The blocks marked `rust`, named after their section and numbered in it.
fn snippets(readme: &str) -> Vec<(String, String)> {
    let (mut section, mut number, mut snippets) = (String::new(), 0, Vec::new());
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')) {
            (section, number) = (title.to_lowercase().replace(|letter: char| !letter.is_alphanumeric(), "_"), 0);
        } else if line.starts_with("```") {
            let code: String =
                lines.by_ref().take_while(|line| !line.starts_with("```")).flat_map(|line| [line, "\n"]).collect();
            if line.starts_with("```rust") {
                number += 1;
                snippets.push((format!("{section}_{number}"), code));
            }
        }
    }
    snippets
}
