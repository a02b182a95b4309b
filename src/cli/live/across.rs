//! Findings across connections while they build up: the detectors of the catalogue, asked about the connections that are there
//! now, and about those that have ended where only these can tell.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use crate::analysis::Analysis;
use crate::base::{Endpoint, Side};
use crate::finding::{Confidence, Severity};
use crate::population::{Population, Tally};
use crate::report::PopulationFinding;

/// What shows in how connections ended. The rest shows in those that are there, and what was an hour ago is no news.
const OF_THE_ENDED: [&str; 2] = ["idle-timeout", "syn-ignored-by-timestamp"];

/// A round that takes longer is asked in the middle: of many connections the part that was seen may be many already.
const PART_EVERY: Duration = Duration::from_secs(5);

/// How often what has ended is asked. It is of every service that is kept, and so the answer costs some milliseconds.
const ENDED_EVERY: Duration = Duration::from_secs(30);

/// A finding is told again when its number has grown so many times.
const MUCH_WORSE: u64 = 2;

/// What has not held for so long and comes back is news: an hour's quiet between two floods, not a number that sways about
/// its threshold.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Findings told in one round. The others are told in the next ones, so that a flood of services is none of lines.
const TOLD_A_ROUND: usize = 32;

/// Findings that are remembered. Of more the one that has not held for longest is forgotten.
const REMEMBERED_MAX: usize = 4_096;

/// What a finding is about.
type Subject = (&'static str, IpAddr, Option<Endpoint>, Option<Side>);

/// What was told of a subject.
#[derive(Clone, Copy, Debug)]
struct Told {
    severity: Severity,
    number: u64,
    /// When it last held.
    held: Instant,
}

/// Finds what shows across connections, round by round.
#[derive(Debug)]
pub struct Across {
    told: HashMap<Subject, Told, RandomState>,
    /// The sockets of the round that is going on.
    counting: Option<Tally>,
    /// What held in the last whole round, the gravest first.
    standing: Vec<PopulationFinding>,
    /// What holds of the connections that have ended.
    of_the_ended: Vec<PopulationFinding>,
    asked: Instant,
    asked_the_ended: Instant,
}

impl Across {
    /// Knows of nothing.
    pub fn new(now: Instant) -> Self {
        Self {
            told: HashMap::default(),
            counting: None,
            standing: Vec::new(),
            of_the_ended: Vec::new(),
            asked: now,
            asked_the_ended: now,
        }
    }

    /// What the sockets of this round are counted in.
    pub fn counting(&mut self, analysis: &Analysis<'_>) -> &mut Tally {
        self.counting.get_or_insert_with(|| analysis.nobody())
    }

    /// What holds now, the gravest first.
    pub fn standing(&self) -> &[PopulationFinding] {
        &self.standing
    }

    /// A part of a round has been counted. Returns what is to be told, if it is time to look.
    pub fn part(&mut self, now: Instant, analysis: &Analysis<'_>) -> Vec<PopulationFinding> {
        let Some(counted) = self.counting.as_ref().filter(|_| now.duration_since(self.asked) >= PART_EVERY) else {
            return Vec::new();
        };
        self.asked = now;
        let found = present(analysis, &counted.so_far());
        // How much it is shows when all are counted.
        let is_told = |found: &PopulationFinding| self.told.contains_key(&subject(found));
        let news = found.into_iter().filter(|found| !is_told(found)).collect();
        self.tell(now, news)
    }

    /// A whole round has been counted. Returns what is to be told.
    pub fn round(&mut self, now: Instant, analysis: &Analysis<'_>) -> Vec<PopulationFinding> {
        self.asked = now;
        let counted = self.counting.take();
        let mut found = counted.map(|counted| present(analysis, &counted.finish())).unwrap_or_default();
        if now.duration_since(self.asked_the_ended) >= ENDED_EVERY {
            self.asked_the_ended = now;
            self.of_the_ended = analysis.across(&analysis.habits());
            self.of_the_ended.retain(|found| OF_THE_ENDED.contains(&found.name));
        }
        found.extend(self.of_the_ended.iter().cloned());
        found.retain(|found| found.confidence > Confidence::Low);
        found.sort_by_key(|found| (std::cmp::Reverse(found.severity), std::cmp::Reverse(number(found))));
        self.standing.clone_from(&found);
        let told = self.tell(now, found);
        self.told.retain(|_, told| now.duration_since(told.held) < FORGOTTEN_AFTER);
        told
    }

    /// Notes that `found` holds, and picks what is news of it.
    fn tell(&mut self, now: Instant, found: Vec<PopulationFinding>) -> Vec<PopulationFinding> {
        let mut news = Vec::new();
        for found in found {
            let (severity, number) = (found.severity, number(&found));
            let known = self.told.get_mut(&subject(&found));
            let is_news = known.as_ref().is_none_or(|told| {
                severity > told.severity || number >= told.number.saturating_mul(MUCH_WORSE).max(1) && told.number > 0
            });
            if let Some(told) = known {
                told.held = now;
            }
            if is_news && news.len() < TOLD_A_ROUND {
                self.remember(subject(&found), Told { severity, number, held: now });
                news.push(found);
            }
        }
        news
    }

    fn remember(&mut self, subject: Subject, told: Told) {
        if self.told.len() >= REMEMBERED_MAX && !self.told.contains_key(&subject) {
            let oldest = self.told.iter().min_by_key(|(_, told)| told.held).map(|(subject, _)| *subject);
            oldest.map(|oldest| self.told.remove(&oldest));
        }
        self.told.insert(subject, told);
    }
}

/// What shows in the connections that are there.
fn present(analysis: &Analysis<'_>, counted: &Population) -> Vec<PopulationFinding> {
    let mut found = analysis.across(counted);
    found.retain(|found| !OF_THE_ENDED.contains(&found.name));
    found
}

fn subject(found: &PopulationFinding) -> Subject {
    (found.name, found.host, found.service, found.owner)
}

/// How many sockets it is about.
fn number(found: &PopulationFinding) -> u64 {
    found.peak.map_or(0, |peak| peak.sockets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Options;
    use crate::base::Timestamp;
    use crate::population::Peak;
    use crate::source::script::parse;

    /// Connections that the peer has closed and the application has not, and a later one.
    fn close_waits(count: u16) -> String {
        let one = |n: u16| {
            format!(
                "c{n}.client 10.0.0.1:{port}\nc{n}.client > SYN\nc{n}.server > SYN ACK\nc{n}.client > ACK\n\
                 c{n}.client > FIN ACK\nc{n}.server > ACK\n",
                port = 40_000 + n
            )
        };
        (0..count).map(one).collect::<String>() + "idle 50s\nb.client 10.0.0.9:40000\nb.client > SYN\n"
    }

    /// What rounds after so many seconds each tell of so many sockets.
    fn told(across: &mut Across, begun: Instant, rounds: &[(u64, u16)]) -> Vec<Vec<&'static str>> {
        let round = |&(second, count): &(u64, u16)| {
            let mut sink = ();
            let mut analysis = Analysis::new(&Options::default(), &mut sink);
            for item in parse(&close_waits(count)).unwrap() {
                analysis.advance(item.time()).unwrap();
                analysis.take(&mut vec![item]).unwrap();
            }
            let tally = across.counting(&analysis);
            analysis.table().show(0, usize::MAX, |connection| drop(analysis.judge_among(connection, tally)));
            let told = across.round(begun + Duration::from_secs(second), &analysis);
            told.iter().map(|found| found.name).filter(|name| name.starts_with("close-wait")).collect()
        };
        rounds.iter().map(round).collect()
    }

    #[test]
    fn told_when_it_begins_when_it_has_doubled_and_after_a_long_quiet() {
        const NEWS: &[&str] = &["close-wait-accumulation"];
        const NONE: &[&str] = &[];
        let begun = Instant::now();
        let mut across = Across::new(begun);
        let rounds = told(&mut across, begun, &[(1, 5), (2, 20), (3, 20), (4, 35), (5, 41), (6, 0), (7, 30)]);
        assert_eq!(rounds, [NONE, NEWS, NONE, NONE, NEWS, NONE, NONE]);
        assert!(across.standing().iter().any(|found| found.name == NEWS[0]));
        let rounds = told(&mut across, begun, &[(8, 0), (700, 0), (701, 12), (702, 12)]);
        assert_eq!(rounds, [NONE, NONE, NEWS, NONE]);
    }

    /// What a first round tells of `trace`.
    fn told_of(trace: &str) -> Vec<&'static str> {
        let mut sink = ();
        let mut analysis = Analysis::new(&Options::default(), &mut sink);
        for item in parse(trace).unwrap() {
            analysis.advance(item.time()).unwrap();
            analysis.take(&mut vec![item]).unwrap();
        }
        let now = Instant::now();
        let mut across = Across::new(now);
        let tally = across.counting(&analysis);
        analysis.table().show(0, usize::MAX, |connection| drop(analysis.judge_among(connection, tally)));
        across.round(now, &analysis).iter().map(|found| found.name).collect()
    }

    #[test]
    fn a_process_that_is_gone_is_told_while_its_connections_are_remembered() {
        let open = |n: u16| {
            format!(
                "c{n}.client 10.0.0.1:{port}\nc{n}.client > SYN\nc{n}.server > SYN ACK\nc{n}.client > ACK\n\
                 c{n}.client > data 100\nc{n}.server > data 100\nc{n}.client > ACK\n",
                port = 40_000 + n
            )
        };
        let end = |n: u16| format!("c{n}.client > data 100\nc{n}.server > ACK\n+100us c{n}.server > RST ACK\n");
        let refused = "r.client 10.0.0.1:50000\n+200ms r.client > SYN\nr.server > RST ACK\n";
        let all = |count: u16| (0..count).map(end).collect::<String>();
        let begun: String = (0..4).map(open).collect();
        assert_eq!(told_of(&(begun.clone() + &all(4) + refused)), ["reset-process-exit"]);
        assert_eq!(told_of(&(begun.clone() + &all(4))), [] as [&str; 0]);
        // One is still open.
        assert_eq!(told_of(&(begun + &all(3) + refused)), [] as [&str; 0]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_flood_is_told_bit_by_bit() {
        let begun = Instant::now();
        let mut across = Across::new(begun);
        let found = |n: u32| PopulationFinding {
            name: "syn-flood",
            severity: Severity::Warning,
            confidence: Confidence::High,
            host: IpAddr::from(n.to_be_bytes()),
            service: None,
            owner: None,
            from: Timestamp(0),
            to: Timestamp(0),
            peak: Some(Peak { sockets: 100, at: Timestamp(0) }),
            per_second: None,
            limit: None,
            runs_out: None,
            streams: Vec::new(),
            frames: Vec::new(),
            message: String::new(),
        };
        let all: Vec<PopulationFinding> = (0..2 * REMEMBERED_MAX as u32).map(found).collect();
        let mut told = 0;
        for second in 0..300 {
            let news = across.tell(begun + Duration::from_secs(second), all.clone()).len();
            assert!(news <= TOLD_A_ROUND);
            told += news;
        }
        assert_eq!((told, across.told.len()), (300 * TOLD_A_ROUND, REMEMBERED_MAX));
    }
}
