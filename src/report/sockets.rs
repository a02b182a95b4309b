//! The socket tables of a moment: as ss(8) prints them, and as records.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use super::json::Json;
use super::layout::{Canvas, clip, columns, left, right, wrap};
use super::quantity::{count, counted, duration};
use super::record::{Address, SCHEMA, Word};
use super::style::Role;
use super::text::PROSE_WIDTH_MAX;
use crate::base::{Endpoint, Timestamp};
use crate::connection::{Basis, State};
use crate::population::{Socket, Timer};

/// The sockets of a moment.
#[derive(Clone, Debug)]
pub struct SocketList {
    /// When.
    pub at: Timestamp,
    /// The last frame before it; 0 when there was none.
    pub frame: u64,
    /// How long after the last frame of the input it is, ns.
    pub beyond_ns: i64,
    /// The sockets, by their local ends.
    pub sockets: Vec<Socket>,
    /// Those that were not asked for.
    pub left_out: LeftOut,
}

/// What there was besides what was asked for: an empty table has a reason.
#[derive(Clone, Debug, Default)]
pub struct LeftOut {
    /// Hosts that were asked for and had no socket at the moment, and whether they had one at any other.
    pub absent: Vec<(IpAddr, bool)>,
    /// Sockets of other hosts, by host.
    pub hosts: BTreeMap<IpAddr, u64>,
    /// Sockets of the hosts that were asked for, in other states.
    pub states: BTreeMap<State, u64>,
}

impl LeftOut {
    /// How many sockets.
    fn count(&self) -> u64 {
        self.hosts.values().chain(self.states.values()).sum()
    }

    /// Why there is nothing, as far as filters did it.
    fn words(&self) -> String {
        let mut reasons: Vec<String> = Vec::new();
        if !self.states.is_empty() {
            let states: Vec<String> =
                self.states.iter().map(|(state, sockets)| format!("{state} {}", count(*sockets))).collect();
            reasons.push(format!("In other states than those asked for: {}.", states.join(", ")));
        }
        for (host, was_there) in &self.absent {
            reasons.push(match was_there {
                true => format!("{host} has sockets in this capture, but none at this moment."),
                false => format!("{host} has no socket in the whole capture."),
            });
        }
        if !self.absent.is_empty() && !self.hosts.is_empty() {
            let mut hosts: Vec<(&IpAddr, &u64)> = self.hosts.iter().collect();
            hosts.sort_by_key(|&(host, sockets)| (Reverse(*sockets), *host));
            let named: Vec<String> =
                hosts.iter().take(HOSTS_NAMED).map(|(host, sockets)| format!("{host} {}", count(**sockets))).collect();
            let more = hosts.len().saturating_sub(HOSTS_NAMED);
            let rest = if more > 0 { format!(" and {} more", counted(more as u64, "host")) } else { String::new() };
            reasons.push(format!("Sockets of others: {}{rest}.", named.join(", ")));
        }
        reasons.join(" ")
    }
}

/// Other hosts that an empty table names, those with most sockets.
const HOSTS_NAMED: usize = 5;

/// What a capture cannot show of a socket table, and what the columns mean where they are not ss's own.
const NOTES: &str = "Recv-Q is what was received and not acknowledged yet: what an application has left unread is on no wire, \
                     nor is a listening socket. (on,+T,N): the oldest unacknowledged segment has waited for T and was \
                     repeated N times.";

/// So long after the last frame a table is said to be a forecast, ns.
const BEYOND_NS_MIN: i64 = 1_000_000_000;

const STATE_WIDTH: usize = 12;
const QUEUE_WIDTH: usize = 7;

/// Prints a table for every host.
///
/// # Errors
/// `out` could not be written.
pub fn sockets(out: &mut impl Write, canvas: &Canvas, list: &SocketList) -> io::Result<()> {
    let when = format!("{}, after frame {}", canvas.clock.date_time(list.at), list.frame);
    if list.sockets.is_empty() {
        writeln!(out, "No sockets at {when}.")?;
        let reason = list.left_out.words();
        for line in wrap(&reason, canvas.width.min(PROSE_WIDTH_MAX)).iter().filter(|line| !line.is_empty()) {
            writeln!(out, "{line}")?;
        }
    }
    let (local_title, peer_title) = ("Local Address:Port", "Peer Address:Port");
    for (index, host) in list.sockets.chunk_by(|one, other| one.local.ip == other.local.ip).enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let local = width(host, |socket| socket.local, local_title);
        let peer = width(host, |socket| socket.peer, peer_title);
        let title = format!("{}: {} at {when}", host[0].local.ip, counted(host.len() as u64, "socket"));
        for line in wrap(&title, canvas.width) {
            writeln!(out, "{}", canvas.palette.paint(Role::Heading, line))?;
        }
        let head = format!(
            "{}{}{}  {}  {}  Timer, stream",
            left("State", STATE_WIDTH),
            right("Recv-Q", QUEUE_WIDTH),
            right("Send-Q", QUEUE_WIDTH),
            left(local_title, local),
            left(peer_title, peer)
        );
        writeln!(out, "{}", canvas.palette.paint(Role::Faint, clip(&head, canvas.width)))?;
        for socket in host {
            let row = format!(
                "{}{}{}  {}  {}",
                left(socket.state.name(), STATE_WIDTH),
                right(&socket.queues.received.to_string(), QUEUE_WIDTH),
                right(&socket.queues.sent.to_string(), QUEUE_WIDTH),
                left(&socket.local.to_string(), local),
                left(&socket.peer.to_string(), peer)
            );
            let mut rest = rest(socket, list.at);
            let mut row = row;
            if columns(&row) > canvas.width {
                let ends = columns(&row) - 2 - peer;
                row.truncate(row.char_indices().nth(ends).map_or(row.len(), |(at, _)| at));
                rest = format!("→ {}, {rest}", socket.peer);
            }
            if columns(&row) + 2 + columns(&rest) <= canvas.width {
                writeln!(out, "{row}  {}", canvas.palette.paint(Role::Faint, rest))?;
            } else {
                writeln!(out, "{}", row.trim_end())?;
                let indent = " ".repeat(STATE_WIDTH + 2);
                for line in wrap(&rest, canvas.width - indent.len()) {
                    writeln!(out, "{indent}{}", canvas.palette.paint(Role::Faint, line))?;
                }
            }
        }
    }
    writeln!(out)?;
    if list.beyond_ns >= BEYOND_NS_MIN {
        let words = format!(
            "This is {} after the last frame that was read: only timers have gone on since.",
            duration(list.beyond_ns)
        );
        for line in wrap(&words, canvas.width.min(PROSE_WIDTH_MAX)) {
            writeln!(out, "{}", canvas.palette.paint(Role::Warning, line))?;
        }
    }
    for line in wrap(NOTES, canvas.width.min(PROSE_WIDTH_MAX)) {
        writeln!(out, "{}", canvas.palette.paint(Role::Faint, line))?;
    }
    out.flush()
}

fn width(host: &[Socket], end: fn(&Socket) -> Endpoint, title: &str) -> usize {
    host.iter().map(|socket| columns(&end(socket).to_string())).max().unwrap_or(0).max(columns(title))
}

/// The timer as `ss -o` has it, how the state is known if it was not seen, and the stream.
fn rest(socket: &Socket, at: Timestamp) -> String {
    let mut rest = Vec::new();
    match socket.timer {
        Some(Timer::TimeWait { left_ns }) => rest.push(format!("timer:(timewait,{},0)", short(left_ns))),
        Some(Timer::Retransmission { running_ns, repeated }) => {
            rest.push(format!("timer:(on,+{},{repeated})", short(running_ns)));
        }
        Some(Timer::Probe { unanswered }) => rest.push(format!("timer:(probe,,{unanswered})")),
        None => {}
    }
    match socket.basis {
        Basis::Seen => {}
        basis => rest.push(basis.name().to_owned()),
    }
    rest.push(format!("for {}", short(at.since(socket.since))));
    rest.push(format!("stream {}", socket.stream));
    rest.join(", ")
}

/// A duration as ss says it: `1min05sec`, `56sec`, `3.200sec`, `240ms`.
fn short(ns: i64) -> String {
    let ms = ns.max(0) / 1_000_000;
    match ms / 1_000 {
        0 => format!("{ms}ms"),
        seconds @ 1..=8 => format!("{seconds}.{:03}sec", ms % 1_000),
        seconds @ 9..=59 => format!("{seconds}sec"),
        seconds @ 60..=3_599 => format!("{}min{:02}sec", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}min", seconds / 3_600, seconds / 60 % 60),
    }
}

#[derive(serde::Serialize)]
struct Moment {
    r#type: &'static str,
    schema: u32,
    time: Word<Timestamp>,
    frame: u64,
    sockets: usize,
    left_out: u64,
}

#[derive(serde::Serialize)]
struct Line {
    r#type: &'static str,
    host: IpAddr,
    state: &'static str,
    since: Word<Timestamp>,
    frame: Option<u64>,
    basis: &'static str,
    recv_q: u64,
    send_q: u64,
    local: Address,
    peer: Address,
    role: &'static str,
    stream: u64,
    timer: Option<TimerRecord>,
}

#[derive(serde::Serialize)]
struct TimerRecord {
    kind: &'static str,
    left_ns: Option<i64>,
    running_ns: Option<i64>,
    repeated: u32,
}

impl From<Timer> for TimerRecord {
    fn from(timer: Timer) -> Self {
        let none = Self { kind: "", left_ns: None, running_ns: None, repeated: 0 };
        match timer {
            Timer::TimeWait { left_ns } => Self { kind: "timewait", left_ns: Some(left_ns), ..none },
            Timer::Retransmission { running_ns, repeated } => {
                Self { kind: "on", running_ns: Some(running_ns), repeated, ..none }
            }
            Timer::Probe { unanswered } => Self { kind: "probe", repeated: unanswered, ..none },
        }
    }
}

/// Writes a record for the moment and one for every socket.
///
/// # Errors
/// The output could not be written.
pub fn sockets_json<W: Write>(mut json: Json<W>, list: &SocketList) -> io::Result<()> {
    let (time, frame) = (Word(list.at), list.frame);
    let (sockets, left_out) = (list.sockets.len(), list.left_out.count());
    json.record(Moment { r#type: "moment", schema: SCHEMA, time, frame, sockets, left_out })?;
    for socket in &list.sockets {
        json.record(Line {
            r#type: "socket",
            host: socket.local.ip,
            state: socket.state.name(),
            since: Word(socket.since),
            frame: socket.frame,
            basis: socket.basis.name(),
            recv_q: socket.queues.received,
            send_q: socket.queues.sent,
            local: socket.local.into(),
            peer: socket.peer.into(),
            role: socket.side.name(),
            stream: socket.stream,
            timer: socket.timer.map(TimerRecord::from),
        })?;
    }
    json.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Side;
    use crate::population::Queues;
    use crate::report::sample::{assert_fits, assert_golden};
    use crate::report::style::Palette;

    fn list() -> SocketList {
        let at = Timestamp::from_parts(1_795_231_860, 0);
        let end = |ip: &str, port| Endpoint::new(ip.parse().unwrap(), port);
        let waiting = Socket {
            local: end("10.0.0.1", 51_000),
            peer: end("10.0.0.2", 80),
            side: Side::Client,
            stream: 0,
            state: State::TimeWait,
            since: at.plus(-4_000_000_000),
            basis: Basis::Inferred,
            frame: Some(1_100),
            queues: Queues::default(),
            timer: Some(Timer::TimeWait { left_ns: 56_000_000_000 }),
        };
        let sending = Socket {
            local: end("2001:db8::1234:5678", 443),
            peer: end("2001:db8::9abc:def0:1234:5678", 60_999),
            side: Side::Server,
            stream: 12_345,
            state: State::SynReceived,
            since: at.plus(-75_000_000_000),
            basis: Basis::Seen,
            frame: Some(900),
            queues: Queues { received: 17, sent: 20_140, ..Queues::default() },
            timer: Some(Timer::Retransmission { running_ns: 240_000_000, repeated: 2 }),
        };
        SocketList { at, frame: 1_200, beyond_ns: 0, sockets: vec![waiting, sending], left_out: LeftOut::default() }
    }

    #[test]
    fn every_host_has_a_table_with_the_columns_of_ss() {
        for width in [80, 200] {
            let mut out = Vec::new();
            sockets(&mut out, &Canvas::new(width, Palette::Plain, jiff::tz::TimeZone::UTC), &list()).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_fits(&text, width);
            assert_golden(&format!("sockets-{width}"), &text);
        }
    }

    #[test]
    fn a_socket_is_a_record() {
        let mut out = Vec::new();
        sockets_json(Json::lines(&mut out), &list()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = concat!(
            r#"{"type":"moment","schema":1,"time":"2026-11-21T03:31:00.000000000Z","frame":1200,"sockets":2,"left_out":0}"#,
            "\n",
            r#"{"type":"socket","host":"10.0.0.1","state":"TIME-WAIT","since":"2026-11-21T03:30:56.000000000Z","#,
            r#""frame":1100,"basis":"inferred","recv_q":0,"send_q":0,"local":{"ip":"10.0.0.1","port":51000},"#,
            r#""peer":{"ip":"10.0.0.2","port":80},"role":"client","stream":0,"#,
            r#""timer":{"kind":"timewait","left_ns":56000000000,"running_ns":null,"repeated":0}}"#,
            "\n"
        );
        assert!(text.starts_with(expected), "{text}");
        let mut out = Vec::new();
        sockets_json(Json::array(&mut out), &list()).unwrap();
        let array: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(array.len(), 3);
    }

    #[test]
    fn an_empty_table_has_a_reason() {
        let host = |ip: &str| ip.parse::<IpAddr>().unwrap();
        let told = |left_out: LeftOut| {
            let mut out = Vec::new();
            let list = SocketList { at: Timestamp(0), frame: 7, beyond_ns: 0, sockets: Vec::new(), left_out };
            sockets(&mut out, &Canvas::new(80, Palette::Plain, jiff::tz::TimeZone::UTC), &list).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_fits(&text, 80);
            text.split("\n\n").next().unwrap_or_default().replace('\n', " ")
        };
        let none = "No sockets at 1970-01-01 00:00:00.000000 UTC, after frame 7.";
        assert_eq!(told(LeftOut::default()), none);
        let states = [(State::Established, 1_200), (State::TimeWait, 1)].into();
        let other_states = told(LeftOut { states, ..LeftOut::default() });
        assert_eq!(
            other_states,
            format!("{none} In other states than those asked for: ESTABLISHED 1,200, TIME-WAIT 1.")
        );
        let absent = vec![(host("10.0.0.9"), false), (host("10.0.0.1"), true)];
        let hosts = (1..9).map(|n| (host(&format!("10.0.1.{n}")), n)).collect();
        assert_eq!(
            told(LeftOut { absent, hosts, ..LeftOut::default() }),
            format!(
                "{none} 10.0.0.9 has no socket in the whole capture. 10.0.0.1 has sockets in this capture, but none at this \
                 moment. Sockets of others: 10.0.1.8 8, 10.0.1.7 7, 10.0.1.6 6, 10.0.1.5 5, 10.0.1.4 4 and 3 hosts more."
            )
        );
    }

    #[test]
    fn durations_read_as_ss_has_them() {
        let said = [0, 240, 3_200, 56_900, 65_000, 7_260_000].map(|ms| short(ms * 1_000_000));
        assert_eq!(said, ["0ms", "240ms", "3.200sec", "56sec", "1min05sec", "2h01min"]);
    }
}
