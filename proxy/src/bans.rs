//! Sources that nothing is taken from, until a time.
//!
//! Whoever wants to know reads a snapshot: no lock, and nothing at all while nobody is banned. Whoever
//! changes something works on the ledger behind it and publishes a new snapshot. Shards hand what
//! their rules and limits ban to [`Bans::serve`], many at a time, so that a flood of bans costs a
//! snapshot now and then and not one each.

mod snapshot;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use sigbox_core::Instant;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use self::snapshot::Snapshot;
use crate::config::BanPolicy;

/// How many bans of shards may wait; more are forgotten, and counted.
const QUEUE: usize = 1_024;

/// For how long bans of shards are gathered before the next snapshot.
const GATHER: Duration = Duration::from_millis(10);

/// How often bans that are over are forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// Who asked for a ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A rule or a limit.
    Rule,
    /// Somebody, through the API.
    Api,
    /// The same, whoever is protected.
    Force,
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Whose messages are dropped: an address, or a network.
    pub source: IpNet,
    /// The first moment at which they are not any more.
    pub until: Instant,
    /// Why: the name of the rule or limit, or what was said.
    pub reason: Arc<str>,
    /// Who asked for it.
    pub by: By,
}

/// Why a source is not banned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BanRefused {
    /// The configuration protects it, or part of it.
    #[error("{0} is protected: it is in `limits.never_ban`, or a rule routes to it")]
    Protected(IpNet),
    /// There are as many bans as may be.
    #[error("{0} sources are banned already, as many as `limits.max_bans` allows")]
    Full(usize),
}

/// A ban that a shard asks for.
#[derive(Debug)]
pub struct Wanted {
    /// Whose.
    pub source: IpAddr,
    /// Until when.
    pub until: Instant,
    /// The rule or limit.
    pub reason: Arc<str>,
}

/// Who is banned.
#[derive(Debug, Default)]
pub struct Bans {
    /// How many there are; nobody looks further while it is 0.
    count: AtomicUsize,
    snapshot: ArcSwap<Snapshot>,
    ledger: Mutex<Ledger>,
    added: AtomicU64,
    refused_protected: AtomicU64,
    refused_full: AtomicU64,
}

#[derive(Debug, Default)]
struct Ledger {
    policy: BanPolicy,
    bans: HashMap<IpNet, Ban>,
}

impl Bans {
    /// Nobody is banned.
    pub fn new(policy: BanPolicy) -> Self {
        let bans = Self::default();
        bans.set_policy(policy);
        bans
    }

    /// Who may be banned from now on; those who are, stay.
    pub fn set_policy(&self, policy: BanPolicy) {
        self.ledger().policy = policy;
    }

    /// Whether nothing is to be taken from `source`.
    pub fn holds(&self, source: IpAddr, now: Instant) -> bool {
        self.count.load(Ordering::Relaxed) > 0
            && self.snapshot.load().holds(source.to_canonical(), now)
    }

    /// Bans a source, or changes its ban.
    ///
    /// # Errors
    /// [`BanRefused`]
    pub fn add(&self, ban: Ban, now: Instant) -> Result<(), BanRefused> {
        let mut ledger = self.ledger();
        self.enter(&mut ledger, ban, now)?;
        self.publish(&ledger);
        Ok(())
    }

    /// Ends the ban of exactly that address or network; what there was.
    pub fn release(&self, source: IpNet, now: Instant) -> Option<Ban> {
        let mut ledger = self.ledger();
        let ban = ledger.bans.remove(&source.trunc())?;
        self.publish(&ledger);
        (ban.until > now).then_some(ban)
    }

    /// All of them, the one that ends first first.
    pub fn list(&self, now: Instant) -> Vec<Ban> {
        let ledger = self.ledger();
        let holding = ledger.bans.values().filter(|ban| ban.until > now);
        let mut bans: Vec<_> = holding.cloned().collect();
        drop(ledger);
        bans.sort_by_key(|ban| (ban.until, ban.source));
        bans
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many bans there have been.
    pub fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    /// How many were refused, by why.
    pub fn refused(&self) -> [(&'static str, u64); 2] {
        [
            ("protected", self.refused_protected.load(Ordering::Relaxed)),
            ("full", self.refused_full.load(Ordering::Relaxed)),
        ]
    }

    /// Takes the bans of shards, and forgets those that are over, for as long as it is polled.
    /// `clock` tells the time.
    pub async fn serve(
        self: Arc<Self>,
        mut wanted: mpsc::Receiver<Wanted>,
        clock: impl Fn() -> Instant,
    ) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                received = wanted.recv_many(&mut batch, QUEUE) => {
                    if received == 0 {
                        return;
                    }
                    self.take(&mut batch, clock());
                    tokio::time::sleep(GATHER).await;
                }
                _ = sweep.tick() => self.sweep(clock()),
            }
        }
    }

    fn take(&self, batch: &mut Vec<Wanted>, now: Instant) {
        let mut ledger = self.ledger();
        for Wanted {
            source,
            until,
            reason,
        } in batch.drain(..)
        {
            let source = IpNet::from(source.to_canonical());
            let is_news = !ledger.bans.contains_key(&source);
            let ban = Ban {
                source,
                until,
                reason: reason.clone(),
                by: By::Rule,
            };
            match self.enter(&mut ledger, ban, now) {
                Ok(()) if is_news => tracing::info!(%source, %reason, "banned"),
                Ok(()) => {}
                Err(refused) => tracing::debug!(%source, %reason, %refused, "not banned"),
            }
        }
        self.publish(&ledger);
    }

    fn sweep(&self, now: Instant) {
        let mut ledger = self.ledger();
        let before = ledger.bans.len();
        ledger.bans.retain(|_, ban| ban.until > now);
        if ledger.bans.len() < before {
            self.publish(&ledger);
        }
    }

    fn enter(&self, ledger: &mut Ledger, mut ban: Ban, now: Instant) -> Result<(), BanRefused> {
        ban.source = ban.source.trunc();
        if ban.by != By::Force
            && let Some(protected) = ledger.policy.protects(ban.source)
        {
            self.refused_protected.fetch_add(1, Ordering::Relaxed);
            return Err(BanRefused::Protected(protected));
        }
        if ledger.bans.len() >= ledger.policy.most && !ledger.bans.contains_key(&ban.source) {
            ledger.bans.retain(|_, ban| ban.until > now);
            if ledger.bans.len() >= ledger.policy.most {
                self.refused_full.fetch_add(1, Ordering::Relaxed);
                return Err(BanRefused::Full(ledger.bans.len()));
            }
        }
        self.added.fetch_add(1, Ordering::Relaxed);
        ledger.bans.insert(ban.source, ban);
        Ok(())
    }

    fn publish(&self, ledger: &Ledger) {
        let snapshot = Snapshot::of(ledger.bans.values());
        self.snapshot.store(Arc::new(snapshot));
        self.count.store(ledger.bans.len(), Ordering::Relaxed);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where shards put the bans they want.
pub fn channel() -> (mpsc::Sender<Wanted>, mpsc::Receiver<Wanted>) {
    mpsc::channel(QUEUE)
}

impl BanPolicy {
    /// What of `source` is protected, if something is.
    fn protects(&self, source: IpNet) -> Option<IpNet> {
        let gateways = self
            .gateways
            .iter()
            .map(|ip| IpNet::from(ip.to_canonical()));
        let mut protected = self.never.iter().copied().chain(gateways);
        protected.find(|net| net.contains(&source) || source.contains(net))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn ban(source: &str, until: u64, by: By) -> Ban {
        let net = source.parse().or_else(|_| source.parse().map(IpAddr::into));
        Ban {
            source: net.unwrap(),
            until: at(until),
            reason: "test".into(),
            by,
        }
    }

    fn bans(most: usize) -> Bans {
        Bans::new(BanPolicy {
            never: vec![
                "127.0.0.0/8".parse().unwrap(),
                "10.1.0.0/16".parse().unwrap(),
            ],
            gateways: vec!["192.0.2.20".parse().unwrap()],
            most,
        })
    }

    fn holds(bans: &Bans, source: &str, now: u64) -> bool {
        bans.holds(source.parse().unwrap(), at(now))
    }

    #[test]
    fn a_ban_holds_until_it_is_over_or_released() {
        let bans = bans(10);
        assert!(!holds(&bans, "198.51.100.7", 0));
        bans.add(ban("198.51.100.7", 60, By::Rule), at(0)).unwrap();
        assert!(holds(&bans, "198.51.100.7", 59));
        assert!(holds(&bans, "::ffff:198.51.100.7", 59));
        assert!(!holds(&bans, "198.51.100.8", 59));
        assert!(!holds(&bans, "198.51.100.7", 60));
        assert_eq!(bans.list(at(60)), []);
        let source = "198.51.100.7/32".parse().unwrap();
        assert!(bans.release(source, at(10)).is_some());
        assert!(!holds(&bans, "198.51.100.7", 10));
        assert!(bans.release(source, at(10)).is_none());
    }

    #[test]
    fn networks_of_both_families_hold_what_is_in_them() {
        let bans = bans(10);
        for net in ["198.51.100.0/24", "203.0.0.0/9", "2001:db8::/32", "::1"] {
            bans.add(ban(net, 60, By::Force), at(0)).unwrap();
        }
        for (source, banned) in [
            ("198.51.100.255", true),
            ("198.51.101.0", false),
            ("203.127.255.255", true),
            ("203.128.0.0", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("::1", true),
            ("::2", false),
        ] {
            assert_eq!(holds(&bans, source, 1), banned, "{source}");
        }
    }

    #[test]
    fn who_is_protected_is_banned_only_by_force() {
        let bans = bans(10);
        for source in [
            "127.0.0.1",
            "10.1.2.3",
            "192.0.2.20",
            "10.0.0.0/8",
            "192.0.2.0/24",
        ] {
            for by in [By::Rule, By::Api] {
                let refused = bans.add(ban(source, 60, by), at(0));
                assert!(matches!(refused, Err(BanRefused::Protected(_))), "{source}");
            }
            bans.add(ban(source, 60, By::Force), at(0)).unwrap();
        }
        assert_eq!(bans.refused(), [("protected", 10), ("full", 0)]);
    }

    #[test]
    fn there_are_never_more_than_may_be() {
        let bans = bans(2);
        bans.add(ban("198.51.100.1", 10, By::Api), at(0)).unwrap();
        bans.add(ban("198.51.100.2", 60, By::Api), at(0)).unwrap();
        let third = ban("198.51.100.3", 60, By::Api);
        assert_eq!(bans.add(third.clone(), at(5)), Err(BanRefused::Full(2)));
        // One more time for somebody who is banned is no more bans.
        bans.add(ban("198.51.100.2", 90, By::Api), at(5)).unwrap();
        assert_eq!(bans.list(at(5))[1].until, at(90));
        // One of them is over.
        bans.add(third, at(10)).unwrap();
        assert_eq!(bans.count(), 2);
        assert_eq!(bans.refused(), [("protected", 0), ("full", 1)]);
    }

    #[test]
    fn what_is_over_is_swept_away() {
        let bans = bans(2);
        bans.add(ban("198.51.100.1", 10, By::Api), at(0)).unwrap();
        bans.sweep(at(9));
        assert_eq!(bans.count(), 1);
        bans.sweep(at(10));
        assert_eq!(bans.count(), 0);
    }
}
