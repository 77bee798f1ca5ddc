//! What the network does to a datagram.

use std::net::SocketAddr;
use std::time::Duration;

/// Chances are in percent; the same for every datagram in either direction.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// The least time a datagram takes.
    pub delay: Duration,
    /// Up to this much more, drawn for each; what lets datagrams overtake each other.
    pub jitter: Duration,
    /// How many are lost.
    pub loss: u64,
    /// How many arrive twice.
    pub duplication: u64,
    /// Seed of all of it.
    pub seed: u64,
}

/// A phone that nothing reaches and that reaches nobody for a while; nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Whom.
    pub phone: SocketAddr,
    /// From when, in milliseconds since the start.
    pub from_ms: u64,
    /// Until when.
    pub until_ms: u64,
}

impl Partition {
    /// Whether it parts `phone` from the proxy at that time.
    pub(crate) fn parts(&self, phone: SocketAddr, now_ms: u64) -> bool {
        self.phone == phone && (self.from_ms..self.until_ms).contains(&now_ms)
    }
}

impl Default for Network {
    /// One millisecond each way, and nothing goes wrong.
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0,
            duplication: 0,
            seed: 1,
        }
    }
}

impl Network {
    /// When the copies of one datagram arrive, counted from now; none when it is lost.
    pub(crate) fn fates(&mut self) -> Vec<Duration> {
        let mut copies = 1;
        if self.draw(100) < self.loss {
            copies = 0;
        } else if self.draw(100) < self.duplication {
            copies = 2;
        }
        let jitter = self.jitter.as_micros() as u64 + 1;
        (0..copies)
            .map(|_| self.delay + Duration::from_micros(self.draw(jitter)))
            .collect()
    }

    /// A number below `bound` (splitmix64).
    fn draw(&mut self, bound: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
