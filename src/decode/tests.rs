//! What holds for every way through the layers.

use proptest::prelude::*;

use super::stacks::{self, Stack};
use super::{Contexts, FrameKind, Item, sample};
use crate::base::Seq;
use crate::segment::{Flags, Marks, Segment, TcpOptions};

/// The one segment of a stack, by the numbers that all of them share.
fn assert_is_the_segment(segment: &Segment, stack: &str) {
    assert_eq!((segment.source.port, segment.destination.port), (51000, 80), "{stack}");
    assert_eq!((segment.seq, segment.ack), (Seq(0x0102_0304), Seq(0x0506_0708)), "{stack}");
    assert_eq!((segment.window, segment.flags), (0xfaf0, Flags::PSH | Flags::ACK | Flags::AE), "{stack}");
    assert_eq!((segment.ttl, segment.payload_len), (64, 4), "{stack}");
}

fn name(stack: &Stack) -> String {
    format!("link {} {} {:02x?}", stack.link, stack.context, stack.bytes)
}

#[test]
fn every_stack_leads_to_its_segment_and_names_its_tunnels() {
    for stack in stacks::all() {
        let mut decoder = sample::decoder();
        let (kind, items) = sample::decode(&mut decoder, stack.link, &stack.bytes);
        assert_eq!(kind, FrameKind::Segment, "{}", name(&stack));
        let [segment] = sample::segments(&items)[..] else { panic!("{}: {items:?}", name(&stack)) };
        assert_is_the_segment(&segment, &name(&stack));
        assert_eq!(segment.options.window_scale, Some(7), "{}", name(&stack));
        assert_eq!(decoder.contexts().describe(segment.context), stack.context, "{}", name(&stack));
    }
}

#[test]
fn a_frame_cut_anywhere_has_a_reason_or_its_numbers() {
    for stack in stacks::all() {
        for cut in 0..stack.bytes.len() {
            let (kind, items) = sample::decode_cut(stack.link, &stack.bytes[..cut], stack.bytes.len());
            let segments = sample::segments(&items);
            assert_eq!(kind == FrameKind::Segment, !segments.is_empty(), "{cut} of {}", name(&stack));
            for segment in segments {
                assert_is_the_segment(&segment, &name(&stack));
                assert!(segment.options.window_scale.is_none_or(|shift| shift == 7), "{cut} of {}", name(&stack));
            }
        }
    }
}

#[test]
fn two_segments_of_an_aggregate_are_two() {
    let subframe = |last: u8| {
        let mut packet = sample::ipv4(6, &sample::tcp(&[], b""));
        packet[19] = last;
        let body = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &packet[..]].concat();
        let mut bytes = [&[2; 12][..], &(body.len() as u16).to_be_bytes(), &body].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let header = [&[0x88, 1, 0, 0][..], &[2; 18], &[0, 0, 0x80, 0]].concat();
    let (kind, items) = sample::decode(&mut sample::decoder(), 105, &[header, subframe(5), subframe(9)].concat());
    assert_eq!(kind, FrameKind::Segment);
    let ends: Vec<String> = sample::segments(&items).iter().map(|one| one.destination.ip.to_string()).collect();
    assert_eq!(ends, ["10.0.0.5", "10.0.0.9"]);
}

#[test]
fn what_is_hidden_from_the_eye_is_said_to_be() {
    let wlan = [&[0x08, 0x41, 0, 0][..], &[2; 20], &[0; 40]].concat();
    assert_eq!(sample::kind(105, &wlan), FrameKind::Skipped("encrypted-wlan"));
    assert_eq!(sample::kind(1, &sample::ethernet(0x88e5, &[0x2c; 60])), FrameKind::Skipped("encrypted-macsec"));
    assert_eq!(sample::kind(9, &[0xff, 3, 0, 0x2d, 1, 2]), FrameKind::Skipped("compressed-tcp-header"));
    assert_eq!(sample::kind(101, &sample::ipv4(108, &[6, 0, 0, 3, 1, 2, 3])), FrameKind::Skipped("compressed-ipcomp"));
}

#[test]
fn link_types_that_nothing_reads_are_counted_by_number() {
    let mut decoder = sample::decoder();
    for link in [227, 147, 227] {
        let (kind, _) = sample::decode(&mut decoder, link, &[0; 64]);
        assert_eq!(kind, FrameKind::Skipped("unsupported-link-type"));
    }
    let counts: Vec<(u16, u64)> = decoder.unsupported_links().map(|(link, frames)| (link.0, frames)).collect();
    assert_eq!(counts, [(147, 1), (227, 2)]);
}

#[test]
fn tunnels_without_end_have_an_end() {
    let mut bytes = sample::tcp(&[], b"");
    for _ in 0..200 {
        bytes = sample::ipv4(4, &bytes);
    }
    assert_eq!(sample::kind(228, &bytes), FrameKind::Skipped("nested-too-deep"));
}

fn any_stack() -> impl Strategy<Value = (u16, Vec<u8>)> {
    prop::sample::select(stacks::all().into_iter().map(|stack| (stack.link, stack.bytes)).collect::<Vec<_>>())
}

/// What must hold of any frame at all.
fn assert_accounted(kind: FrameKind, items: &[Item]) -> Result<(), TestCaseError> {
    let segments = sample::segments(items);
    prop_assert_eq!(kind == FrameKind::Segment, !segments.is_empty());
    for segment in segments {
        prop_assert!(segment.context != Contexts::UNLISTED && usize::from(segment.options.sack_count) <= 4);
        if segment.marks.contains(Marks::HEADER_BAD) {
            prop_assert_eq!((segment.payload_len, segment.options), (0, TcpOptions::NONE));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn random_bytes_never_panic(link in 0u16..300, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (kind, items) = sample::decode(&mut sample::decoder(), link, &bytes);
        assert_accounted(kind, &items)?;
    }

    #[test]
    fn damaged_frames_never_panic(
        (link, bytes) in any_stack(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        true_len in 0usize..100_000,
    ) {
        let mut bytes = bytes;
        for (at, value) in changes {
            *at.get_mut(&mut bytes) = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let (kind, items) = sample::decode_cut(link, &bytes, true_len);
        assert_accounted(kind, &items)?;
    }

    #[test]
    fn a_decoder_survives_whatever_came_before(frames in prop::collection::vec(any_stack(), 1..40), seed in any::<u64>()) {
        let mut decoder = sample::decoder();
        for (at, (link, mut bytes)) in frames.into_iter().enumerate() {
            let place = (seed as usize).wrapping_mul(at + 1) % bytes.len();
            bytes[place] ^= 0x20;
            let (kind, items) = sample::decode(&mut decoder, link, &bytes);
            assert_accounted(kind, &items)?;
        }
        let mut left = Vec::new();
        decoder.finish(|item| left.push(*item));
        prop_assert!(sample::segments(&left).iter().all(|segment| segment.marks.contains(Marks::FRAGMENT_FIRST)));
    }
}
