//! What the terminal can do: its width, and whether it wants colour.

use std::env;
use std::path::Path;

use super::arguments::{Color, Talk};
use super::output::{is_terminal, named};
use crate::report::{Canvas, Palette};

/// Columns when nobody says how many.
const WIDTH: usize = 80;

/// The canvas for text that goes to `file` or standard output.
pub fn canvas(talk: &Talk, file: Option<&Path>) -> Canvas {
    let is_coloured = match talk.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            is_terminal(file) && !is_set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    };
    let palette = if is_coloured { Palette::Ansi } else { Palette::Plain };
    Canvas::new(width(file), palette, talk.zone.clone())
}

fn width(file: Option<&Path>) -> usize {
    let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&columns| columns > 0);
    // Standard output may be the pipe to a pager, whose width is that of the terminal behind it. A file has none.
    let terminal = || match named(file) {
        Some(_) => None,
        None => terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)),
    };
    columns.or_else(terminal).unwrap_or(WIDTH)
}

/// By the convention of no-color.org: set, and not to the empty string.
fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}
