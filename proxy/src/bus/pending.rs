//! The queries that are out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use sigbox_core::{Instant, Token, TransactionKey};
use uuid::Uuid;

use super::breaker::Permit;

/// One query that has no final answer yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// The decision's id, for the log.
    pub(super) id: Uuid,
    pub(super) sent: Instant,
    /// When its budget is over. The core falls back by itself then; here it tells the breaker.
    pub(super) due: Instant,
    /// Which connection to NATS it went out on: how many there had been.
    pub(super) connection: u64,
    /// Where it went, as an index into the bus's subjects.
    pub(super) subject: u16,
    pub(super) permit: Permit,
    /// The decider asked for more time.
    pub(super) is_extended: bool,
}

/// Open queries by token, and by when their budget is over. Grows to the most that were ever open at
/// once and then allocates no more.
#[derive(Debug, Default)]
pub(super) struct Pending {
    open: HashMap<Token, Open, ahash::RandomState>,
    /// The soonest first; an entry may have been answered or extended since.
    due: BinaryHeap<Reverse<(Instant, u64, u8)>>,
}

/// How long after its budget a query is looked at once more when the core still waits for it.
const GRACE: Duration = Duration::from_millis(20);

impl Pending {
    pub(super) fn insert(&mut self, token: Token, open: Open) {
        self.open.insert(token, open);
        self.remind(open.due, token);
    }

    fn remind(&mut self, due: Instant, token: Token) {
        self.due
            .push(Reverse((due, token.key.to_bits(), token.attempt)));
    }

    pub(super) fn take(&mut self, token: Token) -> Option<Open> {
        self.open.remove(&token)
    }

    pub(super) fn contains(&self, token: Token) -> bool {
        self.open.contains_key(&token)
    }

    /// The decider asked for more time; the query's subject when it did so for the first time.
    pub(super) fn extend(&mut self, token: Token, due: Instant) -> Option<u16> {
        let open = self.open.get_mut(&token)?;
        open.due = open.due.max(due);
        (!std::mem::replace(&mut open.is_extended, true)).then_some(open.subject)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The next query whose budget is over and for which nobody waits any more.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        mut is_awaited: impl FnMut(Token) -> bool,
    ) -> Option<Open> {
        while let Some(&Reverse((due, bits, attempt))) = self.due.peek() {
            if due > now {
                return None;
            }
            self.due.pop();
            let token = Token {
                key: TransactionKey::from_bits(bits),
                attempt,
            };
            let Some(open) = self.open.get(&token) else {
                continue;
            };
            if open.due > now {
                self.remind(open.due, token);
            } else if is_awaited(token) {
                self.remind(now + GRACE, token);
            } else {
                return self.open.remove(&token);
            }
        }
        None
    }

    /// Takes away the queries that did not go out on `connection`.
    pub(super) fn take_lost(
        &mut self,
        connection: Option<u64>,
    ) -> impl Iterator<Item = (Token, Open)> {
        self.open
            .extract_if(move |_, open| Some(open.connection) != connection)
    }
}

#[cfg(test)]
mod tests {
    use super::super::breaker::Breaker;
    use super::*;
    use crate::config;

    fn token(bits: u64) -> Token {
        Token {
            key: TransactionKey::from_bits(bits),
            attempt: 1,
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn open(due: u64, connection: u64) -> Open {
        let settings = config::Breaker {
            enabled: false,
            window: Duration::from_secs(1),
            min_requests: 1,
            failure_ratio: 1.0,
            open: Duration::from_secs(1),
            probes: 1,
        };
        let permit = Breaker::new(settings).admit(at(0)).unwrap();
        Open {
            id: Uuid::nil(),
            sent: at(0),
            due: at(due),
            connection,
            subject: 0,
            permit,
            is_extended: false,
        }
    }

    #[test]
    fn only_what_is_due_and_unanswered_expires() {
        let mut pending = Pending::default();
        for i in 1..=3 {
            pending.insert(token(i), open(100 * i, 1));
        }
        assert!(pending.take(token(1)).is_some());
        assert!(pending.expire(at(150), |_| false).is_none());
        assert_eq!(pending.expire(at(200), |_| false).unwrap().due, at(200));
        assert!(pending.expire(at(200), |_| false).is_none());
        assert_eq!(pending.len(), 1);
    }

    #[test]
    fn a_query_the_core_still_waits_for_is_kept() {
        let mut pending = Pending::default();
        pending.insert(token(1), open(100, 1));
        assert!(pending.expire(at(100), |_| true).is_none());
        assert!(pending.contains(token(1)));
        assert!(pending.expire(at(110), |_| false).is_none());
        assert!(pending.expire(at(120), |_| false).is_some());
    }

    #[test]
    fn an_extended_query_expires_later() {
        let mut pending = Pending::default();
        pending.insert(token(1), open(100, 1));
        pending.insert(token(2), open(200, 1));
        assert_eq!(pending.extend(token(1), at(400)), Some(0));
        assert_eq!(pending.extend(token(1), at(500)), None);
        assert_eq!(
            pending.expire(at(200), |_| false).unwrap().due,
            at(200),
            "nobody waits behind it"
        );
        assert!(pending.expire(at(499), |_| false).is_none());
        assert!(pending.expire(at(500), |_| false).is_some());
    }

    #[test]
    fn a_lost_connection_takes_its_own_queries_along() {
        let mut pending = Pending::default();
        pending.insert(token(1), open(100, 1));
        pending.insert(token(2), open(100, 2));
        let mut lost = |connection| -> Vec<_> {
            pending
                .take_lost(connection)
                .map(|(token, _)| token)
                .collect()
        };
        assert_eq!(lost(Some(2)), [token(1)]);
        assert_eq!(lost(None), [token(2)]);
        assert_eq!(pending.len(), 0);
    }
}
