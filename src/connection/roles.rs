//! Who is the client: told by the first segment, and, of a connection that began before the capture, by who opens its four
//! numbers again.

use super::half::Half;
use super::step::Connection;
use super::words::RoleBasis;
use crate::base::{Endpoint, Sides};
use crate::segment::{Flags, Segment};

/// Ports from 1024 on that servers are commonly found at, in order: SQL Server, Oracle, MQTT, NFS, IEC 60870-5-104, Squid, MySQL,
/// RDP, OPC UA, SIP, XMPP, PostgreSQL, AMQP, VNC, Redis, Kubernetes, HTTP and its alternatives, Cassandra, Kafka, Elasticsearch,
/// memcached, DNP3, MongoDB, EtherNet/IP, Db2, ActiveMQ. The highest ones matter most: they lie where clients' ports do.
const SERVICE_PORTS: [u16; 32] = [
    1433, 1521, 1883, 2049, 2404, 3128, 3306, 3389, 4840, 5060, 5061, 5222, 5432, 5672, 5900, 6379, 6443, 8000, 8080,
    8443, 8883, 8888, 9042, 9092, 9200, 11211, 20000, 27017, 44818, 50000, 61613, 61616,
];

/// Ports below 512 that servers of TCP are commonly found at, in order (IANA's registry); any other one there is a service's, too, but
/// old stacks gave them to clients.
const WELL_KNOWN_PORTS: [u16; 34] = [
    7, 9, 11, 13, 19, 21, 22, 23, 25, 37, 43, 49, 53, 70, 79, 80, 88, 102, 109, 110, 111, 113, 119, 135, 139, 143, 179,
    194, 389, 427, 443, 445, 465, 502,
];

/// Ports from 512 to 1023 that servers are found at, in order (IANA's registry): what is left of these is what a client of root's
/// takes (`rresvport`: NFS, rsh, rlogin).
const RESERVED_SERVICE_PORTS: [u16; 26] = [
    512, 513, 514, 515, 543, 544, 548, 554, 563, 587, 593, 631, 636, 646, 691, 749, 853, 860, 873, 902, 989, 990, 992,
    993, 994, 995,
];

/// From here on systems hand out ports to clients, and to services that ask for any (Linux; others from 49152 on, RFC 6335,
/// section 6).
const EPHEMERAL_MIN: u16 = 32_768;

/// The control bits that say whether a segment opens.
const OPENING: Flags = Flags::SYN.union(Flags::ACK).union(Flags::RST);

/// An FTP server opens connections from there (RFC 959, section 5.2).
const FTP_DATA: u16 = 20;

impl Connection {
    /// `opening`, the SYN or SYN-ACK of the next incarnation, tells who opens these four numbers: a client takes its port
    /// again, and a server stays at its own. Where the roles were a guess, and another one, the ends change places. True if
    /// they did. It remains a guess: nobody saw this incarnation begin.
    pub fn learn_roles(&mut self, opening: &Segment) -> bool {
        let client = opener(opening);
        if self.role_basis != RoleBasis::Guess || self.client == self.server || client != Some(self.server) {
            return false;
        }
        std::mem::swap(&mut self.client, &mut self.server);
        exchange(&mut self.halves);
        self.journal.exchange_sides();
        for seen in &mut self.resets {
            seen.noted.side = !seen.noted.side;
            exchange(&mut seen.before);
        }
        self.sequence.exchange_sides();
        self.history = self.history.chars().map(other_case).collect();
        true
    }
}

/// Who is the client: the sender of a SYN, the receiver of a SYN-ACK, else a guess. A well-known port is a server's
/// (RFC 6335: below 1024), then a common service's is, then the lower number is, since ephemeral ranges are high; with
/// equal ports, or two out of those ranges and payload, the first speaker is taken for the client. Between 512 and 1023, where no service is known, is either. A SYN
/// with RST opens nothing.
pub(super) fn roles(first: &Segment) -> (Endpoint, Endpoint, RoleBasis) {
    let (source, destination) = (first.source, first.destination);
    match first.flags & OPENING {
        Flags::SYN => (source, destination, RoleBasis::Syn),
        both if both == Flags::SYN | Flags::ACK => (destination, source, RoleBasis::SynAck),
        // Between two ports that systems hand out, numbers tell nothing, and who asks speaks first.
        _ if source.port.min(destination.port) >= EPHEMERAL_MIN
            && likeness(source.port).0 == likeness(destination.port).0
            && first.payload_len > 0 =>
        {
            (source, destination, RoleBasis::Guess)
        }
        _ if likeness(source.port) < likeness(destination.port) => (destination, source, RoleBasis::Guess),
        _ => (source, destination, RoleBasis::Guess),
    }
}

/// These ports tell which end serves: a known service's, or one that no system hands out against one that it does.
pub fn ports_tell(client: u16, server: u16) -> bool {
    let is_service = |port: u16| likeness(port).0 <= 1;
    let is_known = |port: u16| is_service(port) && (port >= 512 || WELL_KNOWN_PORTS.binary_search(&port).is_ok());
    is_service(server) && !is_service(client)
        || is_known(server) && !is_known(client)
        || server < EPHEMERAL_MIN && client >= EPHEMERAL_MIN
}

/// Ports by how likely a server is there, the likeliest first.
fn likeness(port: u16) -> (u8, u16) {
    match port {
        512..1024 if RESERVED_SERVICE_PORTS.binary_search(&port).is_err() => (2, port),
        FTP_DATA => (4, port),
        0..1024 => (0, port),
        _ if SERVICE_PORTS.binary_search(&port).is_ok() => (1, port),
        _ => (3, port),
    }
}

/// Who opens with `segment`.
fn opener(segment: &Segment) -> Option<Endpoint> {
    match segment.flags & OPENING {
        Flags::SYN => Some(segment.source),
        both if both == Flags::SYN | Flags::ACK => Some(segment.destination),
        _ => None,
    }
}

fn exchange(halves: &mut Sides<Half>) {
    std::mem::swap(&mut halves.client, &mut halves.server);
    for half in [&mut halves.client, &mut halves.server] {
        let kept = [&mut half.before_probes, &mut half.before_again, &mut half.before_close];
        let kept = kept.into_iter().flat_map(Option::as_deref_mut);
        for noted in [&mut half.last, &mut half.last_data].into_iter().flatten().chain(kept) {
            noted.side = !noted.side;
        }
    }
}

/// Zeek writes what the originator did in capitals.
fn other_case(letter: char) -> char {
    if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Side, Timestamp};
    use crate::connection::{Lifecycle, Profile};
    use crate::source::script::segments;

    /// A connection whose service has a higher port than its client, midstream, with the SYN that follows it.
    fn taken(client: &str, server: &str) -> (Connection, Segment) {
        let ends = format!("client {client}\nserver {server}\n");
        let trace = "client > data 100 seq 1 ack 1\nserver > ACK\nserver > data 300\nserver > FIN ACK\nclient > ACK\n\
                     client > RST ACK\n+1 client > SYN seq 90000";
        let mut segments = segments(&format!("{ends}{trace}")).expect("a trace");
        let syn = segments.pop().expect("a SYN");
        let mut connection = Connection::new(0, &segments[0], None);
        segments.iter().for_each(|segment| connection.step(segment));
        (connection, syn)
    }

    #[test]
    fn a_later_syn_corrects_the_guess_as_if_it_had_been_right() {
        let (mut wrong, syn) = taken("10.0.0.1:20000", "10.0.0.2:50051");
        assert_eq!((wrong.role_basis, wrong.client.port), (RoleBasis::Guess, 50_051), "ports mislead");
        assert!(wrong.learn_roles(&syn));
        let (right, _) = taken("10.0.0.1:60000", "10.0.0.2:50051");
        assert_eq!((wrong.client.port, right.client.port), (20_000, 60_000));
        assert_eq!(wrong.history, right.history);
        assert_eq!(wrong.completeness, right.completeness);
        let lives = [&wrong, &right].map(|one| Lifecycle::of(one, Timestamp(1 << 40), Profile::LINUX));
        for side in Side::BOTH {
            assert_eq!(wrong.halves[side].payload_bytes, right.halves[side].payload_bytes);
            assert_eq!(wrong.sequence_counts(side), right.sequence_counts(side));
            assert_eq!(lives[0].states[side], lives[1].states[side]);
        }
        assert_eq!(lives[0].closing.initiator, lives[1].closing.initiator);
        assert_eq!(lives[0].resets.len(), lives[1].resets.len());
    }

    #[test]
    fn a_known_service_is_the_server_whoever_speaks() {
        let server_of = |ends: &str| {
            let trace = segments(&format!("{ends}client > data 100 seq 1 ack 1")).expect("a trace");
            roles(&trace[0]).1.port
        };
        for (client, server, told) in [
            (20, 50_000, 50_000),
            (1_023, 2_049, 2_049),
            (1_023, 514, 514),
            (700, 40_000, 700),
            (8_080, 993, 993),
            (40_000, 44_818, 44_818),
        ] {
            assert_eq!(server_of(&format!("client 10.0.0.1:{client}\nserver 10.0.0.2:{server}\n")), told);
            assert_eq!(server_of(&format!("client 10.0.0.1:{server}\nserver 10.0.0.2:{client}\n")), told);
        }
        assert!(WELL_KNOWN_PORTS.is_sorted() && SERVICE_PORTS.is_sorted() && RESERVED_SERVICE_PORTS.is_sorted());
    }

    #[test]
    fn a_guess_that_was_right_stays() {
        let (mut right, syn) = taken("10.0.0.1:60000", "10.0.0.2:50051");
        let before = right.clone();
        assert!(!right.learn_roles(&syn));
        assert_eq!((right.client, right.history), (before.client, before.history));
    }
}
