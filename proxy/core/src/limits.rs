//! Limits on what comes from outside a dialog, by any part of a request.
//!
//! A [`RateLimit`] counts requests in buckets, one for each key: the source, a domain, a trunk. Its
//! buckets are plain atomic numbers in a table of fixed size, found by a keyed hash of the key, and
//! shared by all shards: there is no lock, nothing is allocated, and nothing is ever removed.
//!
//! Two keys whose hashes meet share a bucket, and so a limit. With `k` keys active in `n` buckets that
//! happens to a given key with a probability of about `k / n`: 1.5 % for 1,000 keys in 65,536 buckets.
//! The hash is keyed anew for each process, so that nobody outside can aim at somebody's bucket, and
//! who is banned for being over a limit is told apart exactly, see [`Strikes`](strikes::Strikes).

mod algorithm;
mod buckets;
mod strikes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use algorithm::{Algorithm, AlgorithmError};
use buckets::Buckets;
use strikes::Strikes;

use crate::clock::Instant;
use crate::plan::{Redirect, Reject};
use crate::request_key::{KeyText, RequestPart};
use crate::rules::Facts;

/// A limit, as configured, and how far it is reached.
#[derive(Debug)]
pub struct RateLimit {
    /// Its name: in rules, metrics and logs.
    pub name: Arc<str>,
    /// What it counts by; empty counts everything together.
    pub key: Vec<RequestPart>,
    /// How it counts.
    pub algorithm: Algorithm,
    /// What becomes of a request over it.
    pub over: Over,
    /// Whether it holds for every request outside a dialog, without a rule.
    pub always: bool,
    /// When whoever stays over it is banned.
    pub ban: Option<BanAfter>,
    buckets: Arc<Buckets>,
    strikes: Arc<Strikes>,
    counts: Arc<Counts>,
}

/// What becomes of a request over a limit.
#[derive(Clone, Debug, PartialEq)]
pub enum Over {
    /// It is answered so, without a transaction.
    Reject(Reject),
    /// It is sent elsewhere, without a transaction. A contact without a user part gets that of the
    /// Request-URI.
    Redirect(Redirect),
    /// It is forgotten.
    Drop,
}

impl Over {
    /// The labels of [`RateLimit::limited`], in its order.
    pub const LABELS: [&'static str; 3] = ["reject", "redirect", "drop"];

    const fn index(&self) -> usize {
        match self {
            Self::Reject(_) => 0,
            Self::Redirect(_) => 1,
            Self::Drop => 2,
        }
    }

    /// The label in metrics.
    pub const fn label(&self) -> &'static str {
        Self::LABELS[self.index()]
    }
}

/// When a source is banned for what it sends over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanAfter {
    /// So many of its requests were over the limit
    pub requests: u32,
    /// within this.
    pub within: Duration,
    /// For how long it is banned.
    pub ban: Duration,
}

#[derive(Debug, Default)]
struct Counts {
    passed: AtomicU64,
    limited: [AtomicU64; 3],
}

/// How full a limit is for one key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// Whether one more request would certainly be over it.
    pub is_over: bool,
    /// Which share of requests is over it just now, 0 to 1.
    pub share: f64,
}

/// What a limit is asked with besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// When.
    pub now: Instant,
    /// How far the shard is behind.
    pub lag: Duration,
}

impl RateLimit {
    /// A limit that nothing has counted against. `seed` keys its hash; `buckets` is how many keys are
    /// told apart.
    pub fn new(
        name: impl Into<Arc<str>>,
        key: Vec<RequestPart>,
        algorithm: Algorithm,
        over: Over,
        buckets: usize,
        seed: [u8; 16],
    ) -> Self {
        let buckets = if key.is_empty() { 1 } else { buckets };
        Self {
            name: name.into(),
            key,
            algorithm,
            over,
            always: false,
            ban: None,
            buckets: Arc::new(Buckets::new(buckets, seed)),
            strikes: Arc::default(),
            counts: Arc::default(),
        }
    }

    /// The same for every request outside a dialog, without a rule.
    #[must_use]
    pub fn always(mut self, always: bool) -> Self {
        self.always = always;
        self
    }

    /// The same, and who stays over it is banned.
    #[must_use]
    pub fn banning(mut self, ban: Option<BanAfter>) -> Self {
        if ban.is_some() {
            self.strikes = Arc::new(Strikes::new(self.buckets.seed()));
        }
        self.ban = ban;
        self
    }

    /// Goes on where `running`, the limit of the same name, stands: its numbers always, its buckets if
    /// they count the same.
    #[must_use]
    pub fn after(mut self, running: &Self) -> Self {
        self.counts = running.counts.clone();
        if (&self.key, &self.algorithm, self.buckets.len())
            == (&running.key, &running.algorithm, running.buckets.len())
        {
            self.buckets = running.buckets.clone();
        }
        if self.ban.is_some() && self.ban == running.ban {
            self.strikes = running.strikes.clone();
        }
        self
    }

    /// How many buckets it has.
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// How many requests were under it.
    pub fn passed(&self) -> u64 {
        self.counts.passed.load(Ordering::Relaxed)
    }

    /// How many requests were over it, by what became of them: [`Over::LABELS`].
    pub fn limited(&self) -> [u64; 3] {
        let limited = &self.counts.limited;
        [0, 1, 2].map(|at: usize| limited[at].load(Ordering::Relaxed))
    }

    /// Counts one request; whether it is under the limit. `draw` gives 64 random bits, if they are
    /// needed.
    pub(crate) fn take(
        &self,
        facts: &Facts<'_>,
        moment: Moment,
        draw: impl FnOnce() -> u64,
    ) -> bool {
        let luck = if self.algorithm.is_random() {
            draw() as f64 / 2f64.powi(64)
        } else {
            0.0
        };
        let bucket = self.bucket(facts);
        let next = |old| self.algorithm.next(old, moment, luck);
        let passes = bucket
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok();
        let counter = if passes {
            &self.counts.passed
        } else {
            &self.counts.limited[self.over.index()]
        };
        counter.fetch_add(1, Ordering::Relaxed);
        passes
    }

    /// How full it is for this request, which is not counted.
    pub(crate) fn look(&self, facts: &Facts<'_>, moment: Moment) -> Fill {
        let old = self.bucket(facts).load(Ordering::Relaxed);
        let share = self.algorithm.share(old, moment);
        Fill {
            is_over: share >= 1.0,
            share,
        }
    }

    /// Notes that the source of this request was over it; how long it is to be banned, if it is.
    pub(crate) fn strike(&self, facts: &Facts<'_>, now: Instant) -> Option<Duration> {
        let ban = self.ban?;
        self.strikes
            .strike(facts.source(), now, &ban)
            .then_some(ban.ban)
    }

    /// The key of this request, as it is hashed: parts after each other, each followed by a line end.
    pub(crate) fn key_of(&self, facts: &Facts<'_>) -> KeyText {
        let mut key = KeyText::new();
        for part in &self.key {
            // Requests that lack the part share a bucket.
            part.append(facts, &mut key);
            key.push(b'\n');
        }
        key
    }

    fn bucket(&self, facts: &Facts<'_>) -> &AtomicU64 {
        self.buckets.of(&self.key_of(facts))
    }
}

/// All limits of a node.
#[derive(Clone, Debug, Default)]
pub struct RateLimits {
    /// In the order of the configuration.
    pub all: Vec<Arc<RateLimit>>,
}

impl RateLimits {
    /// The one of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<RateLimit>> {
        self.all.iter().find(|limit| &*limit.name == name)
    }

    /// Those that hold without a rule.
    pub fn always(&self) -> impl Iterator<Item = &Arc<RateLimit>> {
        self.all.iter().filter(|limit| limit.always)
    }

    /// Whether one of them follows how far the shards are behind.
    pub fn follow_lag(&self) -> bool {
        let adaptive =
            |limit: &Arc<RateLimit>| matches!(limit.algorithm, Algorithm::Adaptive { .. });
        self.all.iter().any(adaptive)
    }
}
