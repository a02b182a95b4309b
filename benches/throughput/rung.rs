//! The ladder: each rung does what the one below does and one thing more, so that its price is a difference.

use std::cell::RefCell;
use std::hint::black_box;
use std::path::Path;
use std::{io, mem};

use anyhow::{Result, ensure};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use lastack::analysis::{Options, analyse};
use lastack::base::Timestamp;
use lastack::connection::{Connection, Lifecycle, Orderly, Profile, Room};
use lastack::decode::{Decoder, Item, Items};
use lastack::finding::{Gist, Sketch, Thresholds, Verdict};
use lastack::population::{Departure, INTERVAL_NS, Tally};
use lastack::report::{Canvas, CaptureRecord, Json, LateRecord, Palette, PopulationFinding, Rows, Sink, Summary, Text};
use lastack::segment::Segment;
use lastack::source::{self, Access, CaptureSet, Frame, Input, ReadAhead, Source};
use lastack::table::{Left, Limits, Locator, Table};

use crate::floor::{BATCH, Facts, Floor};
use crate::walk::Walk;

/// A way of going through a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rung {
    /// Follow the record lengths in a read buffer, by hand.
    Walk,
    /// The same, then the least that a tracker must do.
    Floor,
    /// Lend every frame through the buffer.
    Read,
    /// Lend every frame out of a map of the file.
    Map,
    /// Read, then decode every frame to its segment.
    Decode,
    /// Read and decode, then the floor's table instead of the project's.
    Track,
    /// Read, decode, and the project's table with its connections; those that end are dropped unseen.
    Table,
    /// The same, and hindsight upon every connection that ends; in short where that is certain.
    Hindsight,
    /// The same, and what is found on it, without words: every connection by itself.
    Alone,
    /// The same, and the counts across connections.
    Across,
    /// The whole analysis of every connection by itself; its results counted and not printed.
    Plain,
    /// The same, with what shows across connections.
    Whole,
    /// The same on two threads.
    Threads,
    /// The whole analysis as `lastack read` runs it, its text thrown away.
    Text,
    /// The whole analysis with a JSON object for every connection.
    Ndjson,
}

impl Rung {
    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Walk => "walk",
            Rung::Floor => "floor",
            Rung::Read => "read",
            Rung::Map => "map",
            Rung::Decode => "decode",
            Rung::Track => "track",
            Rung::Table => "table",
            Rung::Hindsight => "hindsight",
            Rung::Alone => "alone",
            Rung::Across => "across",
            Rung::Plain => "plain",
            Rung::Whole => "whole",
            Rung::Threads => "threads",
            Rung::Text => "text",
            Rung::Ndjson => "ndjson",
        }
    }

    /// Goes through the capture once and gives how many frames it saw. Never inlined, for benches/instructions counts
    /// what happens in here.
    #[inline(never)]
    pub fn run(self, path: &Path) -> Result<u64> {
        match self {
            Rung::Walk => walk(path),
            Rung::Floor => floor(path),
            Rung::Read => read(path, Access::Buffer),
            Rung::Map => read(path, Access::Map),
            Rung::Decode => decode(path, |segment| {
                black_box(segment);
            }),
            Rung::Track => {
                let mut floor = Floor::new();
                let frames = decode(path, |segment| floor.push(Facts::of_segment(segment)))?;
                Ok(floor.finish(frames))
            }
            Rung::Table => table(path, |left, _| {
                black_box(left);
            }),
            Rung::Hindsight => {
                let mut lives = Lives::default();
                table(path, |left, now| {
                    lives.each(left, now, |orderly| _ = black_box(orderly), |_, life| _ = black_box(life));
                })
            }
            Rung::Alone => {
                let (mut lives, sketch) = (Lives::default(), RefCell::new(Sketch::default()));
                table(path, |left, now| {
                    let short = |orderly: &Orderly| look_in_short(&mut sketch.borrow_mut(), orderly);
                    lives.each(left, now, short, |connection, life| look(&mut sketch.borrow_mut(), connection, life));
                })
            }
            Rung::Across => {
                let (mut lives, sketch) = (Lives::default(), RefCell::new(Sketch::default()));
                let tally = RefCell::new(Tally::new(Profile::LINUX, INTERVAL_NS));
                let frames = table(path, |left, now| {
                    let short = |orderly: &Orderly| {
                        tally.borrow_mut().take_orderly(orderly, Departure::Over);
                        look_in_short(&mut sketch.borrow_mut(), orderly);
                    };
                    lives.each(left, now, short, |connection, life| {
                        tally.borrow_mut().take(connection, life, Departure::Over);
                        look(&mut sketch.borrow_mut(), connection, life);
                    });
                })?;
                black_box(tally.into_inner().finish());
                Ok(frames)
            }
            Rung::Plain => analyse_with(path, Options { alone: true, ..Options::default() }, &mut Counted),
            Rung::Whole => whole(path, 1, &mut Counted),
            Rung::Threads => whole(path, 2, &mut Counted),
            Rung::Text => {
                let canvas = Canvas::new(80, Palette::Plain, TimeZone::UTC);
                whole(path, 1, &mut Text::new(io::sink(), canvas, Rows::Few, None))
            }
            Rung::Ndjson => whole(path, 1, &mut Json::lines(io::sink())),
        }
    }
}

/// Tells lives the way the analysis does: in short where that is certain.
#[derive(Default)]
struct Lives {
    scratch: Option<Box<Connection>>,
    room: Room,
    orderly: Option<Box<Orderly>>,
}

impl Lives {
    fn each(
        &mut self,
        left: Left<'_>,
        now: Timestamp,
        short: impl FnOnce(&Orderly),
        whole: impl FnOnce(&Connection, &Lifecycle),
    ) {
        let orderly = self.orderly.get_or_insert_with(|| Box::new(Orderly::BLANK));
        if left.orderly(now, &Profile::LINUX, orderly) {
            return short(orderly);
        }
        let room = mem::take(&mut self.room);
        let room = left.lend(&mut self.scratch, |connection| {
            let life = Lifecycle::within(room, connection, now, Profile::LINUX);
            whole(connection, &life);
            life.into_room()
        });
        self.room = room.unwrap_or_default();
    }
}

fn look(sketch: &mut Sketch, connection: &Connection, life: &Lifecycle) {
    sketch.draw(connection, life, &Thresholds::default());
    black_box(sketch.gist(connection, life));
}

fn look_in_short(sketch: &mut Sketch, orderly: &Orderly) {
    sketch.draw_orderly(orderly, &Thresholds::default());
    black_box(sketch.gist_of_orderly(orderly));
}

fn walk(path: &Path) -> Result<u64> {
    let mut walk = Walk::open(path)?;
    let mut frames = 0;
    while let Some(record) = walk.next_record()? {
        black_box(record.bytes.as_ptr());
        frames += 1;
    }
    Ok(frames)
}

fn floor(path: &Path) -> Result<u64> {
    let mut walk = Walk::open(path)?;
    let mut floor = Floor::new();
    let mut frames = 0;
    while let Some(record) = walk.next_record()? {
        frames += 1;
        let micros = u64::from(record.seconds) * 1_000_000 + u64::from(record.micros);
        if let Some(facts) = Facts::of_frame(record.bytes, micros) {
            floor.push(facts);
        }
    }
    Ok(floor.finish(frames))
}

fn read(path: &Path, access: Access) -> Result<u64> {
    let options = source::Options { access, ..source::Options::default() };
    let mut source = source::open(vec![Input::Path(path.to_owned())], options)?;
    let mut frames = 0;
    loop {
        let at_hand = source.lend_at_hand(BATCH, |frame: &Frame<'_>| _ = black_box(frame.bytes.as_ptr()));
        frames += at_hand as u64;
        if at_hand == 0 {
            let Some(frame) = source.next_frame()? else { return Ok(frames) };
            black_box(frame.bytes.as_ptr());
            frames += 1;
        }
    }
}

/// In batches, as the analysis does it.
fn decode(path: &Path, mut each: impl FnMut(&Segment)) -> Result<u64> {
    let mut source = source::open(vec![Input::Path(path.to_owned())], source::Options::default())?;
    let (mut decoder, mut items) = (Decoder::default(), Items::default());
    let (mut frames, mut segments) = (0, 0);
    loop {
        let more = fill(&mut source, &mut decoder, &mut items, &mut frames)?;
        for segment in items.iter().filter_map(segment) {
            each(segment);
            segments += 1;
        }
        if !more {
            break;
        }
        items.clear();
    }
    ensure!(segments == frames, "{} of {frames} generated frames gave no segment", frames - segments);
    Ok(frames)
}

/// Decodes the next frames; false when there are no more.
fn fill(source: &mut CaptureSet, decoder: &mut Decoder, items: &mut Items, frames: &mut u64) -> Result<bool> {
    let at_hand = source.lend_at_hand(BATCH, |frame: &Frame<'_>| _ = decoder.decode_into(frame, items));
    *frames += at_hand as u64;
    if at_hand == 0 {
        let Some(frame) = source.next_frame()? else { return Ok(false) };
        decoder.decode_into(&frame, items);
        *frames += 1;
    }
    Ok(true)
}

fn segment(item: &Item) -> Option<&Segment> {
    if let Item::Segment(segment) = item { Some(segment) } else { None }
}

/// The same, and gives them to the table.
fn table(path: &Path, mut leave: impl FnMut(Left<'_>, Timestamp)) -> Result<u64> {
    let mut source = source::open(vec![Input::Path(path.to_owned())], source::Options::default())?;
    let (mut decoder, mut items) = (Decoder::default(), Items::default());
    let mut table = Table::new(Limits::default(), Profile::LINUX);
    let mut locators = Vec::new();
    let (mut frames, mut segments, mut now) = (0u64, 0, Timestamp::default());
    loop {
        let more = fill(&mut source, &mut decoder, &mut items, &mut frames)?;
        if locators.len() < items.len() {
            locators.resize(items.len(), Locator::NONE);
        }
        let (locators, finder) = (&mut locators[..items.len()], table.finder());
        for (segment, locator) in items.iter().filter_map(segment).zip(&mut *locators) {
            finder.locate_in(segment, locator);
            table.look_up_soon(locator);
        }
        locators.iter_mut().for_each(|locator| table.update_soon(locator));
        locators.iter().for_each(|locator| table.pack_soon(locator));
        for (segment, locator) in items.iter().filter_map(segment).zip(&*locators) {
            now = segment.time;
            table.expire(now, |left| leave(left, now));
            table.take_at(locator, segment, |left| leave(left, now));
            segments += 1;
        }
        if !more {
            break;
        }
        items.clear();
    }
    table.finish(|left| leave(left, now));
    ensure!(segments == frames, "{} of {frames} generated frames gave no segment", frames - segments);
    Ok(frames)
}

fn whole(path: &Path, threads: usize, sink: &mut dyn Sink) -> Result<u64> {
    analyse_with(path, Options { threads, ..Options::default() }, sink)
}

fn analyse_with(path: &Path, options: Options, sink: &mut dyn Sink) -> Result<u64> {
    // As `lastack read` opens it.
    let ahead = if options.threads > 1 { ReadAhead::Long } else { ReadAhead::Nothing };
    let mut source =
        source::open(vec![Input::Path(path.to_owned())], source::Options { ahead, ..source::Options::default() })?;
    let outcome = analyse(&mut source, &options, None, sink, &mut ())?;
    let summary = outcome.summary;
    ensure!(outcome.source_error.is_none() && summary.segments == summary.frames, "{summary:?}");
    Ok(summary.frames)
}

/// Takes every record and prints none.
struct Counted;

impl Sink for Counted {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        black_box(capture);
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        black_box(verdict);
        Ok(())
    }

    fn takes_gists(&self) -> bool {
        true
    }

    fn gist(&mut self, gist: &Gist<'_>) -> bool {
        black_box(gist);
        true
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        black_box(late);
        Ok(())
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        black_box(finding);
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        black_box(summary);
        Ok(())
    }
}
