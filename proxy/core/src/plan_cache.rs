//! Decisions that may be used again, as their deciders declared (`cache` in the contract).
//!
//! A table of fixed size, shared by the shards of a node: reading takes no lock and copies nothing but
//! a pointer. A key has a few places it can be in, and takes that of the decision that runs out first
//! when they are taken.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use siphasher::sip::SipHasher13;

use crate::clock::Instant;
use crate::plan::Plan;

/// How many places a key can be in.
const WAYS: usize = 4;

/// Decisions by tenant and key.
#[derive(Debug, Default)]
pub struct PlanCache {
    places: Box<[ArcSwapOption<Remembered>]>,
    seed: [u8; 16],
    stored: AtomicU64,
}

#[derive(Debug)]
struct Remembered {
    tenant: Box<str>,
    key: Box<[u8]>,
    plan: Arc<Plan>,
    until: Instant,
}

impl PlanCache {
    /// Room for `room` decisions, about; none remembers nothing. `seed` keys its hash.
    pub fn new(room: usize, seed: [u8; 16]) -> Self {
        let places = room.next_multiple_of(WAYS);
        Self {
            places: (0..places).map(|_| ArcSwapOption::empty()).collect(),
            seed,
            stored: AtomicU64::new(0),
        }
    }

    /// How many decisions it has room for.
    pub fn room(&self) -> usize {
        self.places.len()
    }

    /// How many decisions were put in.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Remembers what a decider of `tenant` decided, until then. [`Plan::Pass`] is no decision.
    pub fn put(&self, now: Instant, tenant: &str, key: &[u8], plan: Arc<Plan>, until: Instant) {
        if *plan == Plan::Pass || until <= now {
            return;
        }
        let set = self.set(tenant, key);
        // When each place is free; its own comes first, then one that is.
        let free_at = |place: &ArcSwapOption<Remembered>| match &*place.load() {
            Some(there) if there.is(tenant, key) => Instant::ZERO,
            Some(there) if there.until > now => there.until,
            Some(_) | None => Instant::from_micros(1),
        };
        let Some(place) = set.iter().min_by_key(|place| free_at(place)) else {
            return;
        };
        place.store(Some(Arc::new(Remembered {
            tenant: tenant.into(),
            key: key.into(),
            plan,
            until,
        })));
        self.stored.fetch_add(1, Ordering::Relaxed);
    }

    /// What a decider of `tenant` decided for this key, if that still holds.
    pub fn get(&self, now: Instant, tenant: &str, key: &[u8]) -> Option<Arc<Plan>> {
        self.set(tenant, key).iter().find_map(|place| {
            let there = place.load();
            let there = there.as_ref()?;
            (there.is(tenant, key) && there.until > now).then(|| there.plan.clone())
        })
    }

    fn set(&self, tenant: &str, key: &[u8]) -> &[ArcSwapOption<Remembered>] {
        let sets = self.places.len() / WAYS;
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        hasher.write(tenant.as_bytes());
        hasher.write_u8(0);
        hasher.write(key);
        let set = ((u128::from(hasher.finish()) * sets as u128) >> 64) as usize;
        self.places
            .get(set * WAYS..set * WAYS + WAYS)
            .unwrap_or_default()
    }
}

impl Remembered {
    fn is(&self, tenant: &str, key: &[u8]) -> bool {
        &*self.tenant == tenant && &*self.key == key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header_edits::HeaderEdits;
    use crate::plan::Reject;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1_000)
    }

    fn plan(status: u16) -> Arc<Plan> {
        Arc::new(Plan::Reject(Reject {
            status,
            reason: None,
            headers: HeaderEdits::default(),
            retry_after: None,
        }))
    }

    #[test]
    fn a_decision_is_found_by_tenant_and_key_while_it_holds() {
        // One set: every key is in the way of every other.
        let cache = PlanCache::new(WAYS, [1; 16]);
        cache.put(at(0), "a", b"k", plan(403), at(100));
        assert_eq!(cache.get(at(99), "a", b"k"), Some(plan(403)));
        assert_eq!(cache.get(at(100), "a", b"k"), None);
        assert_eq!(cache.get(at(0), "b", b"k"), None);
        assert_eq!(cache.get(at(0), "a", b"l"), None);
        cache.put(at(0), "a", b"k", plan(404), at(100));
        assert_eq!(cache.get(at(0), "a", b"k"), Some(plan(404)));
        cache.put(at(0), "a", b"pass", Arc::new(Plan::Pass), at(100));
        assert_eq!(cache.get(at(0), "a", b"pass"), None);
        assert_eq!(cache.stored(), 2);
    }

    #[test]
    fn when_it_is_full_what_runs_out_first_goes() {
        // One set.
        let cache = PlanCache::new(1, [1; 16]);
        assert_eq!(cache.room(), WAYS);
        for key in 1..=4 {
            cache.put(at(0), "a", &[key], plan(403), at(100 * u64::from(key)));
        }
        cache.put(at(0), "a", &[5], plan(403), at(500));
        let there = (1..=5).filter(|key| cache.get(at(1), "a", &[*key]).is_some());
        assert_eq!(there.collect::<Vec<_>>(), [2, 3, 4, 5]);
        // One that has run out goes before one that has not.
        cache.put(at(450), "a", &[6], plan(403), at(460));
        assert!(cache.get(at(450), "a", &[5]).is_some());
    }

    #[test]
    fn without_room_nothing_is_remembered() {
        let cache = PlanCache::default();
        cache.put(at(0), "a", b"k", plan(403), at(100));
        assert_eq!(cache.get(at(0), "a", b"k"), None);
    }
}
