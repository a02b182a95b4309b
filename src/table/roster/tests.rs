//! The table as a whole: who stays, who rests, who leaves.

use super::*;
use crate::base::FrameNumber;
use crate::segment::Flags;

/// A SYN, or its third segment, of a client to one service.
pub(super) fn segment(n: u64, host: u32, flags: Flags) -> Segment {
    Segment {
        time: Timestamp(n as i64 * 1_000),
        frame: FrameNumber(n),
        source: Endpoint::new(std::net::Ipv4Addr::from(0x0a00_0000 + host).into(), 40_000),
        destination: Endpoint::new([10, 255, 0, 1].into(), 80),
        seq: crate::base::Seq(if flags.contains(Flags::SYN) { 7 } else { 8 }),
        window: 500,
        flags,
        ttl: 64,
        ..Segment::BLANK
    }
}

#[test]
fn what_is_left_of_a_connection_knows_its_client_though_the_server_spoke_first() {
    let mut table = Table::new(Limits::default(), Profile::LINUX);
    let ask = Segment { ack: crate::base::Seq(301), ..segment(2, 1, Flags::FIN | Flags::ACK) };
    let answer = Segment { seq: crate::base::Seq(300), ack: ask.seq, ..segment(1, 1, Flags::FIN | Flags::ACK) };
    let answer = Segment { source: ask.destination, destination: ask.source, ..answer };
    table.take(&answer, |_| {});
    table.take(&ask, |_| {});
    table.expire(Timestamp(1), |_| {});
    let mut left = 0;
    for minute in 1..=10 {
        table.expire(Timestamp(minute * 60_000_000_000), |_| left += 1);
    }
    assert_eq!(left, 1);
    let Entry::Late(past) = table.take(&ask, |_| {}) else { panic!("it had left") };
    assert_eq!((past.client, past.side_of(&ask), past.side_of(&answer)), (ask.source, Side::Client, Side::Server));
    assert_eq!(past.summary.half(ask.source).base, Some(ask.seq - 1));
    assert_eq!(past.summary.half(answer.source).base, Some(answer.seq - 1));
}

/// A handshake and both closes; `n` counts microseconds.
fn live(n: u64, host: u32, mut take: impl FnMut(&Segment)) {
    let mut say = |n: u64, from_client: bool, flags, seq, ack| {
        let mut next = segment(n, host, flags);
        (next.seq, next.ack) = (crate::base::Seq(seq), crate::base::Seq(ack));
        if !from_client {
            (next.source, next.destination) = (next.destination, next.source);
        }
        take(&next);
    };
    say(n, true, Flags::SYN, 7, 0);
    say(n + 1, false, Flags::SYN | Flags::ACK, 90, 8);
    say(n + 2, true, Flags::ACK, 8, 91);
    say(n + 3, true, Flags::FIN | Flags::ACK, 8, 91);
    say(n + 4, false, Flags::FIN | Flags::ACK, 91, 9);
    say(n + 5, true, Flags::ACK, 9, 92);
}

fn live_and_end(table: &mut Table, n: u64, host: u32) {
    live(n, host, |segment| {
        assert!(matches!(table.take(segment, |_| panic!("nobody leaves")), Entry::Live(_)));
    });
}

#[test]
fn who_is_over_rests_until_something_comes_of_it_or_its_time() {
    const SECOND: u64 = 1_000_000;
    let limits = Limits { past_max: 10, ..Limits::connections(4) };
    let mut table = Table::new(limits, Profile::LINUX);
    for host in 0..3 {
        live_and_end(&mut table, u64::from(host) * SECOND, host);
    }
    assert_eq!((table.live(), table.resting.len(), table.free.len()), (3, 3, 1));
    let client = |host| segment(0, host, Flags::SYN).source;
    let between = |table: &Table, host| {
        table.between(client(host), segment(0, host, Flags::SYN).destination).map(|connection| connection.stream)
    };
    assert_eq!(between(&table, 1), Some(1));
    assert_eq!(table.connections().count(), 3);
    let mut shown = Vec::new();
    let mut place = Some(0);
    while let Some(from) = place {
        place = table.show(from, 100, |connection| shown.push(connection.stream));
    }
    assert_eq!(shown, [0, 1, 2]);
    // The client of the second one says once more that it has heard the end.
    let mut again = segment(30 * SECOND, 1, Flags::ACK);
    (again.seq, again.ack) = (crate::base::Seq(9), crate::base::Seq(92));
    table.expire(again.time, |_| panic!("nobody is over"));
    assert!(matches!(table.take(&again, |_| panic!("nobody leaves")), Entry::Live(1)));
    assert_eq!((table.live(), table.resting.len()), (3, 3));
    let mut left = Vec::new();
    for seconds in [61, 63, 91] {
        table.expire(Timestamp(seconds * 1_000_000_000), |gone| left.push((seconds, gone.stream)));
    }
    assert_eq!(left, [(61, 0), (63, 2), (91, 1)]);
    let Entry::Late(past) = table.take(&again, |_| {}) else { panic!("it has left") };
    assert_eq!((past.summary.stream, past.client, past.late), (1, client(1), 1));
}

#[test]
fn who_rests_makes_room_first_and_gives_way_to_who_opens_anew() {
    let limits = Limits { past_max: 10, ..Limits::connections(2) };
    let mut table = Table::new(limits, Profile::LINUX);
    live_and_end(&mut table, 0, 0);
    live_and_end(&mut table, 1_000_000, 1);
    let mut left = Vec::new();
    let mut take = |table: &mut Table, next: &Segment| {
        table.take(next, |gone| left.push((gone.stream, gone.evicted)));
    };
    take(&mut table, &segment(2_000_000, 2, Flags::SYN));
    assert_eq!((table.live(), table.resting.len()), (2, 1));
    let anew = Segment { seq: crate::base::Seq(70_000), ..segment(3_000_000, 1, Flags::SYN) };
    take(&mut table, &anew);
    assert_eq!((table.live(), table.resting.len()), (2, 0));
    table.finish(|gone| left.push((gone.stream, gone.evicted)));
    assert_eq!(left, [(0, true), (1, false), (2, false), (3, false)]);
}

#[test]
fn a_flood_drives_out_its_own_kind_and_nobody_who_talks() {
    const TALKING: u32 = 200;
    const FORGED: u32 = if cfg!(miri) { 1_500 } else { 20_000 };
    let limits = Limits { past_max: 1_000, ..Limits::connections(1_000) };
    let mut table = Table::new(limits, Profile::LINUX);
    let mut left = Vec::new();
    let mut frame = 0;
    let mut take = |table: &mut Table, host, flags| {
        frame += 1;
        table.take(&segment(frame, host, flags), |gone| left.push(gone.client()));
    };
    for host in 0..TALKING {
        take(&mut table, host, Flags::SYN);
        take(&mut table, host, Flags::ACK);
    }
    for forged in 0..FORGED {
        take(&mut table, 1 << 20 | forged, Flags::SYN);
    }
    assert_eq!((table.live(), table.counts().evicted), (1_000, u64::from(TALKING + FORGED) - 1_000));
    let forged: std::net::IpAddr = [10, 16, 0, 0].into();
    assert!(left.iter().all(|client| client.ip >= forged), "{left:?}");
}

#[test]
fn syns_alone_count_a_quarter_until_they_are_answered() {
    let limits = Limits { syns_for_one: 4, ..Limits::connections(100) };
    let mut table = Table::new(limits, Profile::LINUX);
    let answer = |frame: u64, host: u32| {
        let syn = segment(frame, host, Flags::SYN | Flags::ACK);
        Segment { source: syn.destination, destination: syn.source, ack: syn.seq + 1, ..syn }
    };
    for host in 0..400 {
        table.take(&segment(host.into(), host, Flags::SYN), |_| panic!("there is room"));
    }
    assert_eq!((table.live(), table.asked.len()), (400, 400));
    let mut left = Vec::new();
    for host in 300..360 {
        table.take(&answer(1_000 + u64::from(host), host), |gone| left.push(gone.stream));
    }
    assert_eq!(left, Vec::from_iter(0..180), "who has waited longest goes");
    assert_eq!((table.live(), table.asked.len()), (220, 160));
    // And one more that asks drives out one that asked.
    table.take(&segment(5_000, 500, Flags::SYN), |gone| left.push(gone.stream));
    assert_eq!((table.live(), left.len()), (220, 181));
}

#[test]
fn no_more_than_so_many_who_talk_are_kept_in_full() {
    let limits = Limits { whole_max: 10, ..Limits::connections(1_000) };
    let mut table = Table::new(limits, Profile::LINUX);
    // Each began before the capture and lost something.
    let mut take = |frame: u64, host: u32, ahead: u32| {
        let next = segment(frame, host, Flags::ACK);
        table.take(&Segment { seq: next.seq + ahead, payload_len: 100, ..next }, |_| panic!("nobody leaves"));
        let whole = table.slab.iter().filter(|record| record.is_odd() && !record.is_away()).count();
        assert_eq!(whole, table.aside.whole);
        whole
    };
    for (frame, host) in (0..500).enumerate() {
        take(frame as u64, host, 0);
        let whole = take(1_000 + frame as u64, host, 5_000);
        assert!(whole <= 11, "{whole}");
    }
    assert_eq!(table.live(), 500);
}

/// What became of whom, and when.
#[derive(Debug, PartialEq)]
enum Event {
    Over(u64, Timestamp),
    Made(u64, bool),
    Went(u64),
    Late(u64, u64),
}

#[test]
fn who_is_over_leaves_later_with_others_as_if_at_once() {
    let mut rng = fastrand::Rng::with_seed(11);
    for round in 0..if cfg!(miri) { 4 } else { 1_000 } {
        let limits = Limits { past_max: rng.usize(5..40), ..Limits::connections(rng.usize(4..60)) };
        let time_wait_ns = if rng.bool() { Profile::LINUX.time_wait_ns } else { 1_500_000_000 };
        let profile = Profile { time_wait_ns, ..Profile::LINUX };
        let mut tables = [(); 2].map(|()| (Table::new(limits, profile), Vec::new()));
        let mut segments = Vec::new();
        let mut n = 0;
        for _ in 0..120 {
            n += rng.choice([1, 7, 1_000, 100_000, 300_000, 900_000, 20_000_000, 61_000_000, 130_000_000]).unwrap_or(1);
            let host = rng.u32(0..12);
            match rng.u32(0..6) {
                0..3 => live(n, host, |segment| segments.push(*segment)),
                3 => segments.push(segment(n, host, Flags::SYN)),
                4 => segments
                    .push(Segment { seq: crate::base::Seq(rng.u32(7..200_000)), ..segment(n, host, Flags::SYN) }),
                _ => segments.push(Segment { ack: crate::base::Seq(92), ..segment(n, host, Flags::ACK) }),
            }
            n += 6;
        }
        for segment in &segments {
            let is_asked = rng.u32(0..20) == 0;
            for (at, (table, events)) in tables.iter_mut().enumerate() {
                let time = segment.time;
                if time > table.horizon() {
                    let over = |left: Left<'_>| events.push(Event::Over(left.stream, left.over_at().unwrap_or(time)));
                    if at == 0 { table.expire(time, over) } else { table.expire_together(time, over) }
                }
                let entry = table.take(segment, |left| {
                    let over = left.over_at().map(|time| Event::Over(left.stream, time));
                    events.push(over.unwrap_or(Event::Made(left.stream, left.evicted)));
                });
                if is_asked {
                    let over = |left: Left<'_>| events.push(Event::Over(left.stream, left.over_at().unwrap()));
                    table.let_go_over(&mut { over });
                }
                events.push(match entry {
                    Entry::Live(stream) => Event::Went(stream),
                    Entry::Late(past) => Event::Late(past.summary.stream, past.late),
                });
            }
        }
        let [(one, at_once), (other, together)] = &mut tables;
        other.let_go_over(&mut |left: Left<'_>| together.push(Event::Over(left.stream, left.over_at().unwrap())));
        assert_eq!((one.live(), one.counts()), (other.live(), other.counts()));
        // Only others' own segments may come between.
        let apart = |events: &mut Vec<Event>| {
            let went: Vec<Event> = events.extract_if(.., |event| matches!(event, Event::Went(_))).collect();
            (went, std::mem::take(events))
        };
        assert_eq!(apart(at_once), apart(together), "{round}");
    }
}
