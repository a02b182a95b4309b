//! Judges what leaves the tracker and tells the sink.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::counter::{self, Counter};
use super::judge::{Judge, Judged, Said, Spare};
use super::survivors::Circle;
use super::tracker::{Counts, Lost, Outlet, Witness};
use super::ways::{Way, Ways};
use super::{Finished, Options};
use crate::base::{Endpoint, Timestamp};
use crate::connection::{Connection, Lifecycle, Orderly, Profile, Room};
use crate::finding::{self, Loss, Losses, Sieve, Sketch, Thresholds, Unheard, Verdict};
use crate::policy::Policy;
use crate::population::{Crew, Departure, INTERVAL_NS, Population, SocketTable, Tally};
use crate::report::{CaptureRecord, LateRecord, PopulationFinding, SegmentLog, Sink, Summary};
use crate::segment::{Marks, Segment};
use crate::table::{Flood, Left, Past, Table};

/// Diagnoses what leaves the table and tells the sink.
pub(super) struct Reporter<'a> {
    sink: &'a mut dyn Sink,
    profile: Profile,
    policy: Policy,
    pub(super) summary: Summary,
    interval_ns: i64,
    /// Nothing is counted across connections.
    pub(super) is_alone: bool,
    tally: Tally,
    crew: Crew,
    /// Counts floods, if there was one.
    counter: Option<Counter>,
    /// It has the tally.
    is_counting: bool,
    sockets: Option<SocketTable>,
    losses: Losses,
    unheard: Unheard,
    sieve: Sieve,
    ways: Ways,
    /// Why the sink could not take a record; it gets no more.
    failure: Option<io::Error>,
    /// Where connections that were kept packed are played back into.
    scratch: Option<Box<Connection>>,
    room: Room,
    sketch: Sketch,
    /// Where a life in short is written.
    orderly: Option<Box<Orderly>>,
    /// Where a verdict on a life in short is written.
    verdict: Option<Box<Verdict>>,
}

impl<'a> Reporter<'a> {
    pub fn new(options: &Options, sink: &'a mut dyn Sink) -> Self {
        let interval_ns = options.interval_ns.unwrap_or(INTERVAL_NS);
        let crew = Crew::of(options.threads);
        Self {
            sink,
            profile: options.profile,
            policy: options.policy.clone(),
            summary: Summary::default(),
            interval_ns,
            is_alone: options.alone,
            tally: Tally::new(options.profile, interval_ns).within(options.breadth).shared(crew),
            crew,
            counter: None,
            is_counting: false,
            sockets: options.moment.map(SocketTable::new),
            losses: Losses::default(),
            unheard: Unheard::default(),
            sieve: Sieve::default(),
            ways: Ways::default(),
            failure: None,
            scratch: None,
            room: Room::default(),
            sketch: Sketch::default(),
            orderly: None,
            verdict: None,
        }
    }

    /// Who can say elsewhere what does not depend on the connections before.
    pub fn judge_elsewhere(&self) -> Judge {
        Judge { profile: self.profile, policy: self.policy.clone(), takes_gists: self.sink.takes_gists() }
    }

    /// Tells a connection that was judged elsewhere. Gives its memory back.
    pub fn judged(&mut self, judged: Judged, departure: Departure) -> Spare {
        let Judged { connection, life, said } = judged;
        if self.failure.is_none() {
            self.told(&connection, &life, departure, said);
        }
        Spare::of(connection, life)
    }

    /// What is said of a connection that leaves at `horizon`, for other threads; none where something is kept of each here.
    pub fn circle(&self, horizon: Timestamp) -> Option<Circle> {
        let is_enough = self.sockets.is_none() && !self.sink.takes_gists();
        is_enough.then(|| Circle {
            judge: self.judge_elsewhere(),
            losses: self.losses.clone(),
            unheard: self.unheard.clone(),
            sieve: self.sieve,
            ways: self.ways.clone(),
            horizon,
        })
    }

    /// What is counted across connections.
    #[inline]
    fn tally(&mut self) -> &mut Tally {
        if self.is_counting {
            self.bring_tally_back();
        }
        &mut self.tally
    }

    /// The same, if it is, and the totals.
    pub fn counts(&mut self) -> (Option<&mut Tally>, &mut Summary) {
        let is_alone = self.is_alone;
        self.tally();
        ((!is_alone).then_some(&mut self.tally), &mut self.summary)
    }

    #[cold]
    #[inline(never)]
    fn bring_tally_back(&mut self) {
        self.is_counting = false;
        if let Some(counter) = &mut self.counter {
            self.tally = counter.give_back();
        }
    }

    /// Counts `flood` across connections, on another thread if there is one. What is said of a connection depends on no count, nor
    /// the other way round.
    fn count_aside(&mut self, flood: &Arc<Flood>, horizon: Timestamp) {
        let begun = match self.counter.take() {
            None => Counter::begin(self.profile).ok(),
            begun => begun,
        };
        match &begun {
            Some(counter) => {
                if !std::mem::replace(&mut self.is_counting, true) {
                    let nobody = self.nobody();
                    counter.into(std::mem::replace(&mut self.tally, nobody));
                }
                counter.flood(flood, horizon);
            }
            None => counter::count(flood, horizon, &self.profile, &mut self.tally),
        }
        self.counter = begun;
    }

    /// Takes over how frames were counted elsewhere.
    pub fn take_counts(&mut self, counts: Summary) {
        let told = std::mem::replace(&mut self.summary, counts);
        let Summary { connections, late_segments, findings, ignored, .. } = told;
        let summary = &mut self.summary;
        (summary.connections, summary.late_segments, summary.findings, summary.ignored) =
            (connections, late_segments, findings, ignored);
    }

    /// The totals so far.
    pub fn totals(&self) -> &Summary {
        &self.summary
    }

    /// How many ways it has been told.
    pub fn ways_known(&self) -> usize {
        self.ways.len()
    }

    /// Frames were lost: what is said of connections that lived then is less sure.
    pub fn lost(&mut self, loss: Loss) {
        self.losses.push(loss);
    }

    /// What is to be said of `connection` if nothing more comes of it.
    pub fn judge(&self, connection: &Connection, horizon: Timestamp) -> Verdict {
        let connection = &*connection.with_missed_fins();
        let life = Lifecycle::of(connection, horizon, self.profile);
        let mut verdict = self.conclude(connection, &life);
        self.policy.apply(&mut verdict);
        verdict
    }

    /// The same, and counts its sockets in `tally` as those of one that goes on.
    pub fn judge_among(&self, connection: &Connection, horizon: Timestamp, tally: &mut Tally) -> Verdict {
        let connection = &*connection.with_missed_fins();
        let life = Lifecycle::of(connection, horizon, self.profile);
        if !connection.is_sampled_alone() {
            tally.take(connection, &life, Departure::Over);
        }
        let mut verdict = self.conclude(connection, &life);
        self.policy.apply(&mut verdict);
        verdict
    }

    /// No sockets yet.
    pub fn nobody(&self) -> Tally {
        Tally::new(self.profile, self.interval_ns)
    }

    /// What all that has left so far tells of its services beside how many sockets there were.
    pub fn habits(&self) -> Population {
        self.tally.habits()
    }

    /// What shows across the connections of `population`, and how many findings the policy leaves out.
    pub fn found_across(&self, population: &Population) -> (Vec<PopulationFinding>, u64) {
        let mut found = finding::across(population, &self.policy.population_thresholds());
        found.iter_mut().for_each(|found| self.sieve.weaken_across(found));
        let all = found.len();
        found.retain_mut(|found| match self.policy.of_host(found.name, found.severity, found.host) {
            Some(severity) => {
                found.severity = severity;
                true
            }
            None => false,
        });
        let ignored = (all - found.len()) as u64;
        (found, ignored)
    }

    /// The end of the input: what shows across connections, and the totals.
    pub fn finish(mut self, counts: Counts, watched: SegmentLog, truncated: bool) -> io::Result<Finished> {
        self.so_far()?;
        let nobody = self.nobody();
        let population = std::mem::replace(self.tally(), nobody).finish();
        self.across(&population)?;
        let Self { sink, mut summary, sockets, .. } = self;
        summary.evicted = counts.table.evicted;
        summary.forgotten = counts.table.forgotten;
        counts.setbacks.tell(&mut summary);
        summary.truncated = truncated;
        sink.summary(&summary)?;
        Ok(Finished { summary, watched, population, sockets })
    }

    /// Tells a connection that left, of which the life was told in short elsewhere, and that is enough.
    pub fn lived(&mut self, orderly: &Orderly, departure: Departure) {
        if self.failure.is_none() {
            let is_told = self.is_told_in_short(orderly, departure);
            debug_assert!(is_told, "{orderly:?}");
        }
    }

    fn left_whole(&mut self, left: Left<'_>, departure: Departure, horizon: Timestamp) {
        let mut scratch = self.scratch.take();
        left.lend(&mut scratch, |connection| self.connection(connection, departure, horizon));
        self.scratch = scratch;
    }

    fn connection(&mut self, connection: &Connection, departure: Departure, horizon: Timestamp) {
        let connection = &*connection.with_missed_fins();
        let life = Lifecycle::within(std::mem::take(&mut self.room), connection, horizon, self.profile);
        self.told(connection, &life, departure, Said::Nothing);
        self.room = life.into_room();
    }

    /// Tells a connection that left, of which the life is known in short. False, and nothing has been told, when only the whole
    /// of it says what is wanted.
    fn is_told_in_short(&mut self, orderly: &Orderly, departure: Departure) -> bool {
        if self.sockets.is_some() {
            return false;
        }
        let is_said = self.is_said_in_short(orderly);
        if is_said && !self.is_alone {
            self.tally().take_orderly(orderly, departure);
        }
        is_said
    }

    /// The same, and its sockets are not counted.
    fn is_said_in_short(&mut self, orderly: &Orderly) -> bool {
        let thresholds = self.policy.thresholds(orderly.client, orderly.server);
        let is_said =
            self.is_gist_of_orderly_enough(orderly, &thresholds) || self.is_orderly_told_whole(orderly, &thresholds);
        self.summary.connections += u64::from(is_said);
        is_said
    }

    /// The sink counts an orderly connection and wants no words. Where frames are missing, what was found is said in other words.
    fn is_gist_of_orderly_enough(&mut self, orderly: &Orderly, thresholds: &Thresholds) -> bool {
        let is_reworded = self.is_reworded(orderly.syn_acks(), orderly.server);
        if is_reworded || !self.sink.takes_gists() || !self.sketch.draw_orderly(orderly, thresholds) {
            return false;
        }
        let ignored = self.policy.apply_to(self.sketch.findings_mut(), orderly.client, orderly.server);
        let gist = self.sketch.gist_of_orderly(orderly);
        let is_content = self.sink.gist(&gist);
        if is_content {
            self.summary.ignored += ignored;
            self.summary.count(gist.findings);
        }
        is_content
    }

    /// Tells the whole verdict on an orderly connection; false, and it has not been told, when its life in short does not give
    /// that.
    fn is_orderly_told_whole(&mut self, orderly: &Orderly, thresholds: &Thresholds) -> bool {
        let mut verdict = self.verdict.take().unwrap_or_else(|| Box::new(Verdict::blank()));
        let is_known = finding::conclude_orderly(orderly, thresholds, &mut verdict);
        if is_known {
            self.weaken(&mut verdict, orderly.horizon);
            self.ways.name(orderly.context, orderly.context_back, None, &mut verdict);
            self.tell(&mut verdict);
        }
        self.verdict = Some(verdict);
        is_known
    }

    /// What other connections and the whole capture show changes what is said of those to `server`, with so many SYN-ACKs.
    fn is_reworded(&self, syn_acks: u32, server: Endpoint) -> bool {
        self.sieve.hides_completion(syn_acks) || !self.losses.is_empty() || self.unheard.has(server.ip)
    }

    /// Tells a connection of which `said` is known already, without what connections before it change.
    fn told(&mut self, connection: &Connection, life: &Lifecycle, departure: Departure, said: Said) {
        self.sieve.take(connection);
        Unheard::of(connection).into_iter().for_each(|host| self.unheard(host));
        // A few of its packets say nothing of when its sockets were there.
        if !connection.is_sampled_alone() {
            if !self.is_alone {
                self.tally().take(connection, life, departure);
            }
            if let Some(sockets) = &mut self.sockets {
                sockets.take(connection, life);
            }
        }
        self.summary.connections += 1;
        let (sketch, verdict) = match said {
            Said::Nothing => (None, None),
            Said::Sketch(sketch) => (Some(sketch), None),
            Said::Verdict(verdict) => (None, Some(verdict)),
        };
        if self.is_content_with_gist(connection, life, sketch) {
            return;
        }
        let mut verdict = match verdict {
            Some(verdict) => self.among_others(connection, life, *verdict),
            None => self.conclude(connection, life),
        };
        self.tell(&mut verdict);
    }

    /// Counts what the policy leaves of `verdict` and hands it to the sink.
    fn tell(&mut self, verdict: &mut Verdict) {
        self.summary.ignored += self.policy.apply(verdict);
        self.summary.count(&verdict.findings);
        self.failure = self.sink.connection(verdict).err();
    }

    /// The sink counts `connection` and wants no words. Where frames are missing, what was found is said in other words.
    fn is_content_with_gist(&mut self, connection: &Connection, life: &Lifecycle, sketch: Option<Sketch>) -> bool {
        let is_reworded = self.is_reworded(connection.halves.server.syn_acks, connection.server);
        if is_reworded || !self.sink.takes_gists() {
            return false;
        }
        match sketch {
            Some(sketch) => self.sketch = sketch,
            None => {
                let thresholds = self.policy.thresholds(connection.client, connection.server);
                self.sketch.draw(connection, life, &thresholds);
            }
        }
        let ignored = self.policy.apply_to(self.sketch.findings_mut(), connection.client, connection.server);
        let gist = self.sketch.gist(connection, life);
        let is_content = self.sink.gist(&gist);
        if is_content {
            self.summary.ignored += ignored;
            self.summary.count(gist.findings);
        }
        is_content
    }

    /// Everything that the catalogue says of `connection`.
    fn conclude(&self, connection: &Connection, life: &Lifecycle) -> Verdict {
        let thresholds = self.policy.thresholds(connection.client, connection.server);
        self.among_others(connection, life, finding::conclude(connection, life, &thresholds))
    }

    /// Says of `verdict` what other connections and the whole capture change.
    fn among_others(&self, connection: &Connection, life: &Lifecycle, mut verdict: Verdict) -> Verdict {
        self.weaken(&mut verdict, life.horizon);
        self.ways.name(connection.context, connection.context_back(), connection.context_change, &mut verdict);
        verdict
    }

    /// Takes from `verdict` what other connections and the whole capture make doubtful.
    fn weaken(&self, verdict: &mut Verdict, horizon: Timestamp) {
        self.losses.weaken(verdict, horizon);
        self.unheard.weaken(verdict);
        self.sieve.weaken(verdict);
    }

    /// What shows across connections.
    fn across(&mut self, population: &Population) -> io::Result<()> {
        let (found, ignored) = self.found_across(population);
        self.summary.ignored += ignored;
        for found in found {
            *self.summary.findings.entry(found.name.to_owned()).or_default() += 1;
            self.sink.population(&found)?;
        }
        Ok(())
    }
}

impl Witness for Reporter<'_> {
    fn summary(&mut self) -> &mut Summary {
        &mut self.summary
    }

    fn looks_before(&self) -> bool {
        self.sockets.is_some()
    }

    fn before(&mut self, number: u64, time: Timestamp, table: &Table) {
        if let Some(sockets) = &mut self.sockets {
            sockets.before(number, time, table);
        }
    }
}

impl Outlet for Reporter<'_> {
    fn announce(&mut self, capture: CaptureRecord) {
        self.failure = self.sink.capture(&capture).err();
    }

    fn way(&mut self, way: Way) {
        self.ways.push(way);
    }

    fn at_end(&mut self, table: &Table) {
        if let Some(sockets) = &mut self.sockets {
            sockets.at_end(table);
        }
    }

    fn kept(&mut self, sieve: Sieve) {
        self.sieve.join(sieve);
    }

    fn lost(&mut self, lost: Lost) {
        match lost {
            Lost::Then(loss) => self.losses.push(loss),
            Lost::SomeTime { lost, frames } => self.losses.push_undated(lost, frames),
        }
    }

    fn unheard(&mut self, host: IpAddr) {
        self.unheard.push(host);
    }

    fn left(&mut self, left: Left<'_>, departure: Departure, horizon: Timestamp) {
        if self.failure.is_some() {
            return;
        }
        let mut orderly = self.orderly.take().unwrap_or_else(|| Box::new(Orderly::BLANK));
        let is_orderly = left.orderly(horizon, &self.profile, &mut orderly);
        if cfg!(debug_assertions) && is_orderly {
            super::short::assert_same(&left, &orderly, departure, self.profile);
        }
        let is_told = is_orderly && self.is_told_in_short(&orderly, departure);
        self.orderly = Some(orderly);
        if !is_told {
            self.left_whole(left, departure, horizon);
        }
    }

    fn flood(&mut self, flood: Flood, horizon: Timestamp) {
        let crew = self.crew.for_sockets(flood.count());
        if crew.is_alone() || self.is_alone || self.sockets.is_some() || !flood.is_orderly() {
            return flood.each(|left| self.left(left, Departure::Over, horizon));
        }
        let flood = Arc::new(flood);
        self.count_aside(&flood, horizon);
        let (mut orderly, profile) = (Orderly::BLANK, self.profile);
        flood.each(|left| {
            if self.failure.is_none() && left.orderly(horizon, &profile, &mut orderly) {
                let is_said = self.is_said_in_short(&orderly);
                debug_assert!(is_said, "{orderly:?}");
            }
        });
    }

    fn late(&mut self, past: &Past, segment: &Segment) {
        if self.failure.is_some() {
            return;
        }
        self.summary.late_segments += 1;
        let (stream, side) = (past.summary.stream, past.side_of(segment));
        let is_first = past.late == 1 && !segment.marks.intersects(Marks::FRAGMENT_FIRST | Marks::SAMPLED);
        let stray = is_first.then(|| finding::stray(&past.summary, segment, side, self.profile));
        let mut findings = Vec::from_iter(stray.flatten());
        self.summary.ignored += self.policy.apply_to(&mut findings, segment.source, segment.destination);
        self.summary.count(&findings);
        let (frame, time) = (segment.frame.0, segment.time);
        self.failure = self.sink.late(&LateRecord { stream, frame, time, side, findings }).err();
    }

    fn pause(&mut self) {}

    #[inline]
    fn so_far(&mut self) -> io::Result<()> {
        if self.failure.is_none() {
            return Ok(());
        }
        self.failure.take().map_or(Ok(()), Err)
    }
}
