//! The same frames come out however the bytes come in.

use lastack::source::{self, Input, Options};
use proptest::prelude::*;

use super::{Pieces, SHAPES, Shape, ahead, capture, drain, file, frames_of, from_reader, mapped, small_buffer};

fn any_frames() -> impl Strategy<Value = Vec<(i64, Vec<u8>, u32)>> {
    let time = 0..4_294_967_295_999_999_999_i64;
    let frame = (time, prop::collection::vec(any::<u8>(), 0..200), 0..2_000_u32);
    prop::collection::vec(frame, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_written_is_read_back(frames in any_frames(), shape in prop::sample::select(&SHAPES[..])) {
        let read = frames_of(&capture(shape, &frames));
        prop_assert_eq!(read.len(), frames.len());
        for (index, (kept, (time, bytes, cut))) in read.iter().zip(&frames).enumerate() {
            let micros = matches!(shape, Shape::Pcap(_, lastack::source::write::Resolution::Micros));
            prop_assert_eq!(kept.number, index as u64 + 1);
            prop_assert_eq!(kept.time, if micros { time / 1_000 * 1_000 } else { *time });
            prop_assert_eq!(&kept.bytes, bytes);
            prop_assert_eq!(kept.original_len, bytes.len() as u32 + cut);
        }
    }

    #[test]
    fn split_and_interrupted_reads_change_nothing(
        frames in any_frames(),
        shape in prop::sample::select(&SHAPES[..]),
        lengths in prop::collection::vec(1..=64_usize, 1..8),
    ) {
        let bytes = capture(shape, &frames);
        let whole = frames_of(&bytes);
        for options in [Options::default(), small_buffer()] {
            prop_assert_eq!(from_reader(Pieces::new(&bytes, &lengths), options), (whole.clone(), None));
        }
    }

    #[test]
    fn a_file_is_read_as_a_stream_is_and_mapped(
        frames in any_frames(),
        shape in prop::sample::select(&SHAPES[..]),
    ) {
        let bytes = capture(shape, &frames);
        let whole = frames_of(&bytes);
        let path = file(&bytes);
        for options in [Options::default(), small_buffer(), mapped(), ahead()] {
            let read = drain(source::open(vec![Input::Path(path.clone())], options));
            prop_assert_eq!(read, (whole.clone(), None));
        }
        std::fs::remove_file(path).expect("the file of this case");
    }
}

#[test]
fn a_record_longer_than_the_buffer_is_read_whole() {
    let long: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let frames = [(5_000, vec![1; 60], 0), (6_000, long.clone(), 0), (7_000, vec![2; 60], 0)];
    for shape in SHAPES {
        let bytes = capture(shape, &frames);
        let path = file(&bytes);
        let input = vec![Input::Path(path.clone())];
        for read in [frames_of(&bytes), drain(source::open(input, ahead())).0] {
            assert_eq!(read.len(), 3);
            assert_eq!(read[1].bytes, long);
            assert_eq!(read[2].bytes, vec![2; 60]);
        }
        std::fs::remove_file(path).expect("the file of this shape");
    }
}
