//! `reset-process-exit`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// The process was killed or exited with data unread or unsent.
    ///
    /// # Why it matters
    ///
    /// The peer sees ECONNRESET in the middle of its work.
    ///
    /// # How it is recognised
    ///
    /// It has no shape of its own; it is named when everything else is excluded, and otherwise as a rival.
    ///
    /// # Not to be confused with
    ///
    /// `reset-unread-data` and `reset-linger-zero`.
    ///
    /// # What to do
    ///
    /// Look for crashes, OOM kills (`journalctl -k`, memory.events of the cgroup) and deployments at that moment. On an
    /// orderly stop let the process close its listeners, finish what it has, and close each connection after reading it
    /// out; SIGKILL after a grace period that is too short does this to every open one.
    "reset-process-exit", Reset, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::ProcessExit, case, found);
}
