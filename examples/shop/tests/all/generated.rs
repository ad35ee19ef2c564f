//! src/proto/shop.v1.rs is what the generator makes of proto/shop.proto.

use std::path::Path;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_committed_code_is_what_the_proto_file_says() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let files = protox::compile(["shop.proto"], [Path::new(HERE).join("proto")]).expect("shop.proto is valid");
    tonic_prost_build::configure().out_dir(out).compile_fds(files).expect("code is generated");
    let generated = std::fs::read_to_string(out.join("shop.v1.rs")).expect("it was written");

    let path = Path::new(HERE).join("src/proto/shop.v1.rs");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &generated).expect("the sources can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("it is committed");
    assert!(committed == generated, "proto/shop.proto or the generator changed: UPDATE_GENERATED=1 cargo test -p shop");
}
