//! The interfaces of the input: what the capture says about where its frames were taken.

use super::LinkType;
use crate::base::Timestamp;

/// One interface of one file. A pcap file has exactly one, a pcapng section one per Interface Description Block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Index of its file in [`CaptureSet::files`](super::CaptureSet::files).
    pub file: usize,
    /// `if_name`, such as `eth0`.
    pub name: Option<String>,
    /// `if_description`.
    pub description: Option<String>,
    /// `if_filter` when it is text: the capture filter that was active.
    pub filter: Option<String>,
    /// How its frames begin.
    pub link: LinkType,
    /// Most octets kept of each frame; none when unlimited.
    pub snaplen: Option<u32>,
    /// Octets of frame check sequence at the end of its frames, which are cut off here.
    pub fcs_len: u8,
    /// Frames read from it so far.
    pub frames: u64,
    /// Of these, frames without a time of their own (Simple Packet Blocks). They carry the time of the frame before.
    pub untimed: u64,
    /// Frames that the capture says were lost: by the interface, by the system and between packets, where it counts.
    pub drops: Drops,
    /// Of these, those that the capture says were lost between two moments ([`Gap`]).
    pub dated: u64,
    /// When that was last counted (Interface Statistics Block): until then the capture went on, whether frames came or not.
    pub counted_at: Option<Timestamp>,
}

/// Frames that the capture says were lost between two moments: what was counted at both differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Not before.
    pub from: Timestamp,
    /// Not after.
    pub to: Timestamp,
    /// How many.
    pub frames: u64,
}

/// What the capture says was lost or counted. A field is none where the capture is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Drops {
    /// `isb_ifrecv`: frames received from the interface, in or out of the capture filter.
    pub received: Option<u64>,
    /// `isb_ifdrop`: frames dropped by the interface for want of resources.
    pub by_interface: Option<u64>,
    /// `isb_osdrop`: frames dropped by the operating system.
    pub by_system: Option<u64>,
    /// `isb_filteraccept`: frames that the filter let through.
    pub accepted: Option<u64>,
    /// `isb_usrdeliv`: frames delivered to the capturing program.
    pub delivered: Option<u64>,
    /// Sum of the drop counts that stand in the packets themselves (`epb_dropcount`, the obsolete Packet Block, snoop).
    pub in_packets: Option<u64>,
}

impl Drops {
    /// Frames known to be missing from the capture.
    pub fn total(&self) -> u64 {
        let counted = self.by_interface.unwrap_or(0).saturating_add(self.by_system.unwrap_or(0));
        counted.max(self.in_packets.unwrap_or(0))
    }

    /// Frames that were on the wire and are missing: where the system's drops are counted apart, those of the interface are what this
    /// host never had, or had no use for.
    pub fn missing(&self) -> u64 {
        self.by_system.or(self.by_interface).unwrap_or(0).max(self.in_packets.unwrap_or(0))
    }

    /// Adds a count that stood in a packet.
    pub(super) fn add_in_packet(&mut self, count: u64) {
        self.in_packets = Some(self.in_packets.unwrap_or(0).saturating_add(count));
    }
}

impl Interface {
    /// An interface of which only the link type is known.
    pub(super) fn bare(file: usize, link: LinkType) -> Self {
        Self {
            file,
            name: None,
            description: None,
            filter: None,
            link,
            snaplen: None,
            fcs_len: 0,
            frames: 0,
            untimed: 0,
            drops: Drops::default(),
            dated: 0,
            counted_at: None,
        }
    }
}
