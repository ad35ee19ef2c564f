//! The README's tracer is the example that people copy, so it is built, tested and shown to work.

#[test]
fn the_readmes_tracer_is_the_example() {
    let readme = include_str!("../../README.md");
    let example = include_str!("../../../examples/first-tracer/src/lib.rs");
    let blocks: Vec<&str> = readme
        .split("\n```rust")
        .skip(1)
        .filter_map(|block| block.split_once('\n')?.1.split_once("\n```").map(|(code, _)| code))
        .collect();
    assert_eq!(format!("{}\n", blocks.join("\n\n")), example, "README.md and examples/first-tracer have drifted apart");
}
