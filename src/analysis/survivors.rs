//! The end of a capture with many open connections: their records are written by several threads, one after the other.
//!
//! Each puts some connections into octets and then waits for its turn to write them and to count what is counted across connections:
//! nothing is handed to another core that this one has just made.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::judge::{Judge, Spare};
use super::reporter::Reporter;
use super::tracker::{Outlet, Tracker};
use super::ways::Ways;
use crate::base::Timestamp;
use crate::connection::{Connection, Lifecycle, Orderly};
use crate::finding::{self, Losses, Sieve, Unheard, Verdict};
use crate::population::{Departure, Tally};
use crate::report::{Sink, Summary};
use crate::table::{Kept, Left};

/// Fewer are told faster than threads begin.
const MANY: usize = 1_024;

/// Connections that are handed to another thread together. Their records are some 100 kB.
const TOGETHER: usize = 64;

/// Lots on their way.
const ON_THE_WAY: usize = 16;

/// Writes records, on the thread that made it.
pub trait Scribe {
    /// Whom to tell of them.
    fn sink(&mut self) -> &mut dyn Sink;
    /// Its turn has come to write what it was told since the last time.
    ///
    /// # Errors
    /// It cannot be written.
    fn write_out(&mut self) -> io::Result<()>;
}

/// Those who write records at the same time. What a record says must not depend on records before it.
pub struct Scribes<'a> {
    /// How many.
    pub threads: usize,
    /// Makes one, on its thread.
    pub make: &'a (dyn Fn() -> Box<dyn Scribe + 'a> + Sync),
}

/// What decides on a connection beside itself.
pub(super) struct Circle {
    pub judge: Judge,
    pub losses: Losses,
    pub unheard: Unheard,
    pub sieve: Sieve,
    pub ways: Ways,
    pub horizon: Timestamp,
}

/// Some connections, and what is packed of them.
#[derive(Default)]
struct Lot {
    number: u64,
    kept: Vec<Kept>,
    packed: Vec<u8>,
    /// Those that were whole, when they have been told: whoever has made them gives their memory back, without waiting for others who
    /// do the same.
    #[allow(clippy::vec_box, reason = "the box is what is given back")]
    spent: Vec<Box<Connection>>,
}

/// What is counted across connections.
enum Life {
    Short(Box<Orderly>),
    Whole { connection: Box<Connection>, life: Box<Lifecycle>, made: Made },
}

/// Who has made what is to be given back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Here,
    There,
}

/// What only the one has whose turn it is.
struct Turn<'a> {
    /// Of the lot that is next.
    number: u64,
    tally: Option<&'a mut Tally>,
    summary: &'a mut Summary,
    failure: Option<io::Error>,
}

/// Who is next.
struct Turns<'a> {
    turn: Mutex<Turn<'a>>,
    passed_on: Condvar,
}

/// What the threads share.
struct Work<'a> {
    lots: Mutex<Receiver<Lot>>,
    emptied: Mutex<Vec<Lot>>,
    circle: Circle,
    turns: Turns<'a>,
}

/// Tells what is still open in the table of `tracker`. False, and nothing has been told, where that is few, or no thread is to be had.
pub(super) fn tell(tracker: &mut Tracker, reporter: &mut Reporter<'_>, scribes: &Scribes<'_>) -> io::Result<bool> {
    if scribes.threads < 2 || tracker.table.live() < MANY {
        return Ok(false);
    }
    // Each is told with what is known of all.
    tracker.sweep(reporter, usize::MAX);
    reporter.so_far()?;
    let Some(circle) = reporter.circle(tracker.now()) else { return Ok(false) };
    let (tally, summary) = reporter.counts();
    let turn = Mutex::new(Turn { number: 0, tally, summary, failure: None });
    let (to, lots) = sync_channel(ON_THE_WAY);
    let work = Work {
        lots: Mutex::new(lots),
        emptied: Mutex::default(),
        circle,
        turns: Turns { turn, passed_on: Condvar::new() },
    };
    let have_begun = thread::scope(|scope| {
        let begin = |_: &usize| {
            let thread = thread::Builder::new().name("writing".to_owned());
            thread.spawn_scoped(scope, || work.write(&mut *(scribes.make)())).is_ok()
        };
        let begun = (0..scribes.threads).filter(begin).count();
        if begun > 0 {
            hand_out(tracker, to, &work.emptied);
        }
        begun > 0
    });
    let turn = work.turns.turn.into_inner().unwrap_or_else(PoisonError::into_inner);
    turn.failure.map_or(Ok(have_begun), Err)
}

fn hand_out(tracker: &mut Tracker, to: SyncSender<Lot>, emptied: &Mutex<Vec<Lot>>) {
    let mut lot = Lot::default();
    let send = |lot: &mut Lot| {
        let number = lot.number + 1;
        let mut next = locked(emptied).pop().unwrap_or_default();
        next.spent.clear();
        // Where nobody is left to take it, its thread says why.
        let _ = to.send(std::mem::replace(lot, Lot { number, ..next }));
    };
    tracker.table.finish(|left: Left<'_>| {
        let kept = left.keep(&mut lot.packed);
        lot.kept.push(kept);
        if lot.kept.len() == TOGETHER {
            send(&mut lot);
        }
    });
    if !lot.kept.is_empty() {
        send(&mut lot);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lot that is being written. Whatever becomes of it, the next one has its turn.
struct Holder<'a, 'b> {
    turns: &'a Turns<'b>,
    number: u64,
    is_over: bool,
}

impl<'b> Holder<'_, 'b> {
    fn wait(&self) -> MutexGuard<'_, Turn<'b>> {
        let turn = locked(&self.turns.turn);
        let is_of_another = |turn: &mut Turn<'_>| turn.number != self.number;
        self.turns.passed_on.wait_while(turn, is_of_another).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Holder<'_, '_> {
    fn drop(&mut self) {
        let mut turn = self.wait();
        if !self.is_over {
            turn.failure.get_or_insert_with(|| io::Error::other("a thread that wrote records has gone"));
        }
        turn.number += 1;
        drop(turn);
        self.turns.passed_on.notify_all();
    }
}

impl Work<'_> {
    /// Writes the records of lots until no more come.
    fn write(&self, scribe: &mut dyn Scribe) {
        let (mut verdict, mut lives, mut spares) = (Verdict::blank(), Vec::new(), Vec::new());
        loop {
            let next = locked(&self.lots).recv();
            let Ok(mut lot) = next else { return };
            let mut holder = Holder { turns: &self.turns, number: lot.number, is_over: false };
            let mut counts = Summary::default();
            let Lot { kept, packed, spent, .. } = &mut lot;
            let told = kept.drain(..).try_for_each(|kept| {
                let life = self.tell(kept, packed, &mut spares, &mut verdict, scribe.sink(), &mut counts)?;
                lives.extend(life);
                Ok(())
            });
            packed.clear();
            let mut turn = holder.wait();
            if turn.failure.is_none() {
                turn.failure = told.and_then(|()| scribe.write_out()).err();
                turn.count(counts, &lives);
            }
            drop(turn);
            holder.is_over = true;
            drop(holder);
            for life in lives.drain(..) {
                match life {
                    Life::Short(_) => {}
                    Life::Whole { connection, life, made: Made::Here } => spares.push(Spare::of(connection, *life)),
                    Life::Whole { connection, life, made: Made::There } => {
                        spent.push(connection);
                        spares.push(Spare::of_room(*life));
                    }
                }
            }
            locked(&self.emptied).push(lot);
        }
    }

    /// Tells `sink` of a connection, and gives its life.
    fn tell(
        &self,
        mut kept: Kept,
        packed: &[u8],
        spares: &mut Vec<Spare>,
        verdict: &mut Verdict,
        sink: &mut dyn Sink,
        counts: &mut Summary,
    ) -> io::Result<Option<Life>> {
        let circle = &self.circle;
        let policy = &circle.judge.policy;
        let made = if kept.is_whole() { Made::There } else { Made::Here };
        let Some(left) = kept.lend(packed) else { return Ok(None) };
        let mut orderly = Box::new(Orderly::BLANK);
        if circle.judge.in_short(&left, Departure::Over, circle.horizon, &mut orderly) {
            let thresholds = policy.thresholds(orderly.client, orderly.server);
            if finding::conclude_orderly(&orderly, &thresholds, verdict) {
                circle.ways.name(orderly.context, orderly.context_back, None, verdict);
                circle.tell(verdict, sink, counts)?;
                return Ok(Some(Life::Short(orderly)));
            }
        }
        let spare = spares.pop().unwrap_or_default();
        let lived = circle.judge.live(left, circle.horizon, spare);
        let Some((connection, life)) = lived else { return Ok(None) };
        let thresholds = policy.thresholds(connection.client, connection.server);
        let mut verdict = finding::conclude(&connection, &life, &thresholds);
        circle.ways.name(connection.context, connection.context_back(), connection.context_change, &mut verdict);
        circle.tell(&mut verdict, sink, counts)?;
        Ok(Some(Life::Whole { connection, life: Box::new(life), made }))
    }
}

impl Circle {
    fn tell(&self, verdict: &mut Verdict, sink: &mut dyn Sink, counts: &mut Summary) -> io::Result<()> {
        self.losses.weaken(verdict, self.horizon);
        self.unheard.weaken(verdict);
        self.sieve.weaken(verdict);
        counts.ignored += self.judge.policy.apply(verdict);
        counts.count(&verdict.findings);
        sink.connection(verdict)
    }
}

impl Turn<'_> {
    fn count(&mut self, counts: Summary, lives: &[Life]) {
        self.summary.connections += lives.len() as u64;
        self.summary.ignored += counts.ignored;
        for (name, count) in counts.findings {
            *self.summary.findings.entry(name).or_default() += count;
        }
        let Some(tally) = &mut self.tally else { return };
        for life in lives {
            match life {
                Life::Short(orderly) => tally.take_orderly(orderly, Departure::Over),
                // A few of its packets say nothing of when its sockets were there.
                Life::Whole { connection, .. } if connection.is_sampled_alone() => {}
                Life::Whole { connection, life, .. } => tally.take(connection, life, Departure::Over),
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::analysis::{Analysis, Options};
    use crate::report::Json;
    use crate::source::script::parse;

    /// Where somebody writes.
    #[derive(Clone, Default)]
    pub(in crate::analysis) struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        pub fn take(&self) -> Vec<u8> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    impl Write for Page {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Writer<W> {
        page: Page,
        lines: Json<Page>,
        out: W,
    }

    impl<W: Write> Scribe for Writer<W> {
        fn sink(&mut self) -> &mut dyn Sink {
            &mut self.lines
        }

        fn write_out(&mut self) -> io::Result<()> {
            self.out.write_all(&self.page.take())
        }
    }

    fn writer(out: impl Write + 'static) -> Box<dyn Scribe> {
        let page = Page::default();
        Box::new(Writer { page: page.clone(), lines: Json::lines(page), out })
    }

    /// Has room for so many octets.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(octets.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Open in every way: asked, answered, in use, out of order, half closed, and closed a moment ago.
    pub(in crate::analysis) fn open(n: usize) -> String {
        const WAYS: [&str; 6] = [
            "",
            "c.server > SYN ACK\n",
            "c.server > SYN ACK\nc.client > ACK\nc.client > data 100\nc.server > ACK\n",
            "c.server > SYN ACK\nc.client > ACK\nc.server > data 401:501\n",
            "c.server > SYN ACK\nc.client > ACK\nc.client > FIN ACK\nc.server > ACK\n",
            "c.server > SYN ACK\nc.client > ACK\nc.client > FIN ACK\nc.server > FIN ACK\nc.client > ACK\n",
        ];
        let (host, port) = (n / 20_000, 20_000 + n % 20_000);
        let begun = format!("c.client 10.0.{host}.1:{port}\nc.client > SYN\n{}", WAYS[n % WAYS.len()]);
        begun.replace("c.", &format!("c{n}."))
    }

    /// What is written of so many connections by so many threads, and what is counted.
    fn written(connections: usize, threads: usize) -> (String, String) {
        let page = Page::default();
        let mut sink = Json::lines(page.clone());
        let mut analysis = Analysis::new(&Options::default(), &mut sink);
        for item in parse(&(0..connections).map(open).collect::<String>()).unwrap() {
            analysis.advance(item.time()).unwrap();
            analysis.take(&mut vec![item]).unwrap();
        }
        let make = || writer(page.clone());
        let finished = match threads {
            1 => analysis.finish(true),
            _ => analysis.finish_with(true, &Scribes { threads, make: &make }),
        };
        let finished = finished.unwrap();
        (String::from_utf8(page.take()).unwrap(), format!("{:?} {:?}", finished.summary, finished.population))
    }

    #[test]
    fn several_write_what_one_would_have_written() {
        for (connections, threads) in [(10, 2), (MANY, 2), (MANY + 3 * TOGETHER + 5, 3)] {
            let alone = written(connections, 1);
            assert_eq!(alone.0.matches("\"type\":\"connection\"").count(), connections);
            assert_eq!(written(connections, threads), alone, "{connections} by {threads}");
        }
    }

    #[test]
    fn who_cannot_write_ends_it_with_the_reason() {
        let page = Page::default();
        let mut sink = Json::lines(page);
        let mut analysis = Analysis::new(&Options::default(), &mut sink);
        for item in parse(&(0..MANY).map(open).collect::<String>()).unwrap() {
            analysis.advance(item.time()).unwrap();
            analysis.take(&mut vec![item]).unwrap();
        }
        let ended = analysis.finish_with(true, &Scribes { threads: 2, make: &|| writer(Full(300_000)) });
        assert_eq!(ended.err().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
    }
}
