//! Counts the ends of a group into its pile, as if sixteen at a time had been counted when they came.
//!
//! How long a group's intervals become depends on when it was counted. So every end knows in which epoch it came, and what
//! held in that one holds for it, whenever it is counted.

use super::pace::Bounds;
use super::pile::Pile;
use super::store::{Block, List, Node, Store, TOGETHER};

/// A time in which the bounds of all groups of a kind were the same.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    pub bounds: Bounds,
    /// As it began, the piles that were there were made to have no more intervals than this.
    pub fit: Option<usize>,
}

/// What has been counted of a group.
#[derive(Clone, Debug, Default)]
pub struct Heap {
    pub pile: Option<Box<Pile>>,
    /// The epoch that its pile has come to.
    epoch: u16,
}

impl Heap {
    /// There is something counted, or will be once its ends are: those of sixteen at least.
    pub fn is_begun(&self, list: &List) -> bool {
        self.pile.is_some() || list.len() >= TOGETHER
    }

    /// Counts all ends of `list` but the last few, which it returns. `blocks` is memory.
    pub fn settle(
        &mut self,
        list: &mut List,
        blocks: &mut Vec<Block>,
        store: &Store,
        epochs: &[Epoch],
    ) -> Option<Block> {
        store.blocks(list, blocks);
        *list = List::EMPTY;
        let rest = blocks.pop_if(|last| !last.is_full());
        for (at, block) in blocks.iter().enumerate() {
            let next = blocks.get(at + 1).or(rest.as_ref());
            next.into_iter().flat_map(Block::nodes).for_each(|node| store.fetch(*node));
            self.come_to(block.epoch, epochs);
            self.count(block.nodes(), store, epochs[usize::from(block.epoch)].bounds);
        }
        self.come_to((epochs.len() - 1) as u16, epochs);
        rest
    }

    /// Counts all ends of `list`, the last few as well.
    pub fn settle_all(&mut self, list: &mut List, room: &mut Vec<Block>, store: &Store, epochs: &[Epoch]) -> &mut Pile {
        let rest = self.settle(list, room, store, epochs);
        let pile = self.count(rest.as_ref().map_or(&[], Block::nodes), store, epochs[epochs.len() - 1].bounds);
        pile.put_in_order();
        pile
    }

    /// Counts these ends together.
    pub fn count(&mut self, nodes: &[Node], store: &Store, bounds: Bounds) -> &mut Pile {
        let pile = self.pile.get_or_insert_with(|| Box::new(Pile::new(bounds.ns)));
        pile.widen(bounds.ns);
        store.count(nodes, pile);
        if pile.series().len() > bounds.max {
            pile.fit(bounds.max - bounds.max / 4);
        }
        pile
    }

    fn come_to(&mut self, epoch: u16, epochs: &[Epoch]) {
        if let Some(pile) = &mut self.pile {
            let those = epochs.get(usize::from(self.epoch) + 1..=usize::from(epoch)).unwrap_or_default();
            those.iter().filter_map(|epoch| epoch.fit).for_each(|intervals_max| pile.fit(intervals_max));
        }
        self.epoch = epoch;
    }

    /// Epochs count anew from here.
    pub fn begin_again(&mut self) {
        self.epoch = 0;
    }
}
