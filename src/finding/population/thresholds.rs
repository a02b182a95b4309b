//! From when on many are too many, each with its reason.

/// What the findings across connections fire at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PopulationThresholds {
    /// TIME-WAITs of one host, or of one service, at once. Fewer are what any program leaves that talks a little; they
    /// cost nothing, and who closes first does not matter yet.
    pub time_wait_sockets_min: u64,
    /// TIME-WAITs at once from which on they are no longer a matter of taste: a third of Linux's ephemeral range.
    pub time_wait_sockets_many: u64,
    /// Share of a service's closes that the server must begin to be called the owner of its TIME-WAITs: more than half.
    pub time_wait_owner_share_min: f64,
    /// Share of the range of ports in use toward one destination from which on ports are running out: the kernel's search
    /// for a free one already takes long, and one burst more fails.
    pub ports_share_min: f64,
    /// Share at which connect() fails now and then: both halves of Linux's search (even ports first) are exhausted.
    pub ports_share_out: f64,
    /// Share of the range that must have been in use before a rate is believed to go on: a burst is no rate.
    pub ports_forecast_share_min: f64,
    /// Sockets in CLOSE-WAIT of one service that are not being closed. Fewer are shown one by one as close-wait-stuck.
    pub close_wait_sockets_min: u64,
    /// How long a socket must have been in CLOSE-WAIT to be counted among them, ns: applications that notice at all
    /// notice within a second.
    pub close_wait_ns_min: i64,
    /// And how many times as long as nine in ten of those took that did close: a slow application is no leak.
    pub close_wait_patience: i64,
    /// Sockets that a service can leak before accept() fails: the soft limit on open files of a process on Linux.
    pub descriptors: u64,
    /// Sockets in FIN-WAIT-2 of one host toward one service that wait for a peer that does not close.
    pub fin_wait_2_sockets_min: u64,
    /// How long a socket must have been in FIN-WAIT-2 to be counted among them, ns: the time that an application takes.
    pub fin_wait_2_ns_min: i64,
    /// Sockets in LAST-ACK of one host toward one service, or of one, whose FIN nobody acknowledges.
    pub last_ack_sockets_min: u64,
    /// How long a socket must have been in LAST-ACK to be counted among them, ns: by then its FIN has been repeated. From half
    /// a second on.
    pub last_ack_ns_min: i64,
    /// Sockets in SYN-RECEIVED of one service whose handshakes do not complete. Fewer are shown one by one.
    pub syn_received_sockets_min: u64,
    /// How long a socket must have been in SYN-RECEIVED to be counted among them, ns: by then its SYN-ACK has been repeated.
    /// From half a second on.
    pub syn_received_ns_min: i64,
    /// Handshakes of one service left half open within a TIME-WAIT's time. Scanners and lost packets leave fewer.
    pub half_open_min: u64,
    /// Unanswered attempts of one address with an older clock than one that was answered: fewer may be lost packets.
    pub ignored_by_clock_min: u64,
    /// Idle connections of a service that end after one and the same time: fewer may be chance.
    pub idle_ends_min: u64,
    /// Share of the idle ends by that side that they must be.
    pub idle_ends_share_min: f64,
    /// Share of the half-open handshakes with a single SYN from which on nobody stands behind them: a living client
    /// repeats its SYN within one to three seconds.
    pub half_open_single_share_min: f64,
}

impl Default for PopulationThresholds {
    fn default() -> Self {
        Self {
            time_wait_sockets_min: 50,
            time_wait_sockets_many: 10_000,
            time_wait_owner_share_min: 0.5,
            ports_share_min: 0.8,
            ports_share_out: 0.98,
            ports_forecast_share_min: 0.1,
            close_wait_sockets_min: 10,
            close_wait_ns_min: 1_000_000_000,
            close_wait_patience: 4,
            descriptors: 1_024,
            fin_wait_2_sockets_min: 10,
            fin_wait_2_ns_min: 1_000_000_000,
            last_ack_sockets_min: 10,
            last_ack_ns_min: 1_000_000_000,
            syn_received_sockets_min: 10,
            syn_received_ns_min: 1_000_000_000,
            ignored_by_clock_min: 3,
            idle_ends_min: 5,
            idle_ends_share_min: 0.3,
            half_open_min: 50,
            half_open_single_share_min: 0.5,
        }
    }
}
