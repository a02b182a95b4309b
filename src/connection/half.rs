//! One side's half of a connection as its sender: what was sent, what of it was acknowledged, how it counted.

use super::gaps::Gaps;
use super::noted::{Class, Noted};
use super::profile::Greeting;
use crate::base::{Seq, Timestamp};
use crate::segment::Timestamps;

/// What the tap knows of one direction. "Sent" always means "seen by the tap"; what arrived is decided in hindsight.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Half {
    /// Initial sequence number, from the SYN or SYN-ACK.
    pub isn: Option<Seq>,
    /// First sequence number seen or implied by the peer's first acknowledgment.
    pub start: Option<Seq>,
    /// SND.NXT as far as seen: after the highest sequence number sent or, in a lossy capture, acknowledged.
    pub nxt: Seq,
    /// SND.UNA: the highest acknowledgment that the peer sent for this half.
    pub acked: Option<Seq>,
    /// The sequence number that the FIN occupies.
    pub fin: Option<Seq>,
    /// Last window that this side advertised, in octets, scaled.
    pub window: u32,
    /// Shift of its window, once both sides sent the option.
    pub window_shift: u8,
    /// Shift that it offered in its SYN or SYN-ACK.
    pub offered_shift: Option<u8>,
    /// Maximum segment size that it announced.
    pub mss: Option<u16>,
    /// Its SYN or SYN-ACK, as far as stacks differ in it.
    pub greeting: Option<Greeting>,
    /// The highest right edge of the window that this side advertised: what its peer may send up to.
    pub right_edge: Option<Seq>,
    /// The highest right edge of a SACK block that this side sent.
    pub sack_high: Option<Seq>,
    /// Octets of payload that this side says came to it once more (D-SACK, RFC 2883).
    pub received_again: u64,
    /// Sequence ranges never seen.
    pub gaps: Gaps,
    /// What the peer acknowledged last before it was seen, `[from, to)`: perhaps the capture has the two in the wrong order.
    pub(super) unseen: (Seq, Seq),
    /// Frames, duplicates included.
    pub frames: u64,
    /// Headers that somebody sampled; not among the frames.
    pub sampled: u64,
    /// Payload octets, each once.
    pub payload_bytes: u64,
    /// Payload octets sent again.
    pub retransmitted_bytes: u64,
    /// Segments that sent old sequence space again.
    pub retransmissions: u32,
    /// Octets that the peer acknowledged and that were never seen.
    pub missing_bytes: u64,
    /// Keepalive probes sent.
    pub keepalives: u32,
    /// Zero-window probes sent.
    pub window_probes: u32,
    /// Segments that advertised a zero window, counting each closing of the window once.
    pub zero_windows: u32,
    /// Since when it advertises a zero window.
    pub shut_since: Option<Timestamp>,
    /// Nanoseconds for which it had advertised a zero window, each time until it advertised another.
    pub shut_ns: i64,
    /// SYNs without ACK.
    pub syns: u32,
    /// SYN-ACKs.
    pub syn_acks: u32,
    /// FINs.
    pub fins: u32,
    /// RSTs.
    pub rsts: u32,
    /// The tunnel or network that its first segment came through.
    pub context: Option<u32>,
    /// Segments whose checksum was computed.
    pub checked: u32,
    /// Segments with a wrong checksum.
    pub bad_checksums: u32,
    /// Segments whose checksum was partial: offload, so the tap is on this side's host.
    pub partial_checksums: u32,
    /// Segments larger than the announced MSS, or with a length of 0: offload.
    pub super_segments: u32,
    /// The same frame captured again.
    pub duplicates: u32,
    /// Keepalive or zero-window probes in a row that the peer has not answered.
    pub unanswered_probes: u32,
    /// Transmissions in a row (retransmissions included) since the peer was last heard.
    pub unanswered: u32,
    /// When the transmissions that are still unanswered began.
    pub unanswered_since: Option<Timestamp>,
    /// Whether any segment carried timestamps.
    pub timestamps: bool,
    /// The timestamps of the newest that it wrote, as far as its segments say.
    pub(super) newest_stamps: Option<Timestamps>,
    /// Time to live of its first segment that was not a RST.
    pub ttl: Option<u8>,
    /// Its newest segment that was not a RST.
    pub last: Option<Noted>,
    /// Its newest segment that carried an octet, be it that of a probe.
    pub last_data: Option<Noted>,
    /// What that was before the probes.
    pub(super) before_probes: Option<Box<Noted>>,
    /// Its newest segment with octets that it had not sent before, where it has sent old ones again since.
    pub(super) before_again: Option<Box<Noted>>,
    /// The same as of its peer's FIN, where it has said something since.
    pub(super) before_close: Option<Box<Noted>>,
    /// Digests of its newest segments, to recognise the same frame captured twice.
    pub(super) digests: [(u32, Timestamp); 4],
    /// Which of the digests is overwritten next.
    pub(super) digest_cursor: u8,
    /// The number that Wireshark takes for the initial one: a SYN's, one below the first one sent, or one below the
    /// first one that the peer acknowledged.
    pub base: Option<Seq>,
    /// Letters of Zeek's history that this side has.
    pub(super) letters: u16,
}

impl Half {
    /// This side has sent something, or its peer acknowledged something.
    #[inline]
    pub fn is_known(&self) -> bool {
        self.start.is_some()
    }

    /// Its newest segment that carried payload. The octet of a keepalive probe is none: Windows and others send the last one
    /// again (RFC 1122, section 4.2.3.6).
    pub fn last_payload(&self) -> Option<Noted> {
        match self.last_data {
            Some(data) if data.class.contains(Class::KEEPALIVE) => self.before_probes.as_deref().copied(),
            data => data,
        }
    }

    /// Its newest segment with octets that it had not sent before; where it only repeats what was not captured, its newest with payload.
    pub fn last_new_payload(&self) -> Option<Noted> {
        self.last_payload().map(|data| match &self.before_again {
            Some(new) if data.class.contains(Class::RETRANSMISSION) => **new,
            _ => data,
        })
    }

    /// The same just before `fin`, its peer's, if it has said something since.
    pub fn last_new_payload_before(&self, fin: &Noted) -> Option<Noted> {
        self.before_close.as_deref().copied().filter(|data| data.frame < fin.frame)
    }

    /// The peer has acknowledged all payload.
    pub fn has_payload_acked(&self) -> bool {
        let last = self.last_payload().zip(self.acked);
        last.is_some_and(|(data, acked)| acked.at_or_after(data.seq + data.len))
    }

    /// A probe with an octet comes next.
    pub(super) fn keep_payload(&mut self) {
        if let Some(payload) = self.last_data.filter(|data| !data.class.contains(Class::KEEPALIVE)) {
            self.before_probes = Some(Box::new(payload));
        }
    }

    /// `data` repeats what was sent before; `is_news` if it goes on behind that.
    pub(super) fn keep_news(&mut self, data: Noted, is_news: bool) {
        let newest = self.last_payload().filter(|payload| !payload.class.contains(Class::RETRANSMISSION));
        if let Some(news) = if is_news { Some(data) } else { newest } {
            self.before_again = Some(Box::new(news));
        }
    }

    /// Payload comes next, behind the peer's FIN.
    pub(super) fn keep_words_before_close(&mut self) {
        if self.before_close.is_none() {
            self.before_close = self.last_new_payload().map(Box::new);
        }
    }

    /// The last octets of its payload were acknowledged and never captured. A single one may have been a FIN.
    pub fn lacks_last_payload(&self) -> bool {
        let (from, to) = self.unseen;
        let (end, octets_min) = self.fin.map_or((self.nxt, 2), |fin| (fin, 1));
        self.missing_bytes > 0 && to.at_or_after(end) && to.since(from) >= octets_min
    }

    /// Segments: what was captured, each once.
    #[inline]
    pub fn segments(&self) -> u64 {
        self.frames - u64::from(self.duplicates)
    }

    /// So much was sent that its numbers say no longer which is later than the initial one.
    #[inline]
    pub fn has_gone_round(&self) -> bool {
        const QUARTER: u64 = 1 << 30;
        self.payload_bytes + self.missing_bytes > QUARTER || self.gaps.octets() > QUARTER
    }

    /// Takes the timestamps of a segment that may have been sent before the newest.
    pub(super) fn take_late_stamps(&mut self, stamps: Option<Timestamps>) {
        let is_newer = |stamps: &Timestamps| {
            self.newest_stamps.is_none_or(|newest| Seq(stamps.value).at_or_after(Seq(newest.value)))
        };
        self.newest_stamps = stamps.filter(is_newer).or(self.newest_stamps);
    }

    /// Octets sent and not acknowledged, the FIN left out.
    pub fn in_flight(&self) -> u64 {
        let Some(start) = self.start else { return 0 };
        let una = self.acked.unwrap_or(start);
        let syn = u32::from(self.isn == Some(una));
        self.in_flight_beyond(una + syn)
    }

    /// Octets sent from `acked` on, the FIN left out.
    pub fn in_flight_beyond(&self, acked: Seq) -> u64 {
        let sent_to = self.fin.filter(|fin| fin.before(self.nxt)).unwrap_or(self.nxt);
        u64::try_from(sent_to.since(acked)).unwrap_or(0)
    }

    /// The FIN was sent and its acknowledgment seen.
    #[inline]
    pub fn fin_acked(&self) -> bool {
        matches!((self.fin, self.acked), (Some(fin), Some(acked)) if acked.after(fin))
    }
}
