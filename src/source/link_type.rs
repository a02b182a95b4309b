//! Link-layer types: the numbers of the tcpdump.org LINKTYPE registry, and how old files' numbers map to them.

use std::fmt;

/// A link-layer type, numbered as in the tcpdump.org LINKTYPE registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

/// Associated constants and the table of names, from one list.
macro_rules! link_types {
    ($($(#[$doc:meta])* $name:ident = $number:literal $word:literal;)*) => {
        impl LinkType {
            $($(#[$doc])* pub const $name: LinkType = LinkType($number);)*

            /// The registry's name without its prefix, such as `EN10MB` or `LINUX_SLL2`, as tcpdump and capinfos print
            /// it; none for numbers that are not in the table.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($word),)*
                    _ => None,
                }
            }
        }
    };
}

link_types! {
    /// BSD loopback: a protocol family in the byte order of the capturing host.
    NULL = 0 "NULL";
    /// Ethernet (IEEE 802.3).
    ETHERNET = 1 "EN10MB";
    /// Token ring and what else is IEEE 802.5.
    TOKEN_RING = 6 "IEEE802";
    /// SLIP with a header of direction and compressed headers.
    SLIP = 8 "SLIP";
    /// PPP, with or without HDLC address and control.
    PPP = 9 "PPP";
    /// FDDI.
    FDDI = 10 "FDDI";
    /// PPP in HDLC-like framing, or Cisco PPP.
    PPP_HDLC = 50 "PPP_SERIAL";
    /// PPPoE: begins with its header.
    PPP_ETHER = 51 "PPP_ETHER";
    /// LLC and SNAP on ATM (RFC 1483).
    ATM_RFC1483 = 100 "ATM_RFC1483";
    /// Begins with an IPv4 or IPv6 header.
    RAW = 101 "RAW";
    /// Cisco PPP with HDLC framing.
    C_HDLC = 104 "C_HDLC";
    /// IEEE 802.11.
    IEEE802_11 = 105 "IEEE802_11";
    /// Linux classical IP over ATM.
    ATM_CLIP = 106 "ATM_CLIP";
    /// Frame relay.
    FRELAY = 107 "FRELAY";
    /// OpenBSD loopback: a protocol family in network byte order.
    LOOP = 108 "LOOP";
    /// OpenBSD IPsec.
    ENC = 109 "ENC";
    /// Linux cooked capture.
    LINUX_SLL = 113 "LINUX_SLL";
    /// OpenBSD packet filter log.
    PFLOG = 117 "PFLOG";
    /// IEEE 802.11 with a Prism header.
    IEEE802_11_PRISM = 119 "PRISM_HEADER";
    /// IP over Fibre Channel (RFC 2625).
    IP_OVER_FC = 122 "IP_OVER_FC";
    /// SunATM.
    SUNATM = 123 "SUNATM";
    /// IEEE 802.11 with a radiotap header.
    IEEE802_11_RADIOTAP = 127 "IEEE802_11_RADIO";
    /// ARCNET as Linux gives it.
    ARCNET_LINUX = 129 "ARCNET_LINUX";
    /// IP over IEEE 1394 as Apple gives it.
    APPLE_IP_OVER_IEEE1394 = 138 "APPLE_IP_OVER_IEEE1394";
    /// DOCSIS MAC frames.
    DOCSIS = 143 "DOCSIS";
    /// IEEE 802.11 with an AVS header.
    IEEE802_11_AVS = 163 "IEEE802_11_RADIO_AVS";
    /// PPP with a direction in place of the HDLC address.
    PPP_PPPD = 166 "PPP_PPPD";
    /// Juniper Ethernet.
    JUNIPER_ETHER = 178 "JUNIPER_ETHER";
    /// USB with Linux's header.
    USB_LINUX = 189 "USB_LINUX";
    /// Per-packet information in front of another link type.
    PPI = 192 "PPI";
    /// Endace's extensible record format.
    ERF = 197 "ERF";
    /// Bluetooth HCI with a direction.
    BLUETOOTH_HCI_H4_WITH_PHDR = 201 "BLUETOOTH_HCI_H4_WITH_PHDR";
    /// PPP with a direction octet in front.
    PPP_WITH_DIR = 204 "PPP_WITH_DIR";
    /// USB with Linux's padded header.
    USB_LINUX_MMAPPED = 220 "USB_LINUX_MMAPPED";
    /// Solaris IPNET.
    IPNET = 226 "IPNET";
    /// CAN with Linux's header.
    CAN_SOCKETCAN = 227 "CAN_SOCKETCAN";
    /// IPv4 only.
    IPV4 = 228 "IPV4";
    /// IPv6 only.
    IPV6 = 229 "IPV6";
    /// Linux netfilter log.
    NFLOG = 239 "NFLOG";
    /// Ethernet behind a netANALYZER header.
    NETANALYZER = 240 "NETANALYZER";
    /// IP over InfiniBand.
    IPOIB = 242 "IPOIB";
    /// InfiniBand.
    INFINIBAND = 247 "INFINIBAND";
    /// Linux netlink.
    NETLINK = 253 "NETLINK";
    /// Apple's packet tap.
    PKTAP = 258 "PKTAP";
    /// Ethernet with a preamble.
    ETHERNET_MPACKET = 274 "ETHERNET_MPACKET";
    /// Linux cooked capture, version 2.
    LINUX_SLL2 = 276 "LINUX_SLL2";
}

impl LinkType {
    /// The registry's type for the number in a capture file. Programs older than the registry, and some that never
    /// heard of it, wrote their system's own DLT number; those that cannot mean anything else are mapped here.
    pub const fn from_file(number: u16) -> LinkType {
        match number {
            // DLT_RAW: 12 on most systems, 14 on OpenBSD. OpenBSD's 12 is DLT_LOOP, which its files do not use.
            12 | 14 => LinkType::RAW,
            // DLT_ATM_RFC1483 of most systems.
            11 => LinkType::ATM_RFC1483,
            // DLT_ATM_CLIP of Linux.
            19 => LinkType::ATM_CLIP,
            // NetBSD's number for HDLC framing.
            112 => LinkType::C_HDLC,
            other => LinkType(other),
        }
    }
}

impl fmt::Display for LinkType {
    /// The name, or `LINKTYPE 999` for a number without one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "LINKTYPE {}", self.0),
        }
    }
}
