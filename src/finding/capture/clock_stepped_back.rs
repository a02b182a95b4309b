//! `clock-stepped-back`: the capture's clock was set back, or frames are out of order.

use crate::connection::Class;
use crate::finding::phrase::count;

use crate::finding::case::{Case, FRAMES_MAX, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A frame is dated before an earlier one of the same side by a millisecond or more, or before one of the other side by two
    /// seconds or more: the capturing host's clock was set back, or files were put together in the wrong order.
    ///
    /// # Why it matters
    ///
    /// Durations across that place are wrong: idle times, ages of strays, time in a state. Findings that rest on them are made with
    /// less confidence. The order of frames is what counts everywhere else, and that holds.
    ///
    /// # How it is recognised
    ///
    /// Times of frames against the order of frames.
    ///
    /// ```trace fires
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       client > data 100
    ///       server > ACK
    /// -2s   client > data 100
    /// +1ms  server > ACK
    /// ```
    ///
    /// A frame of the other side is enough where the step is of seconds:
    ///
    /// ```trace fires
    ///       client > SYN
    /// -600s server > SYN ACK
    /// +600s client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// Microseconds: a network card with several queues hands frames over one queue after the other.
    ///
    /// ```trace quiet
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       client > data 100
    /// -20us server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Let the clock slew and not step (chrony makestep only at boot; ntpd -x), merge files by time (mergecap, and not cat), and sort a file that is
    /// only out of order with reordercap.
    "clock-stepped-back", Capture, Note, [CLOCK_BACK], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let steps = case.connection.clock_steps_back;
    let notes: Vec<_> = case.notes(|note| note.class.contains(Class::CLOCK_BACK)).collect();
    let Some(first) = notes.first().filter(|_| steps > 0) else { return };
    let message = format_args!(
        "{} dated before an earlier one{}: the clock was set back, or the frames are out of order",
        match steps {
            1 => "1 frame is".to_owned(),
            more => format!("{} are", count(u64::from(more), "frame")),
        },
        if steps as usize > notes.len().min(FRAMES_MAX) { ", of which some are named" } else { "" }
    );
    let frames = notes.iter().map(|note| note.frame);
    ENTRY.draft(Confidence::High, first.time, frames, message).push(found);
}
