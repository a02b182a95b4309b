//! A comparison as one JSON document, with every row, also those that did not change.

use std::io::{self, Write};

use serde_json::json;

use super::{Compared, Row};

/// Writes the document.
pub fn write(out: &mut dyn Write, compared: &Compared) -> io::Result<()> {
    let row = |row: &Row| {
        json!({
            "aspect": row.aspect.name(),
            "word": row.word,
            "before": row.before.count,
            "after": row.after.count,
            "change": row.change.name(),
            "chance": row.chance,
        })
    };
    let document = json!({
        "type": "diff",
        "schema": 1,
        "before": { "name": compared.before, "connections": compared.connections.0 },
        "after": { "name": compared.after, "connections": compared.connections.1 },
        "differs": compared.differs(),
        "rows": compared.rows.iter().map(row).collect::<Vec<_>>(),
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
