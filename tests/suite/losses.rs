//! What a loss of frames does to what is said of the connections that lived then.

use std::collections::HashMap;

use lastack::base::{Side, Timestamp};
use lastack::finding::{Confidence, Loss};
use lastack::segment::Item;
use lastack::source::script::parse;

use crate::told::{Told, tell_items, tell_items_with};

/// A connection that ends with a reset, and one that begins later and stays open.
const TRACE: &str = "\
       client > SYN <mss 1460>
       server > SYN ACK <mss 1460>
       client > ACK
       client > RST ACK
idle 10
b.client 10.0.0.1:40001
b.client > SYN <mss 1460>
b.server > SYN ACK <mss 1460>
b.client > ACK
";

fn items() -> Vec<Item> {
    parse(TRACE).unwrap()
}

fn confidences(told: &Told, stream: usize) -> HashMap<&'static str, Confidence> {
    told.verdicts[stream].findings.iter().map(|finding| (finding.name, finding.confidence)).collect()
}

fn gap(told: &Told, stream: usize) -> Option<String> {
    let of = told.verdicts[stream].findings.iter().find(|finding| finding.name == "capture-gap");
    of.map(|finding| finding.message.clone())
}

#[test]
fn a_connection_that_lived_then_says_so_and_is_judged_with_less_certainty() {
    let items = items();
    let at = items[2].time();
    let (whole, lossy) = (tell_items(&items), tell_items_with(&items, &[Loss { from: at, to: at, frames: 12 }]));
    assert_eq!(gap(&whole, 0), None);
    assert!(gap(&lossy, 0).unwrap().contains("12 frames"));
    assert_eq!(confidences(&whole, 0)["reset-linger-zero"], Confidence::High);
    assert_eq!(confidences(&lossy, 0)["reset-linger-zero"], Confidence::Medium);
    assert_eq!(lossy.verdicts[0].resets[0].confidence, Confidence::Medium);
    // The other one began when it was over.
    assert_eq!(lossy.verdicts[1], whole.verdicts[1]);
}

#[test]
fn what_had_ended_before_is_as_sure_as_ever_and_what_is_open_is_not() {
    let items = items();
    let after = items.last().unwrap().time();
    let whole = tell_items(&items);
    let lossy = tell_items_with(&items, &[Loss { from: after, to: after.plus(5), frames: 1 }]);
    assert_eq!(lossy.verdicts[0], whole.verdicts[0]);
    assert!(gap(&lossy, 1).unwrap().contains("1 frame while"));
}

#[test]
fn many_losses_stay_within_a_bound_and_none_is_forgotten() {
    const SECOND_NS: i64 = 1_000_000_000;
    let items = items();
    let first = items[0].time();
    let apart = |number: i64| {
        let at = first.plus((number - 1_000) * 3 * SECOND_NS);
        Loss { from: at, to: at, frames: 1 }
    };
    let losses: Vec<Loss> = (0..=1_000).map(apart).collect();
    let told = tell_items_with(&items, &losses);
    // Only the last one came while the first connection lived.
    assert!(gap(&told, 0).unwrap().contains("1 frame while"));
    let early = Loss { from: Timestamp(i64::MIN), to: Timestamp(i64::MAX), frames: u64::MAX };
    assert!(gap(&tell_items_with(&items, &[early, early]), 1).unwrap().contains(&u64::MAX.to_string()));
}

/// Both ways to close with FIN, each followed by a later SYN of somebody else, so that the capture goes on.
const CLOSES: [(&str, &str); 2] = [
    ("three-segment", "server > FIN ACK\n+10us client > ACK\n"),
    ("four-segment", "server > ACK\n+40ms server > FIN ACK\n+10us client > ACK\n"),
];

#[test]
fn no_single_frame_that_the_capture_missed_changes_the_life_that_the_others_show() {
    for (kind, close) in CLOSES {
        let trace = format!(
            "client > SYN <mss 1460>
             +1ms server > SYN ACK <mss 1460>
             +10us client > ACK
             client > data 100
             +1ms server > data 1000
             +10us client > ACK
             +20ms client > FIN ACK
             +1ms {close}
             idle 4
             b.client 10.0.0.1:40001
             b.client > SYN <mss 1460>
            "
        );
        let items = parse(&trace).unwrap();
        let whole = tell_items(&items);
        let states = |told: &Told| {
            let of =
                |side: Side| told.verdicts[0].endpoints[side].states.iter().map(|step| step.state).collect::<Vec<_>>();
            (of(Side::Client), of(Side::Server))
        };
        assert_eq!(whole.verdicts[0].close.kind.name(), kind);
        // The first is what says that there was a beginning; the last one is somebody else's.
        for missed in 1..items.len() - 1 {
            let mut rest = items.clone();
            rest.remove(missed);
            let told = tell_items(&rest);
            assert_eq!(states(&told), states(&whole), "{kind} without item {missed}");
            let (open, close) = (&told.verdicts[0].open, &told.verdicts[0].close);
            assert_eq!(open.kind, whole.verdicts[0].open.kind, "{kind} without item {missed}");
            assert_eq!(close.initiator, whole.verdicts[0].close.initiator, "{kind} without item {missed}");
            let is_last_known = close.kind == whole.verdicts[0].close.kind;
            // Without the acknowledgment between the FINs four segments are three.
            assert!(is_last_known || close.kind.name() == "three-segment", "{kind} without item {missed}: {close:?}");
            let names: Vec<_> = told.verdicts[0].findings.iter().map(|finding| finding.name).collect();
            let others = names.iter().filter(|&&name| name != "capture-gap").count();
            assert_eq!(others, 0, "{kind} without item {missed}: {names:?}");
        }
    }
}
