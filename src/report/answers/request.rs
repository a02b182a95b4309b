//! Whether the client's last payload had an answer.

use super::{capture_end, duration, octets};
use crate::base::Side;
use crate::connection::ports_tell;
use crate::finding::{Initiator, OpenKind, Payload, RoleBasis, State, StateStep, Verdict};

/// What says goodbye is short: TLS close_notify, HTTP/2 GOAWAY, MQTT DISCONNECT, QUIT.
const FAREWELL_OCTETS_MAX: u32 = 64;

/// In words, where both ends said something and it is known which of them asks.
pub(super) fn request(verdict: &Verdict) -> Option<String> {
    let (client, server) = (&verdict.endpoints.client, &verdict.endpoints.server);
    let is_guess = verdict.role_basis == RoleBasis::Guess && !ports_tell(verdict.client.port, verdict.server.port);
    // Of two ends that connect at once neither is the one that asks.
    let is_mutual = verdict.open.kind == OpenKind::Simultaneous;
    if client.frames == 0 || server.frames == 0 || verdict.gist().is_unopened || is_guess || is_mutual {
        return None;
    }
    match (client.last_payload, server.last_payload) {
        (Some(asked), _) if asked.is_followed => Some(format!(
            "not known: what the client sent behind frame {}, its last payload in the capture, was not captured",
            asked.frame
        )),
        (Some(asked), Some(said))
            if said.frame > asked.frame
                && let Some(end) = end_before(verdict, &said) =>
        {
            Some(format!(
                "the client's last payload is in frame {}; the server's last (frame {}, {}) came behind the client's end (frame {end}): nobody read it",
                asked.frame,
                said.frame,
                octets(said.octets.into())
            ))
        }
        (Some(asked), Some(said)) if said.frame > asked.frame && said.is_repeated => Some(format!(
            "answered: the server spoke last (in frame {} once more), after the client (frame {})",
            said.frame, asked.frame
        )),
        (Some(asked), Some(said)) if said.frame > asked.frame && !asked.is_acknowledged => Some(format!(
            "not answered: nobody acknowledged the client's last payload (frame {}, {}); the server's last (frame {}) answers what came before",
            asked.frame,
            octets(asked.octets.into()),
            said.frame
        )),
        (Some(asked), Some(said)) if said.frame > asked.frame && !said.has_heard_all => Some(format!(
            "not answered: the server's last payload (frame {}) was sent before the client's (frame {}) had come: the two crossed",
            said.frame, asked.frame
        )),
        (Some(asked), Some(said)) if said.frame > asked.frame => Some(format!(
            "answered: the client's last payload is in frame {}, the server's in frame {}{}",
            asked.frame,
            said.frame,
            match said.time.since(asked.time) {
                ns @ 0.. => format!(", {} later", duration(ns)),
                // The capture's clock was set back.
                _ => String::new(),
            }
        )),
        (Some(asked), said) => {
            let taken = if asked.is_acknowledged { "acknowledged" } else { "not acknowledged" };
            let again = if asked.is_repeated { " once more" } else { "" };
            let last = format!("frame {}{again}, {}, {taken}", asked.frame, octets(asked.octets.into()));
            let end = capture_end(verdict, asked.time);
            let is_short = asked.octets <= FAREWELL_OCTETS_MAX;
            Some(match (said, own_close(verdict)) {
                (None, _) if server.missing_bytes > 0 => {
                    format!("last in {last}; what the server said was not captured")
                }
                (None, _) if verdict.open.kind == OpenKind::Midstream => {
                    format!("not known: in the capture only the client sends payload, last in {last}")
                }
                (None, _) => match &end {
                    Some(end) => format!("not answered within the capture: it ends {end} the client's last ({last})"),
                    None => format!("none was answered: only the client sent payload, last in {last}"),
                },
                (Some(_), Some(_)) if is_short => {
                    format!("the client spoke last ({last}) and closed: a farewell, if it wanted no answer")
                }
                (Some(_), Some(fin)) if fin.frame.is_some_and(|frame| frame >= asked.frame) => format!(
                    "not answered: the client spoke last ({last}) and closed {}",
                    match fin.time.since(asked.time) {
                        1.. => format!("{} later", duration(fin.time.since(asked.time))),
                        _ => "with it".to_owned(),
                    }
                ),
                (Some(_), Some(_)) if asked.is_repeated => {
                    format!("not answered: the client spoke last ({last}) and closed")
                }
                (Some(_), Some(_)) => format!("not answered: the client spoke last ({last}) and had closed before"),
                (Some(_), None) if is_behind_close(verdict, asked.frame) => {
                    let is_goodbye = is_short && has_closed_second(verdict);
                    let words = if is_goodbye {
                        " and closed: a farewell, if it wanted no answer"
                    } else {
                        ", when the server had closed"
                    };
                    let answer = if is_goodbye { "" } else { "not answered: " };
                    format!("{answer}the client spoke last ({last}){words}")
                }
                (Some(_), None) => {
                    let close = verdict.endpoints.server.states.iter().find(|step| step.state == State::FinWait1);
                    match close.filter(|fin| fin.frame.is_some_and(|frame| frame > asked.frame)) {
                        Some(fin) => format!(
                            "not answered: the client spoke last ({last}), and the server closed {} later",
                            duration(fin.time.since(asked.time).max(0))
                        ),
                        None => match end {
                            Some(end) => {
                                format!("not answered within the capture: it ends {end} the client's last ({last})")
                            }
                            None => format!(
                                "not answered: the client spoke last ({last}), and the server sent no payload after it"
                            ),
                        },
                    }
                }
            })
        }
        (None, Some(said)) if verdict.open.kind == OpenKind::Midstream || client.missing_bytes > 0 => {
            Some(format!("not captured: in the capture only the server sends payload, last in frame {}", said.frame))
        }
        (None, Some(said)) => Some(format!("none: only the server sent payload, last in frame {}", said.frame)),
        (None, None) => None,
    }
}

/// The frame in which the client had closed or reset before `said`, its server's payload, which it then refused.
fn end_before(verdict: &Verdict, said: &Payload) -> Option<u64> {
    let &end = verdict.close.frames.first().filter(|&&first| first < said.frame)?;
    let is_unread = !said.is_acknowledged || said.is_refused;
    (is_unread && verdict.resets.iter().any(|reset| reset.from == Side::Client)).then_some(end)
}

/// The client's own close, if it did not wait for the server's.
fn own_close(verdict: &Verdict) -> Option<&StateStep> {
    verdict.endpoints.client.states.iter().find(|step| step.state == State::FinWait1)
}

/// The client closed when the server had.
fn has_closed_second(verdict: &Verdict) -> bool {
    verdict.endpoints.client.states.iter().any(|step| step.state == State::LastAck)
}

/// The server had begun to close before `frame`.
fn is_behind_close(verdict: &Verdict, frame: u64) -> bool {
    verdict.close.initiator == Some(Initiator::Server) && verdict.close.frames.first().is_some_and(|&fin| fin < frame)
}
