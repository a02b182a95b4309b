//! Which tunnels and virtual networks a segment came through.

use std::collections::HashMap;
use std::fmt;

/// One encapsulation around the IP packet, outermost first in a path. Only what names a network or tunnel is kept;
/// outer addresses are not, since they swap with the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encapsulation {
    /// IEEE 802.1Q or 802.1ad tag with its VLAN identifier.
    Vlan(u16),
    /// IEEE 802.1ah with its service instance identifier.
    Backbone(u32),
    /// The bottom label of an MPLS stack.
    Mpls(u32),
    /// PPPoE with its session.
    Pppoe(u16),
    /// IP directly in IP, of either version in either.
    IpInIp,
    /// GRE, with its key where it has one; NVGRE's carries the virtual subnet.
    Gre(Option<u32>),
    /// ERSPAN with its session; type I has none.
    Erspan(Option<u16>),
    /// MikroTik's Ethernet over IP with its tunnel.
    Eoip(u16),
    /// EtherIP.
    EtherIp,
    /// VXLAN, also with the generic protocol extension, with its network identifier.
    Vxlan(u32),
    /// GENEVE with its network identifier.
    Geneve(u32),
    /// GTP-U with its tunnel endpoint identifier.
    Gtp(u32),
    /// Teredo.
    Teredo,
    /// L2TP version 2 with its tunnel and session.
    L2tp(u16, u16),
    /// LISP with its instance, where the header names one.
    Lisp(Option<u32>),
    /// TZSP.
    Tzsp,
    /// Sampled headers in sFlow: one packet in so many.
    Sflow(u32),
    /// Network service header with its service path.
    ServicePath(u32),
}

impl Encapsulation {
    /// Both directions of a connection bear the same name. Where they do not, each end chose its own, and two contexts
    /// are no sign of two connections.
    pub const fn is_shared(&self) -> bool {
        !matches!(
            self,
            Encapsulation::Mpls(_) | Encapsulation::Gtp(_) | Encapsulation::L2tp(..) | Encapsulation::Sflow(_)
        )
    }
}

impl fmt::Display for Encapsulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Encapsulation::Vlan(id) => write!(f, "vlan {id}"),
            Encapsulation::Backbone(service) => write!(f, "isid {service}"),
            Encapsulation::Mpls(label) => write!(f, "mpls {label}"),
            Encapsulation::Pppoe(session) => write!(f, "pppoe {session}"),
            Encapsulation::IpInIp => f.write_str("ip-in-ip"),
            Encapsulation::Gre(None) => f.write_str("gre"),
            Encapsulation::Gre(Some(key)) => write!(f, "gre key {key}"),
            Encapsulation::Erspan(None) => f.write_str("erspan"),
            Encapsulation::Erspan(Some(session)) => write!(f, "erspan {session}"),
            Encapsulation::Eoip(tunnel) => write!(f, "eoip {tunnel}"),
            Encapsulation::EtherIp => f.write_str("etherip"),
            Encapsulation::Vxlan(network) => write!(f, "vxlan vni {network}"),
            Encapsulation::Geneve(network) => write!(f, "geneve vni {network}"),
            Encapsulation::Gtp(endpoint) => write!(f, "gtp-u teid {endpoint:#010x}"),
            Encapsulation::Teredo => f.write_str("teredo"),
            Encapsulation::L2tp(tunnel, session) => write!(f, "l2tp {tunnel}/{session}"),
            Encapsulation::Lisp(None) => f.write_str("lisp"),
            Encapsulation::Lisp(Some(instance)) => write!(f, "lisp {instance}"),
            Encapsulation::Tzsp => f.write_str("tzsp"),
            Encapsulation::Sflow(rate) => write!(f, "sflow sampled 1 in {rate}"),
            Encapsulation::ServicePath(path) => write!(f, "nsh {path}"),
        }
    }
}

/// The paths of encapsulations that the input has shown, each with the number that [`Segment::context`] carries.
///
/// [`Segment::context`]: crate::segment::Segment::context
#[derive(Debug, Default)]
pub struct Contexts {
    paths: Vec<Box<[Encapsulation]>>,
    numbers: HashMap<Box<[Encapsulation]>, u32, foldhash::fast::RandomState>,
    /// The number of the path looked up last: neighbouring frames mostly share theirs.
    recent: u32,
    unlisted: u64,
}

impl Contexts {
    /// How many different paths are told apart. The table is never emptied, and hostile input can name a new VLAN stack
    /// or tunnel in every frame.
    pub const LIMIT: usize = 65_536;

    /// The number of every path beyond [`Contexts::LIMIT`].
    pub const UNLISTED: u32 = u32::MAX;

    /// The encapsulations behind a segment's context number, outermost first; empty for none and for
    /// [`Contexts::UNLISTED`].
    pub fn path(&self, context: u32) -> &[Encapsulation] {
        let index = (context as usize).checked_sub(1);
        index.and_then(|index| self.paths.get(index)).map_or(&[], |path| path)
    }

    /// The path in words, as `vlan 100 / vxlan vni 42`; empty for none.
    pub fn describe(&self, context: u32) -> String {
        if context == Self::UNLISTED {
            return "unlisted".to_owned();
        }
        words(self.path(context).iter())
    }

    /// The same of what both directions of a connection share: two segments of one side for which it differs came
    /// through two networks.
    pub fn describe_shared(&self, context: u32) -> String {
        words(self.path(context).iter().filter(|encapsulation| encapsulation.is_shared()))
    }

    /// How many there are; their numbers are 1 to this.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Nothing came through anything.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Segments that got [`Contexts::UNLISTED`] because the table was full.
    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// The number of a path that is not empty.
    pub(super) fn number(&mut self, path: &[Encapsulation]) -> u32 {
        if self.path(self.recent) == path {
            return self.recent;
        }
        if let Some(&number) = self.numbers.get(path) {
            self.recent = number;
            return number;
        }
        if self.paths.len() >= Self::LIMIT {
            self.unlisted += 1;
            return Self::UNLISTED;
        }
        self.paths.push(path.into());
        // The limit is far below 2^32.
        self.recent = self.paths.len() as u32;
        self.numbers.insert(path.into(), self.recent);
        self.recent
    }
}

fn words<'a>(path: impl Iterator<Item = &'a Encapsulation>) -> String {
    path.map(ToString::to_string).collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_number_and_its_words() {
        let mut contexts = Contexts::default();
        let (outer, inner) = (Encapsulation::Vlan(100), Encapsulation::Vlan(7));
        let stacked = contexts.number(&[outer, inner]);
        let single = contexts.number(&[outer]);
        assert_ne!(stacked, single);
        assert_eq!(contexts.number(&[outer, inner]), stacked);
        assert_eq!(contexts.describe(stacked), "vlan 100 / vlan 7");
        assert_eq!(contexts.describe(0), "");
    }

    #[test]
    fn a_full_table_says_so_and_grows_no_more() {
        let mut contexts = Contexts::default();
        let path = |n: u32| [Encapsulation::Vlan((n >> 16) as u16), Encapsulation::Vlan(n as u16)];
        for n in 0..=Contexts::LIMIT as u32 {
            contexts.number(&path(n));
        }
        assert_eq!(contexts.unlisted(), 1);
        assert_eq!(contexts.number(&path(Contexts::LIMIT as u32)), Contexts::UNLISTED);
        assert_eq!(contexts.number(&path(0)), 1);
        assert_eq!(contexts.describe(Contexts::UNLISTED), "unlisted");
    }
}
