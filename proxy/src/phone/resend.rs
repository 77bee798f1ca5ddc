//! Retransmissions over UDP (RFC 3261 §17.1.1.2, §17.1.2.2, §13.3.1.4).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::agent::Outbox;

/// Estimate of the round-trip time (RFC 3261 table 4).
pub const T1: Duration = Duration::from_millis(500);
/// The longest interval between two retransmissions.
const T2: Duration = Duration::from_secs(4);
/// When a transaction is given up.
pub const TIMEOUT: Duration = T1.saturating_mul(64);

/// One message that is sent again until its answer comes.
#[derive(Debug)]
struct Resend<K> {
    key: K,
    bytes: Vec<u8>,
    to: SocketAddr,
    due: Instant,
    interval: Duration,
    longest: Duration,
    give_up: Instant,
}

/// The messages of one phone that still wait for an answer.
#[derive(Debug)]
pub struct Resends<K> {
    open: Vec<Resend<K>>,
}

impl<K> Default for Resends<K> {
    fn default() -> Self {
        Self { open: Vec::new() }
    }
}

impl<K: PartialEq + Clone> Resends<K> {
    /// Sends `bytes` now and again, the interval doubling from [`T1`] up to four seconds.
    pub fn send(&mut self, now: Instant, key: K, bytes: Vec<u8>, to: SocketAddr, out: &mut Outbox) {
        self.add(now, key, bytes, to, T2, out);
    }

    /// The same for an INVITE, whose interval doubles without a bound (Timer A).
    pub fn send_invite(
        &mut self,
        now: Instant,
        key: K,
        bytes: Vec<u8>,
        to: SocketAddr,
        out: &mut Outbox,
    ) {
        self.add(now, key, bytes, to, TIMEOUT, out);
    }

    fn add(
        &mut self,
        now: Instant,
        key: K,
        bytes: Vec<u8>,
        to: SocketAddr,
        longest: Duration,
        out: &mut Outbox,
    ) {
        out.send(bytes.clone(), to);
        self.open.push(Resend {
            key,
            bytes,
            to,
            due: now + T1,
            interval: T1,
            longest,
            give_up: now + TIMEOUT,
        });
    }

    /// The answer came. Says whether anybody waited for it.
    pub fn answered(&mut self, key: &K) -> bool {
        let before = self.open.len();
        self.open.retain(|resend| resend.key != *key);
        self.open.len() < before
    }

    /// Whether an answer is awaited.
    pub fn awaits(&self, key: &K) -> bool {
        self.open.iter().any(|resend| resend.key == *key)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.open.clear();
    }

    /// Whether nothing is awaited.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// When to call [`Resends::fire`].
    pub fn next(&self) -> Option<Instant> {
        self.open
            .iter()
            .map(|resend| resend.due.min(resend.give_up))
            .min()
    }

    /// Sends what is due. Returns what was given up.
    pub fn fire(&mut self, now: Instant, out: &mut Outbox) -> Vec<K> {
        let mut given_up = Vec::new();
        self.open.retain_mut(|resend| {
            if resend.give_up <= now {
                given_up.push(resend.key.clone());
                return false;
            }
            if resend.due <= now {
                out.send(resend.bytes.clone(), resend.to);
                resend.interval = (resend.interval * 2).min(resend.longest);
                resend.due = now + resend.interval;
            }
            true
        });
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(send: impl Fn(&mut Resends<()>, Instant, &mut Outbox)) -> Vec<u128> {
        let start = Instant::now();
        let (mut resends, mut out, mut sent) = (Resends::default(), Outbox::default(), Vec::new());
        send(&mut resends, start, &mut out);
        while let Some(next) = resends.next() {
            out.take();
            resends.fire(next, &mut out);
            if !out.take().is_empty() {
                sent.push((next - start).as_millis());
            }
        }
        sent
    }

    #[test]
    fn an_invite_doubles_its_interval_until_it_is_given_up() {
        let to = SocketAddr::from(([127, 0, 0, 1], 5060));
        let sent = intervals(|resends, now, out| resends.send_invite(now, (), vec![1], to, out));
        assert_eq!(sent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    }

    #[test]
    fn other_requests_stop_doubling_at_four_seconds() {
        let to = SocketAddr::from(([127, 0, 0, 1], 5060));
        let sent = intervals(|resends, now, out| resends.send(now, (), vec![1], to, out));
        assert_eq!(
            sent,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
    }

    #[test]
    fn an_answer_ends_it() {
        let mut resends = Resends::default();
        let mut out = Outbox::default();
        resends.send(
            Instant::now(),
            "bye",
            vec![1],
            SocketAddr::from(([127, 0, 0, 1], 1)),
            &mut out,
        );
        assert!(resends.awaits(&"bye"));
        assert!(resends.answered(&"bye"));
        assert!(!resends.answered(&"bye"));
        assert!(resends.is_empty() && resends.next().is_none());
    }
}
