//! Every message a phone sends or receives, with the time: what a ladder is drawn from.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Whether a phone sent a message or received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// By the phone, to the peer.
    Sent,
    /// From the peer.
    Received,
}

/// A phone's position in [`Trace::phones`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PhoneId(pub usize);

/// Who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneName {
    /// What the lane is called.
    pub name: String,
    /// The phone's bound address.
    pub address: SocketAddr,
}

/// One message as one phone saw it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Unix milliseconds.
    pub at: f64,
    /// Which phone.
    pub phone: PhoneId,
    /// Sent or received.
    pub direction: Direction,
    /// The other end.
    pub peer: SocketAddr,
    /// The datagram.
    pub bytes: Vec<u8>,
}

/// What all phones of one process saw, in the order they saw it. Clones share the same record.
#[derive(Clone, Debug)]
pub struct Trace {
    inner: Arc<Mutex<Inner>>,
    started: Instant,
    started_ms: f64,
}

#[derive(Debug, Default)]
struct Inner {
    phones: Vec<PhoneName>,
    messages: Vec<Recorded>,
}

impl Default for Trace {
    fn default() -> Self {
        // Later times are counted from here, so that a step of the wall clock does not bend a ladder.
        let started_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
            * 1e3;
        Self {
            inner: Arc::default(),
            started: Instant::now(),
            started_ms,
        }
    }
}

impl Trace {
    /// An empty record whose clock starts now.
    pub fn new() -> Self {
        Self::default()
    }

    /// The present, in Unix milliseconds.
    pub fn now(&self) -> f64 {
        self.started_ms + self.started.elapsed().as_secs_f64() * 1e3
    }

    /// Adds a phone.
    pub fn join(&self, name: &str, address: SocketAddr) -> PhoneId {
        let mut inner = self.lock();
        inner.phones.push(PhoneName {
            name: name.to_owned(),
            address,
        });
        PhoneId(inner.phones.len() - 1)
    }

    /// Adds one message, seen now.
    pub fn record(&self, phone: PhoneId, direction: Direction, peer: SocketAddr, bytes: &[u8]) {
        let message = Recorded {
            at: self.now(),
            phone,
            direction,
            peer,
            bytes: bytes.to_vec(),
        };
        self.lock().messages.push(message);
    }

    /// The phones, in the order they joined.
    pub fn phones(&self) -> Vec<PhoneName> {
        self.lock().phones.clone()
    }

    /// The messages so far.
    pub fn messages(&self) -> Vec<Recorded> {
        self.lock().messages.clone()
    }

    /// Forgets the messages, not the phones.
    pub fn clear(&self) {
        self.lock().messages.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
