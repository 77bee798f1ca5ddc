//! Where transactions live, and the one way they leave.

use std::collections::HashMap;

use slotmap::SlotMap;

use crate::clock::Instant;
use crate::context::Context;
use crate::key::TransactionKey;
use crate::secret::{Fingerprint, HashedKeys};
use crate::stateless::PendingAck;
use crate::tail::Tail;
use crate::wheel::Wheel;

/// What a slot holds.
pub(crate) enum Slot {
    /// A live transaction. `None` while it is being worked on.
    Live(Option<Box<Context>>),
    /// A finished one that absorbs retransmissions.
    Tail(Tail),
    /// A stateless ACK that waits for an address.
    Ack(Box<PendingAck>),
}

struct Held {
    slot: Slot,
    /// The server transaction's identity; none for a stateless ACK.
    fingerprint: Option<Fingerprint>,
    /// The soonest entry in the wheel.
    armed: Option<Instant>,
}

/// Every transaction of one core, by slot and by fingerprint, and their timers.
pub(crate) struct Store {
    slots: SlotMap<slotmap::DefaultKey, Held>,
    servers: HashMap<Fingerprint, TransactionKey, HashedKeys>,
    wheel: Wheel,
    lingering: usize,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            slots: SlotMap::new(),
            servers: HashMap::default(),
            wheel: Wheel::new(),
            lingering: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn lingering(&self) -> usize {
        self.lingering
    }

    pub(crate) fn find(&self, fingerprint: Fingerprint) -> Option<TransactionKey> {
        self.servers.get(&fingerprint).copied()
    }

    /// A slot for a transaction whose context is still to be made; give it with
    /// [`Store::put`].
    pub(crate) fn reserve(&mut self, fingerprint: Fingerprint) -> TransactionKey {
        let held = Held {
            slot: Slot::Live(None),
            fingerprint: Some(fingerprint),
            armed: None,
        };
        let key = TransactionKey(self.slots.insert(held));
        self.servers.insert(fingerprint, key);
        key
    }

    pub(crate) fn insert_ack(&mut self, ack: Box<PendingAck>) -> TransactionKey {
        let held = Held {
            slot: Slot::Ack(ack),
            fingerprint: None,
            armed: None,
        };
        TransactionKey(self.slots.insert(held))
    }

    pub(crate) fn slot(&mut self, key: TransactionKey) -> Option<&mut Slot> {
        self.slots.get_mut(key.0).map(|held| &mut held.slot)
    }

    /// The context, to look at.
    pub(crate) fn context(&self, key: TransactionKey) -> Option<&Context> {
        match &self.slots.get(key.0)?.slot {
            Slot::Live(context) => context.as_deref(),
            Slot::Tail(_) | Slot::Ack(_) => None,
        }
    }

    /// The context, to work on; it must come back through [`Store::put`], [`Store::linger`] or
    /// [`Store::terminate`].
    pub(crate) fn take(&mut self, key: TransactionKey) -> Option<Box<Context>> {
        match &mut self.slots.get_mut(key.0)?.slot {
            Slot::Live(context) => context.take(),
            Slot::Tail(_) | Slot::Ack(_) => None,
        }
    }

    pub(crate) fn put(&mut self, key: TransactionKey, context: Box<Context>) {
        if let Some(held) = self.slots.get_mut(key.0) {
            held.slot = Slot::Live(Some(context));
        }
    }

    /// Keeps only what absorbs retransmissions.
    pub(crate) fn linger(&mut self, key: TransactionKey, tail: Tail) {
        if let Some(held) = self.slots.get_mut(key.0) {
            held.slot = Slot::Tail(tail);
            self.lingering += 1;
        }
    }

    /// Takes a transaction out of every index. The only way out.
    pub(crate) fn terminate(&mut self, key: TransactionKey) {
        let Some(held) = self.slots.remove(key.0) else {
            return;
        };
        if let Slot::Tail(_) = held.slot {
            self.lingering -= 1;
        }
        if let Some(fingerprint) = held.fingerprint {
            self.servers.remove(&fingerprint);
        }
    }

    /// Makes sure that `key` comes out of [`Store::fire`] at `at` or sooner.
    pub(crate) fn arm(&mut self, key: TransactionKey, at: Instant) {
        let Some(held) = self.slots.get_mut(key.0) else {
            return;
        };
        if held.armed.is_none_or(|armed| at < armed) {
            held.armed = Some(at);
            self.wheel.arm(at, key);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Appends the keys whose time may have come; the owner's own deadlines say whether it has.
    pub(crate) fn fire(&mut self, now: Instant, due: &mut Vec<TransactionKey>) {
        let start = due.len();
        self.wheel.fire(now, due);
        // An entry that was overtaken by a sooner one, or whose transaction is gone, is stale.
        let mut kept = start;
        for at in start..due.len() {
            let Some(held) = self.slots.get_mut(due[at].0) else {
                continue;
            };
            if held.armed.is_some_and(|armed| armed <= now) {
                held.armed = None;
                due.swap(kept, at);
                kept += 1;
            }
        }
        due.truncate(kept);
    }
}
