//! Text on a grid: cells of a given width, paragraphs that wrap between words, and text from outside made harmless.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::quantity::Clock;
use super::style::Palette;

/// The narrowest canvas that anything is laid out for.
const WIDTH_MIN: usize = 72;

/// The widest canvas: beyond it, lines are hard to read and tables fall apart.
const WIDTH_MAX: usize = 240;

/// Where text goes: how wide it may be, whether in colour, and on whose clock.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// Columns, from 72 to 240.
    pub width: usize,
    /// Colours.
    pub palette: Palette,
    /// The clock of the times shown.
    pub clock: Clock,
}

impl Canvas {
    /// A canvas of `width` columns, bent into the range that can be laid out.
    pub fn new(width: usize, palette: Palette, zone: jiff::tz::TimeZone) -> Self {
        Self { width: width.clamp(WIDTH_MIN, WIDTH_MAX), palette, clock: Clock::new(zone) }
    }
}

/// Columns that `text` takes on screen.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// `text` cut to `width` columns, the cut marked by an ellipsis.
pub fn clip(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut clipped = prefix(text, width.saturating_sub(1)).to_owned();
    if width > 0 {
        clipped.push('…');
    }
    clipped
}

/// `text` cut to `width` columns in its middle: of addresses and paths both ends matter.
pub fn clip_middle(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    if width < 3 {
        return clip(text, width);
    }
    let head = prefix(text, (width - 1) / 2);
    let tail = suffix(text, width - 1 - columns(head));
    format!("{head}…{tail}")
}

fn prefix(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > width {
            return &text[..at];
        }
    }
    text
}

fn suffix(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices().rev() {
        used += character.width().unwrap_or(0);
        if used > width {
            return &text[at + character.len_utf8()..];
        }
    }
    text
}

/// `text` clipped and filled up to `width` columns, its words on the left.
pub fn left(text: &str, width: usize) -> String {
    let text = clip(text, width);
    let fill = width - columns(&text);
    text + &" ".repeat(fill)
}

/// `text` clipped and filled up to `width` columns, its words on the right.
pub fn right(text: &str, width: usize) -> String {
    let text = clip(text, width);
    " ".repeat(width - columns(&text)) + &text
}

/// What stands for a space inside of which no line is broken.
pub const UNBROKEN: char = '\u{a0}';

/// Where a word that is too long for a line may be broken: after what joins the parts of paths, and else of names.
const JOINTS: [&[char]; 2] = [&['/'], &['-', '_', ',', ':', '+']];

/// As much of `word` as a line takes of which it is the beginning: up to a joint, if there is one beyond its first third.
fn piece(word: &str, width: usize) -> &str {
    let fitting = prefix(word, width);
    let joint = |joints: &[char]| {
        let part = fitting.rfind(joints).map(|at| &fitting[..=at])?;
        Some(part).filter(|part| columns(part) > width / 3)
    };
    JOINTS.into_iter().find_map(joint).unwrap_or(fitting)
}

/// `lead: command`. A command that does not fit has a line of its own; one that is too long for that goes on in the next one,
/// as a shell wants it, so that it can be copied.
pub fn hint(lead: &str, command: &str, width: usize) -> String {
    if columns(lead) + 2 + columns(command) <= width {
        return format!("{lead}: {command}");
    }
    let indent = lead.len() - lead.trim_start().len() + 2;
    let margin = " ".repeat(indent);
    match command.rfind(" --").filter(|_| indent + columns(command) > width) {
        Some(at) => format!("{lead}:\n{margin}{} \\\n{margin}  {}", &command[..at], &command[at + 1..]),
        None => format!("{lead}:\n{margin}{command}"),
    }
}

/// The lines of a paragraph of at most `width` columns, broken between words; a longer word is broken inside.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_ascii_whitespace() {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        let mut rest = word;
        while columns(&line) + columns(rest) > width {
            // Always takes at least one character, so that it ends even when one is wider than the line.
            let fitting = piece(rest, width - columns(&line)).len();
            let taken = if fitting == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { fitting };
            line.push_str(&rest[..taken]);
            rest = &rest[taken..];
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(rest);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines.iter().map(|line| line.replace(UNBROKEN, " ")).collect()
}

/// `text` without control characters: names of files and the like come from outside and must not drive the terminal.
pub fn harmless(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            // Writing to a string cannot fail.
            let _ = write!(clean, "{}", character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_count_columns_and_not_characters() {
        assert_eq!(left("ab", 4), "ab  ");
        assert_eq!(right("ab", 4), "  ab");
        assert_eq!(left("日本語", 5), "日本…");
        assert_eq!(left("日本語", 4), "日… ");
        assert_eq!(clip("abc", 0), "");
    }

    #[test]
    fn a_middle_cut_keeps_both_ends() {
        assert_eq!(clip_middle("[2001:db8:0:1::1]:443", 13), "[2001:…1]:443");
        assert_eq!(clip_middle("short", 13), "short");
    }

    #[test]
    fn paragraphs_break_between_words_and_long_words_inside() {
        assert_eq!(wrap("the server closed  first", 10), ["the server", "closed", "first"]);
        assert_eq!(wrap("a abcdefghijk b", 4), ["a", "abcd", "efgh", "ijk", "b"]);
        assert_eq!(wrap("/srv/captures/of/today.pcap", 16), ["/srv/captures/", "of/today.pcap"]);
        assert_eq!(wrap("日", 1), ["日"]);
        assert_eq!(wrap("  ", 4), Vec::<String>::new());
        assert_eq!(wrap("see close()\u{a0}ok", 11), ["see", "close() ok"]);
    }

    #[test]
    fn commands_are_not_broken() {
        assert_eq!(hint("All", "lastack read a", 20), "All: lastack read a");
        assert_eq!(hint("  and 3 more", "lastack read a", 20), "  and 3 more:\n    lastack read a");
        assert_eq!(hint("All", "lastack read a --all", 20), "All:\n  lastack read a \\\n    --all");
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(harmless("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
    }
}
