//! The `lastack` command: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    lastack::cli::run(std::env::args_os())
}
