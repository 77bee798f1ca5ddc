//! What comes first when there is more to do than time.
//!
//! Responses, ACK, CANCEL, BYE and everything else that belongs to a call under way are handled as they are read.
//! A request that would begin something new is, too, as long as the shard keeps up. When it does not, that is when
//! more waits at a socket than one system call reads, such requests wait here, and each turn of the shard takes in a
//! few of them after everything else is done. So the calls that were let in are finished, at the rate at which that can
//! be done, and new ones get what is left.
//!
//! Who waited too long is refused with 503 and Retry-After, which keeps the caller from asking again soon. A refusal
//! costs something itself, the ACK for it included: there are at most as many of them as there are requests taken in.
//! The rest is dropped, as if the network had lost it, and its sender tries again by RFC 3261 §17.1.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use sigbox_core::{Instant, ListenerId};

/// How many waiting requests one turn takes in.
const PER_TURN: usize = 16;

/// How many may be refused on credit: before as many were taken in.
const CREDIT: usize = 64;

/// How long nothing must have been turned away before the shard counts as keeping up again.
const RELIEF: Duration = Duration::from_secs(5);

/// A request that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) listener: ListenerId,
    pub(super) peer: SocketAddr,
    pub(super) arrived: Instant,
    pub(super) bytes: Box<[u8]>,
}

/// What becomes of a request that waits no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is the core's.
    Admitted,
    /// It is answered with 503.
    Refused,
    /// It is forgotten.
    Dropped,
}

/// That the shard no longer keeps up, or does again; said once for each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The first request was turned away.
    Overloaded,
    /// None was for a while.
    Relieved {
        /// How many were refused meanwhile.
        refused: u64,
        /// How many were dropped meanwhile.
        dropped: u64,
    },
}

/// The requests of one shard that wait for their turn.
#[derive(Debug)]
pub(super) struct Admission {
    waiting: VecDeque<Waiting>,
    /// The most that wait.
    room: usize,
    /// The longest that one waits.
    max_wait: Duration,
    credit: usize,
    /// What is left of this turn.
    turn: usize,
    /// When the last request was turned away, while that is not long ago.
    turned_away_at: Option<Instant>,
    /// [`Change::Overloaded`] was the last that was said.
    is_overloaded: bool,
    refused: u64,
    dropped: u64,
}

impl Admission {
    pub(super) fn new(room: usize, max_wait: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            room,
            max_wait,
            credit: CREDIT,
            turn: PER_TURN,
            turned_away_at: None,
            is_overloaded: false,
            refused: 0,
            dropped: 0,
        }
    }

    /// Takes over other limits; those that wait go on waiting.
    pub(super) fn set_limits(&mut self, room: usize, max_wait: Duration) {
        self.room = room;
        self.max_wait = max_wait;
    }

    /// Whether none waits: then the next request need not either.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < self.room
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// A turn begins.
    pub(super) fn begin_turn(&mut self) {
        self.turn = PER_TURN;
    }

    /// The next request that need not wait any longer, and what becomes of it.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Waiting, Fate)> {
        let oldest = self.waiting.front()?;
        if now > oldest.arrived + self.max_wait {
            let fate = self.turn_away(now);
            return Some((self.waiting.pop_front()?, fate));
        }
        self.turn = self.turn.checked_sub(1)?;
        self.credit = (self.credit + 1).min(CREDIT);
        let next = (self.waiting.pop_front()?, Fate::Admitted);
        if self.waiting.is_empty() && self.waiting.capacity() > CREDIT {
            // What a flood took is given back.
            self.waiting = VecDeque::new();
        }
        Some(next)
    }

    /// What becomes of a request for which there is no time or no room.
    pub(super) fn turn_away(&mut self, now: Instant) -> Fate {
        self.turned_away_at = Some(now);
        if self.credit > 0 {
            self.credit -= 1;
            self.refused += 1;
            Fate::Refused
        } else {
            self.dropped += 1;
            Fate::Dropped
        }
    }

    /// What the log should say, if anything.
    pub(super) fn change(&mut self, now: Instant) -> Option<Change> {
        let at = self.turned_away_at?;
        if now < at + RELIEF {
            let is_news = !std::mem::replace(&mut self.is_overloaded, true);
            return is_news.then_some(Change::Overloaded);
        }
        self.turned_away_at = None;
        self.is_overloaded = false;
        self.credit = CREDIT;
        Some(Change::Relieved {
            refused: std::mem::take(&mut self.refused),
            dropped: std::mem::take(&mut self.dropped),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn request(arrived: u64) -> Waiting {
        Waiting {
            listener: ListenerId(0),
            peer: ([127, 0, 0, 1], 5060).into(),
            arrived: at(arrived),
            bytes: Box::default(),
        }
    }

    fn fates(admission: &mut Admission, now: u64) -> Vec<Fate> {
        admission.begin_turn();
        std::iter::from_fn(|| admission.next(at(now)).map(|(_, fate)| fate)).collect()
    }

    #[test]
    fn a_turn_takes_in_a_few() {
        let mut admission = Admission::new(1_000, Duration::from_millis(100));
        (0..20).for_each(|_| admission.push(request(0)));
        assert_eq!(fates(&mut admission, 1), [Fate::Admitted; 16]);
        assert_eq!(fates(&mut admission, 2), [Fate::Admitted; 4]);
        assert!(admission.is_empty());
        assert_eq!(admission.change(at(2)), None);
    }

    #[test]
    fn who_waited_too_long_is_refused_and_when_too_many_are_dropped() {
        let mut admission = Admission::new(1_000, Duration::from_millis(100));
        (0..100).for_each(|_| admission.push(request(0)));
        (0..20).for_each(|_| admission.push(request(50)));
        let fates = fates(&mut admission, 101);
        let count = |fate| fates.iter().filter(|is| **is == fate).count();
        assert_eq!(count(Fate::Refused), CREDIT);
        assert_eq!(count(Fate::Dropped), 100 - CREDIT);
        assert_eq!(count(Fate::Admitted), PER_TURN);
        // As many as were taken in may be refused again.
        let refused = (0..100).filter(|_| admission.turn_away(at(102)) == Fate::Refused);
        assert_eq!(refused.count(), PER_TURN);
    }

    #[test]
    fn overload_and_relief_are_said_once() {
        let mut admission = Admission::new(0, Duration::from_millis(100));
        assert!(!admission.has_room());
        assert_eq!(admission.turn_away(at(10)), Fate::Refused);
        assert_eq!(admission.change(at(10)), Some(Change::Overloaded));
        assert_eq!(admission.change(at(11)), None);
        let relieved = Change::Relieved {
            refused: 1,
            dropped: 0,
        };
        assert_eq!(admission.change(at(5_011)), Some(relieved));
        assert_eq!(admission.change(at(5_012)), None);
    }
}
