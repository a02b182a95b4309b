//! SYNs alone that leave together.

use std::sync::Arc;

use super::{Asked, Kind, Left, Lone, Row};
use crate::connection::Orderly;

/// As many leave together at most, but for the rest of a row.
const LEN_MAX: usize = 1 << 16;

/// SYNs that nobody has answered, in the order of their streams, and none of another connection between them. They lie as they lay in
/// the table, and can be looked at on several threads at once.
#[derive(Debug)]
pub struct Flood {
    kinds: Arc<[Kind]>,
    rows: Vec<Row>,
    len: usize,
}

/// To whom goes what leaves at the end of a capture.
pub trait Leave {
    /// A connection leaves.
    fn one(&mut self, left: Left<'_>);
    /// Many do.
    fn flood(&mut self, flood: Flood);
}

/// Takes each by itself.
pub(in crate::table) struct Each<F>(pub F);

impl<F: FnMut(Left<'_>)> Leave for Each<F> {
    #[inline]
    fn one(&mut self, left: Left<'_>) {
        (self.0)(left);
    }

    fn flood(&mut self, flood: Flood) {
        flood.each(&mut self.0);
    }
}

impl Flood {
    /// As many as leave together are there.
    pub(in crate::table) fn is_full(&self) -> bool {
        self.len >= LEN_MAX
    }

    /// The SYNs of `row` leave with it, and have larger stream numbers.
    pub(in crate::table) fn push(&mut self, row: Row) {
        self.len += row.waiting as usize;
        self.rows.push(row);
    }

    /// The SYNs of `row`, which do not leave with it.
    pub(in crate::table) fn lones(&self, row: &Row) -> impl Iterator<Item = Lone> {
        row.lones(&self.kinds)
    }

    /// All that are there, if there are any. Others can follow.
    pub(in crate::table) fn take(&mut self) -> Option<Self> {
        let (rows, len) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.len));
        (len > 0).then(|| Self { kinds: Arc::clone(&self.kinds), rows, len })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.len
    }

    /// Shows each of them as it leaves.
    pub fn each(&self, mut take: impl FnMut(Left<'_>)) {
        for row in &self.rows {
            for entry in row.entries.iter().filter(|entry| entry.is_there) {
                // Nothing is handed over that would be copied.
                let lone = row.unpack(entry, &self.kinds);
                take(lone.leave());
            }
        }
    }

    /// The life of each can be told in short.
    pub fn is_orderly(&self) -> bool {
        self.kinds.iter().all(|kind| Orderly::is_ordinary(kind.marks))
    }
}

impl Row {
    /// None of its SYNs has a larger stream number.
    pub fn stream_max(&self) -> u64 {
        self.stream + self.entries.last().map_or(0, |last| u64::from(last.stream))
    }

    fn lones(&self, kinds: &[Kind]) -> impl Iterator<Item = Lone> {
        self.entries.iter().filter(|entry| entry.is_there).map(|entry| self.unpack(entry, kinds))
    }
}

impl Asked {
    /// All rows, and a flood of the same kinds that nobody is in yet.
    pub fn into_rows(self) -> (impl Iterator<Item = Row>, Flood) {
        (self.rows.into_iter(), Flood { kinds: self.kinds.into(), rows: Vec::new(), len: 0 })
    }
}
