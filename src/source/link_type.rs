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
                    other => other_name(other),
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
    /// heard of it, wrote their system's own DLT number; those that hardly mean anything else are mapped here.
    pub const fn from_file(number: u16) -> LinkType {
        match number {
            // DLT_RAW: 12 on most systems, 14 on OpenBSD and BSD/OS. OpenBSD's 12 is DLT_LOOP, for which its files have
            // the registry's 108.
            12 | 14 => LinkType::RAW,
            // DLT_ATM_RFC1483 of most systems.
            11 => LinkType::ATM_RFC1483,
            // DLT_ENC of OpenBSD.
            13 => LinkType::ENC,
            // DLT_CIP and DLT_ATM_CLIP of several Linux patches.
            16 | 18 | 19 => LinkType::ATM_CLIP,
            // NetBSD's number for HDLC framing.
            112 => LinkType::C_HDLC,
            other => LinkType(other),
        }
    }
}

/// The name of a type that nothing here asks for, but that a user should see named.
const fn other_name(number: u16) -> Option<&'static str> {
    // A table in order, so that a look at half of what is left decides.
    let (mut from, mut to) = (0, OTHERS.len());
    while from < to {
        let middle = from.midpoint(to);
        let (here, name) = OTHERS[middle];
        if here == number {
            return Some(name);
        }
        if here < number {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    None
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

/// The registry's other names, by number.
const OTHERS: &[(u16, &str)] = &[
    (2, "EN3MB"),
    (3, "AX25"),
    (4, "PRONET"),
    (5, "CHAOS"),
    (7, "ARCNET"),
    (99, "SYMANTEC_FIREWALL"),
    (102, "SLIP_BSDOS"),
    (103, "PPP_BSDOS"),
    (114, "LTALK"),
    (118, "CISCO_IOS"),
    (121, "HHDLC"),
    (124, "RIO"),
    (125, "PCI_EXP"),
    (126, "AURORA"),
    (128, "TZSP"),
    (130, "JUNIPER_MLPPP"),
    (131, "JUNIPER_MLFR"),
    (132, "JUNIPER_ES"),
    (133, "JUNIPER_GGSN"),
    (134, "JUNIPER_MFR"),
    (135, "JUNIPER_ATM2"),
    (136, "JUNIPER_SERVICES"),
    (137, "JUNIPER_ATM1"),
    (139, "MTP2_WITH_PHDR"),
    (140, "MTP2"),
    (141, "MTP3"),
    (142, "SCCP"),
    (144, "LINUX_IRDA"),
    (147, "USER0"),
    (148, "USER1"),
    (149, "USER2"),
    (150, "USER3"),
    (151, "USER4"),
    (152, "USER5"),
    (153, "USER6"),
    (154, "USER7"),
    (155, "USER8"),
    (156, "USER9"),
    (157, "USER10"),
    (158, "USER11"),
    (159, "USER12"),
    (160, "USER13"),
    (161, "USER14"),
    (162, "USER15"),
    (164, "JUNIPER_MONITOR"),
    (165, "BACNET_MS_TP"),
    (167, "JUNIPER_PPPOE"),
    (168, "JUNIPER_PPPOE_ATM"),
    (169, "GPRS_LLC"),
    (170, "GPF_T"),
    (171, "GPF_F"),
    (172, "GCOM_T1E1"),
    (173, "GCOM_SERIAL"),
    (174, "JUNIPER_PIC_PEER"),
    (175, "ERF_ETH"),
    (176, "ERF_POS"),
    (177, "LINUX_LAPD"),
    (179, "JUNIPER_PPP"),
    (180, "JUNIPER_FRELAY"),
    (181, "JUNIPER_CHDLC"),
    (182, "MFR"),
    (183, "JUNIPER_VP"),
    (184, "A429"),
    (185, "A653_ICM"),
    (186, "USB_FREEBSD"),
    (187, "BLUETOOTH_HCI_H4"),
    (188, "IEEE802_16_MAC_CPS"),
    (190, "CAN20B"),
    (191, "IEEE802_15_4_LINUX"),
    (193, "IEEE802_16_MAC_CPS_RADIO"),
    (194, "JUNIPER_ISM"),
    (195, "IEEE802_15_4"),
    (196, "SITA"),
    (198, "RAIF1"),
    (199, "IPMB_KONTRON"),
    (200, "JUNIPER_ST"),
    (202, "AX25_KISS"),
    (203, "LAPD"),
    (205, "C_HDLC_WITH_DIR"),
    (206, "FRELAY_WITH_DIR"),
    (207, "LAPB_WITH_DIR"),
    (209, "IPMB_LINUX"),
    (210, "FLEXRAY"),
    (211, "MOST"),
    (212, "LIN"),
    (213, "X2E_SERIAL"),
    (214, "X2E_XORAYA"),
    (215, "IEEE802_15_4_NONASK_PHY"),
    (216, "LINUX_EVDEV"),
    (219, "MPLS"),
    (221, "DECT"),
    (222, "AOS"),
    (223, "WIHART"),
    (224, "FC_2"),
    (225, "FC_2_WITH_FRAME_DELIMS"),
    (230, "IEEE802_15_4_NOFCS"),
    (231, "DBUS"),
    (232, "JUNIPER_VS"),
    (233, "JUNIPER_SRX_E2E"),
    (234, "JUNIPER_FIBRECHANNEL"),
    (235, "DVB_CI"),
    (236, "MUX27010"),
    (237, "STANAG_5066_D_PDU"),
    (238, "JUNIPER_ATM_CEMIC"),
    (241, "NETANALYZER_TRANSPARENT"),
    (243, "MPEG_2_TS"),
    (244, "NG40"),
    (245, "NFC_LLCP"),
    (246, "PFSYNC"),
    (248, "SCTP"),
    (249, "USBPCAP"),
    (250, "RTAC_SERIAL"),
    (251, "BLUETOOTH_LE_LL"),
    (252, "WIRESHARK_UPPER_PDU"),
    (254, "BLUETOOTH_LINUX_MONITOR"),
    (255, "BLUETOOTH_BREDR_BB"),
    (256, "BLUETOOTH_LE_LL_WITH_PHDR"),
    (257, "PROFIBUS_DL"),
    (259, "EPON"),
    (260, "IPMI_HPM_2"),
    (261, "ZWAVE_R1_R2"),
    (262, "ZWAVE_R3"),
    (263, "WATTSTOPPER_DLM"),
    (264, "ISO_14443"),
    (265, "RDS"),
    (266, "USB_DARWIN"),
    (267, "OPENFLOW"),
    (268, "SDLC"),
    (269, "TI_LLN_SNIFFER"),
    (270, "LORATAP"),
    (271, "VSOCK"),
    (272, "NORDIC_BLE"),
    (273, "DOCSIS31_XRA31"),
    (275, "DISPLAYPORT_AUX"),
    (278, "OPENVIZSLA"),
    (279, "EBHSCR"),
    (280, "VPP_DISPATCH"),
    (281, "DSA_TAG_BRCM"),
    (282, "DSA_TAG_BRCM_PREPEND"),
    (283, "IEEE802_15_4_TAP"),
    (284, "DSA_TAG_DSA"),
    (285, "DSA_TAG_EDSA"),
    (286, "ELEE"),
    (287, "Z_WAVE_SERIAL"),
    (288, "USB_2_0"),
    (289, "ATSC_ALP"),
    (290, "ETW"),
    (291, "NETANALYZER_NG"),
    (292, "ZBOSS_NCP"),
    (293, "USB_2_0_LOW_SPEED"),
    (294, "USB_2_0_FULL_SPEED"),
    (295, "USB_2_0_HIGH_SPEED"),
    (296, "AUERSWALD_LOG"),
    (297, "ZWAVE_TAP"),
    (298, "SILABS_DEBUG_CHANNEL"),
    (299, "FIRA_UCI"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_table_is_found_and_stands_once() {
        assert!(OTHERS.is_sorted_by(|one, next| one.0 < next.0));
        for (number, name) in OTHERS {
            assert_eq!(LinkType(*number).name(), Some(*name));
        }
        assert_eq!(LinkType::ETHERNET.to_string(), "EN10MB");
        assert_eq!(LinkType(65_000).to_string(), "LINKTYPE 65000");
    }

    #[test]
    fn numbers_of_other_systems_become_the_registrys() {
        assert_eq!([12, 14, 101].map(LinkType::from_file), [LinkType::RAW; 3]);
        assert_eq!(LinkType::from_file(108), LinkType::LOOP);
        assert_eq!(LinkType::from_file(276), LinkType::LINUX_SLL2);
    }
}
