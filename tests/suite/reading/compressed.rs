//! Compressed captures are read as if they were not.

use std::io::{Cursor, Write};

use flate2::write::GzEncoder;
use lastack::source::{self, Access, Input, Options};
use lz4_flex::frame::{FrameEncoder, FrameInfo};

use super::{
    Pieces, SHAPES, ahead, capture, drain, drain_set, file, frames_of, from_reader, open_bytes, small_buffer,
    three_frames,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("memory");
    encoder.include_checksum(true).expect("a setting");
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(FrameInfo::new().content_checksum(true), Vec::new());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKS: [(&str, Pack); 3] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4)];

#[test]
fn whole_or_in_several_members_and_on_either_thread() {
    for shape in SHAPES {
        let bytes = three_frames(shape);
        let whole = frames_of(&bytes);
        for (name, pack) in PACKS {
            let members = [pack(&bytes[..50]), pack(&bytes[50..])].concat();
            for packed in [pack(&bytes), members] {
                for options in [Options::default(), small_buffer(), ahead()] {
                    let read = from_reader(Cursor::new(packed.clone()), options);
                    assert_eq!(read, (whole.clone(), None), "{name} {shape:?}");
                }
            }
        }
    }
}

#[test]
fn a_compressed_file_is_named_as_such_and_counts_its_bytes_on_disk() {
    let bytes = three_frames(SHAPES[0]);
    for (name, pack) in PACKS {
        let packed = pack(&bytes);
        let path = file(&packed);
        for access in [Access::Buffer, Access::Map] {
            let options = Options { access, ..Options::default() };
            let mut set = source::open(vec![Input::Path(path.clone())], options).expect("a capture");
            assert_eq!(drain_set(&mut set), (frames_of(&bytes), None));
            let file = &set.files()[0];
            assert_eq!(file.compression.map(|compression| compression.name()), Some(name));
            assert_eq!(file.size, Some(packed.len() as u64));
            assert_eq!((set.progress().read, set.progress().total), (packed.len() as u64, file.size));
        }
        std::fs::remove_file(path).expect("the file of this round");
    }
}

#[test]
fn a_stream_cut_anywhere_gives_frames_and_a_clear_error() {
    let bytes = three_frames(SHAPES[0]);
    let whole = frames_of(&bytes);
    for (name, pack) in PACKS {
        let packed = pack(&bytes);
        for cut in 4..packed.len() {
            for options in [small_buffer(), ahead()] {
                let (frames, error) = from_reader(Cursor::new(packed[..cut].to_vec()), options);
                assert_eq!(frames[..], whole[..frames.len()]);
                let error = error.unwrap_or_else(|| panic!("{name} cut at {cut} of {} went unnoticed", packed.len()));
                assert!(error.contains(name), "{name} cut at {cut}: {error}");
            }
        }
    }
}

#[test]
fn a_damaged_stream_gives_the_same_frames_however_it_comes_in() {
    let bytes = capture(SHAPES[0], &many_frames());
    let whole = frames_of(&bytes);
    for (name, pack) in PACKS {
        let packed = pack(&bytes);
        let (mut noticed, mut rounds, mut most) = (0, 0, 0);
        for at in (4..packed.len()).step_by(packed.len() / 12) {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x55;
            let (frames, error) = from_reader(Cursor::new(damaged.clone()), Options::default());
            let pieces = from_reader(Pieces::new(&damaged, &[1, 60, 1_000]), ahead());
            assert_eq!(pieces, (frames.clone(), error.clone()), "{name} damaged at {at}");
            if error.is_some() {
                let same = frames.iter().zip(&whole).take_while(|(one, other)| one == other).count();
                most = most.max(same);
            }
            noticed += usize::from(error.is_some());
            rounds += 1;
        }
        // What is left are fields without meaning, such as gzip's time of modification.
        assert!(noticed > rounds * 9 / 10, "{name}: {noticed} of {rounds}");
        assert!(most > whole.len() / 2, "{name}: frames before the damage are lost, at most {most} are there");
    }
}

/// Frames that do not compress to nothing, more than a block of any format holds.
fn many_frames() -> Vec<(i64, Vec<u8>, u32)> {
    let mut state = 1_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..3_000).map(|n| (n * 1_000, (0..100).map(|at| if at < 50 { 0 } else { random() }).collect(), 0)).collect()
}

#[test]
fn headers_of_gzip_may_hold_a_name_and_more() {
    let bytes = three_frames(SHAPES[0]);
    let mut encoder = flate2::GzBuilder::new()
        .filename("a name")
        .comment("a comment")
        .extra(vec![1, 2, 3])
        .write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).expect("memory");
    let packed = encoder.finish().expect("memory");
    assert_eq!(from_reader(Pieces::new(&packed, &[1, 3]), Options::default()), (frames_of(&bytes), None));
}

#[test]
fn a_bomb_is_stopped() {
    let frame = (0, vec![0; 15 << 20], 0);
    let bomb = capture(SHAPES[0], &vec![frame; 8]);
    let packed = zstd(&bomb);
    let input = Input::Reader("bomb".to_owned(), Box::new(Cursor::new(packed)));
    let mut set = source::open(vec![input], Options::default()).expect("a capture");
    let error = loop {
        match source::Source::next_frame(&mut set) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the bomb went off"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("which no capture does"), "{error}");
}

#[test]
fn what_is_compressed_and_no_capture_is_said_to_be_none() {
    for (_, pack) in PACKS {
        let (frames, error) = from_reader(Cursor::new(pack(b"hello")), Options::default());
        assert!(frames.is_empty());
        assert!(error.is_some_and(|error| error.contains("not a capture")));
        let (_, error) = from_reader(Cursor::new(pack(b"")), Options::default());
        assert!(error.is_some_and(|error| error.contains("empty")));
    }
}

#[test]
fn names_and_interfaces_of_a_compressed_capture_are_known_at_once() {
    let packed = gzip(&three_frames(SHAPES[4]));
    assert_eq!(open_bytes(&packed).interfaces().len(), 1);
    let path = file(&packed);
    let again = source::open(vec![Input::Path(path.clone())], Options::default()).expect("a capture");
    assert_eq!(drain(again.reopen()), (frames_of(&three_frames(SHAPES[4])), None));
    std::fs::remove_file(path).expect("the file of this test");
}
