//! Colour for terminals: a few roles, and nothing at all when colour is off.

use std::fmt::{self, Display};

use crate::finding::Severity;

/// What a piece of text is, which decides how it is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Somebody's request failed.
    Error,
    /// Something was lost or leaked.
    Warning,
    /// Worth knowing.
    Note,
    /// A heading.
    Heading,
    /// Names that a user may type: findings, options.
    Name,
    /// Secondary text.
    Faint,
}

impl From<Severity> for Role {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Error => Role::Error,
            Severity::Warning => Role::Warning,
            Severity::Note => Role::Note,
        }
    }
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// No escape sequence is ever written.
    Plain,
    /// The sixteen colours that every terminal has and its user has chosen.
    Ansi,
}

impl Palette {
    /// `text` in the colour of `role`. Its width on screen is that of `text`.
    pub fn paint<T: Display>(self, role: Role, text: T) -> Painted<T> {
        Painted { palette: self, role, text }
    }
}

/// Text with a role; see [`Palette::paint`].
#[derive(Clone, Copy, Debug)]
pub struct Painted<T> {
    palette: Palette,
    role: Role,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.palette == Palette::Plain {
            return self.text.fmt(f);
        }
        let start = match self.role {
            Role::Error => "\x1b[1;31m",
            Role::Warning => "\x1b[33m",
            Role::Note => "\x1b[36m",
            Role::Heading => "\x1b[1m",
            Role::Name => "\x1b[1m",
            Role::Faint => "\x1b[2m",
        };
        write!(f, "{start}{}\x1b[0m", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_has_no_escape_and_coloured_text_ends_its_colour() {
        assert_eq!(Palette::Plain.paint(Role::Error, "x").to_string(), "x");
        assert_eq!(Palette::Ansi.paint(Role::Error, "x").to_string(), "\x1b[1;31mx\x1b[0m");
    }
}
