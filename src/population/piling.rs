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
        self.count_blocks(blocks, store, epochs);
        self.come_to((epochs.len() - 1) as u16, epochs);
        rest
    }

    /// Counts all ends of `list`, the last few as well.
    pub fn settle_all(
        &mut self,
        list: &mut List,
        blocks: &mut Vec<Block>,
        store: &Store,
        epochs: &[Epoch],
    ) -> &mut Pile {
        store.blocks(list, blocks);
        *list = List::EMPTY;
        // The last few were not counted when they came: what holds now holds for them.
        let mut rest = blocks.pop_if(|last| !last.is_full()).unwrap_or(Block::EMPTY);
        rest.epoch = (epochs.len() - 1) as u16;
        blocks.push(rest);
        self.count_blocks(blocks, store, epochs);
        let pile = self.pile.get_or_insert_with(|| unreachable!("something was counted"));
        pile.put_in_order();
        pile
    }

    /// Counts the ends of one block after the other, each by what held in its epoch.
    fn count_blocks(&mut self, blocks: &[Block], store: &Store, epochs: &[Epoch]) {
        if self.pile.is_none() {
            self.pile = ahead(blocks, store, epochs);
            if self.pile.is_some() {
                self.epoch = blocks.last().map_or(self.epoch, |last| last.epoch);
                return;
            }
        }
        fetch(blocks, 0, store);
        for (at, block) in blocks.iter().enumerate() {
            fetch(blocks, at + 1, store);
            self.come_to(block.epoch, epochs);
            self.count(block.nodes(), store, epochs[usize::from(block.epoch)].bounds);
        }
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

/// What [`Heap::count`] makes of one block after the other, counted in intervals as long as they are at the end: joined step by
/// step they would come to the same. None where nothing is counted, and where only those steps tell how long they become.
fn ahead(blocks: &[Block], store: &Store, epochs: &[Epoch]) -> Option<Box<Pile>> {
    let bounds = |block: &Block| epochs[usize::from(block.epoch)].bounds;
    let ns = blocks.iter().map(|block| bounds(block).ns).max()?;
    let mut pile = Box::new(Pile::new(ns));
    let ends: usize = blocks.iter().map(|block| block.nodes().len()).sum();
    // Two for each: when it lived, and when its TIME-WAIT ran out.
    pile.reserve((2 * ends).min(blocks.iter().map(|block| bounds(block).max).max()?));
    // Step by step they would not be shorter by now.
    let mut is_reached = false;
    fetch(blocks, 0, store);
    for (at, block) in blocks.iter().enumerate() {
        fetch(blocks, at + 1, store);
        if let Some(before) = at.checked_sub(1) {
            let since =
                epochs.get(usize::from(blocks[before].epoch) + 1..=usize::from(block.epoch)).unwrap_or_default();
            for intervals_max in since.iter().filter_map(|epoch| epoch.fit) {
                is_reached |= pile.series().len() > intervals_max;
                pile.fit(intervals_max);
            }
        }
        store.count(block.nodes(), &mut pile);
        let Bounds { ns, max } = bounds(block);
        is_reached |= ns >= pile.series().interval_ns();
        match pile.series().len() {
            // There would be more of shorter ones.
            len if len > max => {
                pile.fit(max - max / 4);
                is_reached = true;
            }
            len if len > max - max / 4 && !is_reached => return None,
            _ => {}
        }
    }
    Some(pile)
}

/// Asks for the memory that the ends of the block `at` a place lie in, and for what shows them as long as they are examples, mostly.
fn fetch(blocks: &[Block], at: usize, store: &Store) {
    let Some(block) = blocks.get(at) else { return };
    block.nodes().iter().for_each(|node| store.fetch(*node));
    if at < BLOCKS_SHOWN {
        block.nodes().iter().for_each(|node| store.fetch_proof(*node));
    }
}

/// Of the first hundred ends of a group most are examples, of a thousand one in ten.
const BLOCKS_SHOWN: usize = 8;
