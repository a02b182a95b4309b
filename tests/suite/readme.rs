//! README shows what the program really prints. `UPDATE_GOLDEN=1` writes the output anew, to be looked at.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What follows the first line that is `fence`, up to the end of that block.
fn block<'a>(text: &'a str, fence: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n{fence}\n")).unwrap_or_else(|| panic!("README.md has no {fence}"));
    rest.split_once("```").unwrap_or_else(|| panic!("README.md: {fence} has no end")).0
}

#[test]
fn the_output_shown_is_the_program_s() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md is readable");
    let command = block(&readme, "```sh");
    let (_, arguments) = command.split_once(" -- ").expect("the first command runs the program with arguments");
    let output = Command::new(env!("CARGO_BIN_EXE_lastack"))
        .args(arguments.split_whitespace())
        .current_dir(root)
        .env_remove("COLUMNS")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("the output is UTF-8");
    let shown = block(&readme, "```text");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, readme.replace(shown, &printed)).expect("README.md is writable");
    } else {
        assert_eq!(shown, printed, "README.md shows something else; UPDATE_GOLDEN=1 writes it anew");
    }
}
