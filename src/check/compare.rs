//! Compares what two captures or results amount to: what is new, what is gone, and what has become more or less by more
//! than chance.

use std::collections::BTreeSet;

use super::fisher::{corrected, exact};
use super::tally::Tally;
use crate::report::{Aspect, Change, Compared, Row, Share};

/// Below this, a difference is not taken for chance.
pub const SIGNIFICANT: f64 = 0.05;

/// What differs between `before` and `after`, by what they are called.
pub fn compare(before: (&str, &Tally), after: (&str, &Tally)) -> Compared {
    let ((before_name, before), (after_name, after)) = (before, after);
    let words: BTreeSet<(Aspect, &str)> = before.words().chain(after.words()).collect();
    let share = |tally: &Tally, (aspect, word)| Share { count: tally.count(aspect, word), of: tally.connections };
    let pairs: Vec<((Aspect, &str), Share, Share)> =
        words.into_iter().map(|key| (key, share(before, key), share(after, key))).collect();
    let chances: Vec<f64> = pairs
        .iter()
        .map(|(key, before, after)| match key.0 {
            // Not a share of connections.
            Aspect::Population => 1.0,
            _ => exact(before.count, before.of, after.count, after.of),
        })
        .collect();
    let rows = pairs.into_iter().zip(corrected(&chances)).map(|(((aspect, word), before, after), chance)| {
        let change = match (before.count, after.count) {
            (0, _) => Change::New,
            (_, 0) => Change::Gone,
            _ if chance >= SIGNIFICANT => Change::Chance,
            _ if after.ratio() > before.ratio() => Change::More,
            _ => Change::Fewer,
        };
        Row { aspect, word: word.to_owned(), before, after, chance, change }
    });
    Compared {
        before: before_name.to_owned(),
        after: after_name.to_owned(),
        connections: (before.connections, after.connections),
        rows: rows.collect(),
        significant: SIGNIFICANT,
    }
}
