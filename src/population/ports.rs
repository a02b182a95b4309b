//! Ephemeral ports toward one destination against the range that there is.

use super::Population;
use super::denials::Denial;
use super::pile::Pile;
use super::series::{Event, Level, Peak, Stretch};
use crate::base::Timestamp;
use crate::connection::State;

/// How a client uses its ports toward one destination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PortUse {
    /// Ports in the range.
    pub range: u64,
    /// The most in use at once: every socket holds one, from SYN-SENT to the end of TIME-WAIT.
    pub peak: Peak,
    /// Of those, in TIME-WAIT.
    pub waiting: u64,
    /// For how long a connection holds its port on average, ns.
    pub held_ns: i64,
    /// The densest stretch of new connections, of at most a TIME-WAIT's duration.
    pub stretch: Stretch,
    /// When the ports run out at that rate, if they do: after what the capture shows.
    pub runs_out: Option<Timestamp>,
}

impl PortUse {
    /// Of the clients' sockets in `pile`; none when there was no connection.
    pub fn of(population: &Population, pile: &Pile) -> Option<Self> {
        let range = population.ports();
        let peak = pile.series().peak();
        let at_peak = pile.series().levels().find(|level| level.to == peak.at);
        let stretch = pile.series().densest(population.profile.time_wait_ns, Event::Born)?;
        let held_ns = pile.held_ns().unwrap_or(population.profile.time_wait_ns).max(1);
        let is_too_fast = stretch.per_second() * (held_ns as f64 / 1e9) >= range as f64;
        let at = stretch.from.plus((range as f64 / stretch.per_second() * 1e9) as i64);
        Some(Self {
            range,
            peak,
            waiting: at_peak.map_or(0, |level| level.of(State::TimeWait)),
            held_ns,
            stretch,
            // What lies in the capture was seen not to happen.
            runs_out: Some(at).filter(|&at| is_too_fast && at > stretch.to),
        })
    }

    /// Share of the range in use at most.
    pub fn share(&self) -> f64 {
        self.peak.sockets as f64 / self.range as f64
    }

    /// New connections a second that the range allows for ever.
    pub fn allowed_per_second(&self) -> f64 {
        self.range as f64 / (self.held_ns as f64 / 1e9)
    }
}

/// What a client did while it had no port left toward one destination, or next to none. connect() fails then before a packet is
/// sent, so that its failures show in what does not come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtLimit {
    /// When it came to the limit first.
    pub from: Timestamp,
    /// When it left it last, or to when it was seen to stay.
    pub to: Timestamp,
    /// How long it was there in between, ns.
    pub lasted_ns: i64,
    /// Attempts to connect that began meanwhile.
    pub begun: u64,
    /// Of those, how many took a port of which the TIME-WAIT had just run out.
    pub renewed: u64,
    /// Of those, how many got no answer.
    pub unanswered: u64,
    /// Of those, how many were refused.
    pub refused: u64,
    /// Of those, how many met an older connection on the same ports, most often a TIME-WAIT.
    pub challenged: u64,
    /// How many more would have begun meanwhile at the rate with which it came to the limit.
    pub missing: u64,
}

impl AtLimit {
    /// Of the clients' sockets in `pile`, where the limit is this share of the range; none when it was never reached.
    pub fn of(population: &Population, pile: &Pile, share: f64) -> Option<Self> {
        let limit = (population.ports() as f64 * share).ceil() as u64;
        let levels: Vec<Level> = pile.series().levels().collect();
        let first = levels.iter().position(|level| level.total() >= limit)?;
        let from = levels[first].from;
        let none = AtLimit {
            from,
            to: from,
            lasted_ns: 0,
            begun: 0,
            renewed: 0,
            unanswered: 0,
            refused: 0,
            challenged: 0,
            missing: 0,
        };
        let mut found = none;
        let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
        for (place, level) in levels.iter().enumerate().skip(first).filter(|(_, level)| level.total() >= limit) {
            let to = levels.get(place + 1).map_or(population.horizon(), |next| next.from).max(level.from);
            match spans.last_mut() {
                Some((_, end)) if *end == level.from => *end = to,
                _ => spans.push((level.from, to)),
            }
            // What brought it to the limit was still free to choose.
            found.begun += if place > first { u64::from(level.born) } else { 0 };
            found.unanswered += u64::from(level.failed);
        }
        for (from, to) in spans {
            found.to = to;
            found.lasted_ns = found.lasted_ns.saturating_add(to.since(from));
            let denied = |denial| pile.denials.between(from, to, denial);
            found.renewed += denied(Denial::Waited);
            found.refused += denied(Denial::Refused);
            found.challenged += denied(Denial::Challenged);
        }
        found.missing = missing(&levels[..=first], found.lasted_ns, population.profile.time_wait_ns, found.begun);
        Some(found)
    }

    /// Attempts that failed and show it.
    pub fn failed(&self) -> u64 {
        self.unanswered + self.refused + self.challenged
    }
}

/// How many more than `begun` would have begun in `lasted_ns` at the rate of the last `window_ns` of `before`.
fn missing(before: &[Level], lasted_ns: i64, window_ns: i64, begun: u64) -> u64 {
    let Some(last) = before.last() else { return 0 };
    let recent = before.iter().filter(|level| level.born > 0 && last.to.since(level.from) <= window_ns);
    let (count, first) =
        recent.fold((0, last.from), |(count, first), level| (count + level.born, first.min(level.from)));
    let rate = f64::from(count) / last.to.since(first).max(1) as f64;
    ((rate * lasted_ns as f64) as u64).saturating_sub(begun)
}

#[cfg(test)]
mod tests {
    use super::super::{Departure, Tally};
    use super::*;
    use crate::connection::{Connection, Lifecycle, Predecessor, Profile};
    use crate::source::script::segments;

    const SECOND_NS: i64 = 1_000_000_000;

    /// Ten ports, taken one every 100 ms and closed by the client; then each again as soon as its TIME-WAIT has run out, and
    /// some refused in between.
    fn scarce(refused: u16) -> Population {
        let profile = Profile { ephemeral_first: 40_000, ephemeral_last: 40_009, ..Profile::LINUX };
        let mut tally = Tally::new(profile, SECOND_NS / 10);
        let mut past = [None; 10];
        let closed = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > FIN ACK\nclient > ACK";
        let refusal = "client > SYN\nserver > RST ACK";
        let lives = (0..20)
            .map(|n| (n % 10, (n / 10) * 602 + n % 10, closed))
            .chain((0..refused).map(|n| (n % 10, 300, refusal)));
        for (stream, (port, tenths, life)) in lives.enumerate() {
            let start = f64::from(tenths) / 10.0 + 0.05;
            let text = format!(
                "start 2026-11-21T03:31:00Z\nclient 10.0.0.1:{}\nclient isn {}\n{start:.2} {life}",
                40_000 + port,
                100_000 * stream
            );
            let segments = segments(&text).unwrap();
            let past = &mut past[usize::from(port)];
            let mut connection = Connection::new(stream as u64, &segments[0], past.filter(|_| life == closed));
            segments.iter().for_each(|segment| connection.step(segment));
            *past = Some(Predecessor::of(&connection));
            let horizon = connection.start.plus(65 * SECOND_NS - i64::from(tenths) * SECOND_NS / 10);
            let departure = match tenths {
                0..300 => Departure::Replaced(connection.start.plus(60 * SECOND_NS + SECOND_NS)),
                _ => Departure::Over,
            };
            tally.take(&connection, &Lifecycle::of(&connection, horizon, profile), departure);
        }
        tally.finish()
    }

    #[test]
    fn who_has_no_port_left_waits_for_one_and_what_does_not_come_is_counted() {
        let population = scarce(0);
        let destinations = population.destinations.sorted();
        let at_limit = AtLimit::of(&population, destinations[0].1, 0.75).unwrap();
        assert_eq!((at_limit.lasted_ns / SECOND_NS, at_limit.failed(), at_limit.renewed), (64, 0, 10));
        // Ten a second came to the limit, and in the minute at it none did but on those ports.
        assert_eq!(at_limit.begun, 12);
        assert!((600..=640).contains(&at_limit.missing), "{at_limit:?}");
    }

    #[test]
    fn refusals_at_the_limit_are_told_apart_from_what_sends_nothing() {
        let population = scarce(4);
        let destinations = population.destinations.sorted();
        let at_limit = AtLimit::of(&population, destinations[0].1, 0.98).unwrap();
        assert_eq!((at_limit.refused, at_limit.failed()), (4, 4));
        assert_eq!(AtLimit::of(&population, destinations[0].1, 3.0), None);
    }
}
