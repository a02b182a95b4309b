//! The findings, grouped and counted, each with the worst examples.

use std::cmp::Reverse;
use std::io::{self, Write};

use super::PROSE_WIDTH_MAX;
use super::spread::Spread;
use crate::base::{Endpoint, Timestamp};
use crate::finding::{Confidence, Finding, Gist, Group, Reset, Severity};
use crate::population::EXAMPLES_MAX;
use crate::report::answers::{frames_after_noun, rival, sentence};
use crate::report::layout::{Canvas, harmless, hint, wrap};
use crate::report::quantity::{count, counted};
use crate::report::style::Role;
use crate::report::{LateRecord, PopulationFinding};

/// Examples shown of each finding.
const EXAMPLES: usize = 3;

/// Frames kept of an example; the record in machine output has them all.
const FRAMES_KEPT: usize = 64;

/// Everything found so far: a few dozen names at most, and each time mostly the same.
#[derive(Debug, Default)]
pub struct Findings {
    groups: Vec<Pile>,
}

#[derive(Debug)]
struct Pile {
    name: &'static str,
    /// The catalogue's group on the capture itself has it.
    is_about_capture: bool,
    severity: Severity,
    occurrences: u64,
    connections: u64,
    last_stream: Option<u64>,
    /// Outcomes and kinds, with how often each occurred: a handful, and each time mostly one of the first.
    natures: Vec<(Option<&'static str>, u64)>,
    spread: Spread,
    /// The worst first; never more than [`EXAMPLES`].
    examples: Vec<Example>,
    /// Two of them are of one connection.
    has_repeat: bool,
}

/// Orders examples: what is surest and costs most first, then what is about most sockets, then the earliest. Last is the stream,
/// if it is of one.
type Rank = (Reverse<Severity>, Reverse<Confidence>, Reverse<u64>, Timestamp, Option<u64>);

#[derive(Debug)]
struct Example {
    rank: Rank,
    place: Place,
    frames: Vec<u64>,
    nature: Option<&'static str>,
    message: String,
    /// Why a reset has this cause.
    reason: Option<String>,
}

#[derive(Debug)]
enum Place {
    Connection { stream: u64, client: Endpoint, server: Endpoint },
    Late { stream: u64 },
    Host { host: std::net::IpAddr, to: Timestamp, streams: usize },
}

/// What findings are printed on.
pub struct Page<'a> {
    pub canvas: &'a Canvas,
    /// When the first connection began.
    pub began: Option<Timestamp>,
    /// The command's words for the input.
    pub again: Option<&'a str>,
}

impl Findings {
    /// Takes in the findings of a connection.
    pub fn connection(&mut self, gist: &Gist<'_>) {
        let place = || Place::Connection { stream: gist.stream, client: gist.client, server: gist.server };
        for finding in gist.findings {
            let group = self.finding(gist.stream, finding, place, || reason(gist.resets, finding));
            group.spread.connection(gist.client, gist.server);
        }
    }

    /// Counts the findings of a connection of which none would be shown.
    pub fn count(&mut self, gist: &Gist<'_>) {
        for finding in gist.findings {
            let pile = self.counted(gist.stream, finding);
            pile.spread.connection(gist.client, gist.server);
        }
    }

    /// A finding of the connection would be shown as an example, and so wants its words.
    pub fn would_show(&self, gist: &Gist<'_>) -> bool {
        gist.findings.iter().any(|finding| {
            let group = self.position(finding.name).map(|at| &self.groups[at]);
            group.is_none_or(|group| group.place(&rank(gist.stream, finding)).is_some())
        })
    }

    /// Takes in what came after its connection was reported.
    pub fn late(&mut self, late: &LateRecord) {
        for finding in &late.findings {
            self.finding(late.stream, finding, || Place::Late { stream: late.stream }, || None);
        }
    }

    /// Takes in a finding across connections.
    pub fn population(&mut self, finding: &PopulationFinding) {
        let sockets = finding.peak.map_or(0, |peak| peak.sockets);
        let rank = (Reverse(finding.severity), Reverse(finding.confidence), Reverse(sockets), finding.from, None);
        let pile = self.group(finding.name, false, finding.severity);
        pile.count(None);
        pile.show(rank, || Example {
            rank,
            place: Place::Host { host: finding.host, to: finding.to, streams: finding.streams.len() },
            frames: Vec::new(),
            nature: None,
            message: sentence(&finding.message),
            reason: None,
        });
    }

    fn finding(
        &mut self,
        stream: u64,
        finding: &Finding,
        place: impl FnOnce() -> Place,
        reason: impl FnOnce() -> Option<String>,
    ) -> &mut Pile {
        let rank = rank(stream, finding);
        let pile = self.counted(stream, finding);
        pile.show(rank, || Example {
            rank,
            place: place(),
            frames: finding.frames.iter().copied().take(FRAMES_KEPT).collect(),
            nature: finding.outcome.or(finding.kind),
            message: sentence(&finding.message),
            reason: reason(),
        });
        pile
    }

    /// Where a finding belongs, and is counted now.
    fn counted(&mut self, stream: u64, finding: &Finding) -> &mut Pile {
        let nature = finding.outcome.or(finding.kind);
        let pile = self.group(finding.name, finding.group == Group::Capture, finding.severity);
        pile.spread.time(finding.time);
        match pile.natures.iter_mut().find(|(known, _)| *known == nature) {
            Some((_, times)) => *times += 1,
            None => pile.natures.push((nature, 1)),
        }
        pile.count(Some(stream));
        pile
    }

    /// Where the findings of this name are.
    fn position(&self, name: &'static str) -> Option<usize> {
        // Mostly one name is the same octets as before.
        let is_there = |group: &Pile| std::ptr::eq(group.name, name);
        let is_equal = |group: &Pile| group.name == name;
        self.groups.iter().position(is_there).or_else(|| self.groups.iter().position(is_equal))
    }

    fn group(&mut self, name: &'static str, is_about_capture: bool, severity: Severity) -> &mut Pile {
        let at = self.position(name);
        let new = || Pile {
            name,
            is_about_capture,
            severity,
            occurrences: 0,
            connections: 0,
            last_stream: None,
            natures: Vec::new(),
            spread: Spread::default(),
            examples: Vec::with_capacity(EXAMPLES + 1),
            has_repeat: false,
        };
        let pile = match at {
            Some(at) => &mut self.groups[at],
            None => self.groups.push_mut(new()),
        };
        pile.severity = pile.severity.max(severity);
        pile
    }

    /// Prints every group: first those on the network and its hosts, errors before notes, then those on the capture.
    pub fn write(&self, out: &mut impl Write, page: &Page<'_>) -> io::Result<()> {
        let paint = page.canvas.palette;
        if self.groups.is_empty() {
            return writeln!(out, "\nNothing to report: no findings.");
        }
        let mut groups: Vec<&Pile> = self.groups.iter().collect();
        groups
            .sort_by_key(|pile| (pile.is_about_capture, Reverse(pile.severity), Reverse(pile.connections), pile.name));
        for part in groups.chunk_by(|one, other| one.is_about_capture == other.is_about_capture) {
            let title = if part[0].is_about_capture {
                "ABOUT THE CAPTURE ITSELF: faults of the recording, not of the network"
            } else {
                "FINDINGS"
            };
            writeln!(out, "\n{}", paint.paint(Role::Heading, title))?;
            for pile in part {
                writeln!(out)?;
                pile.write(out, page)?;
            }
        }
        writeln!(out, "\n{}", paint.paint(Role::Faint, "What a finding means and what to do: lastack explain NAME"))
    }
}

/// A new example among those that are shown.
struct Placing {
    at: usize,
    /// With the new one among them, the one that goes when they are too many.
    gives_way: usize,
}

/// The last of `ranks`, the best first, that is of the same connection as a better one.
fn worst_repeat(ranks: &[&Rank]) -> Option<usize> {
    let repeats =
        |at: &usize| ranks[*at].4.is_some_and(|stream| ranks[..*at].iter().any(|rank| rank.4 == Some(stream)));
    (1..ranks.len()).rev().find(repeats)
}

impl Pile {
    /// One more, on the connection `stream` if it is on one.
    fn count(&mut self, stream: Option<u64>) {
        self.occurrences += 1;
        // The findings of one connection come one after the other.
        if stream.is_some() && stream != self.last_stream {
            self.connections += 1;
            self.last_stream = stream;
        }
    }

    /// Puts it among the examples if it is one of the worst.
    fn show(&mut self, rank: Rank, example: impl FnOnce() -> Example) {
        if let Some(place) = self.place(&rank) {
            self.examples.insert(place.at, example());
            if self.examples.len() > EXAMPLES {
                self.examples.remove(place.gives_way);
            }
            let ranks: Vec<&Rank> = self.examples.iter().map(|example| &example.rank).collect();
            self.has_repeat = worst_repeat(&ranks).is_some();
        }
    }

    /// Where an example stands among those that are shown; none when they are better. Examples of other connections are
    /// better than more of one.
    fn place(&self, rank: &Rank) -> Option<Placing> {
        let is_full = self.examples.len() == EXAMPLES;
        if is_full && !self.has_repeat && self.examples[EXAMPLES - 1].rank <= *rank {
            return None;
        }
        let at = self.examples.partition_point(|kept| kept.rank <= *rank);
        if !is_full {
            return Some(Placing { at, gives_way: EXAMPLES });
        }
        let mut ranks = [rank; EXAMPLES + 1];
        for (kept, example) in self.examples.iter().enumerate() {
            ranks[kept + usize::from(kept >= at)] = &example.rank;
        }
        let gives_way = worst_repeat(&ranks).unwrap_or(EXAMPLES);
        (gives_way != at).then_some(Placing { at, gives_way })
    }

    /// `: 12 timeout, 5 fast` when there are several kinds.
    fn natures(&self) -> String {
        if self.natures.len() < 2 {
            return String::new();
        }
        let mut natures: Vec<(&str, u64)> =
            self.natures.iter().filter_map(|&(nature, times)| Some((nature?, times))).collect();
        natures.sort_by_key(|&(nature, times)| (Reverse(times), nature));
        let words: Vec<String> = natures.iter().map(|(nature, times)| format!("{} {nature}", count(*times))).collect();
        format!(": {}", words.join(", "))
    }

    fn write(&self, out: &mut impl Write, page: &Page<'_>) -> io::Result<()> {
        let &Page { canvas, began, again } = page;
        let (paint, name) = (canvas.palette, self.name);
        let role = Role::from(self.severity);
        let often = match (self.occurrences, self.connections) {
            (_, 0) => counted(self.occurrences, "host"),
            (1, _) => "once".to_owned(),
            (times, connections) if times == connections => counted(connections, "connection"),
            (times, connections) => format!("{} times in {}", count(times), counted(connections, "connection")),
        };
        let natures = self.natures();
        let width = canvas.width.min(PROSE_WIDTH_MAX);
        writeln!(out, "{} {}, {often}{natures}", paint.paint(role, self.severity), paint.paint(Role::Name, name))?;
        if self.occurrences > self.examples.len() as u64
            && let Some(spread) = self.spread.words(&canvas.clock)
        {
            for line in wrap(&spread, width - 2) {
                writeln!(out, "  {line}")?;
            }
        }
        let mut said: Option<(&str, Option<&str>)> = None;
        // Of what costs nothing one example is read, and the others are only named.
        let in_full = if self.severity == Severity::Note { 1 } else { self.examples.len() };
        for example in &self.examples[..in_full.min(self.examples.len())] {
            example.write_place(out, canvas, began)?;
            // What was just said of another connection is not said again.
            let words = (example.message.as_str(), example.reason.as_deref());
            if said.replace(words) != Some(words) {
                example.write_words(out, canvas)?;
            }
        }
        let others: Vec<String> =
            self.examples[in_full.min(self.examples.len())..].iter().map(Example::brief).collect();
        if !others.is_empty() {
            for (at, line) in wrap(&format!("also {}", others.join("; ")), width - 4).iter().enumerate() {
                writeln!(out, "{}{line}", if at == 0 { "  " } else { "    " })?;
            }
        }
        let rest = self.occurrences - self.examples.len() as u64;
        if rest > 0 {
            let lead = format!("  and {} more", count(rest));
            let command = again.map(|again| format!("lastack read {again} --all --finding {name}"));
            let hint = command.map_or(lead.clone(), |command| hint(&lead, &command, canvas.width));
            writeln!(out, "{}", paint.paint(Role::Faint, hint))?;
        }
        Ok(())
    }
}

impl Example {
    /// Its place in a few words: `stream 7 (frame 12, fast)`.
    fn brief(&self) -> String {
        let nature = self.nature.map_or_else(String::new, |nature| format!(", {nature}"));
        let frames =
            if self.frames.is_empty() { String::new() } else { format!("frame{}", frames_after_noun(&self.frames)) };
        match &self.place {
            Place::Connection { stream, .. } | Place::Late { stream } => format!("stream {stream} ({frames}{nature})"),
            Place::Host { host, .. } => format!("host {host}"),
        }
    }

    fn write_place(&self, out: &mut impl Write, canvas: &Canvas, began: Option<Timestamp>) -> io::Result<()> {
        let mut where_ = match &self.place {
            Place::Connection { stream, client, server } => format!("stream {stream}, {client} → {server}"),
            Place::Late { stream } => format!("stream {stream}, after its end"),
            Place::Host { host, to, streams } => {
                // No more than so many are kept, as examples.
                let for_example = if *streams >= EXAMPLES_MAX { " for example" } else { "" };
                let streams = counted(*streams as u64, "stream");
                format!("host {host}, {streams}{for_example}, {}", canvas.clock.range(self.rank.3, *to))
            }
        };
        if !self.frames.is_empty() {
            where_.push_str(&format!(", frame{}", frames_after_noun(&self.frames)));
        }
        if !matches!(self.place, Place::Host { .. }) {
            where_.push_str(&format!(", {}", canvas.clock.time_since(began, self.rank.3)));
        }
        if let Some(nature) = self.nature {
            where_.push_str(&format!(", {nature}"));
        }
        match self.rank.1.0 {
            Confidence::High => {}
            Confidence::Medium => where_.push_str(", likely"),
            Confidence::Low => where_.push_str(", a guess"),
        }
        let width = canvas.width.min(PROSE_WIDTH_MAX);
        for (at, line) in wrap(&where_, width - 4).iter().enumerate() {
            writeln!(out, "{}{line}", if at == 0 { "  " } else { "    " })?;
        }
        Ok(())
    }

    fn write_words(&self, out: &mut impl Write, canvas: &Canvas) -> io::Result<()> {
        let width = canvas.width.min(PROSE_WIDTH_MAX);
        for prose in [Some(&self.message), self.reason.as_ref()].into_iter().flatten() {
            for line in wrap(&harmless(prose), width - 4) {
                writeln!(out, "    {line}")?;
            }
        }
        Ok(())
    }
}

fn rank(stream: u64, finding: &Finding) -> Rank {
    (Reverse(finding.severity), Reverse(finding.confidence), Reverse(0), finding.time, Some(stream))
}

/// The evidence of the reset that `finding` is about.
fn reason(resets: &[Reset], finding: &Finding) -> Option<String> {
    let cause = finding.name.strip_prefix("reset-")?;
    let reset = resets.iter().find(|reset| {
        reset.cause.name() == cause && (finding.frames.contains(&reset.frame) || finding.time == reset.time)
    })?;
    let mut sentences = Vec::new();
    if !reset.evidence.is_empty() && !finding.message.contains(&reset.evidence) {
        sentences.push(sentence(&reset.evidence));
    }
    if !reset.rivals.is_empty() {
        let rivals: Vec<&str> = reset.rivals.iter().map(|&cause| rival(cause)).collect();
        sentences.push(format!("It could also be {}.", rivals.join(" or ")));
    }
    if sentences.is_empty() { None } else { Some(sentences.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn examples_are_of_different_connections_where_there_are_some() {
        let mut findings = Findings::default();
        let mut often = sample::unread_data(1);
        let again = often.findings[0].clone();
        often.findings.resize(5, again);
        let streams = |findings: &Findings| -> Vec<Option<u64>> {
            findings.groups[0].examples.iter().map(|example| example.rank.4).collect()
        };
        findings.connection(&often.gist());
        assert_eq!(streams(&findings), [Some(1); 3]);
        for stream in 2..6 {
            let other = sample::unread_data(stream);
            assert_eq!(findings.would_show(&other.gist()), stream < 4, "stream {stream}");
            findings.connection(&other.gist());
        }
        assert_eq!(streams(&findings), [Some(1), Some(2), Some(3)]);
        assert_eq!(findings.groups[0].occurrences, 9);
    }
}
