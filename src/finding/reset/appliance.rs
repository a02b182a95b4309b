//! Balancers that say in a reset why they sent it.

use super::{Inquiry, Judgement};
use crate::finding::verdict::{Cause, Confidence};

/// What a code of NetScaler's stands for.
#[derive(Clone, Copy)]
enum Meaning {
    /// It tells the cause.
    Cause(Cause, &'static str),
    /// It tells what the device did, and not why as the catalogue has it.
    Words(&'static str),
}

/// A NetScaler (Citrix ADC) puts the reason for a reset into the window field: Citrix CTX200852, and Wireshark since 4.4. A
/// live window that happens to be one of the codes is that of the segment before.
pub(super) fn judge(inquiry: &Inquiry<'_>) -> Option<Judgement> {
    let (noted, sender) = (inquiry.noted, inquiry.sender());
    let is_live = noted.timestamps.is_some() || sender.last.is_none_or(|last| last.window == noted.window);
    if is_live {
        return None;
    }
    let evidence = |words: &str| {
        format!("its window is {}, with which a NetScaler says why it resets: {words} (Citrix CTX200852)", noted.window)
    };
    match meaning(noted.window)? {
        Meaning::Cause(cause, words) => {
            Some(Judgement::new(cause, Confidence::Medium, &[Cause::Unknown], evidence(words)))
        }
        Meaning::Words(words) => {
            let rivals = &[Cause::LingerZero, Cause::NoConnection];
            Some(Judgement::new(Cause::Unknown, Confidence::Low, rivals, evidence(words)))
        }
    }
}

fn meaning(window: u16) -> Option<Meaning> {
    use Meaning::{Cause as Of, Words};
    Some(match window {
        8_201 | 8_202 => Of(Cause::NoConnection, "a stray segment of a connection that it does not have"),
        8_204..=8_206 | 9_305 => Of(Cause::InvalidHandshake, "a number in the handshake is not the one due"),
        8_211 | 9_300..=9_303 => {
            Of(Cause::IdleExpired, "the connection had been idle too long, or its service is down")
        }
        8_212 => Of(Cause::NoConnection, "nothing listens, or the SYN cookie is not its own"),
        9_100 => Of(Cause::IdleExpired, "a request was begun and not finished in time"),
        9_310 => Of(Cause::KeepaliveTimeout, "its keepalive probes were not answered"),
        9_702 => Of(Cause::DataAfterClose, "data came after the FIN"),
        8_196 | 9_811 | 9_816 | 9_818 | 9_833 | 9_838 => Words("the TLS records or their negotiation failed"),
        8_207 => Words("a SYN came inside the window of an open connection"),
        8_208 => Words("the same data came too often"),
        8_209 | 9_219 | 9_220 | 9_826 => Words("it has no memory left"),
        9_201..=9_203 => Words("a server's connection that is shared by clients still carried the one before"),
        9_205..=9_210 | 9_212 | 9_217 | 9_222 => Words("the HTTP message breaks the rules"),
        9_304 => Words("its probes of a zero window found it closed to the end"),
        9_307..=9_309 => Words("the peer keeps its window small, as an attacker does"),
        9_400 | 9_401 => Words("it makes room for other connections, or its configuration changed"),
        9_700 | 9_701 => Words("it passes on a reset of the other side"),
        9_800 => Words("a probe of its service monitor timed out"),
        9_812 | 9_817 | 9_822 | 9_827 => Words("its configuration changed"),
        9_814 | 9_830 | 9_845 => Words("a policy of its says so"),
        9_829 => Words("the other site is out of reach"),
        9_855 => Words("its surge queue is full"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_that_tell_a_cause_name_it() {
        let cause = |window| match meaning(window) {
            Some(Meaning::Cause(cause, _)) => Some(cause),
            _ => None,
        };
        assert_eq!(cause(9_300), Some(Cause::IdleExpired));
        assert_eq!(cause(8_201), Some(Cause::NoConnection));
        assert_eq!(cause(9_310), Some(Cause::KeepaliveTimeout));
        assert_eq!(cause(9_700), None);
        assert!(meaning(64_240).is_none() && meaning(0).is_none());
    }
}
