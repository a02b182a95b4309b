//! A way from one thread to another that wakes seldom. Waking a thread that sleeps costs as much as tracking a hundred frames, so
//! who takes is woken when half of what may wait is there, and takes all of it; who sends sleeps when the way is full and is woken
//! when it is empty. What must not wait is [flushed](Sender::flush).

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Why something was not sent. It comes back.
pub(super) enum Refused<T> {
    /// There is no room now.
    Full(T),
    /// Nobody takes anything any more.
    Over,
}

/// The sending end.
pub(super) struct Sender<T>(Arc<Way<T>>);

/// The receiving end: an iterator that waits, and ends when the sender is gone.
pub(super) struct Receiver<T> {
    way: Arc<Way<T>>,
    /// What was taken together with what came before it.
    taken: VecDeque<T>,
}

struct Way<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    emptied: Condvar,
    len_max: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    receiver_sleeps: bool,
    sender_sleeps: bool,
    has_sender: bool,
    has_receiver: bool,
}

/// The two ends of a way on which `len_max` may wait, and as many may have been taken and not be done.
pub(super) fn channel<T>(len_max: usize) -> (Sender<T>, Receiver<T>) {
    let state = State {
        waiting: VecDeque::new(),
        receiver_sleeps: false,
        sender_sleeps: false,
        has_sender: true,
        has_receiver: true,
    };
    let way = Way { state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new(), len_max };
    let way = Arc::new(way);
    (Sender(way.clone()), Receiver { way, taken: VecDeque::new() })
}

impl<T> Way<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, mut state: MutexGuard<'_, State<T>>, item: T) {
        state.waiting.push_back(item);
        if state.waiting.len() * 2 >= self.len_max {
            self.wake_receiver(state);
        }
    }

    fn wake_receiver(&self, mut state: MutexGuard<'_, State<T>>) {
        if std::mem::take(&mut state.receiver_sleeps) {
            drop(state);
            self.filled.notify_one();
        }
    }
}

impl<T> Sender<T> {
    /// Sends `item`, when there is room. False when nobody takes anything any more.
    pub fn send(&self, item: T) -> bool {
        let mut state = self.0.state();
        while state.has_receiver && state.waiting.len() >= self.0.len_max {
            state.sender_sleeps = true;
            state = self.0.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let is_taken = state.has_receiver;
        if is_taken {
            self.0.put(state, item);
        }
        is_taken
    }

    /// Sends `item` if there is room.
    pub fn try_send(&self, item: T) -> Result<(), Refused<T>> {
        let state = self.0.state();
        if !state.has_receiver {
            return Err(Refused::Over);
        }
        if state.waiting.len() >= self.0.len_max {
            return Err(Refused::Full(item));
        }
        self.0.put(state, item);
        Ok(())
    }

    /// How many were sent and not taken yet.
    pub fn waiting(&self) -> usize {
        self.0.state().waiting.len()
    }

    /// What was sent is to be taken now, be it ever so little.
    pub fn flush(&self) {
        let state = self.0.state();
        if !state.waiting.is_empty() {
            self.0.wake_receiver(state);
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.has_sender = false;
        self.0.wake_receiver(state);
    }
}

impl<T> Iterator for Receiver<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Some(item) = self.taken.pop_front() {
            return Some(item);
        }
        let mut state = self.way.state();
        while state.waiting.is_empty() {
            if !state.has_sender {
                return None;
            }
            state.receiver_sleeps = true;
            state = self.way.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut self.taken, &mut state.waiting);
        let sender_sleeps = std::mem::take(&mut state.sender_sleeps);
        drop(state);
        if sender_sleeps {
            self.way.emptied.notify_one();
        }
        self.taken.pop_front()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.way.state();
        state.has_receiver = false;
        let left_over = std::mem::take(&mut state.waiting);
        drop(state);
        self.way.emptied.notify_one();
        drop(left_over);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn everything_arrives_in_order_whoever_is_faster() {
        for len_max in [1, 2, 3, 16] {
            let (to, from) = channel(len_max);
            let (back_to, mut back) = channel(len_max);
            thread::scope(|scope| {
                scope.spawn(move || {
                    for number in 0..5_000_u32 {
                        assert!(to.send(number));
                        if number % 700 == 0 {
                            // The answer would never come if what was sent waited for more.
                            to.flush();
                            assert_eq!(back.next(), Some(number));
                        }
                    }
                });
                for (number, received) in (0..).zip(from) {
                    assert_eq!(number, received);
                    if number % 700 == 0 {
                        assert!(back_to.send(number));
                        back_to.flush();
                    }
                }
            });
        }
    }

    #[test]
    fn what_has_no_room_comes_back_and_the_end_is_told_to_both() {
        let (to, mut from) = channel(2);
        assert!(to.send(1) && to.try_send(2).is_ok());
        assert!(matches!(to.try_send(3), Err(Refused::Full(3))));
        assert_eq!(from.next(), Some(1));
        // Both were taken together.
        assert!(to.try_send(3).is_ok());
        assert_eq!((from.next(), from.next()), (Some(2), Some(3)));
        thread::scope(|scope| {
            let waiting = scope.spawn(move || from.next());
            drop(to);
            assert!(waiting.join().is_ok_and(|end| end.is_none()));
        });
        let (to, from) = channel(1);
        assert!(to.send(1));
        thread::scope(|scope| {
            let waiting = scope.spawn(move || to.send(2) || matches!(to.try_send(3), Err(Refused::Full(_)) | Ok(())));
            drop(from);
            assert!(waiting.join().is_ok_and(|sent| !sent));
        });
    }
}
