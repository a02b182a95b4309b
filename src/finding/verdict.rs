//! What lastack says of one connection: the value that the reports print. Field by field it is the `connection` record.

use super::catalogue::Group;
use crate::base::{Endpoint, Side, Sides, Timestamp, words};
pub use crate::connection::{Basis, CloseKind, Heard, Initiator, OpenKind, RoleBasis, State, StateStep, Tap};
use crate::connection::{Profile, SequenceCounts};

/// Everything that is reported of one connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Wireshark's `tcp.stream`.
    pub stream: u64,
    /// Who opened the connection, or is taken for it.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// How client and server were told apart.
    pub role_basis: RoleBasis,
    /// Where on its path the capture was taken, if that shows.
    pub tap: Option<Tap>,
    /// Time of the first segment.
    pub start: Timestamp,
    /// Time of the last segment.
    pub end: Timestamp,
    /// Packet time when it was judged: that of the capture's end, if nothing ended the connection before. None where the
    /// capture's clock was set back to before its last segment.
    pub horizon: Option<Timestamp>,
    /// Frame of the first segment.
    pub first_frame: u64,
    /// Frame of the last segment.
    pub last_frame: u64,
    /// The VLANs and tunnels that its first segment came through, outermost first, as `vlan 100 / vxlan vni 42`.
    pub through: Option<String>,
    /// The same of the end that did not send that segment, where it differs: each direction of a tunnel may have its own number.
    pub through_back: Option<String>,
    /// Others that segments of a side came through later: perhaps a connection of another network with equal numbers.
    pub also_through: Option<String>,
    /// Only sampled headers of it are in the capture: how it opened and ended is not known.
    pub is_sampled_alone: bool,
    /// How it began.
    pub open: Open,
    /// How it ended.
    pub close: Close,
    /// Each end's life.
    pub endpoints: Sides<EndpointView>,
    /// Wireshark's `tcp.completeness`.
    pub completeness: u8,
    /// Zeek's `history` letters, upper case for the client.
    pub history: String,
    /// Zeek's `conn_state`.
    pub conn_state: &'static str,
    /// Every reset that stands for itself; echoes are folded into the one that caused them.
    pub resets: Vec<Reset>,
    /// What deserves a sentence, in order of time.
    pub findings: Vec<Finding>,
}

words! {
    /// How sure a verdict is.
    Confidence {
        /// The packets leave several explanations.
        Low = "low",
        /// One explanation is clearly likelier.
        Medium = "medium",
        /// The packets exclude the others.
        High = "high",
    }
}

words! {
    /// What a finding costs its owner.
    Severity {
        /// Worth knowing.
        Note = "note",
        /// Something was lost, leaked or nearly so.
        Warning = "warning",
        /// Somebody's request failed or will.
        Error = "error",
    }
}

words! {
    /// Who made a reset.
    Origin {
        /// The endpoint whose address it carries.
        Endpoint = "endpoint",
        /// Something in between.
        Middlebox = "middlebox",
        /// Not decided.
        Unknown = "unknown",
    }
}

words! {
    /// The two families of resets.
    Family {
        /// A process or timer aborted a live socket.
        Active = "active",
        /// A segment met no willing socket.
        Reply = "reply",
    }
}

words! {
    /// Why a reset was sent.
    Cause {
        /// close() with SO_LINGER on and time 0, or an abort API.
        LingerZero = "linger-zero",
        /// close() while received bytes had not been read.
        UnreadData = "unread-data",
        /// Bytes arrived for an endpoint whose application had closed.
        DataAfterClose = "data-after-close",
        /// The endpoint does not know the connection.
        NoConnection = "no-connection",
        /// A repeated FIN met nobody.
        NoTimeWait = "no-time-wait",
        /// The peer came back after the FIN-WAIT-2 timer.
        FinWait2Expired = "fin-wait-2-expired",
        /// Keepalive probes went unanswered.
        KeepaliveTimeout = "keepalive-timeout",
        /// Nothing listens on the port.
        Refused = "refused",
        /// A bad acknowledgment in the handshake; a stale SYN refuted.
        InvalidHandshake = "invalid-handshake",
        /// By a side that had closed with FIN, to data or ACKs still arriving.
        AfterFin = "after-fin",
        /// The process was killed.
        ProcessExit = "process-exit",
        /// A middlebox had forgotten the flow.
        IdleExpired = "idle-expired",
        /// Forged.
        Injected = "injected",
        /// Not known.
        Unknown = "unknown",
    }
}

words! {
    /// The socket calls that packets can imply.
    Call {
        /// connect(2).
        Connect = "connect",
        /// accept(2).
        Accept = "accept",
        /// shutdown(2) for writing.
        Shutdown = "shutdown",
        /// close(2).
        Close = "close",
        /// close(2) that discards: SO_LINGER 0 or an abort API.
        Abort = "abort",
        /// write(2), send(2) and their kin.
        Write = "write",
        /// read(2), recv(2) and their kin.
        Read = "read",
    }
}

words! {
    /// An error that an application saw.
    Errno {
        /// Connection refused.
        ConnRefused = "ECONNREFUSED",
        /// Connection reset by peer.
        ConnReset = "ECONNRESET",
        /// Broken pipe.
        Pipe = "EPIPE",
        /// Connection timed out.
        TimedOut = "ETIMEDOUT",
        /// No route to host.
        HostUnreach = "EHOSTUNREACH",
        /// Network is unreachable.
        NetUnreach = "ENETUNREACH",
        /// Protocol not available (ICMP port or protocol unreachable).
        NoProtoOpt = "ENOPROTOOPT",
        /// Permission denied (ICMPv6 administratively prohibited).
        Access = "EACCES",
        /// Protocol error (ICMP parameter problem).
        Protocol = "EPROTO",
        /// Software caused connection abort.
        ConnAborted = "ECONNABORTED",
    }
}

/// How a connection began.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// Which way.
    pub kind: OpenKind,
    /// The frames that show it.
    pub frames: Vec<u64>,
    /// SYN to the ACK that completes the handshake as the tap saw them, in ns; none when either is missing or the SYN
    /// or SYN-ACK was repeated (Karn's rule).
    pub rtt_ns: Option<i64>,
    /// The frame with which the client goes on in the next stream: the SYN-ACK that answers its SYN and begins that, or what it says
    /// behind a SYN that it never sent.
    pub continued: Option<u64>,
    /// The stream before, which goes on in this one behind a SYN that nobody meant.
    pub resumes: Option<u64>,
    /// Payload of the client's SYN that the handshake did not take, octets: it comes again behind it (RFC 7413, section 4.1.3).
    pub refused_octets: u32,
    /// How many SYNs (without ACK) were seen.
    pub syn_count: u32,
    /// How many SYN-ACKs were seen.
    pub syn_ack_count: u32,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Close {
    /// Which way.
    pub kind: CloseKind,
    /// Who began it.
    pub initiator: Option<Initiator>,
    /// The frames that show it.
    pub frames: Vec<u64>,
    /// For how long neither side had sent payload when it began, ns; none when nothing began it or that is not known.
    pub idle_ns: Option<i64>,
}

/// A socket call that the packets imply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImpliedCall {
    /// Which call.
    pub call: Call,
    /// How it failed; none is success.
    pub errno: Option<Errno>,
    /// The frame that implies it.
    pub frame: Option<u64>,
}

/// A segment with payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The frame that carried it.
    pub frame: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Its octets.
    pub octets: u32,
    /// The peer acknowledged all of them.
    pub is_acknowledged: bool,
    /// Nothing but a reset acknowledged them, of a socket that was closed.
    pub is_refused: bool,
    /// They had been sent before.
    pub is_repeated: bool,
    /// They are others than those that were sent last for the first time.
    pub is_older: bool,
    /// The peer acknowledged more behind them that was not captured.
    pub is_followed: bool,
    /// How much of the peer's new payload their segment acknowledges.
    pub heard: Heard,
}

/// How an end came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// It closed or reset.
    Itself,
    /// The other end's reset.
    Peer,
    /// A reset in the other end's name.
    Forger,
}

/// What came to an end that was there no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The frame that ended it before.
    pub end: u64,
    /// How.
    pub ended_by: EndedBy,
    /// The last new payload that was sent to it before that.
    pub before: Option<Payload>,
}

/// One end's life.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct EndpointView {
    /// The stack whose timers and habits are taken to be its own.
    pub stack: Profile,
    /// Every state entered, in order; empty when nothing shows that the endpoint took part.
    pub states: Vec<StateStep>,
    /// Segments that it sent, as seen.
    pub frames: u64,
    /// Payload octets that it sent, each once.
    pub payload_bytes: u64,
    /// Payload octets that it sent again.
    pub retransmitted_bytes: u64,
    /// Octets that its peer acknowledged and that the capture never saw.
    pub missing_bytes: u64,
    /// Octets before others that it sent which no frame carries and its peer, as far as captured, never acknowledged.
    pub unfilled_bytes: u64,
    /// How often Wireshark's sequence analysis would have flagged its segments.
    pub sequence: SequenceCounts,
    /// The last frame with payload that it sent.
    pub last_payload: Option<Payload>,
    /// The last one with octets that it had not sent before; where all repeat what was not captured, the last.
    pub last_new_payload: Option<Payload>,
    /// Its last payload came when its peer was there no more: nobody read it.
    pub unread: Option<Unread>,
    /// What its application did and saw.
    pub calls: Vec<ImpliedCall>,
    /// The error that its application ended with.
    pub error: Option<Errno>,
}

impl EndpointView {
    /// The last state entered; CLOSED when nothing is known of the endpoint.
    pub fn final_state(&self) -> State {
        self.states.last().map_or(State::Closed, |step| step.state)
    }
}

/// One reset and why it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Reset {
    /// The frame that carried it.
    pub frame: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Whose address it carries as source.
    pub from: Side,
    /// Who made it.
    pub origin: Origin,
    /// Active or reply; none when its shape fits neither.
    pub family: Option<Family>,
    /// The likeliest cause.
    pub cause: Cause,
    /// How sure.
    pub confidence: Confidence,
    /// Other causes that the packets allow, likeliest first.
    pub rivals: Vec<Cause>,
    /// What tells it apart among those of its cause.
    pub kind: Option<&'static str>,
    /// Whether its receiver accepts it (RFC 9293, section 3.10.7; RFC 5961).
    pub accepted: bool,
    /// The frame of another one of the same side, if that is the one which its receiver takes.
    pub taken_in: Option<u64>,
    /// Octets that the client had sent, or sent before it heard of it, and that nobody acknowledged.
    pub client_bytes_lost: u64,
    /// The same for the server.
    pub server_bytes_lost: u64,
    /// Octets that its sender had sent by its number and that no frame carries; a FIN may be one of them.
    pub octets_unseen: u64,
    /// Later resets of the same side that this one explains.
    pub echoes: u32,
    /// Why this cause, in words with the numbers of this case.
    pub evidence: String,
}

impl Reset {
    /// Its cause is more than a guess, and so is the call of the application that it stands for.
    pub(super) fn tells_call(&self) -> bool {
        self.confidence > Confidence::Low
    }
}

/// One finding of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// Where the catalogue has it.
    pub group: Group,
    /// What it costs.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Whom it concerns.
    pub endpoint: Option<Side>,
    /// How it ended, where the catalogue gives outcomes.
    pub outcome: Option<&'static str>,
    /// Which of its kinds, where the catalogue gives kinds.
    pub kind: Option<&'static str>,
    /// The frames that prove it; never empty.
    pub frames: Vec<u64>,
    /// When it happened.
    pub time: Timestamp,
    /// A plain sentence with the numbers of this case.
    pub message: String,
}
