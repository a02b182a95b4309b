//! What reading learns beside the frames: interfaces, names, notices.

use super::error::Fault;
use super::interface::{Gap, Interface};
use super::limits::{GAPS_MAX, INTERFACES_MAX};
use super::names::Names;

/// Grows while the input is read; one for the whole input.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) interfaces: Vec<Interface>,
    pub(super) names: Names,
    /// Blocks of unknown types, of all types together.
    pub(super) unknown_blocks: u64,
    /// What was lost since somebody last asked.
    pub(super) gaps: Vec<Gap>,
}

impl Catalog {
    /// Takes a new interface and gives its number in the whole input.
    pub(super) fn register(&mut self, interface: Interface) -> Result<u32, Fault> {
        if self.interfaces.len() >= INTERFACES_MAX {
            return Err(Fault::damaged(format!("more than {INTERFACES_MAX} interfaces")));
        }
        self.interfaces.push(interface);
        Ok(self.interfaces.len() as u32 - 1)
    }

    /// The capture says that it lost frames on an interface.
    pub(super) fn lost(&mut self, interface: u32, gap: Gap) {
        let dated = &mut self.interface_mut(interface).dated;
        *dated = dated.saturating_add(gap.frames);
        let is_full = self.gaps.len() >= GAPS_MAX;
        match self.gaps.last_mut() {
            Some(last) if is_full => {
                let frames = last.frames.saturating_add(gap.frames);
                *last = Gap { from: last.from.min(gap.from), to: last.to.max(gap.to), frames };
            }
            _ => self.gaps.push(gap),
        }
    }

    /// The interface of a number that [`Catalog::register`] gave.
    #[inline]
    pub(super) fn interface_mut(&mut self, number: u32) -> &mut Interface {
        &mut self.interfaces[number as usize]
    }
}
