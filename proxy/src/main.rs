//! The `sigbox` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sigbox::cli::main()
}
