//! The command `hottap`; all of it is in the library's room `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hottap::cli::main()
}
