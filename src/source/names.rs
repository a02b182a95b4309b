//! Names of addresses from the Name Resolution Blocks of pcapng.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::byte_order::ByteOrder;
use super::limits::{NAMES_MAX, TEXT_BYTES_MAX};

/// Which names the capturing program had for addresses.
#[derive(Debug, Default)]
pub struct Names {
    by_address: HashMap<IpAddr, String, foldhash::fast::RandomState>,
    /// Names that did not fit in.
    left_out: u64,
}

impl Names {
    /// The first name that the capture gives for `address`.
    pub fn get(&self, address: IpAddr) -> Option<&str> {
        self.by_address.get(&address).map(String::as_str)
    }

    /// Every address that has a name, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &str)> {
        self.by_address.iter().map(|(&address, name)| (address, name.as_str()))
    }

    /// How many addresses have a name.
    pub fn len(&self) -> usize {
        self.by_address.len()
    }

    /// The capture names nobody.
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// How many records were not kept because the limit was reached.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Takes the records of a block's content, up to the end record or the first that does not fit.
    pub(super) fn read_block(&mut self, order: ByteOrder, mut content: &[u8]) {
        const IPV4: u16 = 1;
        const IPV6: u16 = 2;
        while let (Some(kind), Some(len)) = (order.u16_at(content, 0), order.u16_at(content, 2)) {
            let Some(value) = content.get(4..4 + usize::from(len)) else { return };
            let record = match kind {
                0 => return,
                IPV4 => value.split_first_chunk::<4>().map(|(ip, names)| (IpAddr::from(Ipv4Addr::from(*ip)), names)),
                IPV6 => value.split_first_chunk::<16>().map(|(ip, names)| (IpAddr::from(Ipv6Addr::from(*ip)), names)),
                // Hardware addresses: nobody here asks for them.
                _ => None,
            };
            if let Some((address, names)) = record {
                self.insert(address, names);
            }
            content = content.get(4 + usize::from(len).next_multiple_of(4)..).unwrap_or_default();
        }
    }

    fn insert(&mut self, address: IpAddr, names: &[u8]) {
        let name = names.split(|byte| *byte == 0).next().unwrap_or_default();
        if name.is_empty() || self.by_address.contains_key(&address) {
            return;
        }
        if self.by_address.len() >= NAMES_MAX {
            self.left_out += 1;
            return;
        }
        self.by_address.insert(address, text(name));
    }
}

/// Text of a capture, cut at the limit and at its first NUL.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()).min(TEXT_BYTES_MAX);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
