//! What changed in each interval of a series: sixteen numbers, in an octet each as long as all of them fit.

use super::series::{PILED, PerState};
use crate::connection::State;

/// Numbers of one interval: sockets that entered each state of [`State::OF_SOCKETS`] less those that left it, how often those of
/// [`PILED`] were entered, how many sockets came into being, and how many attempts failed.
const NUMBERS: usize = 16;
/// Where those of [`PILED`] begin.
pub const ENTERED: usize = State::OF_SOCKETS.len();
pub const BORN: usize = ENTERED + PILED.len();
pub const FAILED: usize = BORN + 1;
/// No number.
pub const NOWHERE: usize = usize::MAX;

const _: () = assert!(FAILED + 1 == NUMBERS);

/// What a few sockets change within one interval, in two's complement: a quarter of a line of the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(16))]
pub struct Few([u8; NUMBERS]);

/// What any number of sockets change within one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(64))]
pub struct Change([i32; NUMBERS]);

/// The changes of one interval after the other. Most groups have few sockets in each, and those that have more are few groups.
#[derive(Clone)]
pub struct Changes(Held);

#[derive(Clone)]
enum Held {
    Few(Vec<Few>),
    Many(Vec<Change>),
}

/// Few groups have fewer intervals.
const LEN_MIN: usize = 16;

impl Few {
    /// Nothing.
    pub const NONE: Self = Self([0; NUMBERS]);

    /// So many more at `place`, if that is somewhere. A socket enters few states at once.
    #[inline]
    pub const fn count(&mut self, place: usize, count: i8) {
        if place < NUMBERS {
            self.0[place] = self.0[place].wrapping_add_signed(count);
        }
    }

    /// A socket that comes into being and enters all these states within one interval.
    pub const fn at_once(states: &[State]) -> Self {
        let (mut few, mut at) = (Self::NONE, 0);
        few.count(BORN, 1);
        while at < states.len() {
            few.count(entered_place(states[at]), 1);
            at += 1;
        }
        few.count(net_place(states[at - 1]), 1);
        few
    }

    /// The same of one that leaves the last of them as well.
    pub const fn wholly(states: &[State]) -> Self {
        let mut few = Self::at_once(states);
        few.count(net_place(states[states.len() - 1]), -1);
        few
    }

    /// Both; none where a number becomes too large.
    #[inline(always)]
    fn with(&self, other: &Self) -> Option<Self> {
        let (one, other) = (u128::from_ne_bytes(self.0), u128::from_ne_bytes(other.0));
        // No carry goes from octet to octet.
        let sum = (one & !SIGNS).wrapping_add(other & !SIGNS) ^ (one ^ other) & SIGNS;
        let over = (one ^ sum) & (other ^ sum) & SIGNS;
        (over == 0).then_some(Self(sum.to_ne_bytes()))
    }

    /// The number at `place`.
    #[inline]
    fn of(&self, place: usize) -> i64 {
        self.0.get(place).map_or(0, |octet| octet.cast_signed().into())
    }
}

/// The signs of sixteen octets.
const SIGNS: u128 = u128::from_ne_bytes([0x80; NUMBERS]);

impl Change {
    /// How many at `place`.
    #[inline]
    pub fn of(&self, place: usize) -> i64 {
        self.0.get(place).copied().map_or(0, i64::from)
    }

    /// By [`State::OF_SOCKETS`].
    #[inline]
    pub fn net(&self) -> &[i32] {
        &self.0[..ENTERED]
    }

    /// By [`PILED`].
    #[inline]
    pub fn entered(&self) -> [u32; PILED.len()] {
        std::array::from_fn(|at| self.0[ENTERED + at] as u32)
    }

    /// So many at `place`, as many as there can be.
    #[inline]
    pub fn number(&self, place: usize) -> u32 {
        self.0[place] as u32
    }

    #[inline]
    fn join(&mut self, other: &Self) {
        // All sixteen at once, but for one that is too large.
        let (mut sum, mut over) = ([0; NUMBERS], 0);
        for (at, sum) in sum.iter_mut().enumerate() {
            *sum = self.0[at].wrapping_add(other.0[at]);
            over |= (self.0[at] ^ *sum) & (other.0[at] ^ *sum);
        }
        if over >= 0 {
            self.0 = sum;
        } else {
            self.0.iter_mut().zip(other.0).for_each(|(number, more)| *number = number.saturating_add(more));
        }
    }
}

impl From<Few> for Change {
    #[inline]
    fn from(few: Few) -> Self {
        Self(few.0.map(|octet| octet.cast_signed().into()))
    }
}

impl Changes {
    /// Of no interval.
    pub const fn new() -> Self {
        Self(Held::Few(Vec::new()))
    }

    /// There will be those of so many intervals in all likelihood.
    pub fn reserve(&mut self, intervals: usize) {
        if let Held::Few(held) = &mut self.0 {
            held.reserve_exact(intervals);
        }
    }

    /// Adds what a few sockets changed at `place`, which may be the next one.
    #[inline(always)]
    pub fn add(&mut self, place: usize, few: &Few) {
        if let Held::Few(held) = &mut self.0
            && let Some(there) = held.get_mut(place)
            && let Some(sum) = there.with(few)
        {
            *there = sum;
        } else {
            self.add_otherwise(place, few);
        }
    }

    /// The same where it is the next one, or becomes too large.
    #[inline(never)]
    fn add_otherwise(&mut self, place: usize, few: &Few) {
        match &mut self.0 {
            Held::Few(held) if place >= held.len() => {
                if place == 0 {
                    held.reserve(LEN_MIN);
                }
                held.push(*few);
            }
            _ => self.add_many(place, &Change::from(*few)),
        }
    }

    /// Adds one to a number at `place`, which may be the next one, or takes it away.
    #[inline]
    pub fn count(&mut self, place: usize, number: usize, one: i8) {
        match &mut self.0 {
            Held::Few(held) if place < held.len() => {
                let Some(count) = held[place].0.get_mut(number) else { return };
                if let Some(sum) = count.cast_signed().checked_add(one) {
                    *count = sum.cast_unsigned();
                    return;
                }
            }
            Held::Many(held) if place < held.len() => {
                let Some(count) = held[place].0.get_mut(number) else { return };
                *count = count.saturating_add(i32::from(one));
                return;
            }
            _ => {}
        }
        let mut few = Few::NONE;
        few.count(number, one);
        self.add(place, &few);
    }

    /// Adds what changed at the place `at` of `other` at `place`, which may be the next one.
    pub fn join(&mut self, place: usize, other: &Self, at: usize) {
        match &other.0 {
            Held::Few(others) => self.add(place, &others[at]),
            Held::Many(others) => self.add_many(place, &others[at]),
        }
    }

    /// What changed at a place.
    #[inline]
    pub fn get(&self, at: usize) -> Change {
        match &self.0 {
            Held::Few(held) => held[at].into(),
            Held::Many(held) => held[at],
        }
    }

    /// One number of what changed at a place.
    #[inline]
    pub fn of(&self, at: usize, number: usize) -> i64 {
        match &self.0 {
            Held::Few(held) => held[at].of(number),
            Held::Many(held) => held[at].of(number),
        }
    }

    /// Puts what stands at each of `order` in this order.
    pub fn reorder(&mut self, order: &[u32]) {
        match &mut self.0 {
            Held::Few(held) => *held = order.iter().map(|&place| held[place as usize]).collect(),
            Held::Many(held) => *held = order.iter().map(|&place| held[place as usize]).collect(),
        }
    }

    /// Moves what changed at `from` to `to`, beside what changed there.
    #[inline]
    pub fn fold(&mut self, from: usize, to: usize) {
        if let Held::Few(held) = &mut self.0
            && let Some(sum) = held[to].with(&held[from])
        {
            (held[to], held[from]) = (sum, Few::NONE);
            return;
        }
        let held = self.many();
        let change = std::mem::take(&mut held[from]);
        held[to].join(&change);
    }

    /// Forgets those from this place on.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.0 {
            Held::Few(held) => held.truncate(len),
            Held::Many(held) => held.truncate(len),
        }
    }

    #[inline(never)]
    fn add_many(&mut self, place: usize, change: &Change) {
        let held = self.many();
        match held.get_mut(place) {
            Some(sum) => sum.join(change),
            None => held.push(*change),
        }
    }

    fn many(&mut self) -> &mut Vec<Change> {
        if let Held::Few(held) = &self.0 {
            self.0 = Held::Many(held.iter().map(|few| Change::from(*few)).collect());
        }
        match &mut self.0 {
            Held::Many(held) => held,
            Held::Few(_) => unreachable!("they were made many"),
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        match &self.0 {
            Held::Few(held) => held.len(),
            Held::Many(held) => held.len(),
        }
    }
}

/// Where sockets in `state` are counted. CLOSED and LISTEN are no states of these sockets.
#[inline]
pub const fn net_place(state: State) -> usize {
    const FIRST: usize = State::OF_SOCKETS[0] as usize;
    match (state as usize).wrapping_sub(FIRST) {
        place @ 0..ENTERED => place,
        _ => NOWHERE,
    }
}

/// Where it is counted how often `state` was entered.
#[inline]
pub const fn entered_place(state: State) -> usize {
    const PLACES: PerState<usize> = {
        let mut places = [NOWHERE; State::ALL.len()];
        let mut place = 0;
        while place < PILED.len() {
            places[PILED[place] as usize] = ENTERED + place;
            place += 1;
        }
        places
    };
    PLACES[state as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_into_octets_is_counted_all_the_same() {
        let mut rng = fastrand::Rng::with_seed(4);
        for round in 0..60 {
            let (mut changes, mut other, mut sums) = (Changes::new(), Changes::new(), [[0_i64; NUMBERS]; 3]);
            (0..if round > 0 { 3 } else { 0 }).for_each(|at| other.add(at, &Few::NONE));
            for n in 0..round * 20 {
                let place = if n < 3 { n } else { rng.usize(0..3) };
                let few = Few(std::array::from_fn(|_| rng.i8(-6..9).cast_unsigned()));
                // The second one has what came to it joined at the end.
                if n < 3 || rng.bool() { &mut changes } else { &mut other }.add(place.min(2), &few);
                sums[place].iter_mut().enumerate().for_each(|(number, sum)| *sum += few.of(number));
            }
            (0..other.len()).for_each(|at| changes.join(at, &other, at));
            let told = |changes: &Changes, at: usize| std::array::from_fn(|number| changes.of(at, number));
            let len = changes.len();
            assert!((0..len).all(|at| told(&changes, at) == sums[at]), "{round}");
            if len == 3 {
                changes.reorder(&[2, 0, 1]);
                changes.fold(1, 0);
                changes.truncate(1);
                let folded: [i64; NUMBERS] = std::array::from_fn(|number| sums[0][number] + sums[2][number]);
                assert_eq!((changes.len(), told(&changes, 0)), (1, folded));
            }
        }
    }

    #[test]
    fn numbers_stop_where_they_cannot_grow() {
        let mut changes = Changes::new();
        let mut most = Change::default();
        most.0[BORN] = i32::MAX - 1;
        changes.add_many(0, &most);
        (0..3).for_each(|_| changes.add(0, &Few::at_once(&[State::SynSent])));
        assert_eq!((changes.of(0, BORN), changes.of(0, 0)), (i64::from(i32::MAX), 3));
    }
}
