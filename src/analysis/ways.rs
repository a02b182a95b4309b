//! The tunnels and networks that segments came through, by name.

use crate::decode::Contexts;
use crate::finding::Verdict;

/// What is said of a context.
#[derive(Clone, Debug)]
pub(super) struct Way {
    name: String,
    /// What both directions of a connection share of it.
    shared: String,
}

/// The ways that have been seen, in the order of their context numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways(Vec<Way>);

impl Ways {
    /// Hands over those of `contexts` beyond the `known` first ones.
    #[inline]
    pub fn beyond(known: &mut usize, contexts: &Contexts, mut each: impl FnMut(Way)) {
        while *known < contexts.len() {
            *known += 1;
            let context = *known as u32;
            each(Way { name: contexts.describe(context), shared: contexts.describe_shared(context) });
        }
    }

    pub fn push(&mut self, way: Way) {
        self.0.push(way);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn of(&self, context: u32) -> Option<&Way> {
        self.0.get((context as usize).checked_sub(1)?)
    }

    /// Says what a connection came through that was first seen in `context`, of the other side in `back` if there was one, and then
    /// perhaps in others. Another way of the same side is said only where it must be another network.
    pub fn name(&self, context: u32, back: Option<u32>, change: Option<(u32, u32)>, verdict: &mut Verdict) {
        let back = back.filter(|&back| back != context);
        if context == 0 && back.is_none() && change.is_none() {
            return;
        }
        verdict.through = self.of(context).map(|way| way.name.clone());
        verdict.through_back =
            back.map(|back| self.of(back).map_or("no tunnel or VLAN".to_owned(), |way| way.name.clone()));
        let change = change.map(|(one, other)| (self.of(one), self.of(other)));
        let shared = |way: Option<&Way>| way.map_or(String::new(), |way| way.shared.clone());
        verdict.also_through = change
            .filter(|&(one, other)| shared(one) != shared(other))
            .map(|(_, other)| other.map_or("no tunnel or VLAN".to_owned(), |way| way.name.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_direction_is_named_where_they_differ() {
        let mut ways = Ways::default();
        for name in ["gtp-u teid 1", "gtp-u teid 2"] {
            ways.push(Way { name: name.to_owned(), shared: "gtp-u".to_owned() });
        }
        let named = |context, back| {
            let mut verdict = Verdict::blank();
            ways.name(context, back, None, &mut verdict);
            (verdict.through, verdict.through_back)
        };
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(named(1, Some(2)), (name("gtp-u teid 1"), name("gtp-u teid 2")));
        assert_eq!(named(2, Some(0)), (name("gtp-u teid 2"), name("no tunnel or VLAN")));
        assert_eq!(named(0, Some(1)), (None, name("gtp-u teid 1")));
        assert_eq!(named(1, Some(1)), (name("gtp-u teid 1"), None));
        assert_eq!(named(1, None), (name("gtp-u teid 1"), None));
    }
}
