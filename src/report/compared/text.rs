//! A comparison for people: what changed, by aspect, with counts, shares and how likely chance did it.

use std::io::{self, Write};

use super::{Aspect, Change, Compared, Row, Share};
use crate::report::layout::{Canvas, clip_middle, harmless, left, right};
use crate::report::quantity::{count, counted};
use crate::report::style::Role;

const WORD_WIDTH: usize = 28;
const NAME_WIDTH_MAX: usize = 60;

/// Writes the rows whose shares differ.
pub fn write(out: &mut dyn Write, canvas: &Canvas, compared: &Compared) -> io::Result<()> {
    let paint = canvas.palette;
    let (before, after) = compared.connections;
    for (lead, name, connections) in [("before", &compared.before, before), ("after ", &compared.after, after)] {
        let name = clip_middle(&harmless(name), NAME_WIDTH_MAX);
        writeln!(out, "{} {name}: {}", paint.paint(Role::Heading, lead), counted(connections, "connection"))?;
    }
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
        let head = format!("{}{}{}", left(heading(*aspect), WORD_WIDTH + 2), right("before", 17), right("after", 17));
        writeln!(out, "\n{}", paint.paint(Role::Heading, head))?;
        is_first = false;
        for row in rows {
            write_row(out, canvas, compared, row)?;
        }
    }
    if is_first {
        return writeln!(out, "\nNo share differs.");
    }
    writeln!(out, "\np: how often chance alone puts shares so far apart (Fisher's exact test, corrected for all rows).")
}

fn heading(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Finding => "findings",
        Aspect::Population => "findings across connections",
        Aspect::Reset => "causes of resets",
        Aspect::Open => "opened",
        Aspect::Close => "closed",
        Aspect::Initiator => "close begun by",
        Aspect::TimeWait => "TIME-WAIT held by",
    }
}

fn write_row(out: &mut dyn Write, canvas: &Canvas, compared: &Compared, row: &Row) -> io::Result<()> {
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
        format!("{}{}", right(&count(share.count), 9), right(&percent, 8))
    };
    let chance = match row.chance {
        _ if !is_share => String::new(),
        chance if chance < 0.0001 => "p < 0.0001".to_owned(),
        chance => format!("p {chance:.4}"),
    };
    let change = canvas.palette.paint(role, left(row.change.name(), 14)).to_string();
    let line = format!("  {}{}{}  {change}{chance}", left(&row.word, WORD_WIDTH), cell(row.before), cell(row.after));
    writeln!(out, "{}", line.trim_end())
}
