//! Terminals of locales without UTF-8: what is drawn and written beyond ASCII becomes what looks most like it there.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};

/// The locale says that the terminal understands something else than UTF-8. A locale that says nothing is taken for none:
/// terminals in containers have none and understand it.
pub fn lacks_utf8() -> bool {
    lacks(["LC_ALL", "LC_CTYPE", "LANG"].map(env::var_os))
}

/// By the first of the variables that is set and not empty (POSIX, section 8.2).
fn lacks(variables: [Option<OsString>; 3]) -> bool {
    let locale = variables.into_iter().flatten().find(|value| !value.is_empty());
    let names_utf8 = |locale: OsString| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    locale.is_some_and(|locale| !names_utf8(locale))
}

/// Passes on what is written, a column of ASCII for each character.
pub struct Ascii<W>(pub W);

impl<W: Write> Write for Ascii<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut plain = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            plain.extend(chunk.valid().chars().map(plainest));
            plain.extend((!chunk.invalid().is_empty()).then_some('?'));
        }
        self.0.write_all(plain.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What stands for `character` where there is only ASCII.
pub fn plainest(character: char) -> char {
    match character {
        _ if character.is_ascii() => character,
        '─' => '-',
        '│' => '|',
        '→' | '▶' => '>',
        '◀' => '<',
        '⋮' => ':',
        '…' | '▇' => '*',
        '↑' => '^',
        '↓' => 'v',
        '×' => 'x',
        'µ' => 'u',
        '▁' => '_',
        '▂' => '.',
        '▃' => ':',
        '▄' => '-',
        '▅' => '=',
        '▆' => '+',
        '█' => '#',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_that_is_set_decides() {
        let lacks = |all: &str, ctype: &str, lang: &str| super::lacks([all, ctype, lang].map(|name| Some(name.into())));
        assert!(lacks("C", "", "de_AT.UTF-8"));
        assert!(lacks("", "de_AT.ISO-8859-1", "de_AT.UTF-8"));
        assert!(lacks("", "", "POSIX"));
        assert!(!lacks("C.utf8", "C", "C"));
        assert!(!lacks("", "", "en_US.UTF-8"));
        assert!(!lacks("", "", ""));
        assert!(!super::lacks([None, None, None]));
    }

    #[test]
    fn every_character_keeps_its_column() {
        let mut out = Vec::new();
        writeln!(Ascii(&mut out), "~CLOSED │◀─ RST 102 ──│ ▁▃█ 87 µs, a…b ×2 → é").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "~CLOSED |<- RST 102 --| _:# 87 us, a*b x2 > ?\n");
    }
}
