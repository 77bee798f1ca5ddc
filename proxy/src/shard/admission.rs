//! What comes first when there is more to do than time.
//!
//! Responses, ACK, CANCEL, BYE and everything else that belongs to what is under way are handled as they are read, and
//! their sockets are read until they are empty. A request that begins something new is handled at once, too, as long as
//! the shard keeps up. When it does not, that is when more waits at a socket than one system call reads, such requests
//! wait here, calls and others apart, and each turn of the shard takes in a few after everything else is done. So what
//! was let in is finished, at the rate at which that can be done; new calls get what is left, and others a share of it.
//! Calls also wait when as many are being asked about as the deciders answer in time, and every call needs them.
//!
//! As many may wait as are let in within `max_wait`, so that nobody waits much longer. Who finds no room, or waited too
//! long nevertheless, is refused with 503 and Retry-After, which keeps the caller from asking again soon: what is dropped
//! comes back, four times within eight seconds (RFC 3261 §17.1.1.2). But a refusal costs something itself, the ACK for
//! it included. In a flood, of which most has to be turned away, nearly all is dropped, as if the network had lost it.

mod lane;

use std::collections::VecDeque;
use std::time::Duration;

use sigbox_core::Instant;

use self::lane::Lane;
pub(super) use self::lane::Waiting;

/// How many waiting requests one turn takes in.
const PER_TURN: usize = 16;

/// How many of them are not calls, when more of both wait.
const OTHERS_PER_TURN: usize = PER_TURN / 4;

/// For how long what is let in and what is turned away is counted.
const PACE: Duration = Duration::from_millis(100);

/// It is a flood when more than so many times what is let in is turned away, and over again when it is less than one
/// fewer.
const FLOOD: usize = 4;

/// How many are turned away within [`PACE`] before anything is a flood.
const A_FEW: usize = 64;

/// How many of a flood are refused within [`PACE`] for certain.
const REFUSALS: usize = 16;

/// How long nothing must have been turned away before the shard counts as keeping up again.
const RELIEF: Duration = Duration::from_secs(5);

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
    calls: Lane,
    others: Lane,
    /// The most that wait.
    room: usize,
    /// The longest that one waits.
    max_wait: Duration,
    /// Since when `let_in` and `turned_away` are counted.
    since: Instant,
    let_in: usize,
    turned_away: usize,
    /// Most of what comes has to be turned away.
    is_flood: bool,
    /// How many of a flood may still be refused within this [`PACE`].
    refusals: usize,
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
            calls: Lane::new(),
            others: Lane::new(),
            room,
            max_wait,
            since: Instant::ZERO,
            let_in: 0,
            turned_away: 0,
            is_flood: false,
            refusals: REFUSALS,
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
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.calls.len() + self.others.len()
    }

    fn lane(&mut self, is_call: bool) -> &mut Lane {
        if is_call {
            &mut self.calls
        } else {
            &mut self.others
        }
    }

    /// Where one more may wait, if anywhere.
    pub(super) fn place(&mut self, is_call: bool, now: Instant) -> Option<&mut VecDeque<Waiting>> {
        let is_full = self.len() >= self.room;
        self.lane(is_call).place(now).filter(|_| !is_full)
    }

    /// A turn begins. So many more calls can be asked about.
    pub(super) fn begin_turn(&mut self, now: Instant, room: usize) {
        self.calls.take_pace(now, self.max_wait);
        self.others.take_pace(now, self.max_wait);
        let calls = self.calls.len().min(room);
        self.others.turn = OTHERS_PER_TURN.max(PER_TURN.saturating_sub(calls));
        let turn = PER_TURN - self.others.turn.min(self.others.len());
        self.calls.turn = turn.min(room);
    }

    /// Whether some wait for nothing but the next turn, when so many more calls can be asked about.
    pub(super) fn can_go_on(&self, room: usize) -> bool {
        self.others.len() > 0 || (self.calls.len() > 0 && room > 0)
    }

    /// When the one arrived that has waited longest.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let fronts = [self.calls.front(), self.others.front()];
        let arrived = fronts.into_iter().flatten().map(|front| front.arrived);
        arrived.min()
    }

    /// When the next of those that wait for something else is turned away.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let front = self.calls.front()?;
        Some(front.arrived + self.max_wait + Duration::from_micros(1))
    }

    /// The next request that need not wait any longer, and what becomes of it.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Waiting, Fate)> {
        self.next_of(true, now).or_else(|| self.next_of(false, now))
    }

    fn next_of(&mut self, is_call: bool, now: Instant) -> Option<(Waiting, Fate)> {
        let max_wait = self.max_wait;
        let lane = self.lane(is_call);
        if now > lane.front()?.arrived + max_wait {
            let late = lane.pop()?;
            return Some((late, self.turn_away(now)));
        }
        lane.turn = lane.turn.checked_sub(1)?;
        lane.let_in += 1;
        let next = lane.pop()?;
        self.let_in += 1;
        Some((next, Fate::Admitted))
    }

    /// What becomes of a request for which there is no time or no room.
    pub(super) fn turn_away(&mut self, now: Instant) -> Fate {
        self.look_for_flood(now);
        self.turned_away_at = Some(now);
        self.turned_away += 1;
        if !self.is_flood {
            self.refused += 1;
            return Fate::Refused;
        }
        let Some(refusals) = self.refusals.checked_sub(1) else {
            self.dropped += 1;
            return Fate::Dropped;
        };
        self.refusals = refusals;
        self.refused += 1;
        Fate::Refused
    }

    fn look_for_flood(&mut self, now: Instant) {
        if now < self.since + PACE {
            return;
        }
        self.since = now;
        let (let_in, turned_away) = (self.let_in, self.turned_away);
        (self.let_in, self.turned_away) = (0, 0);
        let many = FLOOD - usize::from(self.is_flood);
        self.is_flood = turned_away > A_FEW + many * let_in;
        self.refusals = REFUSALS + let_in / 8;
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
        self.is_flood = false;
        Some(Change::Relieved {
            refused: std::mem::take(&mut self.refused),
            dropped: std::mem::take(&mut self.dropped),
        })
    }
}

#[cfg(test)]
mod tests {
    use sigbox_core::ListenerId;

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

    fn admission(room: usize) -> Admission {
        Admission::new(room, Duration::from_millis(100))
    }

    /// So many arrive; how many find a place.
    fn arrive(admission: &mut Admission, is_call: bool, count: usize, arrived: u64) -> usize {
        let placed = (0..count).filter(|_| {
            let place = admission.place(is_call, at(arrived));
            place
                .map(|place| place.push_back(request(arrived)))
                .is_some()
        });
        placed.count()
    }

    /// What one turn does to those that wait.
    fn turn(admission: &mut Admission, now: u64) -> Vec<Fate> {
        admission.begin_turn(at(now), usize::MAX);
        std::iter::from_fn(|| admission.next(at(now)).map(|(_, fate)| fate)).collect()
    }

    fn turn_away(admission: &mut Admission, count: usize, now: u64) -> (usize, usize) {
        let fates = (0..count).map(|_| admission.turn_away(at(now)));
        let refused = fates.filter(|fate| *fate == Fate::Refused).count();
        (refused, count - refused)
    }

    #[test]
    fn a_turn_takes_in_a_few() {
        let mut admission = admission(1_000);
        assert_eq!(arrive(&mut admission, true, 20, 0), 20);
        assert_eq!(turn(&mut admission, 1), [Fate::Admitted; 16]);
        assert_eq!(turn(&mut admission, 2), [Fate::Admitted; 4]);
        assert!(admission.is_empty());
        assert_eq!(admission.change(at(2)), None);
    }

    #[test]
    fn calls_go_before_others_which_get_a_share() {
        let mut admission = admission(1_000);
        arrive(&mut admission, false, 100, 0);
        arrive(&mut admission, true, 20, 0);
        assert_eq!(turn(&mut admission, 1).len(), PER_TURN);
        assert_eq!((admission.calls.len(), admission.others.len()), (8, 96));
        assert_eq!(turn(&mut admission, 2).len(), PER_TURN);
        assert_eq!((admission.calls.len(), admission.others.len()), (0, 88));
        assert_eq!(turn(&mut admission, 3).len(), PER_TURN);
        assert_eq!(admission.others.len(), 72);
    }

    #[test]
    fn calls_wait_for_deciders_and_others_do_not() {
        let mut admission = admission(1_000);
        arrive(&mut admission, true, 20, 0);
        arrive(&mut admission, false, 3, 0);
        admission.begin_turn(at(1), 2);
        let next = |admission: &mut Admission, now| admission.next(at(now)).map(|(_, fate)| fate);
        for _ in 0..5 {
            assert_eq!(next(&mut admission, 1), Some(Fate::Admitted));
        }
        assert_eq!(next(&mut admission, 1), None);
        assert_eq!((admission.calls.len(), admission.others.len()), (18, 0));
        assert!(!admission.can_go_on(0));
        // A slot came free, or one that was let in needed none.
        assert!(admission.can_go_on(1));
        // When nothing else happens they are turned away in time.
        let late = admission.next_timeout().unwrap();
        assert_eq!(late, Instant::from_micros(100_001));
        admission.begin_turn(late, 0);
        assert_eq!(admission.next(late).unwrap().1, Fate::Refused);
    }

    #[test]
    fn who_waited_too_long_is_turned_away() {
        let mut admission = admission(1_000);
        arrive(&mut admission, true, 10, 0);
        arrive(&mut admission, true, 20, 50);
        let fates = turn(&mut admission, 101);
        assert_eq!(fates[..10], [Fate::Refused; 10]);
        assert_eq!(fates[10..], [Fate::Admitted; PER_TURN]);
    }

    #[test]
    fn as_many_may_wait_as_are_let_in_meanwhile() {
        let mut admission = admission(100_000);
        assert_eq!(arrive(&mut admission, true, 1_000, 0), 1_000);
        // 16 each 10 ms.
        (1..10).for_each(|turns| drop(turn(&mut admission, turns * 10)));
        admission.begin_turn(at(100), usize::MAX);
        assert_eq!(admission.calls.len(), 1_000 - 9 * PER_TURN);
        assert_eq!(arrive(&mut admission, true, 1, 100), 0);
        // They waited too long; then there is room for what is let in within 100 ms.
        turn(&mut admission, 101);
        assert_eq!(arrive(&mut admission, true, 1_000, 101), 1_000);
        assert!(admission.calls.len() == 1_000);
    }

    #[test]
    fn the_queue_is_bounded_whatever_waits_in_it() {
        let mut admission = admission(100);
        assert_eq!(arrive(&mut admission, false, 80, 0), 80);
        assert_eq!(arrive(&mut admission, true, 80, 0), 20);
    }

    #[test]
    fn of_a_flood_nearly_all_is_dropped() {
        let mut admission = admission(100_000);
        let let_in = |admission: &mut Admission, count, now| {
            arrive(admission, true, count, now);
            (0..count / PER_TURN).for_each(|_| drop(turn(admission, now)));
            assert!(admission.is_empty());
        };
        // Refused while nobody knows better, and as long as it is at most four times what is let in.
        let_in(&mut admission, 32, 100);
        assert_eq!(turn_away(&mut admission, A_FEW + 4 * 32, 100), (192, 0));
        let_in(&mut admission, 32, 200);
        assert_eq!(turn_away(&mut admission, A_FEW + 4 * 32 + 1, 200), (193, 0));
        // That was more.
        let_in(&mut admission, 32, 300);
        let few = REFUSALS + 32 / 8;
        assert_eq!(turn_away(&mut admission, 193, 300), (few, 193 - few));
        // It is over when it is less than three times as many.
        let_in(&mut admission, 32, 400);
        assert_eq!(turn_away(&mut admission, A_FEW + 3 * 32, 400).0, few);
        let_in(&mut admission, 32, 500);
        assert_eq!(turn_away(&mut admission, 100, 500), (100, 0));
    }

    #[test]
    fn overload_and_relief_are_said_once() {
        let mut admission = admission(0);
        assert_eq!(arrive(&mut admission, true, 1, 0), 0);
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
