//! `proto INCLUDE FILE OUT`: compiles one .proto file and writes its code into the folder OUT. No protoc is needed.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let [include, file, out] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "INCLUDE FILE OUT")?;
    let files = protox::compile([file], [include])?;
    tonic_prost_build::configure().out_dir(out).compile_fds(files)?;
    Ok(())
}
