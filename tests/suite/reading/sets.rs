//! Several files as one input.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use lastack::base::FrameNumber;
use lastack::source::{self, CaptureSet, Input, Notice, Options, SourceError};

use super::{SHAPES, Shape, capture, drain_set, folder};

const SECOND: i64 = 1_000_000_000;

/// A capture of one-byte frames at these seconds, each with its second as content.
fn at_seconds(shape: Shape, seconds: &[i64]) -> Vec<u8> {
    let frames: Vec<_> = seconds.iter().map(|second| (second * SECOND, vec![*second as u8], 0)).collect();
    capture(shape, &frames)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("a file");
}

fn open(paths: &[&Path]) -> Result<CaptureSet, SourceError> {
    source::open(paths.iter().map(|path| Input::Path(path.to_path_buf())).collect(), Options::default())
}

/// The content of the frames, which is their second.
fn seconds(set: &mut CaptureSet) -> (Vec<u8>, Option<String>) {
    let (frames, error) = drain_set(set);
    assert!(frames.iter().enumerate().all(|(index, frame)| frame.number == index as u64 + 1));
    (frames.iter().map(|frame| frame.bytes[0]).collect(), error)
}

#[test]
fn a_directory_is_read_in_the_order_of_its_first_frames() {
    let folder = folder("rotated");
    write(&folder, "c", &at_seconds(SHAPES[0], &[1, 2]));
    write(&folder, "a", &at_seconds(SHAPES[4], &[5, 6]));
    write(&folder, "b", &at_seconds(SHAPES[5], &[3, 4]));
    write(&folder, "empty", &at_seconds(SHAPES[0], &[]));
    write(&folder, "README", b"not a capture at all");
    std::fs::create_dir(folder.join("deeper")).expect("a folder");
    let mut set = open(&[&folder]).expect("captures");
    let left_out = set.notices().iter().filter(|notice| matches!(notice, Notice::LeftOut { .. })).count();
    let below = set.notices().iter().any(|notice| matches!(notice, Notice::Subdirectories { count: 1, .. }));
    assert_eq!((left_out, below), (1, true));
    assert_eq!(seconds(&mut set), (vec![1, 2, 3, 4, 5, 6], None));
    let names: Vec<_> = set.files().iter().map(|file| Path::new(&file.name).file_name().expect("a name")).collect();
    assert_eq!(names, ["c", "b", "a", "empty"]);
    assert_eq!(set.format(), "mixed");
    // Interfaces of different files have different numbers.
    assert_eq!(set.interfaces().iter().map(|interface| interface.file).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(set.locate(FrameNumber(4)), Some((1, 2)));
    assert_eq!(set.locate(FrameNumber(5)), Some((2, 1)));
    assert_eq!(set.locate(FrameNumber(7)), None);
    assert_eq!(Some(set.progress().read), set.progress().total);
    let mut again = set.reopen().expect("files");
    assert_eq!(seconds(&mut again), (vec![1, 2, 3, 4, 5, 6], None));
}

#[test]
fn files_that_overlap_are_merged_by_time_and_said() {
    let folder = folder("overlap");
    write(&folder, "client", &at_seconds(SHAPES[0], &[1, 3, 5, 7]));
    write(&folder, "server", &at_seconds(SHAPES[4], &[2, 4, 5, 9]));
    write(&folder, "later", &at_seconds(SHAPES[2], &[8]));
    let mut set = open(&[&folder.join("server"), &folder.join("later"), &folder.join("client")]).expect("captures");
    assert_eq!(seconds(&mut set), (vec![1, 2, 3, 4, 5, 5, 7, 8, 9], None));
    let overlaps: Vec<_> = set
        .notices()
        .iter()
        .filter(|notice| matches!(notice, Notice::Overlap { .. }))
        .map(ToString::to_string)
        .collect();
    assert_eq!(overlaps.len(), 2, "{overlaps:?}");
    assert!(overlaps[0].contains("server: overlaps") && overlaps[0].contains("client by 5.000 s"), "{overlaps:?}");
    assert!(overlaps[1].contains("later: overlaps") && overlaps[1].contains("server by 1.000 s"), "{overlaps:?}");
    assert_eq!(set.locate(FrameNumber(1)), None);
}

#[test]
fn the_same_bytes_are_read_once() {
    let folder = folder("duplicates");
    let bytes = at_seconds(SHAPES[0], &[1, 2]);
    write(&folder, "one", &bytes);
    write(&folder, "copy", &bytes);
    // As long, with the same first time.
    write(&folder, "other", &at_seconds(SHAPES[0], &[1, 3]));
    let one = folder.join("one");
    let mut set = open(&[&one, &folder.join("copy"), &one, &folder.join("other")]).expect("captures");
    let duplicates = set.notices().iter().filter(|notice| matches!(notice, Notice::Duplicate { .. })).count();
    assert_eq!(duplicates, 2);
    assert_eq!(seconds(&mut set), (vec![1, 1, 2, 3], None));
}

#[test]
fn a_damaged_file_does_not_take_the_others_with_it() {
    let folder = folder("damaged");
    let mut cut = at_seconds(SHAPES[0], &[1, 2]);
    cut.truncate(cut.len() - 1);
    write(&folder, "1", &cut);
    cut = at_seconds(SHAPES[4], &[3, 4]);
    cut.truncate(cut.len() - 9);
    write(&folder, "2", &cut);
    write(&folder, "3", &at_seconds(SHAPES[0], &[5]));
    let mut set = open(&[&folder]).expect("captures");
    let (read, error) = seconds(&mut set);
    assert_eq!(read, [1, 3, 5]);
    let error = error.expect("the first file was cut");
    assert!(error.contains("damaged/1: cut short in the middle of frame 2"), "{error}");
    let others: Vec<_> = set.notices().iter().map(ToString::to_string).collect();
    assert!(
        matches!(&others[..], [other] if other.contains("damaged/2: cut short in the middle of frame 3")),
        "{others:?}"
    );
    assert!(matches!(source::Source::next_frame(&mut set), Ok(None)), "the end is the end");
}

#[test]
fn what_cannot_be_read_is_said_with_its_name() {
    let folder = folder("refused");
    write(&folder, "empty", b"");
    write(&folder, "text", b"hello, world");
    let refused = |path: &Path| open(&[path]).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused(&folder).contains("refused: no capture in this directory (2 other files"));
    assert!(refused(&folder.join("empty")).contains("empty: empty"));
    assert!(refused(&folder.join("text")).contains("text: not a capture but a text; what tcpdump"));
    write(&folder, "netmon", b"GMBU\x00\x02\x01\x00 and more");
    assert!(
        refused(&folder.join("netmon")).contains("a capture of Microsoft Network Monitor 2; convert it with editcap")
    );
    assert!(refused(&folder.join("missing")).contains("missing: No such file"));
    assert!(matches!(open(&[]), Err(SourceError::NoInput)));
    // Among several, the others are read first.
    write(&folder, "good", &at_seconds(SHAPES[0], &[1]));
    let named = ["text", "good", "missing"].map(|name| folder.join(name));
    let mut several = open(&named.each_ref().map(PathBuf::as_path)).expect("one that can be read");
    let (read, error) = seconds(&mut several);
    assert_eq!(read, [1]);
    assert!(error.is_some_and(|error| error.contains("missing: No such file")));
    assert!(several.notices().iter().any(|notice| notice.to_string().contains("text: not a capture")));
}

#[test]
fn a_stream_is_merged_with_the_files_after_it_and_cannot_be_read_twice() {
    let folder = folder("stream");
    write(&folder, "file", &at_seconds(SHAPES[0], &[1, 8]));
    write(&folder, "later", &at_seconds(SHAPES[0], &[6]));
    let stream = Input::Reader("stream".to_owned(), Box::new(Cursor::new(at_seconds(SHAPES[0], &[5, 7, 9]))));
    let file = |name: &str| Input::Path(folder.join(name));
    let mut set = source::open(vec![stream, file("later"), file("file")], Options::default()).expect("captures");
    assert_eq!(seconds(&mut set), (vec![1, 5, 6, 7, 8, 9], None));
    assert_eq!(set.progress().total, None);
    assert!(matches!(set.reopen(), Err(SourceError::ReadOnce { file }) if file == "stream"));
}

#[test]
fn reading_stops_when_it_is_told_to() {
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let options = |options| Options { stop: Some(stop.clone()), ..options };
    let folder = folder("stop");
    let bytes = at_seconds(SHAPES[0], &(1..=100).collect::<Vec<_>>());
    write(&folder, "file", &bytes);
    let stream = Input::Reader("stream".to_owned(), Box::new(Cursor::new(bytes)));
    let file = Input::Path(folder.join("file"));
    for (input, options) in [(stream, options(super::small_buffer())), (file, options(super::ahead()))] {
        stop.store(false, std::sync::atomic::Ordering::Relaxed);
        let mut set = source::open(vec![input], options).expect("a capture");
        assert!(matches!(source::Source::next_frame(&mut set), Ok(Some(_))));
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let (rest, error) = drain_set(&mut set);
        assert!(rest.len() < 20 && error.is_some_and(|error| error.contains(": stopped before frame")));
    }
}
