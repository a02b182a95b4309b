//! The stacks that lastack knows: what the packets do not say and a verdict may rest on, and how a SYN tells them apart.

use crate::base::words;
use crate::segment::{Flags, OptionKind, OptionOrder, Segment, TcpOptions};

const SECOND_NS: i64 = 1_000_000_000;

/// By then a stack that still waits for the answer to its SYN has repeated it, ns: the timer begins at 1 s (RFC 6298,
/// section 2.1), and began at 3 (RFC 1122, section 4.2.3.1).
pub const SYN_REPEATED_NS: i64 = 3 * SECOND_NS;

words! {
    /// How it is known which stack an end runs.
    ProfileBasis {
        /// Somebody said so: `--profile`, or one of its figures.
        Given = "given",
        /// Its SYN or SYN-ACK is made as that stack makes it.
        Fingerprint = "fingerprint",
        /// Nothing tells, and most are.
        Assumed = "assumed",
    }
}

words! {
    /// What close() does when received octets have not been read.
    UnreadData {
        /// It resets the connection, as RFC 2525, section 2.17, asks for.
        Resets = "resets",
        /// It throws them away and sends FIN.
        Discards = "discards",
    }
}

/// The timers and habits of one TCP implementation; times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The word for `--profile`.
    pub name: &'static str,
    /// How it is known that an end has it.
    pub basis: ProfileBasis,
    /// How long TIME-WAIT lasts.
    pub time_wait_ns: i64,
    /// How long a closed application's FIN-WAIT-2 lasts.
    pub fin_wait_2_ns: i64,
    /// How long connect() tries, where the pauses between its SYNs do not show by which timer (`retries`).
    pub syn_give_up_ns: i64,
    /// How long a SYN-ACK is repeated before the half-open connection is forgotten, where its pauses do not show that.
    pub syn_ack_give_up_ns: i64,
    /// What close() does with unread data.
    pub unread_data: UnreadData,
    /// It keeps but a mini socket of one that was closed (Linux: `inet_timewait_sock`), whose answers have IPv4 id 0, as
    /// `ip_select_ident` gives without a socket: with another id, an answer comes of one that is still open for reading.
    pub keeps_mini_sockets: bool,
    /// First ephemeral port.
    pub ephemeral_first: u16,
    /// Last ephemeral port.
    pub ephemeral_last: u16,
}

impl Profile {
    /// Linux (include/net/tcp.h, ip-sysctl): TCP_TIMEWAIT_LEN 60 s, tcp_fin_timeout 60 s, tcp_syn_retries 6 and
    /// tcp_synack_retries 5 with RTO doubling from 1 s, ip_local_port_range 32768-60999. `__tcp_close` resets when
    /// data is unread.
    pub const LINUX: Self = Self {
        name: "linux",
        basis: ProfileBasis::Assumed,
        time_wait_ns: 60 * SECOND_NS,
        fin_wait_2_ns: 60 * SECOND_NS,
        syn_give_up_ns: 127 * SECOND_NS,
        syn_ack_give_up_ns: 63 * SECOND_NS,
        unread_data: UnreadData::Resets,
        keeps_mini_sockets: true,
        ephemeral_first: 32_768,
        ephemeral_last: 60_999,
    };

    /// Windows, by Microsoft's documentation: TcpTimedWaitDelay 120 s (Server 2003 and later; 240 s in Windows 2000,
    /// configurable from 30 s), TcpInitialRTT 3 s with two repeated SYNs, so 21 s, dynamic ports 49152-65535.
    pub const WINDOWS: Self = Self {
        name: "windows",
        basis: ProfileBasis::Assumed,
        time_wait_ns: 120 * SECOND_NS,
        fin_wait_2_ns: 120 * SECOND_NS,
        syn_give_up_ns: 21 * SECOND_NS,
        syn_ack_give_up_ns: 21 * SECOND_NS,
        unread_data: UnreadData::Resets,
        keeps_mini_sockets: false,
        ephemeral_first: 49_152,
        ephemeral_last: 65_535,
    };

    /// macOS (XNU): net.inet.tcp.msl 15 s, so TIME-WAIT 30 s; keepinit 75 s; ports 49152-65535. Its `tcp_disconnect` drops
    /// the connection when the receive buffer is not empty, unlike the BSDs.
    pub const MACOS: Self = Self {
        name: "macos",
        basis: ProfileBasis::Assumed,
        time_wait_ns: 30 * SECOND_NS,
        fin_wait_2_ns: 60 * SECOND_NS,
        syn_give_up_ns: 75 * SECOND_NS,
        syn_ack_give_up_ns: 75 * SECOND_NS,
        unread_data: UnreadData::Resets,
        keeps_mini_sockets: false,
        ephemeral_first: 49_152,
        ephemeral_last: 65_535,
    };

    /// FreeBSD: net.inet.tcp.msl 30 s, finwait2_timeout 60 s, keepinit 75 s, ports 10000-65535 (portrange.first/last).
    /// Its `tcp_disconnect` flushes the receive buffer and sends FIN.
    pub const FREEBSD: Self = Self {
        name: "freebsd",
        basis: ProfileBasis::Assumed,
        time_wait_ns: 60 * SECOND_NS,
        fin_wait_2_ns: 60 * SECOND_NS,
        syn_give_up_ns: 75 * SECOND_NS,
        syn_ack_give_up_ns: 75 * SECOND_NS,
        unread_data: UnreadData::Discards,
        keeps_mini_sockets: false,
        ephemeral_first: 10_000,
        ephemeral_last: 65_535,
    };

    /// RFC 9293: MSL 2 minutes; R2 for a SYN at least 3 minutes (section 3.8.3); RFC 6056 ports 1024-65535. It knows no
    /// FIN-WAIT-2 timer, so that never runs out.
    pub const RFC: Self = Self {
        name: "rfc",
        basis: ProfileBasis::Assumed,
        time_wait_ns: 240 * SECOND_NS,
        fin_wait_2_ns: i64::MAX,
        syn_give_up_ns: 180 * SECOND_NS,
        syn_ack_give_up_ns: 180 * SECOND_NS,
        unread_data: UnreadData::Resets,
        keeps_mini_sockets: false,
        ephemeral_first: 1_024,
        ephemeral_last: 65_535,
    };

    /// Every profile.
    pub const ALL: [Self; 5] = [Self::LINUX, Self::WINDOWS, Self::MACOS, Self::FREEBSD, Self::RFC];

    /// Its name as its makers write it.
    pub fn title(&self) -> &'static str {
        match self.name {
            "linux" => "Linux",
            "windows" => "Windows",
            "freebsd" => "FreeBSD",
            "macos" => "macOS",
            other => other,
        }
    }

    /// The same, and known in that way.
    pub const fn known(self, basis: ProfileBasis) -> Self {
        Self { basis, ..self }
    }

    /// That of the end which sent `greeting`, if it shows; else this one.
    #[inline]
    pub fn of(&self, greeting: Option<Greeting>) -> &Self {
        match greeting {
            Some(greeting) if !self.is_known() => greeting.stack().unwrap_or(self),
            _ => self,
        }
    }

    /// How long its TIME-WAIT lasts at least, ns.
    pub(super) fn shortest_time_wait_ns(&self) -> i64 {
        /// Stacks of small devices hold it for seconds.
        const OF_ANY_NS: i64 = 1_000_000_000;
        if self.is_known() { self.time_wait_ns } else { OF_ANY_NS }
    }

    /// What answers with the IPv4 id `answer`, after a FIN with the id `fin`, is no closed socket's remains, for certain: these have
    /// id 0, before Linux 4.19 one that nothing counts, and a socket's goes on.
    #[inline]
    pub fn tells_open_by_id(&self, fin: u16, answer: u16) -> bool {
        /// A socket counts its packets one by one; of those that follow its FIN the capture may lack some.
        const STEP_MAX: u16 = 16;
        let goes_on = fin != 0 && answer != 0 && (1..=STEP_MAX).contains(&answer.wrapping_sub(fin));
        self.keeps_mini_sockets && self.is_known() && goes_on
    }

    /// Its figures are that stack's for certain, and not only the likeliest.
    pub fn is_known(&self) -> bool {
        self.basis != ProfileBasis::Assumed
    }

    /// It is known to be another stack than `stack`.
    pub fn is_other_than(&self, stack: &Self) -> bool {
        self.is_known() && self.name != stack.name
    }

    /// It is known to be `stack`.
    pub fn is_surely(&self, stack: &Self) -> bool {
        self.is_known() && self.name == stack.name
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::LINUX
    }
}

/// What stacks differ in when they say SYN: the order of options, and the hop limit that they begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Greeting {
    /// Two bits an option, in order, as [`OptionKind`] counts them; the lowest are the last's.
    order: u8,
    /// How many options.
    count: u8,
    /// As captured.
    ttl: u8,
    /// A SYN-ACK with an IPv4 id, which Linux gives none that it does not let fragment (`ip_build_and_send_pkt`).
    is_numbered: bool,
}

impl Greeting {
    pub(super) fn of(segment: &Segment) -> Self {
        Self::with(&segment.options, segment.ttl).numbered(segment.flags, segment.ip_id)
    }

    /// The same of a segment with these control bits and this IPv4 id.
    #[inline]
    pub(super) fn numbered(self, flags: Flags, ip_id: u16) -> Self {
        Self { is_numbered: ip_id != 0 && flags.contains(Flags::SYN | Flags::ACK), ..self }
    }

    /// That of a segment with the options of `present`, a bit each as [`OptionKind`] counts them, in that order, and this hop limit.
    #[inline]
    pub(super) fn usual(present: u8, ttl: u8) -> Self {
        let (order, count) = OptionOrder::usual(present);
        Self { order, count, ttl, is_numbered: false }
    }

    /// That of a segment with these options and this hop limit.
    pub(super) fn with(options: &TcpOptions, ttl: u8) -> Self {
        let (order, count) = options.order_and_count();
        Self { order, count, ttl, is_numbered: false }
    }

    /// It permits selective acknowledgments.
    pub(super) fn has_sack(self) -> bool {
        (0..self.count).any(|place| self.order >> (2 * place) & 3 == OptionKind::SackPermitted as u8)
    }

    /// The stack that makes its SYN so. The orders are those of p0f's signatures, the same for a SYN-ACK as far as the
    /// peer's SYN let it have the options. Android and ChromeOS are Linux, iOS is macOS.
    #[inline]
    fn stack(self) -> Option<&'static Profile> {
        use OptionKind::{MaximumSegmentSize, SackPermitted, Timestamps, WindowScale};
        const LINUX: u16 = order_of(&[MaximumSegmentSize, SackPermitted, Timestamps, WindowScale]);
        const LINUX_WITHOUT_CLOCK: u16 = order_of(&[MaximumSegmentSize, SackPermitted, WindowScale]);
        const LINUX_WITHOUT_SACK: u16 = order_of(&[MaximumSegmentSize, Timestamps, WindowScale]);
        const WINDOWS: u16 = order_of(&[MaximumSegmentSize, WindowScale, SackPermitted]);
        const WINDOWS_WITHOUT_SCALE: u16 = order_of(&[MaximumSegmentSize, SackPermitted]);
        const MACOS: u16 = order_of(&[MaximumSegmentSize, WindowScale, Timestamps, SackPermitted]);
        /// And of Windows, where it uses timestamps.
        const FREEBSD: u16 = order_of(&[MaximumSegmentSize, WindowScale, SackPermitted, Timestamps]);
        /// Known so.
        static STACKS: [Profile; 4] = {
            let [linux, windows, macos, freebsd, _] = Profile::ALL;
            let shown = ProfileBasis::Fingerprint;
            [linux.known(shown), windows.known(shown), macos.known(shown), freebsd.known(shown)]
        };
        let [linux, windows, macos, freebsd] = &STACKS;
        match (self.ttl, u16::from_be_bytes([self.order, self.count])) {
            (1..=64, LINUX | LINUX_WITHOUT_CLOCK | LINUX_WITHOUT_SACK) if !self.is_numbered => Some(linux),
            (1..=64, MACOS) => Some(macos),
            (1..=64, FREEBSD) => Some(freebsd),
            (65..=128, WINDOWS | WINDOWS_WITHOUT_SCALE | FREEBSD) => Some(windows),
            _ => None,
        }
    }
}

/// The order of `kinds` as a greeting holds it, and how many they are.
const fn order_of(kinds: &[OptionKind]) -> u16 {
    let (mut order, mut at) = (0, 0);
    while at < kinds.len() {
        order = order << 2 | kinds[at] as u8;
        at += 1;
    }
    u16::from_be_bytes([order, at as u8])
}

#[cfg(test)]
mod tests {
    use super::OptionKind::{MaximumSegmentSize, SackPermitted, Timestamps, WindowScale};
    use super::*;

    fn greeting(kinds: &[OptionKind], ttl: u8) -> Option<Greeting> {
        let order = kinds.iter().fold(0, |order, &kind| order << 2 | kind as u8);
        Some(Greeting { order, count: kinds.len() as u8, ttl, is_numbered: false })
    }

    #[test]
    fn a_syn_shows_its_stack() {
        let stacks = [
            (&[MaximumSegmentSize, SackPermitted, Timestamps, WindowScale][..], 57, "linux"),
            (&[MaximumSegmentSize, WindowScale, SackPermitted], 116, "windows"),
            (&[MaximumSegmentSize, WindowScale, SackPermitted, Timestamps], 128, "windows"),
            (&[MaximumSegmentSize, WindowScale, SackPermitted, Timestamps], 64, "freebsd"),
            (&[MaximumSegmentSize, WindowScale, Timestamps, SackPermitted], 51, "macos"),
        ];
        for (kinds, ttl, name) in stacks {
            let profile = *Profile::default().of(greeting(kinds, ttl));
            assert_eq!((profile.name, profile.basis), (name, ProfileBasis::Fingerprint));
        }
    }

    #[test]
    fn linux_gives_its_syn_ack_no_id() {
        let linux = greeting(&[MaximumSegmentSize, SackPermitted, Timestamps, WindowScale], 64).unwrap();
        let basis = |flags, id| Profile::default().of(Some(linux.numbered(flags, id))).basis;
        assert_eq!(basis(Flags::SYN | Flags::ACK, 0), ProfileBasis::Fingerprint);
        assert_eq!(basis(Flags::SYN | Flags::ACK, 0x229b), ProfileBasis::Assumed);
        assert_eq!(basis(Flags::SYN, 0x229b), ProfileBasis::Fingerprint);
    }

    #[test]
    fn an_answer_of_an_open_socket_counts_on_from_its_fin() {
        let linux = Profile::LINUX.known(ProfileBasis::Fingerprint);
        assert!(linux.tells_open_by_id(u16::MAX, 1));
        for (fin, answer) in [(31_593, 41_244), (31_593, 0), (0, 1), (7, 7)] {
            assert!(!linux.tells_open_by_id(fin, answer), "{fin}, {answer}");
        }
        assert!(!Profile::LINUX.tells_open_by_id(7, 8), "nobody knows that it is Linux");
    }

    #[test]
    fn what_shows_nothing_is_assumed_and_what_was_said_holds() {
        let unknown =
            *Profile::default().of(greeting(&[MaximumSegmentSize, SackPermitted, Timestamps, WindowScale], 250));
        assert_eq!((unknown.name, unknown.basis), ("linux", ProfileBasis::Assumed));
        assert_eq!(Profile::default().of(None).basis, ProfileBasis::Assumed);
        let given = Profile::RFC.known(ProfileBasis::Given);
        assert_eq!(*given.of(greeting(&[MaximumSegmentSize, WindowScale, SackPermitted], 128)), given);
    }

    #[test]
    fn the_order_of_options_is_counted_as_they_stand() {
        let stamps = crate::segment::Timestamps { value: 1, echo: 0 };
        for (present, bits) in (0..16_u8).flat_map(|present| (0..=255).map(move |bits| (present, bits))) {
            let options = crate::segment::TcpOptions {
                mss: (present & 1 != 0).then_some(1_460),
                sack_permitted: present & 2 != 0,
                timestamps: (present & 4 != 0).then_some(stamps),
                window_scale: (present & 8 != 0).then_some(7),
                order: crate::segment::OptionOrder::from_bits(bits),
                ..crate::segment::TcpOptions::NONE
            };
            let folded = options.in_order().fold((0, 0), |(order, count), kind| (order << 2 | kind as u8, count + 1));
            assert_eq!(options.order_and_count(), folded, "{options:?}");
        }
    }
}
