//! Datagrams waiting to be sent from one socket.

use std::net::SocketAddrV4;
use std::ops::Range;

/// Datagrams in one buffer, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<(SocketAddrV4, Range<usize>)>,
}

impl Outbox {
    /// Appends what `write` appends to the buffer as one datagram.
    pub(crate) fn push(&mut self, to: SocketAddrV4, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.datagrams.push((to, start..self.bytes.len()));
    }

    /// What is waiting.
    pub fn datagrams(&self) -> impl ExactSizeIterator<Item = (SocketAddrV4, &[u8])> {
        self.datagrams
            .iter()
            .map(|(to, range)| (*to, self.bytes.get(range.clone()).unwrap_or_default()))
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
    }
}
