//! A comparison for people: what changed, by aspect, with counts, shares and how likely chance did it.

use std::io::{self, Write};

use super::{Aspect, Change, Compared, Row, Share};
use crate::report::layout::{Canvas, clip_middle, columns, harmless, left, right, wrap};
use crate::report::quantity::{count, counted};
use crate::report::style::Role;

const WORD_WIDTH_MAX: usize = 28;
const NAME_WIDTH_MAX: usize = 60;
/// A share in percent, with the space before it.
const PERCENT_WIDTH: usize = 8;
/// How likely chance is.
const CHANCE_WIDTH: usize = 10;

/// Columns of the table.
struct Widths {
    word: usize,
    number: usize,
    change: usize,
}

impl Widths {
    /// As wide as `rows` need, and the word gets what is left.
    fn fitting(canvas: &Canvas, rows: &[Row]) -> Self {
        let digits = rows.iter().flat_map(|row| [row.before.count, row.after.count]).map(|number| count(number).len());
        let number = 1 + digits.max().unwrap_or(0);
        let change = 1 + rows.iter().map(|row| row.change.name().len()).max().unwrap_or(0);
        let fixed = INDENT + 2 * (number + PERCENT_WIDTH) + INDENT + change + CHANCE_WIDTH;
        Self { word: canvas.width.saturating_sub(fixed).clamp(1, WORD_WIDTH_MAX), number, change }
    }
}

/// Before a row, and between its numbers and what became of them.
const INDENT: usize = 2;

/// Writes the rows whose shares differ.
pub fn write(out: &mut dyn Write, canvas: &Canvas, compared: &Compared) -> io::Result<()> {
    let paint = canvas.palette;
    let (before, after) = compared.connections;
    for (lead, name, connections) in [("before", &compared.before, before), ("after ", &compared.after, after)] {
        let name = clip_middle(&harmless(name), NAME_WIDTH_MAX);
        writeln!(out, "{} {name}: {}", paint.paint(Role::Heading, lead), counted(connections, "connection"))?;
    }
    let widths = Widths::fitting(canvas, &compared.rows);
    let mut is_first = true;
    for aspect in Aspect::ALL {
        let differs = |row: &&Row| {
            row.aspect == *aspect && row.before.ratio() != row.after.ratio()
                || row.aspect == *aspect && *aspect == Aspect::Population && row.before.count != row.after.count
        };
        let rows: Vec<&Row> = compared.rows.iter().filter(differs).collect();
        if rows.is_empty() {
            continue;
        }
        let share = widths.number + PERCENT_WIDTH;
        let word = left(heading(*aspect), INDENT + widths.word);
        let head = format!("{word}{}{}", right("before", share), right("after", share));
        writeln!(out, "\n{}", paint.paint(Role::Heading, head))?;
        is_first = false;
        for row in rows {
            write_row(out, canvas, &widths, compared, row)?;
        }
    }
    if is_first {
        return writeln!(out, "\nNo share differs.");
    }
    let note = "p: how often chance alone puts shares so far apart (Fisher's exact test, corrected for all rows).";
    writeln!(out)?;
    wrap(note, canvas.width).iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn heading(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Finding => "findings",
        Aspect::Population => "across connections",
        Aspect::Reset => "causes of resets",
        Aspect::Open => "opened",
        Aspect::Close => "closed",
        Aspect::Initiator => "close begun by",
        Aspect::TimeWait => "TIME-WAIT held by",
    }
}

fn write_row(out: &mut dyn Write, canvas: &Canvas, widths: &Widths, compared: &Compared, row: &Row) -> io::Result<()> {
    let is_finding = matches!(row.aspect, Aspect::Finding | Aspect::Population | Aspect::Reset);
    let role = match row.change {
        Change::New if is_finding => Role::Error,
        _ if row.is_significant(compared.significant) => Role::Warning,
        _ => Role::Faint,
    };
    let is_share = row.aspect != Aspect::Population;
    let cell = |share: Share| {
        let percent =
            if is_share && share.count > 0 { format!("{:.1} %", share.ratio() * 100.0) } else { String::new() };
        format!("{}{}", right(&count(share.count), widths.number), right(&percent, PERCENT_WIDTH))
    };
    let chance = match row.chance {
        _ if !is_share => String::new(),
        chance if chance < 0.0001 => "p < 0.0001".to_owned(),
        chance => format!("p {chance:.4}"),
    };
    let change = canvas.palette.paint(role, left(row.change.name(), widths.change)).to_string();
    let mut word = row.word.as_str();
    if columns(word) > widths.word {
        // Names are not shortened: the numbers stand below.
        writeln!(out, "  {word}")?;
        word = "";
    }
    let line = format!("  {}{}{}  {change}{chance}", left(word, widths.word), cell(row.before), cell(row.after));
    writeln!(out, "{}", line.trim_end())
}
