//! From the input on to the tracker, a few frames at a time.

use std::io;

use super::onward::{Onward, count_frame};
use super::passing::Passing;
use super::tracker::{Batch, Lost};
use super::ways::Ways;
use super::{Filter, Observer, Options, View, decoder};
use crate::base::Timestamp;
use crate::decode::{Decoder, FragmentCounts, FrameKind};
use crate::finding::Loss;
use crate::report::{CaptureRecord, FileFrames, Summary, counted};
use crate::source::{Borrower, CaptureSet, Frame, Gap, Interface, Source, SourceError};

/// How many frames pass between two looks at the observer.
const OBSERVE_EVERY: u64 = 4_096;

/// What is read, and who has a say in it.
pub(super) struct Reading<'a, 'f, 'o> {
    pub source: &'a mut CaptureSet,
    pub filter: Option<&'f mut (dyn Filter + 'f)>,
    pub observer: &'o mut (dyn Observer + 'o),
    pub options: &'a Options,
}

/// Where frames go.
struct Work<'a, 'f, O> {
    passing: Option<Passing<'f>>,
    decoder: Decoder,
    onward: &'a mut O,
    batch: Batch,
    /// Frames that may wait in the batch.
    batch_max: usize,
    announced: bool,
    frames: u64,
    /// Ways that were told.
    ways: usize,
}

impl<'f> Reading<'_, 'f, '_> {
    /// Reads to the end. Returns why it came early, and whether the observer wanted it so.
    ///
    /// # Errors
    /// Only those of who takes what was read.
    pub fn read<O: Onward>(self, onward: &mut O) -> io::Result<(Option<SourceError>, bool)> {
        let Self { source, filter, observer, options } = self;
        let decoder = decoder(options);
        let passing = filter.map(|filter| Passing::new(filter, options, &decoder));
        let (batch_max, batch) = (onward.batch_max(), Batch::default());
        let mut work = Work { passing, decoder, onward, batch, batch_max, announced: false, frames: 0, ways: 0 };
        let mut source_error = None;
        let mut interrupted = false;
        loop {
            let most = work.room().min((OBSERVE_EVERY - work.frames % OBSERVE_EVERY) as usize);
            let lent = source.lend_at_hand(most, &mut work);
            work.frames += lent as u64;
            if lent == 0 {
                work.track()?;
                work.onward.pause();
                work.tell_gaps(source);
                match source.next_frame() {
                    Ok(Some(frame)) => work.take_first(&frame),
                    Ok(None) => break,
                    Err(error) => {
                        source_error = Some(error);
                        break;
                    }
                }
            }
            if !work.announced {
                work.announce(source);
            }
            if work.room() == 0 {
                work.track()?;
            }
            if work.frames.is_multiple_of(OBSERVE_EVERY) {
                let view = View { source, frames: work.frames, streams: work.onward.streams() };
                if observer.look(&view).is_break() {
                    interrupted = true;
                    break;
                }
            }
        }
        work.announce(source);
        work.track()?;
        if !interrupted {
            work.end()?;
        }
        work.tell_gaps(source);
        // Those that have left were told before the capture spoke of it.
        let lost = lost_some_time(source);
        if lost > 0 {
            work.onward.lost(Lost::SomeTime { lost, frames: work.frames });
        }
        if let Some(until) = source.interfaces().iter().filter_map(|interface| interface.counted_at).max() {
            work.onward.silence(until)?;
        }
        let Work { onward, decoder, passing, .. } = work;
        account_for(onward.summary(), source, &decoder, options.names);
        onward.summary().notices.extend(passing.and_then(|passing| passing.notice()));
        Ok((source_error, interrupted))
    }
}

impl<O: Onward> Borrower for &mut Work<'_, '_, O> {
    #[inline(always)]
    fn take(&mut self, frame: &Frame<'_>) {
        // A closure would be called.
        let kind = match self.passing {
            None => Some(self.batch.decode(frame, &mut self.decoder)),
            Some(_) => self.decode_passing(frame),
        };
        self.count(frame.time, kind);
    }
}

impl<O: Onward> Work<'_, '_, O> {
    /// How many more frames may wait.
    fn room(&self) -> usize {
        self.batch_max.saturating_sub(self.batch.frames())
    }

    /// Takes a frame that was not at hand.
    fn take_first(&mut self, frame: &Frame<'_>) {
        let kind = match self.passing {
            None => Some(self.batch.decode_apart(frame, &mut self.decoder)),
            Some(_) => self.decode_passing(frame),
        };
        self.count(frame.time, kind);
        self.frames += 1;
    }

    /// Decodes a frame if it passes the filter that there is.
    #[inline(never)]
    fn decode_passing(&mut self, frame: &Frame<'_>) -> Option<FrameKind> {
        let passing = self.passing.as_mut()?;
        if !passing.passes(frame) {
            return None;
        }
        let kind = self.batch.decode_apart(frame, &mut self.decoder);
        passing.number(&mut self.batch);
        Some(kind)
    }

    /// Frames that gave a segment are counted by the batch, and all of them where they come from.
    #[inline]
    fn count(&mut self, time: Timestamp, kind: Option<FrameKind>) {
        if kind != Some(FrameKind::Segment) {
            count_frame(self.onward.summary(), kind);
        }
        if self.batch_max == 1 {
            self.onward.before(self.frames + 1, time);
        }
    }

    fn track(&mut self) -> io::Result<()> {
        Ways::beyond(&mut self.ways, self.decoder.contexts(), |way| self.onward.way(way));
        let (segments, summary) = (self.batch.segments(), self.onward.summary());
        summary.frames += segments;
        summary.segments += segments;
        self.onward.batch(&mut self.batch)
    }

    /// What was lost between the frames taken and the next one.
    fn tell_gaps(&mut self, source: &mut CaptureSet) {
        for Gap { from, to, frames } in source.gaps_ahead() {
            self.onward.lost(Lost::Then(Loss { from, to, frames }));
        }
    }

    /// What fragments said whose rest never came.
    fn end(&mut self) -> io::Result<()> {
        let items = &mut self.batch.items;
        self.decoder.finish(|item| {
            items.add(*item);
        });
        if let Some(passing) = &mut self.passing {
            passing.end();
            passing.number(&mut self.batch);
        }
        self.track()
    }

    /// The capture record, once: after the first frame, when the headers have been read.
    #[cold]
    fn announce(&mut self, source: &CaptureSet) {
        if std::mem::replace(&mut self.announced, true) {
            return;
        }
        self.onward.announce(CaptureRecord {
            files: source.files().iter().map(|file| file.name.clone()).collect(),
            format: source.format().to_owned(),
            link_types: source.link_types(),
        });
    }
}

/// Frames that the capture says it lost.
fn dropped(source: &CaptureSet) -> u64 {
    source.interfaces().iter().map(|interface| interface.drops.total()).fold(0, u64::saturating_add)
}

/// Those that are missing, and it does not say when they came.
fn lost_some_time(source: &CaptureSet) -> u64 {
    let of = |interface: &Interface| interface.drops.missing().saturating_sub(interface.dated);
    source.interfaces().iter().map(of).fold(0, u64::saturating_add)
}

/// Takes over what the source and the decoder say of themselves.
fn account_for(summary: &mut Summary, source: &CaptureSet, decoder: &Decoder, names: bool) {
    summary.dropped = dropped(source);
    summary.unknown_blocks = source.unknown_blocks();
    summary.notices = source.notices().iter().map(ToString::to_string).collect();
    for (link, frames) in decoder.unsupported_links() {
        let frames = counted(frames, "frame");
        summary.notices.push(format!("link type {link} ({}) is not supported: {frames} skipped", link.0));
    }
    let FragmentCounts { overlapping, expired, evicted, forgotten, .. } = decoder.fragment_counts();
    for (number, what, why) in [
        (overlapping, "IP fragment", "overlapped another: where they disagree, the one that begins earlier counts"),
        (expired + evicted, "fragmented datagram", "never became whole"),
        (forgotten, "first fragment", "without a rest could not be kept"),
        (decoder.short_frames(), "IP packet", "longer than the frame: a tool shortened it, or its length is damaged"),
    ] {
        if number > 0 {
            summary.notices.push(format!("{} {why}", counted(number, what)));
        }
    }
    summary.files = parts(source);
    if names {
        summary.names = source.names().iter().map(|(address, name)| (address, name.to_owned())).collect();
    }
}

/// Where the files lie in the running frame numbers. One file needs no word, and merged ones have no such places.
fn parts(source: &CaptureSet) -> Vec<FileFrames> {
    let files = source.files().iter().filter(|file| file.last_number > 0);
    let parts: Vec<FileFrames> = files
        .filter_map(|file| {
            let first = file.first_frame?;
            let last = first.0 + file.last_number - 1;
            (source.locate(first).is_some()).then(|| FileFrames { file: file.name.clone(), first: first.0, last })
        })
        .collect();
    if parts.len() > 1 { parts } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use crate::analysis::{Options, analyse};
    use crate::connection::State;
    use crate::decode::Checksums;
    use crate::finding::{Confidence, Verdict};
    use crate::report::{CaptureRecord, LateRecord, PopulationFinding, Sink, Summary};
    use crate::source::script::Script;
    use crate::source::write::{InterfaceOptions, PacketOptions, PcapngWriter};
    use crate::source::{ByteOrder, Drops, Input, LinkType, Source, open};

    /// The last states of the clients, and what was found.
    #[derive(Default)]
    struct Last(Vec<State>, Vec<(&'static str, Confidence)>);

    impl Sink for Last {
        fn capture(&mut self, _: &CaptureRecord) -> std::io::Result<()> {
            Ok(())
        }

        fn connection(&mut self, verdict: &Verdict) -> std::io::Result<()> {
            self.0.push(verdict.endpoints.client.final_state());
            self.1.extend(verdict.findings.iter().map(|finding| (finding.name, finding.confidence)));
            Ok(())
        }

        fn late(&mut self, _: &LateRecord) -> std::io::Result<()> {
            Ok(())
        }

        fn population(&mut self, _: &PopulationFinding) -> std::io::Result<()> {
            Ok(())
        }

        fn summary(&mut self, _: &Summary) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What becomes of a client in TIME-WAIT when the capture says that it went on for so many seconds after its last frame.
    fn after_silence(seconds: i64) -> Vec<State> {
        let text = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > FIN ACK\nclient > ACK\n\
                    b.client 10.0.0.9:40000\n+1s b.client > SYN\n";
        told(text, seconds, Drops::default(), Checksums::Control).0
    }

    /// What is told of the connections of a trace, in a capture that went on for so many seconds and lost frames.
    fn told(text: &str, seconds: i64, drops: Drops, checksums: Checksums) -> Last {
        let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little, "test").unwrap();
        writer.interface(LinkType::ETHERNET, &InterfaceOptions::default()).unwrap();
        let mut frames = Script::parse(text).unwrap();
        let mut newest = crate::base::Timestamp(0);
        while let Some(frame) = frames.next_frame().unwrap() {
            newest = frame.time;
            writer.frame(0, frame.time, frame.bytes, frame.original_len, PacketOptions::default()).unwrap();
        }
        writer.statistics(0, newest.plus(seconds * 1_000_000_000), drops).unwrap();
        let file = std::io::Cursor::new(writer.finish().unwrap());
        let inputs = vec![Input::Reader("silence".to_owned(), Box::new(file))];
        let mut source = open(inputs, Default::default()).unwrap();
        let mut last = Last::default();
        analyse(&mut source, &Options { checksums, ..Options::default() }, None, &mut last, &mut ()).unwrap();
        last
    }

    #[test]
    fn what_rests_on_silence_is_less_sure_where_the_capture_lost_frames() {
        let silent = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > ACK\n\
                      +300ms client > data 100\n+300ms client > again\n+600ms client > again\n+1 client > again\n\
                      b.client 10.0.0.9:40000\n+3 b.client > SYN\n";
        let lost = |count| Drops { by_interface: Some(count), ..Drops::default() };
        let told = |count| told(silent, 0, lost(count), Checksums::Control).1;
        assert!(told(0).contains(&("dead-peer", Confidence::High)));
        let lossy = told(7);
        assert!(
            lossy.contains(&("dead-peer", Confidence::Medium)) && lossy.contains(&("capture-gap", Confidence::High))
        );
        // All ones say that nobody counted.
        assert_eq!(told(u64::MAX), told(0));
    }

    #[test]
    fn frames_that_were_lost_between_two_counts_were_lost_then() {
        let text = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > RST ACK\n\
                    b.client 10.0.0.9:40000\n+5s b.client > SYN\nb.server > SYN ACK\nb.client > ACK\n";
        let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little, "test").unwrap();
        writer.interface(LinkType::ETHERNET, &InterfaceOptions::default()).unwrap();
        let mut frames = Script::parse(text).unwrap();
        let mut number = 0;
        while let Some(frame) = frames.next_frame().unwrap() {
            let counted = |lost| Drops { by_system: Some(lost), by_interface: Some(1_000), ..Drops::default() };
            number += 1;
            if number == 7 {
                writer.statistics(0, frame.time.plus(-2_000_000), counted(0)).unwrap();
                writer.statistics(0, frame.time.plus(-1_000_000), counted(9)).unwrap();
            }
            writer.frame(0, frame.time, frame.bytes, frame.original_len, PacketOptions::default()).unwrap();
        }
        for threads in [1, 2] {
            let file = std::io::Cursor::new(writer.get_ref().clone());
            let mut source = open(vec![Input::Reader("gap".to_owned(), Box::new(file))], Default::default()).unwrap();
            let mut last = Last::default();
            let outcome =
                analyse(&mut source, &Options { threads, ..Options::default() }, None, &mut last, &mut ()).unwrap();
            assert_eq!(outcome.summary.dropped, 1_009);
            let gaps = last.1.iter().filter(|found| found.0 == "capture-gap").count();
            assert_eq!(gaps, 1, "only of the one that lived then: {:?}", last.1);
            assert!(last.1.contains(&("reset-linger-zero", Confidence::High)), "{:?}", last.1);
        }
    }

    #[test]
    fn payload_is_summed_up_on_request() {
        let damaged = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100 bad-checksum\n\
                       +300ms client > again\nserver > ACK\n";
        let found =
            |checksums| told(damaged, 0, Drops::default(), checksums).1.iter().any(|found| found.0 == "bad-checksum");
        assert_eq!([Checksums::Control, Checksums::All, Checksums::Off].map(found), [false, true, false]);
    }

    #[test]
    fn a_capture_that_went_on_in_silence_saw_time_wait_end() {
        assert_eq!(after_silence(0), [State::TimeWait, State::SynSent]);
        assert_eq!(after_silence(30), [State::TimeWait, State::SynSent]);
        // A minute is believed, whatever the capture's clock says.
        assert_eq!(after_silence(60), [State::Closed, State::SynSent]);
        assert_eq!(after_silence(1_000_000), [State::Closed, State::SynSent]);
    }
}
