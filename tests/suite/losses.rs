//! What a loss of frames does to what is said of the connections that lived then.

use std::collections::HashMap;

use lastack::base::Timestamp;
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
