//! However many threads share the work, every byte that is told is the same.

use std::fs;
use std::io::{self, Cursor};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lastack::analysis::{Options, analyse};
use lastack::base::Timestamp;
use lastack::finding::Verdict;
use lastack::report::{CaptureRecord, Json, LateRecord, PopulationFinding, Sink, Summary};
use lastack::source::write::{InterfaceOptions, PacketOptions, PcapngWriter};
use lastack::source::{self, ByteOrder, Input, LinkType};
use lastack::table::Limits;

pub fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("fixtures are readable") {
        let path = entry.expect("fixtures are readable").path();
        if path.is_dir() {
            captures(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "pcap") {
            found.push(path);
        }
    }
}

/// All captures of the fixtures, as if they were one: many connections, some of them on the same four-tuples.
pub fn all() -> source::CaptureSet {
    let mut found = Vec::new();
    captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut found);
    found.sort();
    let inputs = found.into_iter().map(Input::Path).collect();
    source::open(inputs, source::Options::default()).expect("fixtures open")
}

fn told(threads: usize, limits: Limits) -> String {
    let mut out = Vec::new();
    let options = Options { threads, limits, ..Options::default() };
    analyse(&mut all(), &options, None, &mut Json::lines(&mut out), &mut ()).expect("memory takes everything");
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[test]
fn many_threads_say_what_one_says() {
    let few = Limits { past_max: 7, whole_max: 1, ..Limits::connections(5) };
    for limits in [Limits::default(), few] {
        let alone = told(1, limits);
        assert!(alone.lines().count() > 100);
        for threads in [0, 2, 8] {
            assert!(told(threads, limits) == alone, "{threads} threads, {limits:?}");
        }
    }
    assert_ne!(told(1, few), told(1, Limits::default()));
}

/// The first fragment of a datagram with a SYN, whose rest never comes: 192.0.2.1:4660 to 192.0.2.2:80.
#[rustfmt::skip]
const LONE_FRAGMENT: [u8; 44] = [
    0x45, 0, 0, 44, 0, 7, 0x20, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
    0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 5, 0xb4,
];

#[test]
fn what_came_of_no_frame_is_told_on_any_number_of_threads() {
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little, "test").unwrap();
    writer.interface(LinkType::RAW, &InterfaceOptions::default()).unwrap();
    writer.frame(0, Timestamp(0), &LONE_FRAGMENT, 44, PacketOptions::default()).unwrap();
    let capture = writer.finish().unwrap();
    for threads in [1, 2, 4] {
        let input = Input::Reader("fragment".to_owned(), Box::new(Cursor::new(capture.clone())));
        let mut set = source::open(vec![input], source::Options::default()).unwrap();
        let options = Options { threads, ..Options::default() };
        let outcome = analyse(&mut set, &options, None, &mut Json::lines(io::sink()), &mut ()).unwrap();
        assert_eq!(outcome.summary.connections, 1, "{threads} threads");
    }
}

#[test]
fn who_was_put_away_between_is_told_as_if_nothing_had_been() {
    let usual = told(1, Limits::default());
    assert!(told(1, Limits { whole_max: 0, ..Limits::default() }) == usual);
}

/// Takes so many records and no more.
struct Full(usize);

impl Full {
    fn take(&mut self) -> io::Result<()> {
        self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }
}

impl Sink for Full {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        self.take()
    }

    fn connection(&mut self, _: &Verdict) -> io::Result<()> {
        self.take()
    }

    fn late(&mut self, _: &LateRecord) -> io::Result<()> {
        self.take()
    }

    fn population(&mut self, _: &PopulationFinding) -> io::Result<()> {
        self.take()
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        self.take()
    }
}

#[test]
fn a_sink_that_takes_no_more_ends_it_on_any_number_of_threads() {
    for threads in [1, 2, 4] {
        for room in [0, 1, 40] {
            let options = Options { threads, ..Options::default() };
            let failed = analyse(&mut all(), &options, None, &mut Full(room), &mut ()).map(|_| ());
            assert_eq!(failed.map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull), "{threads}, {room}");
        }
    }
}

/// Nobody in particular, whom the limit of processes binds.
const NOBODY: u32 = 65_534;

/// Runs `program` where no other process and no thread can be begun.
fn run_alone(program: &Path, args: &[&str]) -> io::Result<Output> {
    let mut command = Command::new("prlimit");
    command.args(["--nproc=1", "--"]).arg(program).args(args);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output()
}

#[test]
fn where_no_thread_can_be_had_one_does_all() {
    let control = run_alone(Path::new("/bin/sh"), &["-c", "true & wait"]);
    if control.map_or(true, |output| output.status.success()) {
        eprintln!("skipped: no limit of processes holds here");
        return;
    }
    // Where anybody can read it.
    let folder = std::env::temp_dir().join(format!("lastack-alone-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let lastack = folder.join("lastack");
    fs::copy(env!("CARGO_BIN_EXE_lastack"), &lastack).unwrap();
    let population = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/population");
    let captures = [("idle-timeout/capture.pcap", "plain.pcap"), ("pile-by-client/capture.pcap.gz", "packed.pcap.gz")];
    let captures = captures.map(|(from, to)| {
        let to = folder.join(to);
        fs::copy(population.join(from), &to).unwrap();
        to.to_str().unwrap().to_owned()
    });
    let [plain, packed] = captures.each_ref().map(String::as_str);
    let invocations: [&[&str]; 3] =
        [&["read", "--threads", "2", plain], &["read", "--threads", "4", packed], &["check", plain, packed]];
    let told = invocations.map(|args| {
        let alone = run_alone(&lastack, args).unwrap();
        let together = Command::new(&lastack).args(args).output().unwrap();
        (String::from_utf8(alone.stderr).unwrap(), alone.status, alone.stdout, together.status, together.stdout)
    });
    fs::remove_dir_all(&folder).unwrap();
    for ((stderr, alone, told_alone, together, told), args) in told.into_iter().zip(invocations) {
        assert_eq!(alone, together, "{args:?}: {stderr}");
        assert!(told_alone == told && !told.is_empty(), "{args:?}: {stderr}");
    }
}
