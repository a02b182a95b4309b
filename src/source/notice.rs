//! What the user should hear about the input although reading goes on.

use std::fmt;

/// Something about the input that changes what the results mean.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A file in a directory was left out because it is no capture.
    LeftOut {
        /// Which file.
        file: String,
        /// Why it cannot be read.
        why: String,
    },
    /// A directory has directories below it, which are not searched.
    Subdirectories {
        /// Which directory.
        directory: String,
        /// How many are below it.
        count: usize,
    },
    /// A file has the same bytes as another and was left out.
    Duplicate {
        /// The one left out.
        file: String,
        /// The one that is read.
        of: String,
    },
    /// A file begins before another ends: their frames are merged by time.
    Overlap {
        /// The file that begins in the middle of the other.
        file: String,
        /// The other.
        with: String,
        /// By how much, in nanoseconds: from its first frame until one of the two ends.
        by_ns: i64,
    },
    /// More files overlap than can be merged at a time: some are read after the others.
    TooManyOverlap {
        /// How many are merged at a time.
        limit: usize,
    },
    /// A file could not be read to its end; the others were.
    Failed {
        /// What was wrong, with the place.
        error: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::LeftOut { why, .. } => write!(f, "left out: {why}"),
            Notice::Subdirectories { directory, count } => {
                let directories = if *count == 1 { "directory" } else { "directories" };
                write!(f, "{directory}: {count} {directories} below it not searched; name what is to be read there")
            }
            Notice::Duplicate { file, of } => write!(f, "{file}: left out, the same bytes as {of}"),
            Notice::Overlap { file, with, by_ns } => {
                let seconds = *by_ns as f64 / 1e9;
                write!(f, "{file}: overlaps {with} by {seconds:.3} s; their frames are merged by time")
            }
            Notice::TooManyOverlap { limit } => {
                write!(f, "more than {limit} files overlap in time; {limit} at a time are merged")
            }
            Notice::Failed { error } => f.write_str(error),
        }
    }
}
