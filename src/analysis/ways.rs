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

    /// Says what a connection came through that was first seen in `context` and then perhaps in others. Another way of the same
    /// side is said only where it must be another network.
    pub fn name(&self, context: u32, change: Option<(u32, u32)>, verdict: &mut Verdict) {
        if context == 0 && change.is_none() {
            return;
        }
        verdict.through = self.of(context).map(|way| way.name.clone());
        let change = change.map(|(one, other)| (self.of(one), self.of(other)));
        let shared = |way: Option<&Way>| way.map_or(String::new(), |way| way.shared.clone());
        verdict.also_through = change
            .filter(|&(one, other)| shared(one) != shared(other))
            .map(|(_, other)| other.map_or("no tunnel or VLAN".to_owned(), |way| way.name.clone()));
    }
}
