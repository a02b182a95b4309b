//! Connections kept apart by what they came through, when the user asks for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use super::context::{Contexts, Encapsulation};

bitflags::bitflags! {
    /// By what equal four-tuples are told apart. By nothing, as Wireshark does, unless the user asks: the directions of
    /// one connection often bear different tags.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct SplitBy: u8 {
        /// VLAN tags, all of them, and 802.1ah service instances.
        const VLAN = 0b0001;
        /// The virtual network: VXLAN, GENEVE, the key of GRE, LISP's instance.
        const VNI = 0b0010;
        /// The tunnel: GTP's and L2TP's endpoints. Each direction has its own.
        const TEID = 0b0100;
        /// The interface of the capture.
        const INTERFACE = 0b1000;
    }
}

impl SplitBy {
    fn tells_apart(self, encapsulation: &Encapsulation) -> bool {
        let by = match encapsulation {
            Encapsulation::Vlan(_) | Encapsulation::Backbone(_) => SplitBy::VLAN,
            Encapsulation::Vxlan(_) | Encapsulation::Geneve(_) | Encapsulation::Gre(_) | Encapsulation::Lisp(_) => {
                SplitBy::VNI
            }
            Encapsulation::Gtp(_) | Encapsulation::L2tp(..) => SplitBy::TEID,
            Encapsulation::Mpls(_)
            | Encapsulation::Pppoe(_)
            | Encapsulation::IpInIp
            | Encapsulation::Erspan(_)
            | Encapsulation::Eoip(_)
            | Encapsulation::EtherIp
            | Encapsulation::Teredo
            | Encapsulation::Tzsp
            | Encapsulation::Sflow(_)
            | Encapsulation::ServicePath(_) => return false,
        };
        self.contains(by)
    }
}

/// By what told apart came through, and the interface.
type Realms = HashMap<(Box<[Encapsulation]>, u32), u16, RandomState>;

/// Gives each way through that is to be told apart its realm.
#[derive(Debug, Default)]
pub(super) struct Splits {
    by: SplitBy,
    /// Asked only when a segment came another way than the one before.
    realms: Arc<Mutex<Realms>>,
    /// The context and interface of the segment before, and its realm.
    recent: Option<((u32, u32), u16)>,
}

impl Splits {
    pub(super) fn new(by: SplitBy) -> Self {
        Self { by, ..Self::default() }
    }

    /// The same realms, for who sees other frames of the same input.
    pub(super) fn shared(&self) -> Self {
        Self { by: self.by, realms: Arc::clone(&self.realms), recent: None }
    }

    /// Nothing is told apart.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.by.is_empty()
    }

    /// The realm of what came through `context` on `interface`.
    pub(super) fn realm(&mut self, context: u32, interface: u32, contexts: &Contexts) -> u16 {
        if let Some((way, realm)) = self.recent
            && way == (context, interface)
        {
            return realm;
        }
        let path = contexts.path(context).iter().filter(|encapsulation| self.by.tells_apart(encapsulation)).copied();
        let interface_told = if self.by.contains(SplitBy::INTERFACE) { interface } else { 0 };
        let key: (Box<[Encapsulation]>, u32) = (path.collect(), interface_told);
        let mut realms = self.realms.lock().unwrap_or_else(PoisonError::into_inner);
        // 0 is for what came through nothing; beyond the limit everything shares the last one.
        let realm = if key.0.is_empty() && interface_told == 0 {
            0
        } else if let Some(&realm) = realms.get(&key) {
            realm
        } else if let Ok(realm) = u16::try_from(realms.len() + 1) {
            realms.insert(key, realm);
            realm
        } else {
            u16::MAX
        };
        self.recent = Some(((context, interface), realm));
        realm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_tells_apart() {
        let mut contexts = Contexts::default();
        let red = contexts.number(&[Encapsulation::Vlan(1), Encapsulation::Vxlan(7)]);
        let blue = contexts.number(&[Encapsulation::Vlan(2), Encapsulation::Vxlan(7)]);
        let realms = |by: SplitBy| {
            let mut splits = Splits::new(by);
            [(0, 0), (red, 0), (blue, 0), (red, 1), (red, 0)].map(|(path, at)| splits.realm(path, at, &contexts))
        };
        assert_eq!(realms(SplitBy::VLAN), [0, 1, 2, 1, 1]);
        assert_eq!(realms(SplitBy::VNI), [0, 1, 1, 1, 1]);
        assert_eq!(realms(SplitBy::TEID), [0; 5]);
        assert_eq!(realms(SplitBy::INTERFACE), [0, 0, 0, 1, 0]);
        assert_eq!(realms(SplitBy::VLAN | SplitBy::INTERFACE), [0, 1, 2, 3, 1]);
    }

    #[test]
    fn realms_run_out_without_a_panic() {
        let mut contexts = Contexts::default();
        let mut splits = Splits::new(SplitBy::INTERFACE);
        let realms: Vec<u16> = (1..=u32::from(u16::MAX) + 5).map(|at| splits.realm(0, at, &contexts)).collect();
        assert_eq!(realms.last(), Some(&u16::MAX));
        assert_eq!(splits.realm(0, 1, &contexts), 1);
        contexts.number(&[Encapsulation::Vlan(1)]);
        assert_eq!(splits.realm(1, 0, &contexts), 0);
    }
}
