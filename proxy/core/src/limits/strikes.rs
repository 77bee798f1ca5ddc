//! Who was over a limit how often, told apart exactly.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use siphasher::sip::SipHasher13;

use super::BanAfter;
use super::buckets::place;
use crate::clock::Instant;

/// How many sources are looked after at once.
const PLACES: usize = 1 << 14;

/// A number per source: 32 bits that stand for the source, 12 for the interval, 20 for how often. A
/// source that finds another one in its place takes it over and begins at 1: somebody may be banned
/// later than he could be, but nobody for what somebody else did.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    cells: Box<[AtomicU64]>,
    seed: [u8; 16],
}

const OFTEN: u64 = (1 << 20) - 1;

impl Strikes {
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self {
            cells: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            seed,
        }
    }

    /// Counts one; whether that is one too many. Then counting begins anew.
    pub(super) fn strike(&self, source: IpAddr, now: Instant, ban: &BanAfter) -> bool {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        source.hash(&mut hasher);
        let hash = hasher.finish();
        let Some(cell) = self.cells.get(place(hash, self.cells.len().max(1))) else {
            return false;
        };
        let within = u64::try_from(ban.within.as_micros()).unwrap_or(u64::MAX);
        let interval = (now.as_micros() / within.max(1)) & 0xfff;
        // The place takes the high bits of the hash, the mark the low ones.
        let mark = hash << 32 | interval << 20;
        let often = |old: u64| match old & !OFTEN == mark {
            true => (old & OFTEN) + 1,
            false => 1,
        };
        let most = u64::from(ban.requests).min(OFTEN);
        let next = |old| Some(mark | (often(old) % most.max(1)));
        let old = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        old.is_ok_and(|old| often(old) >= most)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_last_straw_within_the_interval_bans() {
        let ban = BanAfter {
            requests: 3,
            within: Duration::from_secs(10),
            ban: Duration::from_secs(60),
        };
        let strikes = Strikes::new([1; 16]);
        let source = "192.0.2.1".parse().unwrap();
        let strike = |seconds| strikes.strike(source, at(seconds), &ban);
        assert_eq!([0, 1, 2, 3].map(strike), [false, false, true, false]);
        // Another interval, from the beginning.
        assert_eq!([11, 12, 21].map(strike), [false, false, false]);
        assert!(!strike(22) && strike(23));
    }

    #[test]
    fn nobody_is_banned_for_somebody_else() {
        let ban = BanAfter {
            requests: 2,
            within: Duration::from_secs(10),
            ban: Duration::from_secs(60),
        };
        // All in one place.
        let strikes = Strikes {
            cells: Box::new([AtomicU64::new(0)]),
            seed: [1; 16],
        };
        for n in 0..=255 {
            assert!(!strikes.strike([192, 0, 2, n].into(), at(0), &ban));
        }
    }
}
