//! Laws that hold for every capture: what is changed about it without changing what happened does not change the
//! verdict, and what takes knowledge away makes it weaker and never different with confidence.

mod claims;
mod harmony;
mod traces;

use std::io::Cursor;

use lastack::analysis::{Options, analyse};
use lastack::base::{Endpoint, FrameNumber, Seq, Side};
use lastack::segment::{Flags, Item, Marks, Segment, TcpOptions};
use lastack::source::{self, Input, script};
use proptest::prelude::*;

use crate::told::{Told, tell};
use claims::Claims;
use harmony::discords;
use traces::{CLIENT, SERVER, any_conversation, lived};

/// The trace with each segment changed, and its digest made anew.
fn each(segments: &[Segment], change: impl Fn(&mut Segment)) -> Vec<Segment> {
    let changed = |segment: &Segment| {
        let mut segment = *segment;
        change(&mut segment);
        segment.digest = segment.header_digest();
        segment
    };
    segments.iter().map(changed).collect()
}

/// Adds to every sequence number of each side. A reset that answers a SYN has 0 by definition, and so has the
/// acknowledgment field that no flag makes meaningful.
fn renumbered(segments: &[Segment], client: u32, server: u32) -> Vec<Segment> {
    each(segments, |segment| {
        let (own, other) = if segment.source == CLIENT { (client, server) } else { (server, client) };
        if !(segment.flags.contains(Flags::RST | Flags::ACK) && segment.seq == Seq(0)) {
            segment.seq = segment.seq + own;
        }
        if segment.flags.contains(Flags::ACK) {
            segment.ack = segment.ack + other;
        }
        for block in &mut segment.options.sack[..usize::from(segment.options.sack_count)] {
            (block.left, block.right) = (block.left + other, block.right + other);
        }
    })
}

fn later(segments: &[Segment], nanos: i64) -> Vec<Segment> {
    each(segments, |segment| segment.time = segment.time.plus(nanos))
}

fn exchange(endpoint: &mut Endpoint) {
    *endpoint = if *endpoint == CLIENT { SERVER } else { CLIENT };
}

fn mirrored(segments: &[Segment]) -> Vec<Segment> {
    each(segments, |segment| {
        exchange(&mut segment.source);
        exchange(&mut segment.destination);
    })
}

/// The verdicts with every time moved.
fn told_later(mut told: Told, nanos: i64) -> Told {
    let move_finding = |finding: &mut lastack::finding::Finding| finding.time = finding.time.plus(nanos);
    for verdict in &mut told.verdicts {
        for time in [&mut verdict.start, &mut verdict.end] {
            *time = time.plus(nanos);
        }
        verdict.horizon = verdict.horizon.map(|horizon| horizon.plus(nanos));
        for side in Side::BOTH {
            let view = &mut verdict.endpoints[side];
            for step in &mut view.states {
                step.time = step.time.plus(nanos);
            }
            let before = view.unread.as_mut().and_then(|unread| unread.before.as_mut());
            let last = [view.last_payload.as_mut(), view.last_new_payload.as_mut(), before];
            last.into_iter().flatten().for_each(|payload| payload.time = payload.time.plus(nanos));
        }
        verdict.resets.iter_mut().for_each(|reset| reset.time = reset.time.plus(nanos));
        verdict.findings.iter_mut().for_each(move_finding);
    }
    told.late.iter_mut().flat_map(|late| &mut late.findings).for_each(move_finding);
    told
}

/// The verdicts with the addresses exchanged, also where sentences name them.
fn told_mirrored(mut told: Told) -> Told {
    let (client, server) = (CLIENT.to_string(), SERVER.to_string());
    let [client_port, server_port] = [CLIENT, SERVER].map(|end| format!("port {}", end.port));
    let rename = |text: &mut String| {
        for (a, b) in [(&client, &server), (&client_port, &server_port)] {
            *text = text.replace(a.as_str(), "\u{1}").replace(b.as_str(), a).replace('\u{1}', b);
        }
    };
    for verdict in &mut told.verdicts {
        exchange(&mut verdict.client);
        exchange(&mut verdict.server);
        verdict.findings.iter_mut().for_each(|finding| rename(&mut finding.message));
        verdict.resets.iter_mut().for_each(|reset| rename(&mut reset.evidence));
    }
    told.late.iter_mut().flat_map(|late| &mut late.findings).for_each(|finding| rename(&mut finding.message));
    told
}

fn trace(segments: &[Segment]) -> String {
    script::print(&segments.iter().map(|segment| Item::Segment(*segment)).collect::<Vec<_>>())
}

/// The lines in which two values differ.
fn difference(expected: &impl std::fmt::Debug, told: &impl std::fmt::Debug) -> String {
    let (expected, told) = (format!("{expected:#?}"), format!("{told:#?}"));
    let beyond = |these: &str, those: &str| -> Vec<String> {
        let mut left: Vec<String> = these.lines().map(str::to_owned).collect();
        for line in those.lines() {
            if let Some(at) = left.iter().position(|other| other == line) {
                left.remove(at);
            }
        }
        left
    };
    let (only_expected, only_told) = (beyond(&expected, &told), beyond(&told, &expected));
    format!("expected\n{}\ntold\n{}", only_expected.join("\n"), only_told.join("\n"))
}

/// What breaks a law, all of it, and how much of it is known and borne with until it is mended.
struct Broken {
    examples: Vec<String>,
    known: usize,
}

impl Broken {
    fn never() -> Self {
        Self::at_most(0)
    }

    /// `known` examples among the lives of the default run; longer runs show them all.
    fn at_most(known: usize) -> Self {
        let is_default = std::env::var("LASTACK_LAWS_LIVES").is_err();
        Broken { examples: Vec::new(), known: if is_default { known } else { 0 } }
    }

    /// Both analyses ought to say the same.
    fn unless_same<T: PartialEq + std::fmt::Debug>(
        &mut self,
        name: &str,
        segments: &[Segment],
        expected: &T,
        told: &T,
    ) {
        if expected != told {
            self.examples.push(format!("{name}\n{}\n{}", trace(segments), difference(expected, told)));
        }
    }
}

impl Drop for Broken {
    /// Fails the test with the shortest examples: one, or in longer runs some that are known by what they claim.
    fn drop(&mut self) {
        let count = self.examples.len();
        self.examples.sort_by_key(String::len);
        let shown = if std::env::var("LASTACK_LAWS_LIVES").is_err() { 1 } else { 40 };
        if count > self.known && !std::thread::panicking() {
            panic!("broken {count} times, for example by {}", self.examples[..count.min(shown)].join("\nand by "));
        }
    }
}

#[test]
fn sequence_numbers_have_no_origin() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        let told = tell(&segments);
        for (client, server) in [(1, 0), (0x7fff_ffff, 0x8000_0000), (0u32.wrapping_sub(segments[0].seq.0), 77)] {
            broken.unless_same(&name, &segments, &told, &tell(&renumbered(&segments, client, server)));
        }
    }
}

#[test]
fn time_has_no_origin() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        let told = tell(&segments);
        for nanos in [1, -3_000_000_000_000, 1_700_000_000_123_456_789] {
            broken.unless_same(&name, &segments, &told, &told_later(tell(&later(&segments, nanos)), -nanos));
        }
    }
}

#[test]
fn addresses_have_no_meaning_once_somebody_has_sent_a_syn() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        if segments.iter().any(|segment| segment.flags.contains(Flags::SYN)) {
            broken.unless_same(&name, &segments, &tell(&segments), &told_mirrored(tell(&mirrored(&segments))));
        }
    }
}

#[test]
fn payload_is_never_looked_at() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        let cut = each(&segments, |segment| {
            if segment.payload_len > 0 {
                segment.marks |= Marks::PAYLOAD_CUT;
            }
        });
        let (whole, cut) = (tell(&segments), tell(&cut));
        for (whole, cut) in whole.verdicts.iter().zip(&cut.verdicts) {
            broken.unless_same(&name, &segments, &Claims::of(whole), &Claims::of(cut));
        }
    }
}

#[test]
fn options_that_were_cut_are_missed_and_not_invented() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        let [whole] = &tell(&segments).verdicts[..] else { continue };
        let cut = each(&segments, |segment| {
            if segment.options != TcpOptions::default() {
                segment.options = TcpOptions::default();
                segment.marks |= Marks::OPTIONS_CUT | Marks::PAYLOAD_CUT;
            }
        });
        for cut in &tell(&cut).verdicts {
            let invented = Claims::of(cut).beyond(&Claims::of(whole));
            broken.unless_same(&name, &segments, &Vec::new(), &invented);
        }
    }
}

#[test]
fn a_frame_captured_twice_is_one_frame() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        let mut twice = Vec::new();
        for (index, segment) in segments.iter().enumerate() {
            // A copy comes at once, and before the next frame.
            let next = segments.get(index + 1).map_or(i64::MAX, |next| next.time.since(segment.time));
            for (copy, after_ns) in [(0, 0), (1, next.min(10_000))] {
                let frame = FrameNumber(segment.frame.0 * 2 - 1 + copy);
                twice.push(Segment { frame, time: segment.time.plus(after_ns), ..*segment });
            }
        }
        let (once, twice) = (tell(&segments), tell(&twice));
        assert_eq!(once.verdicts.len(), twice.verdicts.len(), "{name}");
        for (once, twice) in once.verdicts.iter().zip(&twice.verdicts) {
            broken.unless_same(&name, &segments, &Claims::of(once), &Claims::of(twice));
        }
    }
}

#[test]
fn what_came_before_the_capture_is_missed_and_not_invented() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        let [whole] = &tell(&segments).verdicts[..] else { continue };
        let opens = |end: Endpoint| {
            segments
                .iter()
                .any(|segment| segment.source == end && segment.flags & (Flags::SYN | Flags::ACK) == Flags::SYN)
        };
        if opens(CLIENT) && opens(SERVER) {
            // Without its first SYN a simultaneous open is a plain one in the other direction.
            continue;
        }
        for cut in 1..segments.len().min(12) {
            for rest in &tell(&segments[cut..]).verdicts {
                let invented = Claims::of(rest).beyond(&Claims::of(whole));
                broken.unless_same(&format!("{name}, {cut} frames cut"), &segments, &Vec::new(), &invented);
            }
        }
    }
}

#[test]
fn what_the_other_side_said_is_missed_and_not_invented() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        let [whole] = &tell(&segments).verdicts[..] else { continue };
        for end in [CLIENT, SERVER] {
            let heard: Vec<Segment> = segments.iter().filter(|segment| segment.source == end).copied().collect();
            for half in &tell(&heard).verdicts {
                let invented = Claims::of(half).beyond(&Claims::of(whole));
                broken.unless_same(&format!("{name}, only {end}"), &segments, &Vec::new(), &invented);
            }
        }
    }
}

#[test]
fn what_is_said_of_one_connection_agrees_with_itself() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        for verdict in &tell(&segments).verdicts {
            broken.unless_same(&name, &segments, &Vec::new(), &discords(verdict));
        }
    }
}

/// Analyses captures as files of one set.
fn tell_files(files: &[&[Segment]]) -> Told {
    let input = |(index, segments): (usize, &&[Segment])| {
        let items: Vec<Item> = segments.iter().map(|segment| Item::Segment(*segment)).collect();
        let mut bytes = Vec::new();
        script::write_pcap(&items, &mut bytes).expect("in memory");
        Input::Reader(format!("{index}.pcap"), Box::new(Cursor::new(bytes)))
    };
    let inputs = files.iter().enumerate().map(input).collect();
    let mut set = source::open(inputs, source::Options::default()).expect("captures");
    let mut told = Told::default();
    let mut unseen = Unseen;
    let outcome = analyse(&mut set, &Options::default(), None, &mut told, &mut unseen).expect("a sink in memory");
    assert!(outcome.source_error.is_none(), "{:?}", outcome.source_error);
    told
}

struct Unseen;

impl lastack::analysis::Observer for Unseen {
    fn look(&mut self, _: &lastack::analysis::View<'_>) -> std::ops::ControlFlow<()> {
        std::ops::ControlFlow::Continue(())
    }
}

#[test]
fn files_of_a_set_are_one_capture() {
    let mut broken = Broken::never();
    for (name, segments) in lived() {
        let whole = tell_files(&[&segments]);
        for cut in 1..segments.len().min(6) {
            let split = tell_files(&[&segments[..cut], &segments[cut..]]);
            broken.unless_same(&name, &segments, &whole, &split);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nonsense_has_no_origin_either(segments in any_conversation(), client: u32, server: u32, seconds in -1_000_000..1_000_000_i64) {
        let mut broken = Broken::never();
        let told = tell(&segments);
        broken.unless_same("renumbered", &segments, &told, &tell(&renumbered(&segments, client, server)));
        let nanos = seconds * 1_000_000_000;
        broken.unless_same("later", &segments, &told, &told_later(tell(&later(&segments, nanos)), -nanos));
    }
}
