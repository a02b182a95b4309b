//! Which verdict speaks of which connection: by the two endpoints, and among incarnations by time.

use std::cmp::Reverse;
use std::collections::HashMap;

use lastack::base::{Endpoint, Sides, Timestamp};
use lastack::finding::{State, Verdict};

use super::truth::{Connection, pair};

/// A packet is stamped this much apart by the recorder's truth and the capture at most.
const SLACK_NS: i64 = 1_000_000;

/// What the two sides are matched by.
#[derive(Clone, Copy)]
pub struct Span {
    ends: (Endpoint, Endpoint),
    first: Timestamp,
    last: Timestamp,
    frames: u64,
    /// Its client still asks in the end, and goes on in another stream if anywhere.
    is_asking: bool,
}

impl Span {
    /// Where a connection lies in its capture; none if nothing of it is there.
    pub fn of_connection(connection: &Connection) -> Option<Self> {
        let ends = pair(Sides { client: connection.client, server: connection.server });
        let visible = &connection.visible;
        Some(Self { ends, first: visible.first?, last: visible.last?, frames: visible.packets, is_asking: false })
    }

    /// Where the verdict's connection lies.
    pub fn of_verdict(verdict: &Verdict) -> Self {
        let ends = pair(Sides { client: verdict.client, server: verdict.server });
        let frames = verdict.endpoints.client.frames + verdict.endpoints.server.frames;
        let is_asking = verdict.endpoints.client.final_state() == State::SynSent;
        Self { ends, first: verdict.start, last: verdict.end, frames, is_asking }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first.since(other.last) <= SLACK_NS && other.first.since(self.last) <= SLACK_NS
    }
}

/// The verdicts on each connection, by index, the longest first, and of equally long ones that in which its connect()
/// ended; and the verdicts that speak of none.
pub struct Matching {
    pub of_connection: Vec<Vec<usize>>,
    pub left_over: Vec<usize>,
}

/// Matches connections with verdicts of the same endpoints: they must overlap in time, and the pairs that began closest
/// together are taken first. A connection can have several verdicts: a SYN that is repeated after a reset opens a new
/// stream, and for the kernel it is the same connect().
pub fn matching(connections: &[Option<Span>], verdicts: &[Span]) -> Matching {
    let mut by_ends: HashMap<(Endpoint, Endpoint), Vec<usize>> = HashMap::new();
    for (index, verdict) in verdicts.iter().enumerate() {
        by_ends.entry(verdict.ends).or_default().push(index);
    }
    let mut pairs = Vec::new();
    for (index, connection) in connections.iter().enumerate() {
        let Some(connection) = connection else { continue };
        for &candidate in by_ends.get(&connection.ends).into_iter().flatten() {
            if verdicts[candidate].overlaps(connection) {
                pairs.push((verdicts[candidate].first.since(connection.first).abs(), index, candidate));
            }
        }
    }
    pairs.sort_unstable();
    let mut of_connection = vec![Vec::new(); connections.len()];
    let mut taken = vec![false; verdicts.len()];
    for &(_, connection, verdict) in &pairs {
        if of_connection[connection].is_empty() && !taken[verdict] {
            of_connection[connection].push(verdict);
            taken[verdict] = true;
        }
    }
    for (_, connection, verdict) in pairs {
        if !taken[verdict] {
            of_connection[connection].push(verdict);
            taken[verdict] = true;
        }
    }
    for matched in &mut of_connection {
        matched.sort_by_key(|&verdict| (Reverse(verdicts[verdict].frames), verdicts[verdict].is_asking));
    }
    let left_over = (0..verdicts.len()).filter(|&index| !taken[index]).collect();
    Matching { of_connection, left_over }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(client: u16, first_ms: i64, last_ms: i64) -> Span {
        let end = |host: u8, port| Endpoint::new([10, 0, 0, host].into(), port);
        let at = |ms: i64| Timestamp(ms * 1_000_000);
        Span {
            ends: (end(1, client), end(2, 80)),
            first: at(first_ms),
            last: at(last_ms),
            frames: (last_ms - first_ms) as u64,
            is_asking: false,
        }
    }

    #[test]
    fn incarnations_go_to_the_verdicts_that_began_with_them() {
        let connections = [Some(span(1, 0, 50)), Some(span(1, 50, 90)), Some(span(2, 0, 90))];
        let verdicts = [span(1, 50, 90), span(2, 0, 90), span(1, 0, 50)];
        let matching = matching(&connections, &verdicts);
        assert_eq!(matching.of_connection, [[2], [0], [1]]);
        assert!(matching.left_over.is_empty());
    }

    #[test]
    fn a_verdict_of_another_time_or_port_is_left_over() {
        let connections = [Some(span(1, 0, 50)), None];
        let verdicts = [span(1, 60, 90), span(2, 0, 50)];
        let matching = matching(&connections, &verdicts);
        assert_eq!(matching.of_connection, [[0; 0]; 2]);
        assert_eq!(matching.left_over, [0, 1]);
    }

    #[test]
    fn a_connect_in_two_streams_ended_in_that_which_leaves_it_answered() {
        let verdicts = [Span { is_asking: true, ..span(1, 0, 10) }, span(1, 50, 60)];
        assert_eq!(matching(&[Some(span(1, 0, 60))], &verdicts).of_connection, [[1, 0]]);
    }

    #[test]
    fn a_connection_in_two_streams_has_the_longer_one_first() {
        let connections = [Some(span(1, 0, 50)), Some(span(1, 50, 90))];
        let verdicts = [span(1, 0, 50), span(1, 50, 52), span(1, 53, 90)];
        let matching = matching(&connections, &verdicts);
        assert_eq!(matching.of_connection, [vec![0], vec![2, 1]]);
        assert!(matching.left_over.is_empty());
    }
}
