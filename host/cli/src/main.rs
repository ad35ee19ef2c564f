//! The command `hottap`; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    hottap_cli::main()
}
