//! Whatever is cut off or overwritten: the frames before it and a clear error, the same in every way of reading, no panic,
//! and no more memory than the limits say.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lastack::source::{self, ByteOrder, Input, Options, Source, limits};

use super::{Outcome, Pieces, SHAPES, Shape, ahead, drain, file, from_reader, mapped, small_buffer, three_frames};

/// Values at which length arithmetic breaks.
const EXTREMES: [u32; 10] = [0, 1, 2, 11, 0xffff, 0x0100_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff];

/// Reads in every way and holds them to the same outcome.
fn every_way(bytes: &[u8]) -> Outcome {
    let stream = from_reader(io::Cursor::new(bytes.to_vec()), Options::default());
    let pieces = from_reader(Pieces::new(bytes, &[1, 7, 64]), small_buffer());
    assert_eq!(stream, pieces);
    let path = file(bytes);
    for options in [Options::default(), mapped(), ahead()] {
        let (frames, error) = drain(source::open(vec![Input::Path(path.clone())], options));
        // Only the name of the input may differ.
        let error = error.map(|error| error.replace(&path.display().to_string(), "capture"));
        assert_eq!((frames, error), stream);
    }
    std::fs::remove_file(path).expect("the file of this call");
    stream
}

/// Where the file header and each record ends.
fn boundaries(shape: Shape) -> Vec<usize> {
    let bytes = three_frames(shape);
    let whole = |cut: &usize| from_reader(io::Cursor::new(bytes[..*cut].to_vec()), Options::default()).1.is_none();
    (0..=bytes.len()).filter(whole).collect()
}

#[test]
fn a_capture_cut_anywhere_gives_the_frames_before_the_cut() {
    for shape in SHAPES {
        let bytes = three_frames(shape);
        let (whole, error) = every_way(&bytes);
        assert_eq!((whole.len(), error), (3, None));
        for cut in 0..bytes.len() {
            let (frames, error) = every_way(&bytes[..cut]);
            assert_eq!(frames[..], whole[..frames.len()], "{shape:?} cut at {cut}");
            if let Some(error) = error {
                let said = [
                    "cut short in the middle of frame",
                    "cut short in its header",
                    "empty, without even",
                    "not a capture",
                ];
                assert!(said.iter().any(|words| error.contains(words)), "{shape:?} cut at {cut}: {error}");
            }
        }
    }
}

#[test]
fn only_a_cut_between_records_goes_unnoticed() {
    // The header (in pcapng also the interface description) and three records, of which the last is the whole file.
    for shape in SHAPES {
        let expected = if matches!(shape, Shape::Pcapng(_)) { 5 } else { 4 };
        assert_eq!(boundaries(shape).len(), expected, "{shape:?}");
    }
}

#[test]
fn any_field_at_its_extremes_is_read_or_refused_the_same_way() {
    let mut refused = 0;
    for shape in SHAPES {
        let bytes = three_frames(shape);
        for at in (0..bytes.len() - 4).step_by(2) {
            for value in EXTREMES {
                let mut damaged = bytes.clone();
                damaged[at..at + 4].copy_from_slice(&value.to_be_bytes());
                let stream = from_reader(io::Cursor::new(damaged.clone()), Options::default());
                let pieces = from_reader(Pieces::new(&damaged, &[3, 50]), small_buffer());
                assert_eq!(stream, pieces, "{shape:?}: {value:#x} at {at}");
                let total: usize = stream.0.iter().map(|frame| frame.bytes.len()).sum();
                assert!(total <= bytes.len());
                refused += u32::from(stream.1.is_some());
            }
        }
    }
    assert!(refused > 1_000, "hardly anything was refused: {refused}");
}

#[test]
fn the_map_refuses_what_the_buffer_refuses() {
    for shape in SHAPES {
        let bytes = three_frames(shape);
        // Every 32-bit field of the headers and of the first record.
        for at in (0..bytes.len().min(120)).step_by(4) {
            let mut damaged = bytes.clone();
            damaged[at..at + 4].copy_from_slice(&[0xff; 4]);
            every_way(&damaged);
        }
    }
}

/// Gives a beginning and then zeros without end, and counts them.
struct Endless {
    head: io::Cursor<Vec<u8>>,
    given: Arc<AtomicU64>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.head.read(buffer)? {
            0 => {
                buffer.fill(0);
                buffer.len()
            }
            count => count,
        };
        self.given.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn a_length_that_lies_costs_no_more_than_the_largest_record() {
    for shape in SHAPES {
        let bytes = three_frames(shape);
        let lengths_at = match shape {
            // The captured length of the first record.
            Shape::Pcap(..) => vec![24 + 8],
            // The total lengths of section header, interface description and first packet.
            Shape::Pcapng(_) => vec![4, boundaries(shape)[0] + 4, boundaries(shape)[1] + 4],
        };
        let order = match shape {
            Shape::Pcap(order, _) | Shape::Pcapng(order) => order,
        };
        for at in lengths_at {
            for length in [limits::RECORD_BYTES_MAX, limits::RECORD_BYTES_MAX + 4, u32::MAX - 3] {
                let mut head = bytes.clone();
                head[at..at + 4].copy_from_slice(&match order {
                    ByteOrder::Little => length.to_le_bytes(),
                    ByteOrder::Big => length.to_be_bytes(),
                });
                // The byte-order mark of a section header must be there for its length to be believed.
                head.truncate(at + 8);
                let given = Arc::new(AtomicU64::new(0));
                let endless = Endless { head: io::Cursor::new(head), given: Arc::clone(&given) };
                let input = Input::Reader("endless".to_owned(), Box::new(endless));
                if let Ok(mut set) = source::open(vec![input], Options::default()) {
                    // The first frame or a refusal; zeros give pcap empty records without end.
                    let _ = set.next_frame();
                }
                let given = given.load(Ordering::Relaxed);
                assert!(given < u64::from(limits::RECORD_BYTES_MAX) + (2 << 20), "{shape:?} {length} at {at}: {given}");
            }
        }
    }
}

#[test]
fn garbage_is_not_a_capture() {
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[0; 100], b"x"] {
        let (frames, error) = every_way(bytes);
        assert!(frames.is_empty());
        assert!(error.is_some_and(|error| error.contains("not a capture")));
    }
}

#[test]
fn an_error_of_the_system_comes_after_the_frames_before_it() {
    struct Failing(io::Cursor<Vec<u8>>);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::from_raw_os_error(5)),
                count => Ok(count),
            }
        }
    }
    for shape in SHAPES {
        let (frames, error) = from_reader(Failing(io::Cursor::new(three_frames(shape))), Options::default());
        assert_eq!(frames.len(), 3);
        assert!(error.is_some_and(|error| error.contains("os error 5")), "{shape:?}");
    }
}
