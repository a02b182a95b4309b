//! What holds where no file of expectations speaks.

use crate::finding::Severity;

/// From which severity on a finding fails the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// From this one on.
    From(Severity),
    /// No finding does.
    Never,
}

impl Default for Threshold {
    /// Something was lost or leaked.
    fn default() -> Self {
        Self::From(Severity::Warning)
    }
}

impl Threshold {
    /// A finding of this severity fails the check.
    pub fn admits(self, severity: Severity) -> bool {
        match self {
            Self::From(least) => severity >= least,
            Self::Never => false,
        }
    }

    /// What is checked, in words.
    pub fn title(self) -> &'static str {
        match self {
            Self::From(Severity::Note) => "no finding",
            Self::From(Severity::Warning) => "no warning and no error",
            Self::From(Severity::Error) => "no error",
            Self::Never => "any finding",
        }
    }
}
