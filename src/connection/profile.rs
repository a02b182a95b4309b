//! Timer constants of the stacks that lastack knows: what the packets do not say and a verdict may rest on.

const SECOND_NS: i64 = 1_000_000_000;

/// The timers of one TCP implementation, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The word for `--profile`.
    pub name: &'static str,
    /// How long TIME-WAIT lasts.
    pub time_wait_ns: i64,
    /// How long a closed application's FIN-WAIT-2 lasts.
    pub fin_wait_2_ns: i64,
    /// How long connect() tries.
    pub syn_give_up_ns: i64,
    /// How long a SYN-ACK is repeated before the half-open connection is forgotten.
    pub syn_ack_give_up_ns: i64,
    /// First ephemeral port.
    pub ephemeral_first: u16,
    /// Last ephemeral port.
    pub ephemeral_last: u16,
}

impl Profile {
    /// Linux: TCP_TIMEWAIT_LEN 60 s, tcp_fin_timeout 60 s, tcp_syn_retries 6 and tcp_synack_retries 5 with RTO doubling
    /// from 1 s, ip_local_port_range 32768-60999.
    pub const LINUX: Self = Self {
        name: "linux",
        time_wait_ns: 60 * SECOND_NS,
        fin_wait_2_ns: 60 * SECOND_NS,
        syn_give_up_ns: 127 * SECOND_NS,
        syn_ack_give_up_ns: 63 * SECOND_NS,
        ephemeral_first: 32_768,
        ephemeral_last: 60_999,
    };

    /// Windows: TcpTimedWaitDelay 120 s, dynamic ports 49152-65535, SYN given up after 21 s (documented defaults).
    pub const WINDOWS: Self = Self {
        name: "windows",
        time_wait_ns: 120 * SECOND_NS,
        fin_wait_2_ns: 120 * SECOND_NS,
        syn_give_up_ns: 21 * SECOND_NS,
        syn_ack_give_up_ns: 21 * SECOND_NS,
        ephemeral_first: 49_152,
        ephemeral_last: 65_535,
    };

    /// macOS: net.inet.tcp.msl 15 s, so TIME-WAIT 30 s; connect() gives up after 75 s; ports 49152-65535.
    pub const MACOS: Self = Self {
        name: "macos",
        time_wait_ns: 30 * SECOND_NS,
        fin_wait_2_ns: 60 * SECOND_NS,
        syn_give_up_ns: 75 * SECOND_NS,
        syn_ack_give_up_ns: 75 * SECOND_NS,
        ephemeral_first: 49_152,
        ephemeral_last: 65_535,
    };

    /// FreeBSD: net.inet.tcp.msl 30 s, finwait2_timeout 60 s, keepinit 75 s, ports 10000-65535 (portrange.first/last).
    pub const FREEBSD: Self = Self {
        name: "freebsd",
        time_wait_ns: 60 * SECOND_NS,
        fin_wait_2_ns: 60 * SECOND_NS,
        syn_give_up_ns: 75 * SECOND_NS,
        syn_ack_give_up_ns: 75 * SECOND_NS,
        ephemeral_first: 10_000,
        ephemeral_last: 65_535,
    };

    /// RFC 9293: MSL 2 minutes; R2 for a SYN at least 3 minutes (section 3.8.3); RFC 6056 ports 1024-65535. It knows no
    /// FIN-WAIT-2 timer, so that never runs out.
    pub const RFC: Self = Self {
        name: "rfc",
        time_wait_ns: 240 * SECOND_NS,
        fin_wait_2_ns: i64::MAX,
        syn_give_up_ns: 180 * SECOND_NS,
        syn_ack_give_up_ns: 180 * SECOND_NS,
        ephemeral_first: 1_024,
        ephemeral_last: 65_535,
    };

    /// Every profile.
    pub const ALL: [Self; 5] = [Self::LINUX, Self::WINDOWS, Self::MACOS, Self::FREEBSD, Self::RFC];
}

impl Default for Profile {
    fn default() -> Self {
        Self::LINUX
    }
}
