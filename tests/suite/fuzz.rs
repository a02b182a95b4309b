//! The fuzz targets on mutated input: a fixed seed, so many rounds and no clock. `LASTACK_FUZZ_ROUNDS` makes it longer.
//! A failure leaves its input in the folder that the message names, for `cargo fuzz run TARGET FILE`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

#[path = "../../benches/throughput/generate/mod.rs"]
mod generate;
#[path = "../../fuzz/targets.rs"]
mod targets;

const ROUNDS: u32 = 1_000;
/// Longer captures are left out: they teach a mutator nothing and take its rounds away.
const SEED_LEN_MAX: usize = 64 << 10;
/// Values at which length and offset arithmetic breaks.
const EDGES: [u32; 8] = [0, 1, 0x7f, 0x80, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

#[test]
fn damaged_captures_are_read_to_a_clean_end() {
    let seeds = captures();
    let mut frames = 0;
    run("capture", &seeds, |bytes| frames += targets::capture(bytes));
    assert!(frames > u64::from(ROUNDS), "mutation left hardly a frame standing: {frames}");
}

#[test]
fn damaged_frames_are_segments_or_have_a_reason() {
    let seeds: Vec<Vec<u8>> = captures()
        .iter()
        .flat_map(|capture| frames_of(capture))
        .map(|(link, bytes)| [&link.to_le_bytes()[..], &[0, 0], &bytes].concat())
        .collect();
    let mut segments = 0;
    run("frame", &seeds, |bytes| segments += u32::from(targets::frame(bytes)));
    assert!(segments > ROUNDS / 10, "mutation left hardly a segment standing: {segments}");
}

#[test]
fn senseless_conversations_have_a_bounded_history() {
    // SYN, SYN-ACK, ACK, data, FIN, FIN, ACK and a reset, to begin somewhere.
    let flags = [(0, 0x02), (1, 0x12), (0, 0x10), (0, 0x18), (0, 0x11), (1, 0x11), (0, 0x10), (1, 0x14)];
    let orderly: Vec<u8> = flags
        .iter()
        .flat_map(|&(side, flags)| [side, flags, 0, 0, if flags == 0x18 { 9 } else { 0 }, 99, 9, 20, 1, 0, 0, 0])
        .collect();
    let mut steps = 0;
    run("connection", &[orderly.repeat(8)], |bytes| steps += targets::connection(bytes));
    assert!(steps > ROUNDS as usize, "mutation left hardly a state standing: {steps}");
}

#[test]
fn stamps_of_any_age_are_judged_without_leaving_their_bounds() {
    const NS: [i64; 8] = [0, 1, i64::MAX, i64::MIN, i64::MAX - 807, 1 << 61, -(1 << 60), 2_000_000_000_000_000_000];
    let mut rng = Rng::with_seed(93);
    let stamped = |capture: Vec<u8>| {
        let records = (0..rng.u8(0..16)).flat_map(|_| {
            let ns = if rng.bool() { NS[rng.usize(0..NS.len())] } else { rng.i64(..) };
            [&rng.u16(0..40).to_le_bytes()[..], &ns.to_le_bytes()].concat()
        });
        let records: Vec<u8> = records.collect();
        [&[(records.len() / targets::STAMP_LEN) as u8][..], &records, &capture].concat()
    };
    let short = captures().into_iter().filter(|capture| capture.len() <= SEED_LEN_MAX / 4);
    let seeds: Vec<Vec<u8>> = short.map(stamped).collect();
    let mut segments = 0;
    run("stamps", &seeds, |bytes| segments += targets::stamps(bytes));
    assert!(segments > ROUNDS as usize, "mutation left hardly a segment standing: {segments}");
}

#[test]
fn traces_are_refused_or_survive_printing() {
    let trace = include_bytes!("fuzz/trace.txt").to_vec();
    assert!(targets::script(&trace) > 0, "the seed itself is refused");
    let mut items = 0;
    run("script", &[trace], |bytes| items += targets::script(bytes));
    assert!(items > ROUNDS as usize / 10, "mutation left hardly a trace standing: {items}");
}

#[test]
fn expectations_are_refused_or_can_be_brought_up_to_a_capture() {
    let seed = include_bytes!("fuzz/expectations.toml").to_vec();
    assert!(targets::expectations(&seed) > 0, "the seed itself is refused");
    let mut rules = 0;
    run("expectations", &[seed], |bytes| rules += targets::expectations(bytes));
    assert!(rules > ROUNDS as usize / 10, "mutation left hardly a file standing: {rules}");
}

/// Feeds `target` mutations of `seeds`.
fn run(name: &str, seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let rounds = std::env::var("LASTACK_FUZZ_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let mut rng = Rng::with_seed(9293);
    for round in 0..rounds {
        let mut input = rng.choice(seeds).expect("a seed").clone();
        for _ in 0..rng.u32(0..6) {
            mutate(&mut input, &mut rng);
        }
        if catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{round}"));
            fs::write(&path, &input).expect("the temporary folder takes a file");
            panic!("fuzz target {name} panicked on {}", path.display());
        }
    }
}

fn mutate(input: &mut Vec<u8>, rng: &mut Rng) {
    if input.is_empty() {
        return;
    }
    let at = rng.usize(0..input.len());
    let len = rng.usize(0..=64).min(input.len() - at);
    match rng.u32(0..8) {
        0 => input[at] ^= 1 << rng.u32(0..8),
        1 => input[at] = rng.u8(..),
        2 | 3 => {
            let edge = EDGES[rng.usize(0..EDGES.len())];
            let octets = if rng.bool() { edge.to_le_bytes() } else { edge.to_be_bytes() };
            let width = [1, 2, 4][rng.usize(0..3)].min(input.len() - at);
            input[at..at + width].copy_from_slice(&octets[4 - width..]);
        }
        4 => input.truncate(at),
        5 => drop(input.drain(at..at + len)),
        6 => {
            let copy = input[at..at + len].to_vec();
            let to = rng.usize(0..=input.len());
            input.splice(to..to, copy);
        }
        _ => {
            let from = rng.usize(0..=input.len() - len);
            input.copy_within(from..from + len, at);
        }
    }
}

/// Small generated captures, and every fixture's.
fn captures() -> Vec<Vec<u8>> {
    let mut captures = Vec::new();
    for profile in [generate::Profile::Web, generate::Profile::Tiny] {
        let mut bytes = Vec::new();
        let totals = generate::write(profile, 0.000_02, 1, &mut bytes).expect("memory takes every write");
        let name = profile.name();
        assert!(totals.frames > totals.connections && totals.file_len == bytes.len() as u64, "{name}: {totals:?}");
        captures.push(bytes);
    }
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "pcap" || end == "pcapng") {
                captures.push(fs::read(path).expect("a fixture is readable"));
            }
        }
    }
    captures.retain(|capture| capture.len() <= SEED_LEN_MAX);
    captures
}

/// Link type and octets of the first frames of a capture.
fn frames_of(capture: &[u8]) -> Vec<(u16, Vec<u8>)> {
    use lastack::source::{Input, Options, Source, open};
    let reader = Box::new(std::io::Cursor::new(capture.to_vec()));
    let mut set = open(vec![Input::Reader("seed".to_owned(), reader)], Options::default()).expect("a seed opens");
    let mut frames = Vec::new();
    while let Ok(Some(frame)) = set.next_frame()
        && frames.len() < 8
    {
        frames.push((frame.link.0, frame.bytes.to_vec()));
    }
    frames
}

/// Found by mutation: nothing is noted of a segment that contradicts itself, and the error that quotes it is noted.
#[test]
fn a_malformed_syn_may_be_answered_by_an_icmp_error() {
    let trace = "client > SYN header-bad\nicmp 10.0.0.9 > client host-unreachable\n";
    let told = crate::told::tell_items(&lastack::source::script::parse(trace).expect("a trace"));
    assert_eq!(told.verdicts.len(), 1);
    assert_eq!(told.verdicts[0].endpoints.client.frames, 1);
}

/// Found by mutation: a clock that was set back makes of a short life a long silence before its end.
#[test]
fn a_close_after_a_clock_was_set_back_is_asked_about() {
    let trace = "client > SYN\nserver > SYN ACK\nclient > ACK\n-3s server > data 100\n\
                 +3s server > FIN ACK\nclient > data 50 ack 101\n";
    let told = crate::told::tell_items(&lastack::source::script::parse(trace).expect("a trace"));
    let race = told.verdicts[0].findings.iter().find(|finding| finding.name == "keepalive-race").expect("a silence");
    assert_ne!(race.confidence, lastack::finding::Confidence::High);
}
