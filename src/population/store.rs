//! Ends of connections that left and are not counted yet: each in the list of its group.
//!
//! Most groups never show anything, and what they would show is known from a few numbers ([`Outline`](super::outline::Outline)).
//! So ends are kept packed until somebody asks for their group, or until there are too many of them.

use super::alone::Alone;
use super::life::{Life, Lives, Proof};
use super::outline::Trace;
use super::pile::Pile;
use super::stay::Departure;
use super::visit::Visit;
use crate::base::prefetch::prefetch;
use crate::base::{Side, Sides};
use crate::connection::Orderly;

/// No block.
const NONE: u32 = u32::MAX;
/// Of an end's number: it is a visit, not one side of a life.
const IS_VISIT: u32 = 1 << 31;
/// Of an end's number: it is one side of a SYN alone.
const IS_ALONE: u32 = 1 << 30;

/// Octets that are allocated together, at most: as many as the table gives up with a row of those who rest, so that what leaves needs no fresh pages.
const CHUNK_MAX: usize = 1 << 15;

/// Ends that are not counted yet.
#[derive(Clone, Debug, Default)]
pub struct Store {
    lives: Chunks<Life>,
    /// What shows each of them.
    proofs: Chunks<Proof>,
    alone: Chunks<Alone>,
    visits: Chunks<Visit>,
    blocks: Chunks<Block>,
    /// Blocks of lists that were given up.
    free: Vec<u32>,
    /// Connections and visits.
    len: usize,
}

/// One end of a connection in a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(u32);

/// Where an end lies.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Life(u32, Side),
    Alone(u32, Side),
    Visit(u32),
}

impl Node {
    #[inline]
    fn kind(self) -> Kind {
        let side = if self.0 & 1 == 0 { Side::Client } else { Side::Server };
        match self.0 & (IS_VISIT | IS_ALONE) {
            0 => Kind::Life(self.0 >> 1, side),
            IS_ALONE => Kind::Alone((self.0 & !IS_ALONE) >> 1, side),
            _ => Kind::Visit(self.0 & !IS_VISIT),
        }
    }
}

/// An end on its way into a group, with what it adds to what that can come to.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub node: Node,
    pub trace: Trace,
}

/// The ends of one group, by the block that got the last one.
#[derive(Clone, Copy, Debug)]
pub struct List {
    newest: u32,
    len: u32,
}

/// Ends that are counted together.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    nodes: [Node; TOGETHER],
    /// The one before, and some before that: to be asked for before their turn comes.
    before: [u32; KNOWN_BEFORE],
    len: u16,
    /// When the last one came.
    pub epoch: u16,
}

/// Blocks that one knows of those before it.
const KNOWN_BEFORE: usize = 4;

/// Ends that a group counts at once: reaching what it has is what costs.
pub const TOGETHER: usize = 16;

impl List {
    /// Nothing.
    pub const EMPTY: Self = Self { newest: NONE, len: 0 };

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }
}

impl Block {
    /// Nothing.
    pub const EMPTY: Self = Self { nodes: [Node(NONE); TOGETHER], before: [NONE; KNOWN_BEFORE], len: 0, epoch: 0 };

    /// What it holds.
    #[inline]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes[..usize::from(self.len).min(TOGETHER)]
    }

    /// It holds as many as are counted together.
    #[inline]
    pub fn is_full(&self) -> bool {
        usize::from(self.len) >= TOGETHER
    }
}

impl Store {
    /// Keeps an orderly life, which is put together where it stays; none, and nothing is kept, where [`Life::of`] gives none.
    #[inline(always)]
    pub fn push_life(&mut self, orderly: &Orderly, departure: Departure, hashes: Sides<u64>) -> Option<Sides<End>> {
        let of_client = (self.lives.len() as u32) << 1;
        let (life, proof) = (self.lives.push(Life::EMPTY), self.proofs.push(Proof::EMPTY));
        if life.become_that_of(proof, orderly, departure, hashes).is_none() {
            self.lives.pop();
            self.proofs.pop();
            return None;
        }
        self.len += 1;
        let Sides { client, server } = life.traces();
        let client = End { node: Node(of_client), trace: client };
        let server = End { node: Node(of_client | 1), trace: server };
        Some(Sides { client, server })
    }

    /// Keeps a SYN alone.
    #[inline]
    pub fn push_alone(&mut self, alone: Alone) -> Sides<End> {
        let of_client = (self.alone.len() as u32) << 1 | IS_ALONE;
        let client = End { node: Node(of_client), trace: alone.trace(Side::Client) };
        let server = End { node: Node(of_client | 1), trace: alone.trace(Side::Server) };
        self.alone.push(alone);
        self.len += 1;
        Sides { client, server }
    }

    /// Keeps one visit.
    pub fn push_visit(&mut self, visit: &Visit) -> End {
        let node = Node(self.visits.len() as u32 | IS_VISIT);
        self.visits.push(*visit);
        self.len += 1;
        End { node, trace: Trace::of(visit) }
    }

    /// How many connections and visits it keeps.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds an end to a list, in the `epoch` that is now.
    #[inline]
    pub fn enlist(&mut self, list: &mut List, node: Node, epoch: u16) {
        let at = list.len() % TOGETHER;
        if at == 0 {
            list.newest = self.begin_block(list.newest);
        }
        let block = self.blocks.get_mut(list.newest);
        block.nodes[at] = node;
        (block.len, block.epoch) = (at as u16 + 1, epoch);
        list.len += 1;
    }

    fn begin_block(&mut self, newest: u32) -> u32 {
        let mut block = Block::EMPTY;
        block.before[0] = newest;
        if newest != NONE {
            block.before[1..].copy_from_slice(&self.blocks.get(newest).before[..KNOWN_BEFORE - 1]);
        }
        if let Some(number) = self.free.pop() {
            *self.blocks.get_mut(number) = block;
            return number;
        }
        self.blocks.push(block);
        self.blocks.len() as u32 - 1
    }

    /// Gives up a list of which the ends have been taken over.
    pub fn give_up(&mut self, list: List) {
        let mut number = list.newest;
        while number != NONE {
            self.free.push(number);
            number = self.blocks.get(number).before[0];
        }
    }

    /// Asks for the memory that the next end of `list` goes to.
    #[inline]
    pub fn fetch_room(&self, list: &List) {
        if list.newest != NONE {
            prefetch(self.blocks.get(list.newest));
        }
    }

    /// Begins anew with what `count` takes over into the second of its stores, in the memory that the first had: what each
    /// time asked for more would add up over days.
    pub fn renew(&mut self, count: impl FnOnce(&Self, &mut Self)) {
        let spare = Self {
            lives: self.lives.take_spare(),
            proofs: self.proofs.take_spare(),
            alone: self.alone.take_spare(),
            visits: self.visits.take_spare(),
            blocks: self.blocks.take_spare(),
            free: Vec::new(),
            len: 0,
        };
        let counted = std::mem::replace(self, spare);
        count(&counted, self);
        self.lives.recycle(counted.lives);
        self.proofs.recycle(counted.proofs);
        self.alone.recycle(counted.alone);
        self.visits.recycle(counted.visits);
        self.blocks.recycle(counted.blocks);
    }

    /// How many chunks of memory it holds.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.lives.held() + self.proofs.held() + self.alone.held() + self.visits.held() + self.blocks.held()
    }

    /// Puts the blocks of `list` into `blocks`, which it empties first, in the order in which they came.
    pub fn blocks(&self, list: &List, blocks: &mut Vec<Block>) {
        blocks.clear();
        let mut number = list.newest;
        while number != NONE {
            let block = self.blocks.get(number);
            if let Some(&far) = block.before.last().filter(|&&far| far != NONE) {
                prefetch(self.blocks.get(far));
            }
            blocks.push(*block);
            number = block.before[0];
        }
        blocks.reverse();
    }

    /// Counts these ends into the pile of their group.
    pub fn count(&self, nodes: &[Node], pile: &mut Pile) {
        let mut lives = Lives::default();
        for node in nodes {
            match node.kind() {
                Kind::Life(number, side) => {
                    let life = self.lives.get(number);
                    lives.count(life, side);
                    pile.take_life(life, side, || *self.proofs.get(number));
                }
                Kind::Alone(number, Side::Server) => pile.take_tried(self.alone.get(number)),
                Kind::Alone(number, Side::Client) => pile.take(&self.alone.get(number).visit(Side::Client)),
                Kind::Visit(number) => pile.take(self.visits.get(number)),
            }
        }
        pile.add(&lives);
    }

    /// Asks for the memory that an end lies in.
    #[inline]
    pub fn fetch(&self, node: Node) {
        match node.kind() {
            Kind::Life(number, _) => prefetch(self.lives.get(number)),
            Kind::Alone(number, _) => prefetch(self.alone.get(number)),
            Kind::Visit(number) => prefetch(self.visits.get(number)),
        }
    }

    /// Asks for what shows an end: the first ones of a group are examples, nearly all of them.
    #[inline]
    pub fn fetch_proof(&self, node: Node) {
        if let Kind::Life(number, _) = node.kind() {
            prefetch(self.proofs.get(number));
        }
    }

    /// Takes an end over from another one.
    pub fn adopt(&mut self, other: &Self, node: Node) -> Node {
        match node.kind() {
            Kind::Life(number, side) => {
                let of_client = (self.lives.len() as u32) << 1;
                self.lives.push(*other.lives.get(number));
                self.proofs.push(*other.proofs.get(number));
                self.len += 1;
                Node(of_client | u32::from(side == Side::Server))
            }
            Kind::Alone(number, side) => self.push_alone(*other.alone.get(number))[side].node,
            Kind::Visit(number) => self.push_visit(other.visits.get(number)).node,
        }
    }
}

/// Things by number, that never move: all chunks but the last are full.
#[derive(Clone, Debug)]
struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    /// Empty ones.
    spare: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), spare: Vec::new() }
    }
}

impl<T> Chunks<T> {
    /// How many lie in a chunk, as a power of two.
    const BITS: u32 = (CHUNK_MAX / size_of::<T>()).ilog2();
    const CHUNK: usize = 1 << Self::BITS;

    #[inline]
    fn len(&self) -> usize {
        match self.chunks.last() {
            Some(last) => (self.chunks.len() - 1) * Self::CHUNK + last.len(),
            None => 0,
        }
    }

    #[inline]
    fn push(&mut self, thing: T) -> &mut T {
        if self.chunks.last().is_none_or(|last| last.len() >= Self::CHUNK) {
            self.begin_chunk();
        }
        let newest = self.chunks.len() - 1;
        let chunk = &mut self.chunks[newest];
        let at = chunk.len();
        chunk.push(thing);
        &mut chunk[at]
    }

    /// Takes the newest thing away.
    fn pop(&mut self) {
        self.chunks.last_mut().map(Vec::pop);
        // All chunks but the last are full, and none is empty.
        if let Some(empty) = self.chunks.pop_if(|last| last.is_empty()) {
            self.spare.push(empty);
        }
    }

    #[cold]
    fn begin_chunk(&mut self) {
        // Few connections need no whole chunk.
        let new = || if self.chunks.is_empty() { Vec::new() } else { Vec::with_capacity(Self::CHUNK) };
        let chunk = self.spare.pop().unwrap_or_else(new);
        self.chunks.push(chunk);
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.chunks.len() + self.spare.len()
    }

    /// An empty one with the memory that this one does not use.
    fn take_spare(&mut self) -> Self {
        Self { chunks: Vec::new(), spare: std::mem::take(&mut self.spare) }
    }

    /// Takes over the memory of another one, of which nothing is wanted any more.
    fn recycle(&mut self, other: Self) {
        self.spare.extend(other.chunks.into_iter().filter(|chunk| chunk.capacity() >= Self::CHUNK).map(|mut chunk| {
            chunk.clear();
            chunk
        }));
    }

    #[inline]
    fn get(&self, number: u32) -> &T {
        &self.chunks[number as usize >> Self::BITS][number as usize & (Self::CHUNK - 1)]
    }

    #[inline]
    fn get_mut(&mut self, number: u32) -> &mut T {
        &mut self.chunks[number as usize >> Self::BITS][number as usize & (Self::CHUNK - 1)]
    }
}
