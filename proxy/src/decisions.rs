//! The last decisions of this node, for people who look.
//!
//! Each shard has a ring of its own. It never waits for who reads it: what it cannot write at once is not kept, and
//! counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use sigbox_contracts::event::DecisionEvent;

/// Bytes that all rings may hold together.
const BYTES: usize = 16 * 1024 * 1024;

/// The rings of all shards.
#[derive(Debug)]
pub struct Decisions {
    most: usize,
    rings: Vec<Arc<Kept>>,
}

/// The ring of one shard; by default one that keeps nothing.
#[derive(Debug, Default)]
pub struct Kept {
    most: usize,
    most_bytes: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// The newest is last.
    records: VecDeque<Arc<DecisionEvent>>,
    bytes: usize,
}

impl Decisions {
    /// The last `most` of a node of `shards` shards; none at all when that is 0.
    pub fn new(most: usize, shards: usize) -> Self {
        let ring = || {
            Arc::new(Kept {
                most,
                most_bytes: BYTES / shards.max(1),
                ring: Mutex::default(),
            })
        };
        Self {
            most,
            rings: (0..shards).map(|_| ring()).collect(),
        }
    }

    /// How many are kept.
    pub fn most(&self) -> usize {
        self.most
    }

    /// The ring of a shard.
    pub fn of_shard(&self, shard: usize) -> Option<Arc<Kept>> {
        self.rings.get(shard).cloned()
    }

    /// The last `limit`, newest first; of one call, when it is named.
    pub fn latest(&self, limit: usize, call_id: Option<&str>) -> Vec<Arc<DecisionEvent>> {
        let mut all: Vec<_> = self
            .rings
            .iter()
            .flat_map(|kept| kept.snapshot())
            .filter(|record| call_id.is_none_or(|call_id| record.call_id == call_id))
            .collect();
        all.sort_by(|a, b| b.at.total_cmp(&a.at));
        all.truncate(limit.min(self.most));
        all
    }
}

impl Kept {
    /// Whether any is kept.
    pub fn is_on(&self) -> bool {
        self.most > 0
    }

    /// Keeps one; `false` when somebody reads just now.
    pub fn add(&self, record: DecisionEvent) -> bool {
        let mut ring = match self.ring.try_lock() {
            Ok(ring) => ring,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        ring.bytes += size(&record);
        ring.records.push_back(Arc::new(record));
        while ring.records.len() > self.most || ring.bytes > self.most_bytes {
            let Some(oldest) = ring.records.pop_front() else {
                break;
            };
            ring.bytes -= size(&oldest);
        }
        true
    }

    fn snapshot(&self) -> Vec<Arc<DecisionEvent>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.records.iter().cloned().collect()
    }
}

/// About how much memory it takes.
fn size(record: &DecisionEvent) -> usize {
    let texts = [
        &record.id,
        &record.node,
        &record.tenant,
        &record.call_id,
        &record.method,
        &record.request_uri,
        &record.version,
    ];
    let more = [&record.action, &record.detail, &record.decider];
    size_of::<DecisionEvent>()
        + texts.iter().map(|text| text.len()).sum::<usize>()
        + more
            .iter()
            .filter_map(|text| text.as_ref())
            .map(String::len)
            .sum::<usize>()
        + record
            .reasons
            .iter()
            .map(|reason| reason.len() + size_of::<String>())
            .sum::<usize>()
}

#[cfg(test)]
mod tests {
    use sigbox_contracts::Class;
    use sigbox_contracts::event::Outcome;

    use super::*;

    fn record(at: u32, call_id: &str) -> DecisionEvent {
        DecisionEvent {
            version: "1.0".to_owned(),
            id: String::new(),
            node: String::new(),
            tenant: String::new(),
            class: Class::Invite,
            call_id: call_id.to_owned(),
            method: String::new(),
            request_uri: String::new(),
            attempt: 1,
            outcome: Outcome::Decided,
            action: None,
            cause: None,
            detail: None,
            decider: None,
            reasons: Vec::new(),
            took_ms: 0.0,
            at: at.into(),
        }
    }

    #[test]
    fn the_newest_of_all_shards_come_first_and_the_oldest_go() {
        let decisions = Decisions::new(3, 2);
        let [a, b] = [0, 1].map(|shard| decisions.of_shard(shard).unwrap());
        for at in 1..=4 {
            assert!(a.add(record(2 * at, "a")));
        }
        b.add(record(7, "b"));
        let times = |call_id| -> Vec<f64> {
            let latest = decisions.latest(10, call_id);
            latest.iter().map(|record| record.at).collect()
        };
        assert_eq!(times(None), [8.0, 7.0, 6.0]);
        assert_eq!(times(Some("a")), [8.0, 6.0, 4.0]);
        assert_eq!(decisions.latest(1, None).len(), 1);
        assert!(decisions.of_shard(2).is_none());
    }

    #[test]
    fn long_ones_do_not_take_more_memory_than_there_is() {
        let decisions = Decisions::new(100_000, 1);
        let kept = decisions.of_shard(0).unwrap();
        for at in 0..1_000 {
            kept.add(record(at, &"x".repeat(60_000)));
        }
        let count = decisions.latest(100_000, None).len();
        assert!((200..=BYTES / 60_000).contains(&count), "{count}");
    }

    #[test]
    fn a_reader_is_not_waited_for() {
        let decisions = Decisions::new(3, 1);
        let kept = decisions.of_shard(0).unwrap();
        let reading = kept.ring.lock().unwrap();
        assert!(!kept.add(record(1, "a")));
        drop(reading);
        assert!(kept.add(record(2, "a")));
    }
}
