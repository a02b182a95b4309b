//! How a SYN or SYN-ACK is sent again: the timer that the pauses between its copies show, when the next one is due, and
//! when its stack gives up.

use std::fmt;

use smallvec::SmallVec;

use super::handshake::is_late_syn;
use super::noted::{Class, Noted};
use super::profile::{Profile, ProfileBasis, SYN_REPEATED_NS};
use crate::base::{Side, Timestamp, words};

const SECOND_NS: i64 = 1_000_000_000;
/// Copies that follow sooner are the network's, or answer a copied SYN: no stack's first timer is as short, ns.
const TIMER_NS_MIN: i64 = 200_000_000;
/// A timer is late by so much besides a part of itself (wheels of timers, ticks of 500 ms), ns.
const LATE_NS: i64 = 250_000_000;
/// Pauses double no more often than this: every stack has given up, or has reached its longest pause.
const DOUBLINGS_MAX: u32 = 6;

words! {
    /// The pauses between the copies of a SYN or SYN-ACK.
    Schedule {
        /// RFC 6298: SYN-ACKs of all current stacks, SYNs of Linux 3.1 to 6.4, and of FreeBSD since 12 (`tcp_timer_rexmt`:
        /// tcp_rexmit_initial times tcp_backoff).
        Doubling = "doubling from 1 s",
        /// Linux since 6.5 (ip-sysctl, tcp_syn_linear_timeouts 4), and macOS (XNU `tcp_syn_backoff`).
        Level = "1 s five times, then doubling",
        /// RFC 1122, section 4.2.3.1: Windows up to 7 and Server 2008 R2 (TcpInitialRtt), Linux up to 3.0.
        SlowDoubling = "doubling from 3 s",
        /// FreeBSD up to 11 and its kin: `tcp_syn_backoff` times 3 s.
        SlowLevel = "3 s five times, then doubling",
    }
}

impl Schedule {
    /// The pause after copy `index`, counted from 0, ns.
    fn pause_ns(self, index: u32) -> i64 {
        let (unit, doublings) = match self {
            Self::Doubling => (1, index),
            Self::Level => (1, index.saturating_sub(4)),
            Self::SlowDoubling => (3, index),
            Self::SlowLevel => (3, index.saturating_sub(4)),
        };
        (unit * SECOND_NS) << doublings.min(DOUBLINGS_MAX)
    }

    /// How long `copies` of them and the wait after the last take, ns.
    fn total_ns(self, copies: u32) -> i64 {
        (0..copies).map(|index| self.pause_ns(index)).sum()
    }
}

/// One schedule that the copies fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fit {
    schedule: Schedule,
    /// The index of the first copy seen: more than 0 when earlier ones were lost.
    first: u32,
    /// The index of the last one.
    last: u32,
    /// Copies between them that were not seen.
    missing: u32,
}

/// The copies of one SYN, or of one SYN-ACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    copies: u32,
    first: Timestamp,
    last: Timestamp,
    last_pause_ns: Option<i64>,
    /// Those with the fewest copies missing; none when the pauses are of no known timer.
    fits: SmallVec<[Fit; 4]>,
}

impl Retries {
    /// Those of the SYNs of `side`.
    pub fn of_syns(notes: &[Noted], side: Side) -> Option<Self> {
        let is_own = |note: &Noted| note.side == side && note.is_syn() && is_sent(note);
        let syns = (0..notes.len()).filter(|&index| is_own(&notes[index]) && !is_late_syn(notes, index));
        Self::of(syns.map(|index| notes[index].time))
    }

    /// Those of the SYN-ACKs of `side`.
    pub fn of_syn_acks(notes: &[Noted], side: Side) -> Option<Self> {
        let syn_acks = notes.iter().filter(|note| note.side == side && note.is_syn_ack() && is_sent(note));
        Self::of(syn_acks.map(|note| note.time))
    }

    fn of(mut times: impl Iterator<Item = Timestamp>) -> Option<Self> {
        let first = times.next()?;
        let mut pauses: SmallVec<[i64; 12]> = SmallVec::new();
        let mut last = first;
        for time in times {
            let pause_ns = time.since(last);
            if pause_ns >= TIMER_NS_MIN {
                pauses.push(pause_ns);
                last = time;
            }
        }
        let mut fits: SmallVec<[Fit; 4]> =
            Schedule::ALL.iter().filter_map(|&schedule| fit(schedule, &pauses)).collect();
        let fewest = fits.iter().map(|fit| fit.first + fit.missing).min().unwrap_or(0);
        fits.retain(|fit| fit.first + fit.missing == fewest);
        let copies = u32::try_from(pauses.len()).unwrap_or(u32::MAX - 1) + 1;
        Some(Self { copies, first, last, last_pause_ns: pauses.last().copied(), fits })
    }

    /// The timer that the pauses show; none when they are of no known one, or fit several.
    pub fn schedule(&self) -> Option<Schedule> {
        match self.fits.as_slice() {
            [fit] => Some(fit.schedule),
            _ => None,
        }
    }

    /// The same in words, with what it supposes: that the first copies were not captured.
    pub fn timer(&self) -> Option<impl fmt::Display + use<>> {
        let &[Fit { schedule, first, last, .. }] = self.fits.as_slice() else { return None };
        let lacks_doubling = schedule.pause_ns(last.saturating_sub(1)) == schedule.pause_ns(0);
        Some(fmt::from_fn(move |f| match first {
            0 if lacks_doubling => write!(f, "those seen fit {}", schedule.name()),
            0 => f.write_str(schedule.name()),
            1 => write!(f, "as if {}, the first copy not captured", schedule.name()),
            _ => write!(f, "as if {}, the first {first} copies not captured", schedule.name()),
        }))
    }

    /// The pauses are those of a timer that is known, or it was sent but once.
    pub fn is_regular(&self) -> bool {
        self.copies == 1 || !self.fits.is_empty()
    }

    /// When the next copy would have come: after the longest pause of those that fit. Where none does, after twice the last
    /// one, as a timer at most doubles (RFC 6298, section 5.5).
    pub fn due(&self) -> Timestamp {
        let longest = self.fits.iter().map(|fit| fit.schedule.pause_ns(fit.last)).max();
        let unknown = self.last_pause_ns.map_or(SYN_REPEATED_NS, |pause_ns| pause_ns.saturating_mul(2));
        let pause_ns = if self.copies == 1 { SYN_REPEATED_NS } else { longest.unwrap_or(unknown) };
        self.last.plus(pause_ns)
    }

    /// By `horizon` the next copy was overdue: nobody is trying any longer.
    pub fn has_stopped(&self, horizon: Timestamp) -> bool {
        horizon.since(self.due()) > self.due().since(self.last) / 8 + LATE_NS
    }

    /// How often a timer sent it, the first time included.
    pub fn copies(&self) -> u32 {
        self.copies
    }

    /// It was sent once.
    pub fn is_alone(&self) -> bool {
        self.copies == 1
    }

    /// From the first copy to the last, ns.
    pub fn lasted_ns(&self) -> i64 {
        self.last.since(self.first)
    }

    /// When the SYN was given up, as far as that shows by `horizon`: the next copy was due then and did not come, or the time
    /// of `stack` had passed.
    pub fn connect_ended(&self, stack: &Profile, horizon: Timestamp) -> Option<Timestamp> {
        self.ended(self.connect_gives_up(stack), self.has_stopped(horizon), horizon)
    }

    /// The same of the SYN-ACK. One that was sent once may be a SYN cookie, which nobody repeats.
    pub fn offer_ended(&self, stack: &Profile, horizon: Timestamp) -> Option<Timestamp> {
        self.ended(self.offer_gives_up(stack), !self.is_alone() && self.has_stopped(horizon), horizon)
    }

    fn ended(&self, limit: Option<Timestamp>, has_stopped: bool, horizon: Timestamp) -> Option<Timestamp> {
        let stopped = has_stopped.then(|| self.due());
        let passed = limit.filter(|&at| at < horizon);
        stopped.into_iter().chain(passed).min()
    }

    /// When a SYN that was sent once, at `first`, was given up: its first copy was due then on any stack.
    pub fn lone_syn_ended(first: Timestamp, stack: &Profile, horizon: Timestamp) -> Option<Timestamp> {
        let alone = Self { copies: 1, first, last: first, last_pause_ns: None, fits: SmallVec::new() };
        alone.connect_ended(stack, horizon)
    }

    /// When connect() gives up by itself with the defaults of `stack`; none when it is not known how often such a stack
    /// sends a SYN by this timer.
    pub fn connect_gives_up(&self, stack: &Profile) -> Option<Timestamp> {
        self.gives_up(stack, stack.syn_give_up_ns, syn_total_ns)
    }

    /// When the half-open connection is forgotten with the defaults of `stack`; none when it is not known how often such
    /// a stack sends a SYN-ACK by this timer.
    pub fn offer_gives_up(&self, stack: &Profile) -> Option<Timestamp> {
        self.gives_up(stack, stack.syn_ack_give_up_ns, syn_ack_total_ns)
    }

    /// `stack` sends a SYN-ACK no more often by default.
    pub fn is_last_offer(&self, stack: &Profile) -> bool {
        self.offer_gives_up(stack).is_some_and(|at| at <= self.due())
    }

    fn gives_up(
        &self,
        stack: &Profile,
        given_ns: i64,
        total_ns: fn(&Profile, Schedule) -> Option<i64>,
    ) -> Option<Timestamp> {
        if self.copies == 1 || stack.basis == ProfileBasis::Given {
            return Some(self.first.plus(given_ns));
        }
        let ends = self.fits.iter().map(|fit| {
            let began = self.first.plus(-fit.schedule.total_ns(fit.first));
            total_ns(stack, fit.schedule).map(|ns| began.plus(ns))
        });
        // Of several that fit, the one that goes on longest; who still sends it after that has another limit.
        ends.collect::<Option<SmallVec<[Timestamp; 4]>>>()?.into_iter().max().filter(|&at| at > self.last)
    }
}

/// An endpoint sent it: it is no copy that the network made.
fn is_sent(note: &Noted) -> bool {
    !note.class.contains(Class::COPY)
}

/// How `pauses` lie in `schedule`, with the fewest copies lost; none when they do not.
fn fit(schedule: Schedule, pauses: &[i64]) -> Option<Fit> {
    if pauses.is_empty() {
        return None;
    }
    let lost_max = u32::try_from(pauses.len()).unwrap_or(u32::MAX) / 2 + 1;
    (0..=lost_max).find_map(|first| {
        let (mut index, mut missing) = (first, 0);
        for &pause_ns in pauses {
            let mut expected_ns = schedule.pause_ns(index);
            index += 1;
            while is_longer(pause_ns, expected_ns) && first + missing < lost_max {
                expected_ns += schedule.pause_ns(index);
                (index, missing) = (index + 1, missing + 1);
            }
            if is_longer(pause_ns, expected_ns) || is_longer(expected_ns, pause_ns) {
                return None;
            }
        }
        Some(Fit { schedule, first, last: index, missing })
    })
}

/// `pause_ns` is longer than `expected_ns` by more than a timer is late and a path is uneven.
fn is_longer(pause_ns: i64, expected_ns: i64) -> bool {
    pause_ns - expected_ns > expected_ns / 8 + LATE_NS / 2
}

/// From the first SYN until connect() fails, by default. Linux: tcp_syn_retries 6, and 4 more that are linear since 6.5
/// (ip-sysctl), 5 by the old timer (`TCP_SYN_RETRIES` up to 3.6). Windows: two repetitions (TcpMaxConnectRetransmissions;
/// KB 2786464 for 7 and Server 2008 R2); how many those send that begin with 1 s Microsoft's documentation leaves open (2 to
/// 8). The BSDs and macOS stop after net.inet.tcp.keepinit, whatever the pauses.
fn syn_total_ns(stack: &Profile, schedule: Schedule) -> Option<i64> {
    let is_bsd = stack.name == Profile::MACOS.name || stack.name == Profile::FREEBSD.name;
    match (stack.name, schedule) {
        _ if is_bsd => Some(stack.syn_give_up_ns),
        (name, Schedule::SlowDoubling) if name == Profile::WINDOWS.name => Some(schedule.total_ns(3)),
        (name, _) if name == Profile::WINDOWS.name => None,
        (_, Schedule::Doubling) => Some(schedule.total_ns(7)),
        (_, Schedule::Level) => Some(schedule.total_ns(11)),
        (_, Schedule::SlowDoubling) => Some(schedule.total_ns(6)),
        (_, Schedule::SlowLevel) => Some(Profile::FREEBSD.syn_give_up_ns),
    }
}

/// From the first SYN-ACK until the half-open connection is forgotten, by default. Linux: tcp_synack_retries 5. Windows:
/// TcpMaxConnectResponseRetransmissions 2. FreeBSD: `SYNCACHE_MAXREXMTS` 3. macOS: keepinit.
fn syn_ack_total_ns(stack: &Profile, schedule: Schedule) -> Option<i64> {
    let copies = match stack.name {
        name if name == Profile::MACOS.name => return Some(stack.syn_ack_give_up_ns),
        name if name == Profile::WINDOWS.name && schedule == Schedule::SlowDoubling => 3,
        name if name == Profile::WINDOWS.name => return None,
        name if name == Profile::FREEBSD.name => 4,
        _ => 6,
    };
    Some(schedule.total_ns(copies))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries(seconds: &[f64]) -> Retries {
        Retries::of(seconds.iter().map(|at| Timestamp((at * 1e9) as i64))).expect("there is a first")
    }

    /// When the stack gives up, in seconds after the first copy.
    fn gives_up(seconds: &[f64], stack: &Profile) -> Option<i64> {
        retries(seconds).connect_gives_up(stack).map(|at| at.0 / SECOND_NS)
    }

    #[test]
    fn pauses_show_the_timer() {
        let schedules = [
            (&[0.0, 1.0, 3.0][..], Some(Schedule::Doubling)),
            (&[0.0, 1.02, 2.05, 3.07], Some(Schedule::Level)),
            (&[0.0, 1.02, 2.05, 3.07, 4.1, 5.12, 7.17, 11.3, 19.5, 35.6, 68.9], Some(Schedule::Level)),
            (&[0.0, 3.0, 9.0], Some(Schedule::SlowDoubling)),
            (&[0.0, 3.0, 6.2, 9.4], Some(Schedule::SlowLevel)),
            (&[0.0, 1.0, 3.1, 7.2, 15.4, 31.5, 64.8], Some(Schedule::Doubling)),
            // One of them was lost before the tap.
            (&[0.0, 1.0, 7.0, 15.0], Some(Schedule::Doubling)),
            // One second fits two of them, and half a second none.
            (&[0.0, 1.0], None),
            (&[0.0, 0.5, 1.0], None),
        ];
        for (seconds, schedule) in schedules {
            assert_eq!(retries(seconds).schedule(), schedule, "{seconds:?}");
        }
        assert!(retries(&[0.0, 1.0]).is_regular());
        assert!(!retries(&[0.0, 0.5, 1.0]).is_regular());
    }

    #[test]
    fn a_syn_that_was_sent_once_ended_when_its_copy_was_due() {
        let ended = |horizon| Retries::lone_syn_ended(Timestamp(0), &Profile::LINUX, Timestamp(horizon * SECOND_NS));
        assert_eq!(
            [ended(3), ended(4), ended(500)],
            [None, Some(Timestamp(3 * SECOND_NS)), Some(Timestamp(3 * SECOND_NS))]
        );
        let cookie = |horizon| retries(&[0.0]).offer_ended(&Profile::LINUX, Timestamp(horizon * SECOND_NS));
        assert_eq!([cookie(4), cookie(500)], [None, Some(Timestamp(63 * SECOND_NS))]);
    }

    #[test]
    fn each_stack_gives_up_by_its_own_timer() {
        let (doubling, level) = ([0.0, 1.0, 3.0, 7.0], [0.0, 1.0, 2.0, 3.0]);
        let slow = [0.0, 3.0, 9.0];
        assert_eq!(gives_up(&doubling, &Profile::LINUX), Some(127));
        assert_eq!(gives_up(&level, &Profile::LINUX), Some(131));
        assert_eq!(gives_up(&slow, &Profile::LINUX), Some(189));
        assert_eq!(gives_up(&slow, &Profile::WINDOWS), Some(21));
        assert_eq!(gives_up(&doubling, &Profile::WINDOWS), None);
        assert_eq!(gives_up(&level, &Profile::MACOS), Some(75));
        assert_eq!(gives_up(&doubling, &Profile::FREEBSD), Some(75));
        assert_eq!(gives_up(&[0.0, 1.0], &Profile::LINUX), Some(131), "either timer");
        assert_eq!(gives_up(&[0.0, 0.7, 1.1], &Profile::LINUX), None);
        let stubborn = [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0];
        assert_eq!(gives_up(&stubborn, &Profile::FREEBSD), None, "it goes on after that");
        let given = Profile { syn_give_up_ns: 5 * SECOND_NS, ..Profile::LINUX }.known(ProfileBasis::Given);
        assert_eq!(gives_up(&doubling, &given), Some(5));
    }

    #[test]
    fn an_offer_is_forgotten_by_its_own_timer() {
        let until = |stack: &Profile| retries(&[0.0, 1.0, 3.0, 7.0]).offer_gives_up(stack).map(|at| at.0 / SECOND_NS);
        let stacks = [Profile::LINUX, Profile::FREEBSD, Profile::MACOS, Profile::WINDOWS];
        assert_eq!(stacks.each_ref().map(until), [Some(63), Some(15), Some(75), None]);
    }

    #[test]
    fn the_next_copy_is_due_after_the_next_pause() {
        let seconds = |at: Timestamp| at.0 / SECOND_NS;
        assert_eq!(seconds(retries(&[0.0]).due()), 3);
        assert_eq!(seconds(retries(&[0.0, 1.0]).due()), 3, "by the longer of two timers");
        assert_eq!(seconds(retries(&[0.0, 1.0, 2.0]).due()), 3);
        assert_eq!(seconds(retries(&[0.0, 1.0, 3.0]).due()), 7);
        assert_eq!(seconds(retries(&[0.0, 0.6, 1.1, 2.6]).due()), 5, "no timer that is known");
        let stopped = |horizon: i64| retries(&[0.0, 1.0, 3.0]).has_stopped(Timestamp(horizon * SECOND_NS));
        assert_eq!([7, 8, 200].map(stopped), [false, true, true]);
    }

    #[test]
    fn captures_with_clocks_set_back_break_nothing() {
        for seconds in [&[9.0, 0.0, 1.0][..], &[0.0; 64], &[9e9, -9e9, 9e9]] {
            let retries = retries(seconds);
            for stack in Profile::ALL {
                let _ = retries.connect_gives_up(&stack).max(retries.offer_gives_up(&stack));
            }
            assert!(retries.due() >= retries.last);
        }
    }
}
