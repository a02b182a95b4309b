//! `icmp-error`: an ICMP error quoted this connection.

use crate::base::Side;
use crate::connection::{Noted, OpenKind, State, ending_error, is_hard};
use crate::finding::phrase::count;
use crate::segment::IcmpError;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Confidence, Severity};

finding! {
    /// # What it is
    ///
    /// A router, a firewall or the peer's host sent an ICMP error that quotes a segment of this connection. `kind` is
    /// `unreachable`, `too-big` (fragmentation needed, packet too big), `ttl-exceeded`, `reassembly-timeout` (not all fragments of
    /// a segment came), `parameter-problem`, or `source-quench`. For `too-big` the `outcome` says whether the sender sent smaller
    /// segments afterwards (`adapted`) or the same again (`black-hole`).
    ///
    /// # Why it matters
    ///
    /// In an open connection such an error is soft (RFC 5927, section 5): nothing ends, and the application learns of it only when
    /// the connection times out in the end (Linux: errno of the last soft error, or IP_RECVERR). Errors `too-big` are how path MTU
    /// discovery works: one at the beginning is ordinary. When the sender never heeds them, large answers hang while small ones
    /// pass.
    ///
    /// # How it is recognised
    ///
    /// Addresses, ports and sequence number of the header quoted in the error belong to this connection.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// icmp 10.9.9.9 > client host-unreachable
    /// +300ms client > again
    /// server > ACK
    /// ```
    ///
    /// ```trace fires
    /// client > SYN <mss 1460>
    /// server > SYN ACK <mss 1460>
    /// client > ACK
    /// client > data 1460
    /// icmp 10.9.9.9 > client fragmentation-needed mtu 1400
    /// client > data 1:1361
    /// client > data 1361:1461
    /// server > ACK
    /// ```
    ///
    /// One that quotes a number which its sender never used is told with less confidence: it belongs to an older connection or
    /// is forged, and stacks ignore it (RFC 5927, section 4).
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// icmp 10.9.9.9 > client host-unreachable seq 90000
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `connection-rejected`: an error that quotes the SYN is hard and ends connect(). One that quotes the SYN-ACK ends a handshake
    /// that is not completed (Linux), and the ACK that comes later meets a reset.
    ///
    /// ```trace quiet
    /// client > SYN
    /// icmp 10.9.9.9 > client host-unreachable
    /// ```
    ///
    /// # What to do
    ///
    /// `unreachable`: look at the reporter, not at the ends; it had no route or no neighbour at that moment. `ttl-exceeded` in an
    /// open connection is a routing loop. `black-hole`: somebody drops the ICMP errors on their way to the sender, or the sender
    /// sits behind a load balancer that hands them to the wrong host; let ICMP type 3 code 4 (v6: type 2) pass, or clamp the MSS at
    /// the tunnel (iptables -j TCPMSS --clamp-mss-to-pmtu), or have the sender probe (net.ipv4.tcp_mtu_probing=1; costs some stalled
    /// round trips once per path).
    "icmp-error", Transfer, Note, [ICMP_ERROR], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    let ends_open = |error: &&IcmpError| case.life.opening.kind == OpenKind::Rejected && is_hard(error);
    let told = connection.icmp_errors.iter().filter(|error| !ends_open(error));
    let (own, foreign): (Vec<&IcmpError>, Vec<&IcmpError>) =
        told.partition(|error| was_sent(case, quoted_side(case, error), error));
    // What was counted and not remembered is of the more usual ones.
    let beyond = connection.icmp_count.saturating_sub(connection.icmp_errors.len() as u32);
    let (with_own, with_foreign) = if own.is_empty() { (0, beyond) } else { (beyond, 0) };
    tell(case, &own, with_own, IsForeign::No, found);
    tell(case, &foreign, with_foreign, IsForeign::Yes, found);
}

/// Whether an error quotes a number that its receiver never sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsForeign {
    No,
    Yes,
}

/// Tells of `errors` and as many more as `beyond`.
fn tell(case: &Case<'_>, errors: &[&IcmpError], beyond: u32, is_foreign: IsForeign, found: &mut Found) {
    // The one that ended something is what the others are about.
    let ends =
        |error: &&&IcmpError| ending_error(case.connection, case.life, quoted_side(case, error)) == Some(**error);
    let Some(&first) = errors.iter().find(ends).or(errors.first()) else { return };
    let ended = ends(&&first);
    let kind = kind(first);
    let side = quoted_side(case, first);
    let is_foreign = is_foreign == IsForeign::Yes;
    let fits = kind == "too-big" && fits(case, side, first);
    let outcome = (kind == "too-big" && !is_foreign && !fits).then(|| outcome(case, side, first)).flatten();
    let mtu = first.mtu.map_or_else(String::new, |mtu| format!(", next MTU {mtu}"));
    let rest = errors.len() as u64 - 1 + u64::from(beyond);
    let more = if rest > 0 { format!(" ({} more followed)", count(rest, "error")) } else { String::new() };
    let words = match outcome {
        _ if is_foreign => {
            "; it never sent a segment with that number, so the error is forged or of an older connection"
        }
        Some("adapted") => "; it sent smaller segments afterwards",
        Some(_) => "; it sent segments of the same size again, so the error does not reach it or is not believed",
        None if fits => "; by its peer's MSS it sends none that are larger than this",
        None if kind == "too-big" => "",
        None if kind == "source-quench" => "; stacks ignore that (RFC 6633)",
        None if ended => "; an opening that nobody has acknowledged ends with that (Linux)",
        None if is_hard(first) => match opening_again(case, side, first) {
            Some(again) if again.is_syn() => {
                "; it sent its SYN again after that (macOS and the BSDs wait for more such errors, Linux does not)"
            }
            Some(_) => "; it sent its SYN-ACK again after that (the BSDs wait for more such errors, Linux does not)",
            None => "; in an open connection that ends nothing",
        },
        None => "; in an open connection that ends nothing",
    };
    let message = format_args!(
        "{} told {} with {} type {} code {}{mtu} that its segment could not pass{more}{words}",
        first.reporter,
        case.name(side),
        if first.v6 { "ICMPv6" } else { "ICMP" },
        first.kind,
        first.code,
    );
    let frames = errors.iter().map(|error| error.frame.0);
    let confidence = if is_foreign { Confidence::Medium } else { Confidence::High };
    let mut draft = ENTRY.draft(confidence, first.time, frames, message).endpoint(side).kind(kind);
    if let Some(outcome) = outcome {
        draft = draft.outcome(outcome);
    }
    if outcome == Some("black-hole") {
        let hangs = case.life.closing.unanswered == Some(side);
        draft = draft.severity(if hangs { Severity::Error } else { Severity::Warning });
    }
    draft.push(found);
}

/// Who had sent what `error` quotes.
fn quoted_side(case: &Case<'_>, error: &IcmpError) -> Side {
    if error.source == case.connection.client { Side::Client } else { Side::Server }
}

/// The SYN or SYN-ACK that `side`, which was opening when `error` came, sent again all the same.
fn opening_again<'a>(case: &'a Case<'_>, side: Side, error: &IcmpError) -> Option<&'a Noted> {
    let was_opening = case
        .life
        .state_at(side, error.time)
        .is_some_and(|step| matches!(step.state, State::SynSent | State::SynReceived));
    let asked = error.frame.0;
    let opens = move |note: &Noted| note.side == side && (note.is_syn() || note.is_syn_ack());
    case.notes(move |note| was_opening && opens(note) && note.frame > asked).next()
}

/// What kind of error it is (RFC 792, RFC 4443).
fn kind(error: &IcmpError) -> &'static str {
    match (error.v6, error.kind, error.code) {
        (false, 3, 4) | (true, 2, _) => "too-big",
        (false, 4, _) => "source-quench",
        (false, 11, 1) | (true, 3, 1) => "reassembly-timeout",
        (false, 11, _) | (true, 3, _) => "ttl-exceeded",
        (false, 12, _) | (true, 4, _) => "parameter-problem",
        _ => "unreachable",
    }
}

/// `side` sent something with the number that `error` quotes, as far as the capture can tell.
fn was_sent(case: &Case<'_>, side: Side, error: &IcmpError) -> bool {
    let half = &case.connection.halves[side];
    let Some(start) = half.start else { return true };
    let is_old = case.connection.began_in_capture() && error.seq.before(half.isn.unwrap_or(start));
    !is_old && error.seq.at_or_before(half.nxt)
}

/// A segment of `side` was too big for the path, which then dropped it and not the peer.
pub(in crate::finding) fn is_too_big(case: &Case<'_>, side: Side) -> bool {
    let of_side = |error: &&IcmpError| error.source == case.connection.endpoint(side) && kind(error) == "too-big";
    case.connection.icmp_errors.iter().filter(of_side).any(|error| was_sent(case, side, error))
}

/// What the peer takes in one segment passes by the MTU that `error` names: nothing changes with it.
fn fits(case: &Case<'_>, side: Side, error: &IcmpError) -> bool {
    let mss = case.connection.halves[!side].mss;
    mss.zip(room(error)).is_some_and(|(mss, room)| u32::from(mss) <= room)
}

/// What a segment may carry by the MTU that `error` names, octets.
fn room(error: &IcmpError) -> Option<u32> {
    let headers = if error.v6 { 60 } else { 40 };
    error.mtu.filter(|&mtu| mtu > headers).map(|mtu| mtu - headers)
}

/// What the sender made of "too big": nothing is known before it sends again.
fn outcome(case: &Case<'_>, side: Side, error: &IcmpError) -> Option<&'static str> {
    let room = room(error)?;
    let again: Vec<_> = case
        .notes(|note| {
            note.side == side && note.len > 0 && note.frame > error.frame.0 && note.seq.at_or_before(error.seq)
        })
        .collect();
    let last = again.last()?;
    if last.len <= room {
        return Some("adapted");
    }
    // One copy may have been on its way already, and with offload the network card cuts what the tap sees whole.
    let is_cut_later = case.connection.halves[side].super_segments > 0;
    (again.len() > 1 && !is_cut_later).then_some("black-hole")
}
