//! `port-reused`: the same four numbers again.

use std::fmt;

use crate::base::Seq;
use crate::connection::OpenKind;
use crate::finding::phrase::duration;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

use super::syn_rejected_in_time_wait;

finding! {
    /// # What it is
    ///
    /// A new connection on the same addresses and ports: a new incarnation, while the old one's TIME-WAIT may still run.
    ///
    /// # Why it matters
    ///
    /// It is legal when the new SYN's number lies beyond the old ones or its timestamp is newer (RFC 1122 4.2.2.13, RFC
    /// 6191); otherwise the server answers with the old connection's ACK and the client must begin again.
    ///
    /// # How it is recognised
    ///
    /// A SYN on a four-tuple whose earlier connection had ended, with another number. On Linux a SYN-ACK whose number is
    /// the old SND.NXT + 65537 proves that it replaced a TIME-WAIT.
    ///
    /// ```trace fires
    ///     client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    ///     client > FIN ACK
    ///     server > FIN ACK
    ///     client > ACK
    /// client isn 900000
    /// server isn 700000
    /// +90 client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A repeated SYN, which has the same number. `stale-syn`, an old duplicate.
    ///
    /// ```trace quiet
    ///    client > SYN
    /// +1 client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Legal reuse needs nothing. Reuse within seconds means that the client runs through its ephemeral ports toward
    /// this destination: see `port-exhaustion`. Client: keep connections and use them again, add source addresses or
    /// destination ports, widen net.ipv4.ip_local_port_range (28,232 ports by default). A fixed source port (bind()
    /// before connect(), some NFS and syslog clients) meets its own TIME-WAIT at every restart; let the kernel choose.
    "port-reused", AfterClose, Note, [PREDECESSOR], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    let Some(past) = connection.predecessor else { return };
    let Some(syn) = case.notes(|note| note.is_syn()).next() else { return };
    if connection.resumed.is_some() {
        return;
    }
    if connection.halves[syn.side].frames == 0 || past.half(connection.endpoint(syn.side)).isn == Some(syn.seq) {
        return;
    }
    if !past.is_over() && case.life.opening.kind != OpenKind::ThreeWay {
        return;
    }
    let gap = connection.start.since(past.end);
    let stack = &case.life.profiles[!syn.side];
    let time_wait = stack.time_wait_ns;
    let old = past.half(connection.endpoint(syn.side));
    let beyond = old.nxt.is_none_or(|nxt| syn.seq.after(nxt));
    let newer = match (syn.timestamps, old.timestamp) {
        (Some(now), Some(then)) => Seq(now.value).after(Seq(then)),
        _ => false,
    };
    let peer = past.half(connection.endpoint(!syn.side));
    let was_refused = past.was_refused(connection.endpoint(syn.side));
    let never_opened = old.syn_unanswered && peer.base.is_none() || was_refused;
    let old_ack = syn_rejected_in_time_wait::old_acks(case).next();
    let was_reset = past.leaves_no_time_wait() && old_ack.is_none();
    // Of a reset beside both FINs nobody knows any more which came first.
    let may_be_gone = (old.rst || peer.rst) && !was_reset;
    let leaves_nothing = never_opened || was_reset;
    let legal = (beyond || newer || gap >= time_wait || leaves_nothing) && old_ack.is_none();
    let server_old = peer.nxt;
    let proof = case
        .notes(|note| note.is_syn_ack() && server_old.is_some_and(|nxt| note.seq == nxt + LINUX_TIME_WAIT_OFFSET))
        .next();
    let words = match (proof, legal) {
        _ if never_opened => "; that had never opened, and nothing is left of it",
        (Some(_), _) => "; the SYN-ACK's number proves that it replaced a TIME-WAIT",
        _ if old_ack.is_some() => "; its other end has not let go of that, and answers with its numbers",
        _ if was_reset => ", by a reset, which leaves no TIME-WAIT",
        (None, true) if may_be_gone => "; a reset was among its last words, so that perhaps no TIME-WAIT was left",
        (None, true) if old.closed_first && !peer.closed_first && gap < time_wait => {
            "; the TIME-WAIT was its own sender's, which has let go of it"
        }
        (None, true) => "; its number or timestamp allows it",
        (None, false) => "; neither its number nor its timestamp allows it",
    };
    let within = if gap < time_wait { "within" } else { "after" };
    let wait = fmt::from_fn(|f| match (leaves_nothing || may_be_gone && legal) && proof.is_none() {
        true => Ok(()),
        false => write!(f, " ({within} TIME-WAIT of the {} profile)", stack.name),
    });
    // A SYN that nobody answered ends when its sender gives up, which no segment shows.
    let since = if never_opened && !was_refused { "that one's last SYN" } else { "that ended" };
    let message = format_args!(
        "the same addresses and ports as stream {}, {} after {since}{wait}{words}",
        past.stream,
        duration(gap)
    );
    // Only the length of TIME-WAIT allows it, and that is another with another stack.
    let rests_on_time = proof.is_none() && !beyond && !newer && !leaves_nothing && !may_be_gone && legal;
    let confidence = if rests_on_time && !stack.is_known() { Confidence::Medium } else { Confidence::High };
    let frames = [Some(syn.frame), proof.or(old_ack).map(|note| note.frame)].into_iter().flatten();
    ENTRY
        .draft(confidence, syn.time, frames, message)
        .endpoint(syn.side)
        .kind(if legal || proof.is_some() { "legal" } else { "illegal" })
        .push(found);
}

/// Linux `tcp_timewait_state_process`: the ISN for a SYN accepted in TIME-WAIT is the old SND.NXT + 65535 + 2.
const LINUX_TIME_WAIT_OFFSET: u32 = 65_537;
