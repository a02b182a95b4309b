//! Whether the client's last payload had an answer.

use super::{capture_end, duration, octets};
use crate::connection::ports_tell;
use crate::finding::{EndedBy, Heard, Initiator, OpenKind, Payload, RoleBasis, State, StateStep, Unread, Verdict};

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
    // What was only said once more asks nothing and answers nothing.
    let (new, answer) = (client.last_new_payload, server.last_new_payload);
    match (client.last_payload.zip(new), server.last_payload.zip(answer)) {
        (Some((asked, _)), _) if asked.is_followed => Some(format!(
            "not known: what the client sent behind frame {}, its last payload in the capture, was not captured",
            asked.frame
        )),
        (Some((asked, new)), Some((said, answer)))
            if said.frame > asked.frame
                && let Some(unread) = &server.unread =>
        {
            Some(unread_words(&new, &said, &answer, unread))
        }
        (Some((_, asked)), Some((_, said))) if said.frame > asked.frame && said.heard == Heard::All => {
            Some(format!("answered: {}", pair(&asked, &said)))
        }
        (Some((_, asked)), Some((_, said))) if said.frame > asked.frame && !asked.is_acknowledged => Some(format!(
            "not answered: nobody acknowledged the client's last payload (frame {}, {}); the server's last (frame {}) {}",
            asked.frame,
            octets(asked.octets.into()),
            said.frame,
            match said.heard {
                Heard::All | Heard::Before => "answers what came before",
                Heard::Less => "does not answer it",
            }
        )),
        (Some((_, asked)), Some((_, said))) if said.frame > asked.frame => Some(crossed(&asked, &said)),
        (Some((again, asked)), said) => {
            let taken = if asked.is_acknowledged { "acknowledged" } else { "not acknowledged" };
            let once_more = if asked.is_repeated { " once more" } else { "" };
            let later = match again.frame {
                frame if frame > asked.frame && again.is_older => {
                    format!("; in frame {frame} once more what came before it")
                }
                frame if frame > asked.frame => format!("; in frame {frame} once more"),
                _ => String::new(),
            };
            let last = format!("frame {}{once_more}, {}, {taken}{later}", asked.frame, octets(asked.octets.into()));
            let end = capture_end(verdict, again.time);
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
                (Some(_), Some(_)) if asked.is_repeated || again.frame > asked.frame => {
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
                            None => {
                                let no_more = match said {
                                    Some((repeated, _)) if repeated.frame > asked.frame => "nothing new",
                                    _ => "no payload",
                                };
                                format!(
                                    "not answered: the client spoke last ({last}), and the server sent {no_more} after it"
                                )
                            }
                        },
                    }
                }
            })
        }
        (None, Some((said, _))) if verdict.open.kind == OpenKind::Midstream || client.missing_bytes > 0 => {
            Some(format!("not captured: in the capture only the server sends payload, last in frame {}", said.frame))
        }
        (None, Some((said, _))) => Some(format!("none: only the server sent payload, last in frame {}", said.frame)),
        (None, None) => None,
    }
}

/// The two frames, and the time from the one to the other.
fn pair(asked: &Payload, said: &Payload) -> String {
    let later = match said.time.since(asked.time) {
        ns @ 0.. => format!(", {} later", duration(ns)),
        // The capture's clock was set back.
        _ => String::new(),
    };
    format!("the client's last payload is in frame {}, the server's in frame {}{later}", asked.frame, said.frame)
}

/// `said` was sent when `asked` had not come.
fn crossed(asked: &Payload, said: &Payload) -> String {
    if asked.octets > FAREWELL_OCTETS_MAX {
        return format!(
            "not answered: the server's last payload (frame {}) was sent before the client's (frame {}) had come: the two crossed",
            said.frame, asked.frame
        );
    }
    let before = if said.heard == Heard::Before { "; that answers what came before" } else { "" };
    format!(
        "not answered, if it wanted an answer: the client's last payload (frame {}, {}) crossed with the server's (frame {}){before}",
        asked.frame,
        octets(asked.octets.into()),
        said.frame
    )
}

/// The server's last payload, `said`, came when the client was there no more: whether `asked` had been answered before.
fn unread_words(asked: &Payload, said: &Payload, answer: &Payload, unread: &Unread) -> String {
    let end = match unread.ended_by {
        EndedBy::Itself => format!("the client's end (frame {})", unread.end),
        EndedBy::Peer => format!("the server's reset (frame {})", unread.end),
        EndedBy::Forger => format!("a reset in the server's name (frame {})", unread.end),
    };
    let last = format!("(frame {}, {})", said.frame, octets(said.octets.into()));
    let came = format!("came behind {end}: nobody read it");
    let perhaps = if asked.octets <= FAREWELL_OCTETS_MAX { ", if it wanted an answer" } else { "" };
    match unread.before {
        Some(before) if before.heard == Heard::All => {
            let doubt = if before.is_acknowledged { "" } else { " (not acknowledged)" };
            format!("answered: {}{doubt}; what the server said last {last} {came}", pair(asked, &before))
        }
        _ if answer.heard == Heard::All => format!(
            "answered too late{perhaps}: the client's last payload is in frame {}; the server's last {last} {came}",
            asked.frame
        ),
        _ => {
            let asked_in =
                format!("the client's last payload (frame {}, {})", asked.frame, octets(asked.octets.into()));
            match asked.is_acknowledged {
                true => {
                    format!("not answered{perhaps}: {asked_in} crossed with the server's last {last}, which {came}")
                }
                false => {
                    format!("not answered{perhaps}: {asked_in} was not acknowledged; the server's last {last} {came}")
                }
            }
        }
    }
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
