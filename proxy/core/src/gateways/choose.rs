//! The order in which a request tries the gateways of a set.

use std::cmp::Ordering;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use sigbox_wire::{Message, NameAddr};
use siphasher::sip::SipHasher13;

use super::{Algorithm, Gateway, GatewaySet, HashOn, Skip};
use crate::clock::Instant;

/// The same for every process: nodes beside each other choose alike.
const HASH_KEY: &[u8; 16] = b"sigbox gateways ";

impl GatewaySet {
    /// The gateways that may be tried, in order, at most as many as the set allows. `draw` gives 64 random bits each
    /// time, `skipped` hears of every gateway that is passed over.
    pub(super) fn candidates(
        &self,
        now: Instant,
        request: Message<'_>,
        mut draw: impl FnMut() -> u64,
        mut skipped: impl FnMut(Skip),
    ) -> Vec<Arc<Gateway>> {
        let mut usable: Vec<Arc<Gateway>> = Vec::with_capacity(self.gateways.len());
        for gateway in &self.gateways {
            match gateway.may_be_used(now) {
                Ok(()) => usable.push(gateway.clone()),
                Err(skip) => skipped(skip),
            }
        }
        match self.algorithm() {
            Algorithm::Hash(on) => by_hash(&mut usable, key_of(request, on)),
            Algorithm::RoundRobin => {
                let turn = self.turn.fetch_add(1, Relaxed);
                let first = turn.checked_rem(usable.len()).unwrap_or_default();
                usable.rotate_left(first);
            }
            Algorithm::Random => shuffle(&mut usable, &mut draw),
            Algorithm::Weight => by_weight(&mut usable, &mut draw),
            Algorithm::Priority => {
                usable.sort_by_key(|gateway| gateway.definition.priority);
                let is_one = |a: &Arc<Gateway>, b: &Arc<Gateway>| {
                    a.definition.priority == b.definition.priority
                };
                for equals in usable.chunk_by_mut(is_one) {
                    by_weight(equals, &mut draw);
                }
            }
            Algorithm::LeastCalls => {
                shuffle(&mut usable, &mut draw);
                usable.sort_by_cached_key(|gateway| Load::of(gateway));
            }
            Algorithm::Latency => {
                usable.sort_by_cached_key(|gateway| gateway.latency());
            }
            Algorithm::Parallel => {}
        }
        usable.truncate(self.terms.set.max_tries);
        usable
    }
}

impl Gateway {
    /// Whether it may get a request at `now`.
    fn may_be_used(&self, now: Instant) -> Result<(), Skip> {
        if !self.definition.enabled {
            return Err(Skip::Disabled);
        }
        self.standing.may_be_used(now, &self.terms.set)?;
        let max = self.definition.max_calls;
        if max > 0 && self.calls() >= max {
            return Err(Skip::Full);
        }
        Ok(())
    }

    /// Whether it gets a request that is about to be sent, and has room for it; a call is counted as one of its own.
    pub(super) fn admit(
        &self,
        now: Instant,
        is_call: bool,
        is_emergency: bool,
        draw: impl FnOnce() -> u64,
    ) -> Result<(), Skip> {
        self.may_be_used(now)?;
        let loss = self.standing.loss(now);
        // RFC 7339 §5.10.1: what matters most is not for the drop.
        if loss > 0 && !is_emergency && draw() % 100 < loss.into() {
            return Err(Skip::Congested);
        }
        if is_call && !self.standing.take_call(self.definition.max_calls) {
            return Err(Skip::Full);
        }
        Ok(())
    }
}

/// Calls for a weight, which compare as fractions do.
#[derive(PartialEq, Eq)]
struct Load {
    calls: u32,
    weight: u32,
}

impl Load {
    fn of(gateway: &Gateway) -> Self {
        Self {
            calls: gateway.calls(),
            weight: gateway.definition.weight,
        }
    }
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.weight, other.weight) {
            (0, 0) => self.calls.cmp(&other.calls),
            (0, _) => Ordering::Greater,
            (_, 0) => Ordering::Less,
            _ => {
                let across =
                    |one: &Self, other: &Self| u64::from(one.calls) * u64::from(other.weight);
                across(self, other).cmp(&across(other, self))
            }
        }
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Fisher-Yates.
fn shuffle(gateways: &mut [Arc<Gateway>], draw: &mut impl FnMut() -> u64) {
    for left in (2..=gateways.len()).rev() {
        gateways.swap(left - 1, below(left as u64, draw) as usize);
    }
}

/// Draws one after the other in proportion to weights (RFC 2782); those of weight 0 come last, in any order.
fn by_weight(gateways: &mut [Arc<Gateway>], draw: &mut impl FnMut() -> u64) {
    shuffle(gateways, draw);
    let weight = |gateway: &Gateway| u64::from(gateway.definition.weight);
    for at in 0..gateways.len() {
        let total: u64 = gateways[at..].iter().map(|gateway| weight(gateway)).sum();
        if total == 0 {
            return;
        }
        let mut drawn = below(total, draw);
        let chosen = gateways[at..].iter().position(|gateway| {
            let share = weight(gateway);
            let is_chosen = drawn < share;
            drawn = drawn.wrapping_sub(share);
            is_chosen
        });
        gateways.swap(at, at + chosen.unwrap_or_default());
    }
}

/// A number below `limit`, which is not 0; the product spreads as a remainder does.
fn below(limit: u64, draw: &mut impl FnMut() -> u64) -> u64 {
    ((u128::from(draw()) * u128::from(limit)) >> 64) as u64
}

/// Weighted rendezvous hashing; see [`Algorithm::Hash`].
fn by_hash(gateways: &mut [Arc<Gateway>], key: u64) {
    gateways.sort_by_cached_key(|gateway| Score::of(key, gateway.id(), gateway.definition.weight));
}

/// The better, the smaller.
#[derive(PartialEq)]
struct Score {
    is_last: bool,
    score: f64,
    hash: u64,
}

impl Score {
    fn of(key: u64, id: &str, weight: u32) -> Self {
        let mut hasher = SipHasher13::new_with_key(HASH_KEY);
        hasher.write_u64(key);
        hasher.write(id.as_bytes());
        let hash = hasher.finish();
        // 53 bits, and never 0 or 1.
        let even = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        Self {
            is_last: weight == 0,
            // -weight / ln(h), the largest first, is -ln(h) / weight, the smallest first.
            score: -even.ln() / f64::from(weight.max(1)),
            hash,
        }
    }
}

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.is_last.cmp(&other.is_last))
            .then(self.score.total_cmp(&other.score))
            .then(self.hash.cmp(&other.hash))
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a request is hashed by.
fn key_of(request: Message<'_>, on: &HashOn) -> u64 {
    let mut hasher = SipHasher13::new_with_key(HASH_KEY);
    let found = match on {
        HashOn::CallId => None,
        HashOn::From => request
            .from()
            .ok()
            .and_then(|from| add_address(&mut hasher, &from)),
        HashOn::To => request
            .to()
            .ok()
            .and_then(|to| add_address(&mut hasher, &to)),
        HashOn::RequestUri => {
            hasher.write(request.request_uri());
            Some(())
        }
        HashOn::Header(name) => {
            let value = request.named(name.as_bytes()).next();
            value.map(|header| hasher.write(header.value))
        }
    };
    if found.is_none() {
        hasher.write(request.call_id());
    }
    hasher.finish()
}

/// `user@host`, the host in lower case.
fn add_address(hasher: &mut SipHasher13, address: &NameAddr<'_>) -> Option<()> {
    let uri = address.parsed_uri().ok()?;
    hasher.write(uri.user.unwrap_or_default());
    hasher.write_u8(b'@');
    // A tel URI's number is its user.
    let host = uri.host.map(|host| host.to_string().to_ascii_lowercase());
    hasher.write(host.unwrap_or_default().as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;
    use sigbox_wire::{Index, Limits};

    use super::*;
    use crate::gateways::{GatewayDefinition, GatewaySets, SetDefinition};
    use crate::plan::Target;
    use crate::secret::Secret;

    /// A gateway for each weight: `g0`, `g1`, …
    fn definitions(weights: &[u32]) -> Vec<GatewayDefinition> {
        let numbered = weights.iter().enumerate();
        numbered
            .map(|(number, weight)| GatewayDefinition {
                weight: *weight,
                ..GatewayDefinition::new(
                    &format!("g{number}"),
                    Target::parse(&format!("sip:192.0.2.{}", number + 1)).unwrap(),
                )
            })
            .collect()
    }

    fn sets(algorithm: Algorithm, gateways: Vec<GatewayDefinition>) -> GatewaySets {
        let set = SetDefinition::new("s", algorithm, gateways);
        GatewaySets::build(None, vec![set], Instant::ZERO).unwrap()
    }

    fn with_request<T>(call_id: &str, read: impl FnOnce(Message<'_>) -> T) -> T {
        let text = format!(
            "INVITE sip:+4930{call_id}@example.com SIP/2.0\r\nCall-ID: {call_id}\r\n\
             From: <sip:alice@EXAMPLE.com>;tag={call_id}\r\nTo: <sip:{call_id}@b>\r\nX-Key: k{call_id}\r\n\r\n"
        );
        let mut index = Index::default();
        index.parse(text.as_bytes(), &Limits::default()).unwrap();
        read(Message::new(text.as_bytes(), &index))
    }

    fn order_of(sets: &GatewaySets, secret: &mut Secret, call_id: &str) -> Vec<String> {
        let set = sets.set("s").unwrap();
        let candidates = with_request(call_id, |request| {
            set.candidates(Instant::ZERO, request, || secret.draw(), |_| {})
        });
        candidates.iter().map(|one| one.id().to_owned()).collect()
    }

    /// How often each was first, of `calls`.
    fn firsts(sets: &GatewaySets, calls: u32) -> BTreeMap<String, u32> {
        let mut secret = Secret::new([3; 16]);
        let mut firsts = BTreeMap::new();
        for call in 0..calls {
            let order = order_of(sets, &mut secret, &call.to_string());
            *firsts.entry(order[0].clone()).or_default() += 1;
        }
        firsts
    }

    /// Within five standard deviations of the share that a gateway should have.
    fn assert_share(found: u32, calls: u32, share: f64, what: &str) {
        let expected = f64::from(calls) * share;
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!(
            (f64::from(found) - expected).abs() <= 5.0 * deviation,
            "{what}: {found} of {calls}, not about {expected}"
        );
    }

    #[test]
    fn sets_are_built_from_their_definitions_again() {
        let mut gateways = definitions(&[1, 2]);
        gateways[1].attributes = "second".into();
        let first = sets(Algorithm::Weight, gateways);
        let again =
            GatewaySets::build(Some(&first), first.definitions().collect(), Instant::ZERO).unwrap();
        assert!(first.definitions().eq(again.definitions()));
        let count =
            |sets: &GatewaySets| Arc::strong_count(&sets.set("s").unwrap().gateways()[0].standing);
        assert_eq!(count(&again), 2, "both have one standing");
    }

    #[test]
    fn shares_are_those_of_the_weights() {
        let weights = [1, 3, 6, 0];
        for algorithm in [Algorithm::Weight, Algorithm::Hash(HashOn::CallId)] {
            let firsts = firsts(&sets(algorithm.clone(), definitions(&weights)), 20_000);
            for (number, weight) in weights.iter().enumerate() {
                let found = firsts.get(&format!("g{number}")).copied().unwrap_or(0);
                assert_share(found, 20_000, f64::from(*weight) / 10.0, algorithm.name());
            }
        }
    }

    #[test]
    fn what_is_left_after_the_first_is_drawn_by_weight_again() {
        let sets = sets(Algorithm::Weight, definitions(&[2, 1, 1, 0]));
        let mut secret = Secret::new([3; 16]);
        let mut second = 0;
        let mut counted = 0;
        for call in 0..10_000 {
            let order = order_of(&sets, &mut secret, &call.to_string());
            assert_eq!(order[3], "g3", "weight 0 is the last resort");
            if order[0] == "g1" {
                counted += 1;
                second += u32::from(order[1] == "g0");
            }
        }
        assert_share(second, counted, 2.0 / 3.0, "the second");
    }

    #[test]
    fn random_orders_are_equally_likely() {
        let sets = sets(Algorithm::Random, definitions(&[1, 9, 1]));
        let mut secret = Secret::new([3; 16]);
        let mut orders: BTreeMap<_, u32> = BTreeMap::new();
        for call in 0..12_000 {
            let order = order_of(&sets, &mut secret, &call.to_string());
            *orders.entry(order).or_default() += 1;
        }
        assert_eq!(orders.len(), 6);
        for (order, found) in orders {
            assert_share(found, 12_000, 1.0 / 6.0, &order.join(" "));
        }
    }

    #[test]
    fn round_robin_begins_one_further_each_time_and_skips_without_favour() {
        let sets = sets(Algorithm::RoundRobin, definitions(&[1, 1, 1, 1]));
        let mut secret = Secret::new([3; 16]);
        let mut order = |call: u32| order_of(&sets, &mut secret, &call.to_string()).join(" ");
        assert_eq!(order(0), "g0 g1 g2 g3");
        assert_eq!(order(1), "g1 g2 g3 g0");
        let gateway = sets.set("s").unwrap().gateway("g1").unwrap();
        gateway.set_enabled(false, Instant::ZERO);
        let firsts = firsts(&sets, 3_000);
        assert_eq!(
            firsts.values().copied().collect::<Vec<_>>(),
            [1_000, 1_000, 1_000]
        );
    }

    #[test]
    fn priority_goes_before_weight() {
        let mut gateways = definitions(&[1, 3, 1]);
        gateways[0].priority = 10;
        gateways[2].priority = 5;
        gateways[1].priority = 5;
        let sets = sets(Algorithm::Priority, gateways);
        let firsts = firsts(&sets, 8_000);
        assert_share(firsts["g1"], 8_000, 0.75, "the heavier of two equals");
        let mut secret = Secret::new([3; 16]);
        for call in 0..100 {
            assert_eq!(order_of(&sets, &mut secret, &call.to_string())[2], "g0");
        }
    }

    #[test]
    fn the_fewest_calls_for_the_weight_go_first() {
        let mut gateways = definitions(&[1, 2, 1, 0]);
        gateways[2].max_calls = 1;
        let sets = sets(Algorithm::LeastCalls, gateways);
        let set = sets.set("s").unwrap();
        let take = |id: &str, calls| {
            let gateway = set.gateway(id).unwrap();
            (0..calls).for_each(|_| assert!(gateway.standing.take_call(0)));
        };
        let mut secret = Secret::new([3; 16]);
        // None has a call: all but the last resort are equal.
        let firsts = firsts(&sets, 3_000);
        for id in ["g0", "g1", "g2"] {
            assert_share(firsts[id], 3_000, 1.0 / 3.0, id);
        }
        take("g0", 2);
        take("g1", 3);
        take("g2", 1);
        // 3/2 is less than 2, and g2 is full.
        assert_eq!(order_of(&sets, &mut secret, "1"), ["g1", "g0", "g3"]);
        take("g1", 2);
        assert_eq!(order_of(&sets, &mut secret, "1"), ["g0", "g1", "g3"]);
    }

    #[test]
    fn the_quickest_goes_first_and_the_unknown_before_it() {
        let sets = sets(Algorithm::Latency, definitions(&[1, 1, 1]));
        let set = sets.set("s").unwrap();
        let measure = |id: &str, millis| {
            let standing = &set.gateway(id).unwrap().standing;
            standing.measure(std::time::Duration::from_millis(millis));
        };
        let mut secret = Secret::new([3; 16]);
        measure("g0", 20);
        measure("g1", 10);
        assert_eq!(order_of(&sets, &mut secret, "1"), ["g2", "g1", "g0"]);
        measure("g2", 15);
        assert_eq!(order_of(&sets, &mut secret, "1"), ["g1", "g2", "g0"]);
    }

    #[test]
    fn every_key_is_what_it_is_called() {
        let key = |call_id: &str, on: HashOn| with_request(call_id, |request| key_of(request, &on));
        let header = |name: &str| HashOn::Header(name.into());
        for (on, differs) in [
            (HashOn::CallId, true),
            (HashOn::From, false),
            (HashOn::To, true),
            (HashOn::RequestUri, true),
            (header("x-key"), true),
        ] {
            assert_eq!(key("1", on.clone()), key("1", on.clone()));
            assert_eq!(
                key("1", on.clone()) != key("2", on.clone()),
                differs,
                "{on:?}"
            );
        }
        assert_eq!(key("1", header("X-Absent")), key("1", HashOn::CallId));
        let keys = [HashOn::CallId, HashOn::From, HashOn::To, HashOn::RequestUri];
        let all: BTreeSet<_> = keys.into_iter().map(|on| key("1", on)).collect();
        assert_eq!(all.len(), 4);
    }

    proptest! {
        /// What a gateway that goes away had moves, and nothing else; what moves goes where failover would have gone.
        #[test]
        fn only_the_share_of_a_gateway_that_goes_away_moves(
            weights in prop::collection::vec(0_u32..100, 2..12),
            removed in any::<prop::sample::Index>(),
            switched_off in any::<bool>(),
            calls in prop::collection::vec(any::<u32>(), 1..60),
        ) {
            let removed = removed.index(weights.len());
            let all = definitions(&weights);
            let before = sets(Algorithm::Hash(HashOn::CallId), all.clone());
            let after = if switched_off {
                let after = sets(Algorithm::Hash(HashOn::CallId), all.clone());
                after.set("s").unwrap().gateways()[removed].set_enabled(false, Instant::ZERO);
                after
            } else {
                let mut left = all.clone();
                left.remove(removed);
                sets(Algorithm::Hash(HashOn::CallId), left)
            };
            let mut secret = Secret::new([3; 16]);
            for call in calls {
                let mut order = order_of(&before, &mut secret, &call.to_string());
                order.retain(|id| *id != *all[removed].id);
                prop_assert_eq!(order, order_of(&after, &mut secret, &call.to_string()));
            }
        }
    }
}
