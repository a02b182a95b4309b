//! One frame for every way through the layers, for tests that hold for all of them.

use super::sample::{ethernet, ipv4, ipv6, tcp};

/// A frame that carries one TCP segment.
pub struct Stack {
    /// The link type's number.
    pub link: u16,
    /// The frame.
    pub bytes: Vec<u8>,
    /// The context that its segment must name.
    pub context: &'static str,
}

fn packet() -> Vec<u8> {
    ipv4(6, &tcp(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 3, 3, 7, 0], b"data"))
}

fn packet_v6() -> Vec<u8> {
    ipv6(6, &tcp(&[3, 3, 7, 0], b"data"))
}

fn udp(port: u16, payload: &[&[u8]]) -> Vec<u8> {
    let payload = payload.concat();
    let len = (payload.len() + 8) as u16;
    ipv4(17, &[&[0xc3, 0x50][..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], &payload].concat())
}

fn gre(header: &[u8], payload: &[u8]) -> Vec<u8> {
    ipv4(47, &[header, payload].concat())
}

fn deflated(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(vec![protocol, 0, 0, 2], flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, payload).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

fn with_len(prefix: &[u8], suffix: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = (suffix.len() + payload.len()) as u16;
    [prefix, &len.to_be_bytes(), suffix, payload].concat()
}

/// Every stack that must be read.
pub fn all() -> Vec<Stack> {
    let mut stacks = links();
    stacks.extend(wireless());
    let on_ethernet = |(ether_type, payload, context): (u16, Vec<u8>, &'static str)| Stack {
        link: 1,
        bytes: ethernet(ether_type, &payload),
        context,
    };
    stacks.extend(ether_types().into_iter().map(on_ethernet));
    let raw = |(bytes, context): (Vec<u8>, &'static str)| Stack { link: 101, bytes, context };
    stacks.extend(tunnels().into_iter().map(raw));
    stacks
}

fn ether_types() -> Vec<(u16, Vec<u8>, &'static str)> {
    let inner = ethernet(0x0800, &packet());
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &packet()].concat();
    let before = |header: &[u8], payload: &[u8]| [header, payload].concat();
    vec![
        (0x0800, packet(), ""),
        (0x86dd, packet_v6(), ""),
        (0x8100, before(&[0, 100, 8, 0], &packet()), "vlan 100"),
        (0x88a8, before(&[0, 100, 0x81, 0, 0, 7, 0x86, 0xdd], &packet_v6()), "vlan 100 / vlan 7"),
        (0x9100, before(&[0, 100, 8, 0], &packet()), "vlan 100"),
        (0x8847, before(&[0, 1, 0, 64, 0, 2, 1, 64], &packet()), "mpls 32"),
        (0x8847, before(&[0, 2, 1, 64, 0, 0, 0, 0], &inner), "mpls 32"),
        (0x8847, before(&[0, 2, 1, 64], &inner), "mpls 32"),
        (0x8864, with_len(&[0x11, 0, 0, 9], &[0, 0x21], &packet()), "pppoe 9"),
        (0x88e7, before(&[0, 0, 0, 5], &inner), "isid 5"),
        (0x88e5, before(&[0x20, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0], &packet()), ""),
        (0x8909, before(&[1, 1, 0, 1, 0, 100, 8, 0], &packet()), ""),
        (0x8926, before(&[0, 0, 0, 0, 8, 0], &packet()), ""),
        (0x892f, before(&[0, 0x30, 0, 1, 8, 0], &packet()), ""),
        (0x893f, before(&[0, 0, 0, 0, 0, 0, 8, 0], &packet()), ""),
        (0xf1c1, before(&[0, 0, 0, 1, 8, 0], &packet()), ""),
        (0x894f, before(&[0, 2, 1, 1, 0, 0, 42, 255], &packet()), "nsh 42"),
        (0x8870, snap.clone(), ""),
        (snap.len() as u16, snap, ""),
        (packet().len() as u16 + 3, before(&[6, 6, 3], &packet()), ""),
        (packet().len() as u16 + 4, before(&[0xfe, 0xfe, 3, 0xcc], &packet()), ""),
        (inner.len() as u16 + 10, before(&[0xaa, 0xaa, 3, 0, 0x80, 0xc2, 0, 7, 0, 0], &inner), ""),
    ]
}

fn tunnels() -> Vec<(Vec<u8>, &'static str)> {
    let inner = &ethernet(0x0800, &packet());
    let (v4, v6) = (&packet(), &packet_v6());
    let eoip = with_len(&[0x20, 1, 0x64, 0], &[], inner);
    let erspan_3 = [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 8]].concat();
    vec![
        (ipv4(4, v4), "ip-in-ip"),
        (ipv4(41, v6), "ip-in-ip"),
        (ipv6(4, v4), "ip-in-ip"),
        (ipv6(41, v6), "ip-in-ip"),
        (ipv4(51, &[&[6, 4][..], &[0; 22], &tcp(&[3, 3, 7, 0], b"data")].concat()), ""),
        (ipv4(97, &[&[0x30, 0], &inner[..]].concat()), "etherip"),
        (ipv4(137, &[&[0, 2, 1, 64], &v4[..]].concat()), "mpls 32"),
        (ipv6(143, inner), ""),
        (ipv4(108, &deflated(4, v4)), "ip-in-ip"),
        (ipv4(108, &deflated(6, &tcp(&[3, 3, 7, 0], b"data"))), ""),
        (gre(&[0, 0, 8, 0], v4), "gre"),
        (gre(&[0xb0, 0, 0x86, 0xdd, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], v6), "gre key 7"),
        (gre(&[0x40, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0], v4), "gre"),
        (gre(&[0x20, 0, 0x65, 0x58, 0, 0, 1, 0], inner), "gre key 256"),
        (gre(&[0, 0, 0x88, 0x47, 0, 2, 1, 64], v4), "gre / mpls 32"),
        (gre(&[0, 0, 0x88, 0x3e, 0, 0, 0, 0], v4), "gre"),
        (gre(&[0, 0, 0x88, 0x3e], v4), "gre"),
        (gre(&[0x30, 0x81, 0x88, 0x0b, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21], v4), "gre"),
        (gre(&[0, 0, 0x88, 0xbe], inner), "erspan"),
        (gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 7, 0, 0, 0, 0], inner), "erspan 7"),
        (gre(&erspan_3, inner), "erspan 7"),
        (gre(&[&eoip[..6], &[5, 0]].concat(), inner), "eoip 5"),
        (udp(4789, &[&[8, 0, 0, 0, 0, 0, 42, 0], inner]), "vxlan vni 42"),
        (udp(8472, &[&[8, 0, 0, 0, 0, 0, 42, 0], inner]), "vxlan vni 42"),
        (udp(4790, &[&[0x0c, 0, 0, 1, 0, 0, 42, 0], v4]), "vxlan vni 42"),
        (udp(4790, &[&[0x0c, 0, 0, 2, 0, 0, 42, 0], v6]), "vxlan vni 42"),
        (udp(4790, &[&[0x0c, 0, 0, 3, 0, 0, 42, 0], inner]), "vxlan vni 42"),
        (udp(4790, &[&[0x0c, 0, 0, 4, 0, 0, 42, 0, 0, 2, 1, 1, 0, 0, 9, 255], v4]), "vxlan vni 42 / nsh 9"),
        (udp(6081, &[&[0, 0, 0x65, 0x58, 0, 0, 42, 0], inner]), "geneve vni 42"),
        (udp(6081, &[&[1, 0, 8, 0, 0, 0, 42, 0, 1, 2, 3, 0], v4]), "geneve vni 42"),
        (udp(2152, &[&[0x30, 255, 0, 0, 0, 0, 0x12, 0x34], v4]), "gtp-u teid 0x00001234"),
        (udp(2152, &[&[0x34, 255, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0x85, 1, 0, 0, 0], v6]), "gtp-u teid 0x00000001"),
        (udp(2152, &[&[0x30, 255, 0, 0, 0, 0, 0, 1, 0xff, 3, 0, 0x21], v4]), "gtp-u teid 0x00000001"),
        (udp(3544, &[v6]), "teredo"),
        (udp(3544, &[&[0, 1, 0, 0], &[0; 9], &[0, 0], &[1; 6], v6]), "teredo"),
        (udp(1701, &[&[0, 2, 0, 5, 0, 6, 0xff, 3, 0, 0x21], v4]), "l2tp 5/6"),
        (udp(1701, &[&[0x4a, 2, 0, 0, 0, 5, 0, 6, 0, 0, 0, 0, 0, 1, 0, 0, 0x57], v6]), "l2tp 5/6"),
        (udp(4341, &[&[0x08, 0, 0, 0, 0, 0, 9, 0], v4]), "lisp 9"),
        (udp(4754, &[&[0, 0, 8, 0], v4]), "gre"),
        (udp(6635, &[&[0, 2, 1, 64], v4]), "mpls 32"),
        (udp(37008, &[&[1, 0, 0, 1, 0, 10, 1, 0, 1], inner]), "tzsp"),
        (
            udp(4789, &[&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x8100, &[&[0, 3, 8, 0], &v4[..]].concat())]),
            "vxlan vni 1 / vlan 3",
        ),
    ]
}

fn links() -> Vec<Stack> {
    let stack =
        |link: u16, header: &[u8], payload: &[u8]| Stack { link, bytes: [header, payload].concat(), context: "" };
    let (v4, v6, inner) = (&packet(), &packet_v6(), &ethernet(0x0800, &packet()));
    let snap: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let ring = |control: [u8; 2]| [&control[..], &[2, 0, 0, 0, 0, 2], &[2, 0, 0, 0, 0, 1]].concat();
    let mut source_routed = ring([0x10, 0x40]);
    source_routed[8] |= 0x80;
    source_routed.extend([6, 0, 0, 1, 0, 2]);
    let pktap = [&108u32.to_le_bytes()[..], &[1, 0, 0, 0, 1, 0, 0, 0], &[0; 96]].concat();
    let nflog_len = ((v4.len() + 4) as u16).to_le_bytes();
    let sll = |hardware: u16, protocol: u16| {
        [&[0, 0][..], &hardware.to_be_bytes(), &[0; 10], &protocol.to_be_bytes()].concat()
    };
    let mut stacks = vec![
        stack(0, &[2, 0, 0, 0], v4),
        stack(108, &[0, 0, 0, 24], v6),
        stack(6, &[&ring([0x10, 0x40]), &snap[..]].concat(), v4),
        stack(6, &[&source_routed, &snap[..]].concat(), v4),
        stack(7, &[1, 2, 240], v4),
        stack(9, &[0xff, 3, 0, 0x21], v4),
        stack(9, &[0x21], v4),
        stack(9, &[0xff, 3, 0, 0x31, 0, 1], inner),
        stack(9, &[0xff, 3, 0, 0x3d, 0xc0, 0, 0, 0, 0, 0x57], v6),
        stack(10, &[&[0x50][..], &[0; 12], &snap].concat(), v4),
        stack(50, &[0x8f, 0, 8, 0], v4),
        stack(100, &snap, v4),
        stack(104, &[0x0f, 0, 0x86, 0xdd], v6),
        stack(106, &[], v4),
        stack(107, &[0x18, 0x41, 3, 0xcc], v4),
        stack(107, &[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], v4),
        stack(107, &[0x18, 0x41, 0x86, 0xdd], v6),
        stack(109, &[2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], v4),
        stack(113, &sll(1, 0x0800), v4),
        stack(113, &sll(1, 4), &[&snap, &v4[..]].concat()),
        stack(113, &sll(772, 3), inner),
        stack(113, &sll(512, 7), &[&[0xff, 3, 0, 0x21], &v4[..]].concat()),
        stack(117, &[&[61, 2, 0, 0][..], &[0; 60]].concat(), v4),
        stack(122, &[&[0; 16][..], &snap].concat(), v4),
        stack(129, &[1, 2, 0, 0, 212, 0, 0, 1], v4),
        stack(138, &[&[0; 16][..], &[8, 0]].concat(), v4),
        stack(149, &pktap, inner),
        stack(166, &[1, 3, 0, 0x21], v4),
        stack(178, b"MGC\x81\x00\x02\x00\x00", inner),
        stack(178, b"MGC\x02\x00\x00\x00\x02", v4),
        stack(192, &[0, 0, 8, 0, 1, 0, 0, 0], inner),
        stack(204, &[0, 0xff, 3, 0, 0x57], v6),
        stack(226, &[0; 24], v4),
        stack(228, &[], v4),
        stack(229, &[], v6),
        stack(239, &[&[2, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0][..], &nflog_len, &[9, 0]].concat(), v4),
        stack(240, &[0; 4], inner),
        stack(242, &[&[0; 40][..], &[8, 0, 0, 0]].concat(), v4),
        stack(258, &pktap, inner),
        stack(274, &[0x55; 8], inner),
        stack(276, &[&[8, 0][..], &[0; 18]].concat(), v4),
        stack(281, &[&[0; 16][..], &[8, 0]].concat(), v4),
        stack(282, &[0; 4], inner),
        stack(285, &[&[0; 20][..], &[8, 0]].concat(), v4),
    ];
    let (pppoe, mpls) = (with_len(&[0x11, 0, 0, 9], &[0, 0x21], v4), [&[0, 2, 1, 64], &v4[..]].concat());
    stacks.push(Stack { link: 51, bytes: pppoe, context: "pppoe 9" });
    stacks.push(Stack { link: 219, bytes: mpls, context: "mpls 32" });
    stacks
}

fn wireless() -> Vec<Stack> {
    let body = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet()[..]].concat();
    let frame = |control: u8, flags: u8, after_addresses: &[u8], body: &[u8]| {
        [&[control, flags, 0, 0][..], &[2; 18], &[0, 0], after_addresses, body].concat()
    };
    let plain = frame(0x08, 1, &[], &body);
    let with_check = [&plain[..], &[0xde, 0xad, 0xbe, 0xef]].concat();
    let subframe = with_len(&[2; 12], &[], &body);
    let stack = |link: u16, header: &[u8], frame: &[u8]| Stack { link, bytes: [header, frame].concat(), context: "" };
    vec![
        stack(105, &[], &plain),
        stack(105, &[], &frame(0x08, 3, &[2; 6], &body)),
        stack(105, &[], &frame(0x88, 1, &[0, 0], &body)),
        stack(105, &[], &frame(0x88, 0x81, &[0; 6], &body)),
        stack(105, &[], &frame(0x88, 1, &[0x80, 0], &subframe)),
        stack(119, &[&[0x44, 0, 0, 0, 144, 0, 0, 0][..], &[0; 136]].concat(), &plain),
        stack(119, &[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64][..], &[0; 56]].concat(), &plain),
        stack(127, &[0, 0, 8, 0, 0, 0, 0, 0], &plain),
        stack(127, &[0, 0, 9, 0, 2, 0, 0, 0, 0x10], &with_check),
        stack(127, &[0, 0, 9, 0, 2, 0, 0, 0, 0x20], &frame(0x88, 1, &[0, 0, 0, 0], &body)),
        stack(127, &[0, 0, 17, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10], &with_check),
        stack(163, &[&[0x80, 0x21, 0x10, 1, 0, 0, 0, 64][..], &[0; 56]].concat(), &plain),
        stack(192, &[0, 0, 8, 0, 105, 0, 0, 0], &plain),
        stack(
            113,
            &[&[0, 0, 3, 35][..], &[0; 10], &[0, 3]].concat(),
            &[&[0, 0, 8, 0, 0, 0, 0, 0], &plain[..]].concat(),
        ),
    ]
}
