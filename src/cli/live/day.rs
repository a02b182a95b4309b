//! A day of a busy interface in some minutes: everything that a session keeps is fed with all that can make it grow, and the
//! memory of the process must stay where it was once everything that is bounded is full.
//!
//! `LASTACK_DAY_HOURS=24 cargo test --release --lib day:: -- --nocapture` lives a whole day; without it, a quarter of
//! an hour, which is too short to fill everything that is bounded.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::process::Command;
use std::time::{Duration, Instant};

use super::arguments::KeepArguments;
use super::companions::{Both, Companions, Numbers, Out};
use super::keep::Keeper;
use super::metrics::Metrics;
use super::session::{self, Limits};
use super::shared::Shared;
use super::supply::Supply;
use super::view::{Feed, Model};
use super::watch::{Events, Telling, Told, Watcher};
use crate::analysis::{Analysis, Options};
use crate::base::{Endpoint, FrameNumber, Seq, Timestamp};
use crate::cli::heap::Heap;
use crate::decode::Decoder;
use crate::population::Breadth;
use crate::report::{CaptureRecord, Json, Selected, Selection, Sink, Summary};
use crate::segment::{Flags, Item, Segment};
use crate::source::live::{Counters, Increase};
use crate::source::script::{Script, parse};
use crate::source::{Frame, LinkType, Source};
use crate::table;

/// Says to a child of this process that it is the one.
const CHILD: &str = "LASTACK_DAY_CHILD";

/// Time passes in steps of this many seconds.
const STEP_S: i64 = 20;

/// Connections kept: less than the day wants, so that some are evicted.
const CONNECTIONS_MAX: usize = 1_500;

/// Connections that stay open and idle, each with a keepalive every [`KEEPALIVE_S`].
const IDLE: u16 = 300;
const KEEPALIVE_S: i64 = 75;

/// Connections on which something is wrong for ever.
const ENDLESS: u16 = 20;

/// Short ones, by the name of what becomes of them.
const LIVES: [&str; 6] = [
    // Closed in order; a late segment of the past.
    "client > SYN <mss 1460>\nserver > SYN ACK <mss 1460>\nclient > ACK\nclient > data 300\nserver > data 5000\n\
     client > ACK\nclient > FIN ACK\nserver > FIN ACK\nclient > ACK\nidle 90s\nserver > data 10\n",
    // The server closes first.
    "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > data 100\nserver > FIN ACK\nclient > FIN ACK\n\
     server > ACK\n",
    "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > RST ACK\n",
    "client > SYN\nserver > RST ACK\n",
    "client > SYN\n+1s client > again SYN\n+2s client > again SYN\n",
    // Given back to nobody for a while, then reset.
    "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > ACK\nidle 200s\nserver > RST ACK\n",
];

/// The frames of a day and its clocks.
struct Day {
    lives: Vec<Vec<Item>>,
    begun: Instant,
    /// Since then.
    passed_s: i64,
    /// How far the clock that stamps frames is wrong.
    wrong_s: i64,
    /// What is still to come, in order.
    coming: BTreeMap<(i64, u64), Item>,
    ports: u32,
    pushed: u64,
    delivered: u64,
    newest: Timestamp,
    counters: Counters,
    /// What was taken from the machine at the end of each [`SAMPLE_S`], kB.
    resident: Vec<u64>,
}

/// Before, memory still grows to its bounds: half an hour, and another half to hold it to them.
const HOURS_MIN: f64 = 1.0;

/// However long it goes on: after so many looks, two hours, everything that is bounded is full.
const FULL_AFTER: usize = 24;

/// Memory is looked at so often.
const SAMPLE_S: i64 = 300;

const SECOND_NS: i64 = 1_000_000_000;
const EPOCH_S: i64 = 1_795_231_860;

impl Day {
    fn new() -> Self {
        Self {
            lives: LIVES.iter().map(|text| parse(text).unwrap()).collect(),
            begun: Instant::now(),
            passed_s: 0,
            wrong_s: 0,
            coming: BTreeMap::new(),
            ports: 0,
            pushed: 0,
            delivered: 0,
            newest: Timestamp(i64::MIN),
            counters: Counters::default(),
            resident: Vec::new(),
        }
    }

    fn push(&mut self, at_ns: i64, item: Item) {
        self.pushed += 1;
        self.coming.insert((at_ns, self.pushed), item);
    }

    /// A life of `kind` between two ends.
    fn live(&mut self, kind: usize, from_ns: i64, client: Endpoint, server: Endpoint) {
        for mut item in self.lives[kind].clone() {
            if let Item::Segment(segment) = &mut item {
                let is_client = segment.destination.port == 80;
                (segment.source, segment.destination) = if is_client { (client, server) } else { (server, client) };
                let at = from_ns + segment.time.0;
                self.push(at, item);
            }
        }
    }

    /// One segment of a connection that was never seen to open.
    fn one(&mut self, at_ns: i64, ends: (Endpoint, Endpoint), flags: Flags, (seq, ack, payload_len): (u32, u32, u32)) {
        let Item::Segment(like) = self.lives[0][2] else { panic!("an ACK") };
        let (source, destination) = ends;
        let window = if flags.contains(Flags::URG) { 0 } else { 500 };
        let flags = flags - Flags::URG;
        self.push(
            at_ns,
            Item::Segment(Segment {
                source,
                destination,
                flags,
                seq: Seq(seq),
                ack: Seq(ack),
                payload_len,
                window,
                ..like
            }),
        );
    }

    /// What happens in the second that begins now.
    fn second(&mut self, now_s: i64) {
        let at = now_s * SECOND_NS;
        for n in 0..8_u32 {
            self.ports += 1;
            let kind = [0, 1, 0, 2, 1, 3, 4, 5][n as usize];
            // Clients of all the world; services come and go.
            let client = Endpoint::new(
                Ipv4Addr::from(0x0a00_0000 + self.ports % 100_003).into(),
                1_024 + (self.ports % 60_000) as u16,
            );
            let service =
                Endpoint::new(Ipv4Addr::from(0xac10_0000 + self.ports / 3 % 5_003).into(), 80 + (n % 3) as u16);
            self.live(kind, at + i64::from(n) * SECOND_NS / 8, client, service);
        }
        // One client and one service, so that something piles up.
        let client = Endpoint::new([10, 9, 0, 1].into(), 32_768 + (now_s % 28_000) as u16);
        self.live(0, at, client, Endpoint::new([10, 9, 0, 2].into(), 443));
        // A flood every four minutes.
        if now_s % 240 < 5 {
            for n in 0..CONNECTIONS_MAX as u32 / 3 {
                let forged = Endpoint::new(Ipv4Addr::from(0x6000_0000 + self.ports * 1_009 + n).into(), 4_000);
                let flooded = Endpoint::new([10, 9, 0, 3].into(), 25);
                self.one(at + i64::from(n), (forged, flooded), Flags::SYN, (n, 0, 0));
                self.one(at + i64::from(n) + 1, (flooded, forged), Flags::SYN | Flags::ACK, (9, n + 1, 0));
            }
        }
        let idle = |n: u16| (Endpoint::new([10, 8, 0, 1].into(), 1_000 + n), Endpoint::new([10, 8, 0, 2].into(), 22));
        for n in (0..IDLE).filter(|&n| (now_s + i64::from(n)) % KEEPALIVE_S == 0) {
            let (client, server) = idle(n);
            self.one(at, (client, server), Flags::ACK, (99, 500, 0));
            self.one(at + 1, (server, client), Flags::ACK, (500, 100, 0));
        }
        let step = now_s as u32 * 1_000;
        for n in 0..ENDLESS {
            let ends = (Endpoint::new([10, 7, 0, 1].into(), 1_000 + n), Endpoint::new([10, 7, 0, 2].into(), 5_432));
            let back = (ends.1, ends.0);
            let at = at + i64::from(n) * 1_000_000;
            match n % 5 {
                // Sent again and again, out of order, with holes.
                0 => {
                    self.one(at, ends, Flags::ACK, (step, 7, 600));
                    self.one(at + 1, ends, Flags::ACK, (step, 7, 600));
                    self.one(at + 2, ends, Flags::ACK, (step.wrapping_sub(2_000), 7, 600));
                }
                // Resets and SYNs that nobody believes.
                1 => {
                    self.one(at, ends, Flags::RST, (step.wrapping_mul(7_919), 0, 0));
                    self.one(at + 1, back, Flags::ACK, (7, step, 0));
                    self.one(at + 2, ends, Flags::SYN, (step, 0, 0));
                }
                // A closed window, probed.
                2 => {
                    self.one(at, back, Flags::ACK | Flags::URG, (7, 100, 0));
                    self.one(at + 1, ends, Flags::ACK, (99, 7, 1));
                }
                // FINs for ever, and data after them.
                3 => {
                    self.one(at, ends, Flags::FIN | Flags::ACK, (100, 7, 0));
                    self.one(at + 1, ends, Flags::ACK, (101 + step, 7, 10));
                }
                // The same four numbers anew.
                _ => self.live(2, at, ends.0, ends.1),
            }
        }
    }

    /// The clock is set right, or wrong, from time to time.
    fn set_clock(&mut self) {
        self.wrong_s = match self.passed_s / 100 % 4 {
            1 => -3_600,
            2 => 86_400,
            3 => -1,
            _ => 0,
        };
    }
}

impl Supply for Day {
    fn dispatch(&mut self, _: usize, mut each: impl FnMut(&Frame<'_>)) -> anyhow::Result<usize> {
        let later = self.coming.split_off(&(self.passed_s * SECOND_NS, 0));
        let due = std::mem::replace(&mut self.coming, later);
        let mut items: Vec<Item> =
            due.into_iter().map(|((at, _), item)| stamped(item, at + (EPOCH_S + self.wrong_s) * SECOND_NS)).collect();
        for item in &mut items {
            self.delivered += 1;
            if let Item::Segment(segment) = item {
                segment.frame = FrameNumber(self.delivered);
                self.newest = segment.time;
            }
        }
        let count = items.len();
        let mut frames = Script::new(items);
        while let Some(frame) = frames.next_frame()? {
            each(&frame);
        }
        Ok(count)
    }

    fn count(&mut self) -> anyhow::Result<Increase> {
        // A few frames of every minute find no room.
        let dropped_by_kernel = if self.passed_s % 60 == 0 { 3 } else { 0 };
        self.counters.dropped_by_kernel += dropped_by_kernel;
        let before = self.counters.received;
        self.counters.received = self.delivered + self.counters.dropped_by_kernel;
        let received = self.counters.received - before;
        Ok(Increase { received, dropped_by_kernel, dropped_by_interface: 0 })
    }

    fn counters(&self) -> Counters {
        self.counters
    }

    fn delivered(&self) -> u64 {
        self.delivered
    }

    fn newest(&self) -> Timestamp {
        self.newest
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_secs(self.passed_s as u64)
    }

    fn wall_clock(&self) -> Timestamp {
        Timestamp((EPOCH_S + self.passed_s + self.wrong_s) * SECOND_NS)
    }

    fn wait(&mut self, _: &[BorrowedFd<'_>], _: Duration) -> anyhow::Result<bool> {
        for second in 0..STEP_S {
            self.second(self.passed_s + second);
        }
        self.passed_s += STEP_S;
        self.set_clock();
        if self.passed_s % SAMPLE_S == 0 {
            self.resident.push(resident_kb());
        }
        Ok(false)
    }
}

fn stamped(item: Item, at_ns: i64) -> Item {
    match item {
        Item::Segment(segment) => Item::Segment(Segment { time: Timestamp(at_ns), ..segment }),
        other => other,
    }
}

/// Memory of this process that is in the machine, kB.
fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Lives `hours` with everything that a session can run. Returns the memory after each [`SAMPLE_S`], the totals and how many
/// streams there were.
fn live(hours: f64) -> (Vec<u64>, Summary, u64) {
    let folder = std::env::temp_dir().join(format!("lastack-day-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let keep = KeepArguments {
        write: Some(folder.join("day.pcapng")),
        rotate_size: None,
        rotate_time: None,
        rotate_keep: Some(3),
        triggers: vec!["syn-flood".to_owned()],
        before: Duration::from_secs(10),
        after: Duration::from_secs(2),
    };
    let mut day = Day::new();
    let out: Out = Shared::new(Box::new(io::sink()));
    let (told, model) = (Shared::new(Told::default()), Shared::new(Model::new("day")));
    let both = |inner| Selected::new(inner, Selection::default());
    let events: Box<dyn Sink> = Box::new(Both(Json::lines(out.clone()), Feed(model.clone())));
    let mut sink = Telling::new(both(Both(Json::lines(out.clone()), Feed(model.clone()))), told.clone(), Events::Told);
    let limits = table::Limits { past_max: CONNECTIONS_MAX, ..table::Limits::connections(CONNECTIONS_MAX) };
    let mut analysis = Analysis::new(&Options { limits, breadth: Breadth::ENDLESS, ..Options::default() }, &mut sink);
    analysis.begin(&CaptureRecord::default()).unwrap();
    let mut companions = Companions {
        out,
        events: Some(Selected::new(events, Selection::default())),
        keeper: Keeper::new(&keep, "day", LinkType::ETHERNET, 128).unwrap(),
        watcher: Some(Watcher::new(told.clone(), day.now())),
        told,
        model,
        numbers: Numbers::All,
        screen: None,
        metrics: Metrics::default(),
        interrupt: None,
        heap: Heap::new(day.now()),
        read_by: None,
        begun: day.now(),
    };
    let limits = Limits { duration: Some(Duration::from_secs_f64(hours * 3_600.0)), packets: None };
    session::run(&mut day, &mut analysis, Decoder::default(), &mut companions, limits).unwrap();
    // Whoever is idle has not been forgotten.
    let idle = Endpoint::new([10, 8, 0, 1].into(), 1_000);
    let streams = analysis.table().streams();
    assert!(analysis.table().between(idle, Endpoint::new([10, 8, 0, 2].into(), 22)).is_some());
    assert!(analysis.table().live() <= CONNECTIONS_MAX);
    let files = fs::read_dir(&folder).unwrap().count();
    fs::remove_dir_all(&folder).unwrap();
    assert!((1..=4).contains(&files), "{files} files");
    (day.resident, analysis.finish(false).unwrap().summary, streams)
}

#[test]
fn memory_stays_where_it_was() {
    let hours = std::env::var("LASTACK_DAY_HOURS").map_or(0.25, |hours| hours.parse().unwrap());
    if std::env::var_os(CHILD).is_none() {
        // Memory is that of a process, and other tests share this one.
        let name = format!("{}::memory_stays_where_it_was", module_path!().split_once("::").unwrap().1);
        let alone = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        print!("{}", String::from_utf8_lossy(&alone.stdout));
        assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
        return;
    }
    let (resident, summary, streams) = live(hours);
    println!("{hours} hours: {} frames, {streams} connections, {} evicted", summary.frames, summary.evicted);
    println!("MiB at the end of each step: {:?}", resident.iter().map(|kb| kb >> 10).collect::<Vec<_>>());
    assert!(summary.evicted > 0 && summary.forgotten > 0);
    if hours < HOURS_MIN {
        println!("too short to hold memory to anything: what is bounded is not yet full");
        return;
    }
    let (first, rest) = resident.split_at((resident.len() / 2).min(FULL_AFTER));
    let (before, after) = (first.iter().max().unwrap(), rest.iter().max().unwrap());
    assert!(*after <= before + before / 20 + 1_024, "memory grew from {before} to {after} kB");
}
