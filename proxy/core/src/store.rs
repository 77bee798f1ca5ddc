//! Where transactions live, and the one way they leave.

use crate::clock::Instant;
use crate::context::Context;
use crate::gateways::Probe;
use crate::key::TransactionKey;
use crate::secret::Fingerprint;
use crate::segments::Segments;
use crate::servers::Servers;
use crate::slots::{Name, Slot, Slots};
use crate::stateless::PendingAck;
use crate::tail::Tail;
use crate::wheel::Wheel;

/// Every transaction of one core, by slot and by fingerprint, and their timers.
pub(crate) struct Store {
    slots: Slots,
    servers: Servers,
    wheel: Wheel,
    tails: Segments,
    lingering: usize,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            slots: Slots::new(),
            servers: Servers::new(),
            wheel: Wheel::new(),
            tails: Segments::new(),
            lingering: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn lingering(&self) -> usize {
        self.lingering
    }

    /// Every live transaction, but the one that is being worked on.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Context> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Live(Some(context)) => Some(&**context),
            _ => None,
        })
    }

    pub(crate) fn find(&self, fingerprint: Fingerprint) -> Option<TransactionKey> {
        let slot = self.servers.find(&self.slots, Name::of(fingerprint))?;
        Some(self.slots.key(slot))
    }

    /// A slot for a transaction whose context is still to be made; give it with
    /// [`Store::put`].
    pub(crate) fn reserve(&mut self, fingerprint: Fingerprint) -> TransactionKey {
        let name = Name::of(fingerprint);
        let key = self.slots.insert(name, Slot::Live(None));
        self.servers.insert(&mut self.slots, key.slot);
        key
    }

    pub(crate) fn insert_ack(&mut self, ack: Box<PendingAck>) -> TransactionKey {
        self.slots.insert(Name::default(), Slot::Ack(ack))
    }

    pub(crate) fn insert_probe(&mut self, probe: Box<Probe>) -> TransactionKey {
        self.slots.insert(Name::default(), Slot::Probe(Some(probe)))
    }

    /// The probe, to work on; it must come back through [`Store::put_probe`] or [`Store::terminate`].
    pub(crate) fn take_probe(&mut self, key: TransactionKey) -> Option<Box<Probe>> {
        match &mut self.slots.get_mut(key)?.slot {
            Slot::Probe(probe) => probe.take(),
            Slot::Live(_) | Slot::Tail(_) | Slot::Ack(_) => None,
        }
    }

    pub(crate) fn put_probe(&mut self, key: TransactionKey, probe: Box<Probe>) {
        if let Some(held) = self.slots.get_mut(key) {
            held.slot = Slot::Probe(Some(probe));
        }
    }

    pub(crate) fn slot(&self, key: TransactionKey) -> Option<&Slot> {
        self.slots.get(key).map(|held| &held.slot)
    }

    /// The context, to look at.
    pub(crate) fn context(&self, key: TransactionKey) -> Option<&Context> {
        match self.slot(key)? {
            Slot::Live(context) => context.as_deref(),
            Slot::Tail(_) | Slot::Ack(_) | Slot::Probe(_) => None,
        }
    }

    /// What is left of a finished transaction.
    pub(crate) fn tail(&self, key: TransactionKey) -> Option<Tail<'_>> {
        match self.slot(key)? {
            Slot::Tail(record) => Tail::read(self.tails.get(*record)),
            Slot::Live(_) | Slot::Ack(_) | Slot::Probe(_) => None,
        }
    }

    /// The context, to work on; it must come back through [`Store::put`], [`Store::linger`] or
    /// [`Store::terminate`].
    pub(crate) fn take(&mut self, key: TransactionKey) -> Option<Box<Context>> {
        match &mut self.slots.get_mut(key)?.slot {
            Slot::Live(context) => context.take(),
            Slot::Tail(_) | Slot::Ack(_) | Slot::Probe(_) => None,
        }
    }

    pub(crate) fn put(&mut self, key: TransactionKey, context: Box<Context>) {
        if let Some(held) = self.slots.get_mut(key) {
            held.slot = Slot::Live(Some(context));
        }
    }

    /// Keeps only what absorbs retransmissions, until then.
    pub(crate) fn linger(
        &mut self,
        now: Instant,
        key: TransactionKey,
        context: &Context,
        until: Instant,
    ) {
        if let Some(held) = self.slots.get_mut(key) {
            held.slot = Slot::Tail(Tail::keep(context, &mut self.tails));
            self.lingering += 1;
            self.wheel
                .arm_exactly(&mut self.slots, key.slot, now, until);
        }
    }

    /// Takes a transaction out of every index. The only way out.
    pub(crate) fn terminate(&mut self, key: TransactionKey) {
        let Some(held) = self.slots.get(key) else {
            return;
        };
        if let Slot::Tail(record) = held.slot {
            self.tails.remove(record);
            self.lingering -= 1;
        }
        if !matches!(held.slot, Slot::Ack(_) | Slot::Probe(_)) {
            self.servers.remove(&mut self.slots, key.slot);
        }
        self.wheel.disarm(&mut self.slots, key.slot);
        self.slots.remove(key.slot);
    }

    /// Makes sure that `key` comes out of [`Store::fire`] at `at` or sooner.
    pub(crate) fn arm(&mut self, now: Instant, key: TransactionKey, at: Instant) {
        if self.slots.get(key).is_some() {
            self.wheel.arm(&mut self.slots, key.slot, now, at);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Appends the keys whose time may have come: of a live transaction its own deadlines say
    /// whether it has, a finished one is over.
    pub(crate) fn fire(&mut self, now: Instant, due: &mut Vec<TransactionKey>) {
        self.wheel.fire(&mut self.slots, now, due);
    }
}
