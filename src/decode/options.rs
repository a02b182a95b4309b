//! TCP options, walked by length so that an unknown kind hides nothing behind it.

use crate::base::Seq;
use crate::segment::{Marks, MultipathEnd, OptionKind, OptionOrder, SackBlock, TcpOptions, Timestamps};

use super::octets::{Octets, be16, be32};

// Kinds of the IANA registry "TCP Parameters".
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
const MULTIPATH: u8 = 30;
const FAST_OPEN: u8 = 34;
const EXPERIMENT_1: u8 = 253;
const EXPERIMENT_2: u8 = 254;

// Subtypes of Multipath TCP (RFC 8684, section 8.2), and how much data MP_FASTCLOSE has: twelve bits reserved and a key.
const FAST_CLOSE: u8 = 7;
const PATH_RESET: u8 = 8;
const FAST_CLOSE_LEN: usize = 10;

/// The experiment identifier of Fast Open before it had a kind of its own (RFC 7413, appendix A).
const FAST_OPEN_EXPERIMENT: u16 = 0xf989;

/// Reads the options area, as far as it was captured.
#[inline]
pub(super) fn parse(area: Octets<'_>, options: &mut TcpOptions) -> Marks {
    if !area.is_cut() {
        if area.len() == 0 {
            return Marks::empty();
        }
        if let Some(timestamps) = timestamps_alone(area.captured()) {
            options.timestamps = Some(timestamps);
            return Marks::empty();
        }
        if is_usual_greeting(area.captured(), options) {
            return Marks::empty();
        }
    }
    walk(area, options)
}

/// Reads what Linux, Android and the BSDs put into SYNs, in their usual order and padding, or the largest segment alone.
#[inline]
fn is_usual_greeting(area: &[u8], options: &mut TcpOptions) -> bool {
    if let &[MAXIMUM_SEGMENT_SIZE, 4, m1, m0] = area {
        options.mss = Some(u16::from_be_bytes([m1, m0]));
        return true;
    }
    let &[MAXIMUM_SEGMENT_SIZE, 4, m1, m0, SACK_PERMITTED, 2, TIMESTAMPS, 10, ref rest @ ..] = area else {
        return false;
    };
    let &[a, b, c, d, e, f, g, h, NO_OPERATION, WINDOW_SCALE, 3, shift] = rest else { return false };
    let (value, echo) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    options.mss = Some(u16::from_be_bytes([m1, m0]));
    options.sack_permitted = true;
    options.timestamps = Some(Timestamps { value, echo });
    options.window_scale = Some(shift);
    options.order = OptionOrder::USUAL;
    true
}

/// The timestamps of an area that holds them and two octets of padding, as nearly every segment of an established connection
/// has it (RFC 7323, appendix A).
#[inline]
pub(super) fn timestamps_alone(area: &[u8]) -> Option<Timestamps> {
    let words: &[u8; 12] = area.try_into().ok()?;
    let &[p, q, kind, size, a, b, c, d, e, f, g, h] = words;
    (u32::from_be_bytes([p, q, kind, size]) == u32::from_be_bytes([NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10]))
        .then(|| Timestamps { value: u32::from_be_bytes([a, b, c, d]), echo: u32::from_be_bytes([e, f, g, h]) })
}

fn walk(area: Octets<'_>, options: &mut TcpOptions) -> Marks {
    let mut seen = Seen::default();
    let marks = walk_each(area, options, &mut seen);
    options.order = OptionOrder::of(seen.kinds.into_iter().flatten());
    marks
}

/// The kinds whose order is kept, as they came.
#[derive(Default)]
struct Seen {
    kinds: [Option<OptionKind>; 4],
    count: usize,
}

impl Seen {
    fn push(&mut self, kind: u8) {
        let kind = match kind {
            MAXIMUM_SEGMENT_SIZE => OptionKind::MaximumSegmentSize,
            SACK_PERMITTED => OptionKind::SackPermitted,
            TIMESTAMPS => OptionKind::Timestamps,
            WINDOW_SCALE => OptionKind::WindowScale,
            _ => return,
        };
        if !self.kinds.contains(&Some(kind)) {
            self.kinds[self.count] = Some(kind);
            self.count += 1;
        }
    }
}

fn walk_each(mut area: Octets<'_>, options: &mut TcpOptions, seen: &mut Seen) -> Marks {
    let mut marks = Marks::empty();
    let cut = if area.is_cut() { Marks::OPTIONS_CUT } else { Marks::empty() };
    loop {
        match *area.captured() {
            [] => return marks | cut,
            [END, ..] => return marks,
            [NO_OPERATION, ..] => area = area.after(1),
            [_] => return marks | if area.is_cut() { cut } else { Marks::OPTIONS_BAD },
            [kind, size, ..] => {
                let size = usize::from(size);
                if size < 2 || size > area.len() {
                    return marks | Marks::OPTIONS_BAD;
                }
                let Some(data) = area.captured().get(2..size) else { return marks | cut };
                if note(kind, data, options) {
                    seen.push(kind);
                } else {
                    marks |= Marks::OPTIONS_BAD;
                }
                area = area.after(size);
            }
        }
    }
}

/// Notes one option by its data; false when a known kind has a length that its definition does not allow, which
/// receivers then ignore.
fn note(kind: u8, data: &[u8], options: &mut TcpOptions) -> bool {
    match (kind, data.len()) {
        (MAXIMUM_SEGMENT_SIZE, 2) => options.mss = be16(data, 0),
        (WINDOW_SCALE, 1) => options.window_scale = Some(data[0]),
        (SACK_PERMITTED, 0) => options.sack_permitted = true,
        (SACK, 8 | 16 | 24 | 32) => {
            for (block, bytes) in options.sack.iter_mut().zip(data.as_chunks::<8>().0) {
                let [a, b, c, d, e, f, g, h] = *bytes;
                let [left, right] = [[a, b, c, d], [e, f, g, h]].map(|edge| Seq(u32::from_be_bytes(edge)));
                *block = SackBlock { left, right };
            }
            options.sack_count = (data.len() / 8) as u8;
        }
        (TIMESTAMPS, 8) => {
            options.timestamps = be32(data, 0).zip(be32(data, 4)).map(|(value, echo)| Timestamps { value, echo });
        }
        (FAST_OPEN, _) => options.fast_open = true,
        (EXPERIMENT_1 | EXPERIMENT_2, _) if be16(data, 0) == Some(FAST_OPEN_EXPERIMENT) => options.fast_open = true,
        (MULTIPATH, _) => {
            options.multipath = true;
            match (data, options.multipath_end) {
                (&[subtype, ..], _) if subtype >> 4 == FAST_CLOSE && data.len() == FAST_CLOSE_LEN => {
                    options.multipath_end = MultipathEnd::FAST_CLOSE;
                }
                (&[subtype, reason], MultipathEnd::NONE) if subtype >> 4 == PATH_RESET => {
                    options.multipath_end = MultipathEnd::path_reset(reason);
                }
                _ => {}
            }
        }
        (MAXIMUM_SEGMENT_SIZE | WINDOW_SCALE | SACK_PERMITTED | SACK | TIMESTAMPS, _) => return false,
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(area: &[u8]) -> (TcpOptions, Marks) {
        cut(area, area.len())
    }

    fn cut(area: &[u8], len: usize) -> (TcpOptions, Marks) {
        let mut options = TcpOptions::default();
        let marks = parse(Octets::new(area, len), &mut options);
        (options, marks)
    }

    #[test]
    fn window_scale_counts_after_unknown_kinds() {
        let (options, marks) = whole(&[2, 4, 5, 0xb4, 30, 4, 0, 0, 99, 3, 7, 3, 3, 9, 4, 2, 34, 2, 0, 0]);
        assert_eq!(options.window_scale, Some(9));
        assert_eq!(options.mss, Some(1460));
        assert!(options.sack_permitted && options.fast_open && options.multipath);
        assert_eq!(marks, Marks::empty());
    }

    #[test]
    fn the_common_timestamps_read_the_same_in_any_order_of_padding() {
        let usual = whole(&[1, 1, 8, 10, 0, 0, 1, 2, 0xff, 0, 0, 1]);
        let unusual = whole(&[8, 10, 0, 0, 1, 2, 0xff, 0, 0, 1, 1, 1]);
        assert_eq!(usual, unusual);
        assert_eq!(usual.0.timestamps, Some(Timestamps { value: 258, echo: 0xff00_0001 }));
    }

    #[test]
    fn multipath_says_how_it_ends() {
        let fast_close = [30, 12, 0x70, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let path_reset = [30, 4, 0x81, 5];
        let end = |area: &[u8]| {
            let (options, marks) = whole(area);
            assert!(options.multipath && marks.is_empty());
            options.multipath_end
        };
        assert_eq!(end(&fast_close), MultipathEnd::FAST_CLOSE);
        assert_eq!(end(&path_reset).reason(), Some(5));
        assert_eq!(end(&[30, 4, 0x80, 200]).reason(), Some(7));
        // Linux sends both.
        assert_eq!(end(&[&fast_close[..], &path_reset].concat()), MultipathEnd::FAST_CLOSE);
        assert_eq!(end(&[&path_reset[..], &fast_close].concat()), MultipathEnd::FAST_CLOSE);
        assert_eq!(end(&[30, 4, 0x20, 5]), MultipathEnd::NONE);
        assert_eq!(end(&[30, 3, 0x80, 1]), MultipathEnd::NONE);
    }

    #[test]
    fn the_usual_greeting_reads_as_if_it_were_walked() {
        let usual = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 5, 1, 3, 3, 7];
        for at in 0..usual.len() {
            for value in [0, 1, 9, usual[at]] {
                let mut area = usual;
                area[at] = value;
                let mut walked = TcpOptions::default();
                let marks = walk(Octets::new(&area, area.len()), &mut walked);
                assert_eq!(whole(&area), (walked, marks), "{area:?}");
            }
        }
        for usual in [&usual[..], &usual[..4]] {
            let mut walked = TcpOptions::default();
            let marks = walk(Octets::new(usual, usual.len()), &mut walked);
            assert_eq!(whole(usual), (walked, marks));
            assert!(is_usual_greeting(usual, &mut TcpOptions::default()));
        }
    }

    #[test]
    fn sack_blocks_come_in_order() {
        let (options, _) = whole(&[1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6]);
        assert_eq!(
            options.sack_blocks(),
            [SackBlock { left: Seq(1), right: Seq(2) }, SackBlock { left: Seq(5), right: Seq(6) }]
        );
    }

    #[test]
    fn a_bad_length_is_marked_and_what_came_before_it_stands() {
        for tail in [&[9, 0][..], &[9, 1], &[9, 3], &[9]] {
            let area = [&[3, 3, 7][..], tail].concat();
            let (options, marks) = whole(&area);
            assert_eq!((options.window_scale, marks), (Some(7), Marks::OPTIONS_BAD), "{area:?}");
        }
    }

    #[test]
    fn a_known_kind_of_wrong_length_is_ignored_and_marked() {
        let (options, marks) = whole(&[3, 4, 7, 7, 2, 4, 1, 0]);
        assert_eq!((options.window_scale, options.mss, marks), (None, Some(256), Marks::OPTIONS_BAD));
    }

    #[test]
    fn options_cut_by_the_snap_length_are_no_fault_of_the_sender() {
        let area = [2, 4, 5, 0xb4, 3, 3, 7, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 4, 2];
        for at in 0..area.len() {
            let (options, marks) = cut(&area[..at], area.len());
            assert_eq!(marks, Marks::OPTIONS_CUT, "{at}");
            assert_eq!(options.window_scale, (at >= 7).then_some(7));
        }
        assert_eq!(whole(&area).1, Marks::empty());
    }

    #[test]
    fn nothing_counts_after_the_end_of_the_list() {
        let (options, marks) = whole(&[0, 3, 3, 7]);
        assert_eq!((options, marks), (TcpOptions::default(), Marks::empty()));
        assert_eq!(cut(&[1, 0], 4).1, Marks::empty());
    }
}
