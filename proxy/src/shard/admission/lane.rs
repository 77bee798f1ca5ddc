//! Requests that wait in a queue whose length follows the pace at which it moves.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use sigbox_core::{Instant, ListenerId};

use super::{PACE, PER_TURN};

/// A request that waits for its turn.
#[derive(Debug)]
pub(in crate::shard) struct Waiting {
    pub(in crate::shard) listener: ListenerId,
    pub(in crate::shard) peer: SocketAddr,
    pub(in crate::shard) arrived: Instant,
    pub(in crate::shard) bytes: Box<[u8]>,
}

/// Requests of one kind that wait, the oldest first.
#[derive(Debug)]
pub(super) struct Lane {
    waiting: VecDeque<Waiting>,
    /// The most that may wait, as far as the pace goes.
    room: usize,
    /// Since when some have been waiting all the time, and `let_in` is counted.
    since: Instant,
    pub(super) let_in: usize,
    /// How many more this turn lets in.
    pub(super) turn: usize,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            room: usize::MAX,
            since: Instant::ZERO,
            let_in: 0,
            turn: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Where one more may wait, if the pace allows it.
    pub(super) fn place(&mut self, now: Instant) -> Option<&mut VecDeque<Waiting>> {
        if self.waiting.is_empty() {
            self.since = now;
        }
        (self.waiting.len() < self.room).then_some(&mut self.waiting)
    }

    /// The next.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let next = self.waiting.pop_front();
        if self.waiting.is_empty() {
            // Then there is no pace to keep, and what a flood took is given back.
            *self = Self::new();
        }
        next
    }

    /// Finds out how many may wait, at this pace, without any waiting longer than `max_wait`.
    pub(super) fn take_pace(&mut self, now: Instant, max_wait: Duration) {
        let millis = (now - self.since).as_millis().max(1);
        if !self.waiting.is_empty() && millis >= PACE.as_millis() {
            let room = self.let_in as u128 * max_wait.as_millis() / millis;
            self.room = usize::try_from(room).unwrap_or(usize::MAX).max(PER_TURN);
            (self.since, self.let_in) = (now, 0);
        }
    }
}
