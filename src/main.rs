//! The `lastack` command: parse, run, exit code.

fn main() {}
