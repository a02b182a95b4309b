//! What reading learns beside the frames: interfaces, names, notices.

use super::error::Fault;
use super::interface::Interface;
use super::limits::INTERFACES_MAX;
use super::names::Names;

/// Grows while the input is read; one for the whole input.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) interfaces: Vec<Interface>,
    pub(super) names: Names,
    /// Blocks of unknown types, of all types together.
    pub(super) unknown_blocks: u64,
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

    /// The interface of a number that [`Catalog::register`] gave.
    #[inline]
    pub(super) fn interface_mut(&mut self, number: u32) -> &mut Interface {
        &mut self.interfaces[number as usize]
    }
}
