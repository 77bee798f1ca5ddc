//! Random worlds: a call among phones, deciders and a network that do what they please.
//!
//! A [`World`] is drawn from a seed and says everything that will happen in it, so that a failure is
//! the seed alone, and can be made smaller: [`World::smallest`] takes away what the failure does not
//! need. What must hold in every world is checked after every step ([`invariants`](crate)) and at
//! the end: the caller has a final response, nobody rings on, and no transaction is left.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{
    Action, Algorithm, Condition, Counter, Failover, FallbackCause, GatewayDefinition, GatewaySets,
    HashOn, HeaderEdits, Input, Instant, Party, Plan, Probing, Redirects, Route, RoutePlan, Rule,
    Rules, SetDefinition, Settings, Target,
};

use crate::{Network, Partition, Request, Script, Sim, Verdict, plans};

const CALLER: &str = "192.0.2.10:5060";
const PHONES: [&str; 4] = ["192.0.2.20", "192.0.2.30", "192.0.2.40", "192.0.2.50"];

/// Stands for the gateway set where a hop does.
const GATEWAYS: &str = "the phones";

/// The longest that an answered call counts at a gateway; the world goes on longer.
const MAX_CALL: Duration = Duration::from_secs(1_000);

/// How often the caller does something, and how far apart.
const STEPS: u64 = 40;
const STEP: Duration = Duration::from_millis(200);

/// Everything that will happen.
#[derive(Clone, Debug)]
pub struct World {
    /// What it was drawn from.
    pub seed: u64,
    /// `INVITE` or `MESSAGE`.
    method: &'static str,
    network: Network,
    /// When which phone is out of reach.
    partitions: Vec<Partition>,
    /// Which phones cannot be sent to.
    unreachable: Vec<usize>,
    phones: [Phone; PHONES.len()],
    /// What the decider does, by attempt.
    answers: Vec<Answer>,
    /// Whether the fallback rules route, or reject.
    falls_back_to_routes: bool,
    max_attempts: u8,
    may_suspend: bool,
    trying_delay: Duration,
    redirects: Redirects,
    max_breadth: Option<u8>,
    /// The set that some routes lead to: all phones.
    gateways: Gateways,
    /// In which steps the caller sends the request again, acknowledges, cancels, and hangs up.
    repeats: Vec<u64>,
    acknowledges: Vec<u64>,
    cancels: Vec<u64>,
    hangs_up: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Gateways {
    algorithm: Algorithm,
    max_calls: u32,
    is_probed: bool,
    inactive_after: u32,
}

#[derive(Clone, Debug)]
struct Phone {
    responses: Vec<(u64, u16)>,
    cancellable: bool,
    dead: bool,
    /// The phone that it sends callers to, when it answers 302.
    moved_to: usize,
}

#[derive(Clone, Debug)]
struct Answer {
    after: Duration,
    extends: Option<Duration>,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Nothing,
    Garbage,
    Pass,
    Reject,
    Routes { routes: Vec<Way>, requery: bool },
}

#[derive(Clone, Debug)]
struct Way {
    hop: String,
    group: u16,
    fr_ms: u64,
    fr_inv_ms: u64,
    rewrites: bool,
}

/// Numbers from a seed: xorshift, for nothing here must be hard to guess.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn millis(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }

    fn steps(&mut self, one_in: u64) -> Vec<u64> {
        (0..STEPS).filter(|_| self.one_in(one_in)).collect()
    }

    fn partition(&mut self) -> Partition {
        let from_ms = self.below(6_000);
        let phone = PHONES[self.below(4) as usize];
        Partition {
            phone: format!("{phone}:5060").parse().expect("an address"),
            from_ms,
            until_ms: from_ms + self.below(40_000),
        }
    }

    fn phone(&mut self) -> Phone {
        let late = self.below(6_000);
        let refusals = [302, 401, 404, 486, 503, 603];
        let (responses, cancellable, dead) = match self.below(8) {
            0 => (vec![], false, true),
            1 => (vec![(0, 180)], true, false),
            2 => (vec![(0, 180), (late, 200)], true, false),
            3 => (vec![(0, refusals[self.below(6) as usize])], true, false),
            4 => (
                vec![(late, 180), (late + self.below(3_000), 200)],
                true,
                false,
            ),
            5 => (vec![(0, 180)], false, false),
            6 => (vec![(0, 100), (late, 486)], true, false),
            _ => (vec![(late, 200)], true, false),
        };
        Phone {
            responses,
            cancellable,
            dead,
            moved_to: self.below(PHONES.len() as u64) as usize,
        }
    }

    fn way(&mut self) -> Way {
        let hop = match self.below(9) {
            8 => GATEWAYS.to_owned(),
            0 => "sip:nowhere.invalid".to_owned(),
            1 => "sip:gw.example.net".to_owned(),
            2 => "sip:192.0.2.1".to_owned(),
            _ => format!("sip:{}", PHONES[self.below(4) as usize]),
        };
        Way {
            hop,
            group: self.below(3) as u16,
            fr_ms: 1 + self.below(3_000),
            fr_inv_ms: 1 + self.below(5_000),
            rewrites: self.one_in(4),
        }
    }

    fn gateways(&mut self) -> Gateways {
        let algorithms = [
            Algorithm::Hash(HashOn::CallId),
            Algorithm::RoundRobin,
            Algorithm::Random,
            Algorithm::Weight,
            Algorithm::Priority,
            Algorithm::LeastCalls,
            Algorithm::Latency,
            Algorithm::Parallel,
        ];
        Gateways {
            algorithm: algorithms[self.below(8) as usize].clone(),
            max_calls: self.below(3) as u32,
            is_probed: self.one_in(2),
            inactive_after: 1 + self.below(2) as u32,
        }
    }

    fn answer(&mut self) -> Answer {
        let ways = 1 + self.below(4);
        let what = match self.below(12) {
            0 => What::Nothing,
            1 => What::Garbage,
            2 => What::Pass,
            3 => What::Reject,
            _ => What::Routes {
                routes: (0..ways).map(|_| self.way()).collect(),
                requery: self.one_in(2),
            },
        };
        Answer {
            after: self.millis(300),
            extends: self.one_in(6).then(|| self.millis(2_000)),
            what,
        }
    }
}

impl Answer {
    fn verdict(&self) -> Verdict {
        let answer = match &self.what {
            What::Nothing => return Verdict::Silent,
            What::Garbage => Err(FallbackCause::Invalid),
            What::Pass => Ok(Plan::Pass),
            What::Reject => Ok(plans::reject(403)),
            What::Routes { routes, requery } => {
                let routes = routes.iter().map(Way::route).collect();
                Ok(Plan::Route(
                    RoutePlan::new(routes, Failover::Any, *requery).expect("there are some"),
                ))
            }
        };
        match self.extends {
            Some(by) => Verdict::Extend(self.after, by, answer),
            None => Verdict::After(self.after, answer),
        }
    }
}

impl Way {
    fn route(&self) -> Route {
        let is_set = self.hop == GATEWAYS;
        let hop = if is_set {
            "sip:nobody.invalid"
        } else {
            &self.hop
        };
        let mut route = plans::timed(hop, self.group, self.fr_ms, self.fr_inv_ms);
        if is_set {
            route.next_hop = None;
            route.gateways = Some("phones".into());
        }
        if self.rewrites {
            let mut edits = HeaderEdits::new();
            let party = Party {
                display: None,
                uri: Some("sip:x@y.invalid".into()),
            };
            edits.from(party).expect("a URI");
            route.edits = Some(Box::new(edits));
        }
        route
    }
}

impl Gateways {
    fn sets(&self) -> GatewaySets {
        let gateways = PHONES.iter().enumerate().map(|(at, phone)| {
            let uri = Target::parse(&format!("sip:{phone}")).expect("a URI");
            GatewayDefinition {
                max_calls: self.max_calls,
                ..GatewayDefinition::new(&format!("gw{at}"), uri)
            }
        });
        let probing = Probing {
            interval: Duration::from_secs(4),
            timeout: Duration::from_secs(1),
            accept: Vec::new(),
            from: None,
        };
        let set = SetDefinition {
            inactive_after: self.inactive_after,
            probing: self.is_probed.then_some(probing),
            max_call: MAX_CALL,
            ..SetDefinition::new("phones", self.algorithm.clone(), gateways.collect())
        };
        GatewaySets::build(None, vec![set], Instant::ZERO).expect("a set")
    }
}

impl World {
    /// The world of a seed.
    pub fn drawn(seed: u64) -> Self {
        let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let max_attempts = 1 + draw.below(4) as u8;
        let method = if draw.one_in(4) { "MESSAGE" } else { "INVITE" };
        let cancels = draw.one_in(3);
        let from = draw.below(STEPS);
        Self {
            seed,
            method,
            network: Network {
                seed,
                jitter: Duration::from_millis(draw.below(3) * 300),
                loss: draw.below(3) * 10,
                duplication: draw.below(2) * 20,
                ..Network::default()
            },
            partitions: (0..draw.below(3)).map(|_| draw.partition()).collect(),
            unreachable: (0..PHONES.len()).filter(|_| draw.one_in(12)).collect(),
            phones: std::array::from_fn(|_| draw.phone()),
            answers: (0..max_attempts).map(|_| draw.answer()).collect(),
            falls_back_to_routes: draw.one_in(2),
            max_attempts,
            may_suspend: !draw.one_in(10),
            trying_delay: Duration::from_millis(draw.below(2) * 150),
            redirects: [Redirects::Relay, Redirects::Follow, Redirects::Ask]
                [draw.below(3) as usize],
            max_breadth: draw.one_in(4).then(|| 1 + draw.below(4) as u8),
            gateways: draw.gateways(),
            repeats: draw.steps(4),
            acknowledges: draw.steps(3),
            cancels: (0..STEPS)
                .filter(|step| cancels && method == "INVITE" && *step >= from && step % 5 == 0)
                .collect(),
            hangs_up: if draw.one_in(2) {
                draw.steps(5)
            } else {
                Vec::new()
            },
        }
    }

    fn settings(&self) -> Settings {
        let plan = if self.falls_back_to_routes {
            plans::serial(&["sip:192.0.2.40", "sip:192.0.2.50"])
        } else {
            plans::reject(480)
        };
        let rule = Rule {
            name: "last resort".into(),
            condition: Condition::default(),
            action: Action::Decide(Arc::new(plan)),
        };
        let mut settings = Settings {
            rules: Rules {
                before: Vec::new(),
                fallback: vec![rule],
            },
            redirects: self.redirects,
            gateways: Arc::new(self.gateways.sets()),
            ..Settings::default()
        };
        settings.decision.max_attempts = self.max_attempts;
        settings.timers.trying = self.trying_delay;
        settings.limits.suspended = if self.may_suspend { 100 } else { 0 };
        settings
    }

    /// Lets it happen.
    ///
    /// # Errors
    /// What did not hold.
    pub fn run(&self) -> Result<(), String> {
        catch_unwind(AssertUnwindSafe(|| self.play())).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            text.unwrap_or_else(|| "it panicked".to_owned())
        })
    }

    fn play(&self) {
        let answers = self.answers.clone();
        let mut sim = Sim::new(self.settings(), move |_, asked| {
            match answers.get(usize::from(asked.attempt) - 1) {
                Some(answer) => answer.verdict(),
                None => Verdict::Silent,
            }
        });
        sim.expect_exact_headers();
        sim.network = self.network;
        sim.partitions.clone_from(&self.partitions);
        sim.names.insert(
            "gw.example.net".into(),
            vec!["192.0.2.50".parse().expect("an address")],
        );
        for (at, phone) in self.phones.iter().enumerate() {
            let script = Script {
                cancellable: phone.cancellable,
                dead: phone.dead,
                ..Script::responds(&phone.responses)
            };
            let contact = format!("Contact: <sip:moved@{}>", PHONES[phone.moved_to]);
            let address = sim.callee(&format!("{}:5060", PHONES[at]), script.with(&contact));
            if self.unreachable.contains(&at) {
                sim.unreachable.push(address);
            }
        }
        let caller: SocketAddr = CALLER.parse().expect("an address");
        let breadth = self
            .max_breadth
            .map(|breadth| format!("Max-Breadth: {breadth}"));
        let request = Request::new(self.method, "sip:+4930123@192.0.2.40", caller, "c1");
        let request = breadth
            .iter()
            .fold(request, |request, line| request.with(line));
        sim.send(caller, request.text());
        for step in 0..STEPS {
            sim.run_for(STEP);
            self.act(&mut sim, caller, &request, step);
        }
        let heard = sim.now();
        // There would always be a probe, and nobody sends anything new.
        sim.run_for(Duration::from_secs(10));
        sim.input(Input::Drain);
        sim.run_for(Duration::from_secs(2_000));
        self.judge(&sim, caller, heard.as_millis());
    }

    /// What the caller does in one step.
    fn act(&self, sim: &mut Sim, caller: SocketAddr, request: &Request, step: u64) {
        if self.cancels.contains(&step) {
            sim.send(caller, request.hop_by_hop("CANCEL", None).text());
        }
        let mut finals = sim.seen(caller).iter().filter(|seen| {
            seen.status() >= 200 && seen.text.contains(&format!("CSeq: 1 {}\r\n", self.method))
        });
        let Some(answer) = finals.next_back().map(|seen| seen.text.clone()) else {
            if self.repeats.contains(&step) {
                sim.send(caller, request.text());
            }
            return;
        };
        let is_answered = answer.starts_with("SIP/2.0 2");
        if self.acknowledges.contains(&step) {
            let ack = if is_answered {
                request.in_dialog("ACK", &answer, 1)
            } else {
                request.hop_by_hop("ACK", Some(&answer))
            };
            sim.send(caller, ack.text());
        }
        if self.hangs_up.contains(&step) && is_answered && self.method == "INVITE" {
            sim.send(caller, request.in_dialog("BYE", &answer, 2).text());
        }
    }

    fn judge(&self, sim: &Sim, caller: SocketAddr, heard_ms: u64) {
        assert_eq!(
            sim.core.len(),
            0,
            "transactions are left; nothing was said after {heard_ms} ms"
        );
        let sets = sim.core.settings().gateways.clone();
        for gateway in sets.iter().flat_map(|set| set.gateways()) {
            assert_eq!(gateway.calls(), 0, "calls of {} are left", gateway.id());
        }
        // Each query came to one end, and one only.
        let count = |counter| sim.count(counter);
        let ends = count(Counter::Decided)
            + count(Counter::DecidedFallback)
            + count(Counter::DecidedCancelled);
        let asked = count(Counter::Queries) + count(Counter::FallbackCapacity);
        assert_eq!(ends, asked, "queries and what came of them");
        let first = format!("CSeq: 1 {}\r\n", self.method);
        let is_final = |seen: &&crate::Seen| seen.status() >= 200 && seen.text.contains(&first);
        let finals = sim.seen(caller).iter().filter(is_final);
        assert!(
            finals.count() > 0 || self.method == "MESSAGE" || self.network.loss > 0,
            "there was no final response, only {:?}",
            sim.labels(caller)
        );
        if self.network.loss > 0 || !self.partitions.is_empty() || self.method != "INVITE" {
            return;
        }
        let mut finals = sim.seen(caller).iter().filter(is_final);
        let Some(answered) = finals.find(|seen| seen.status() / 100 == 2) else {
            return;
        };
        for phone in PHONES {
            let address: SocketAddr = format!("{phone}:5060").parse().expect("an address");
            let late = sim.seen(address).iter();
            let late = late
                .filter(|seen| seen.label() == "CANCEL" && seen.at_ms > answered.at_ms + 60_000);
            assert_eq!(late.count(), 0, "{phone} rang on");
        }
    }

    /// The smallest world found that still fails; this one, when it does not.
    pub fn smallest(&self) -> Self {
        let mut world = self.clone();
        while let Some(simpler) = world
            .simpler()
            .into_iter()
            .find(|world| world.run().is_err())
        {
            world = simpler;
        }
        world
    }

    /// Worlds with one thing less.
    fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut less = |simplify: &dyn Fn(&mut Self) -> bool| {
            let mut world = self.clone();
            if simplify(&mut world) {
                all.push(world);
            }
        };
        fn take<T: Default + PartialEq>(value: &mut T) -> bool {
            std::mem::take(value) != T::default()
        }
        less(&|world| take(&mut world.network.loss));
        less(&|world| take(&mut world.network.duplication));
        less(&|world| take(&mut world.network.jitter));
        less(&|world| take(&mut world.unreachable));
        less(&|world| take(&mut world.partitions));
        less(&|world| take(&mut world.repeats));
        less(&|world| take(&mut world.hangs_up));
        less(&|world| take(&mut world.cancels));
        less(&|world| take(&mut world.acknowledges));
        less(&|world| take(&mut world.trying_delay));
        less(&|world| take(&mut world.max_breadth));
        less(&|world| take(&mut world.gateways.is_probed));
        less(&|world| take(&mut world.gateways.max_calls));
        less(&|world| {
            let algorithm = std::mem::replace(&mut world.gateways.algorithm, Algorithm::Priority);
            algorithm != Algorithm::Priority
        });
        less(&|world| take(&mut world.redirects));
        less(&|world| take(&mut world.falls_back_to_routes));
        less(&|world| world.answers.len() > 1 && world.answers.pop().is_some());
        let lists: [fn(&mut Self) -> &mut Vec<u64>; 3] = [
            |world| &mut world.cancels,
            |world| &mut world.repeats,
            |world| &mut world.hangs_up,
        ];
        for step in 0..STEPS as usize {
            for of in lists {
                less(&|world| {
                    let steps = of(world);
                    step < steps.len() && {
                        steps.remove(step);
                        true
                    }
                });
            }
        }
        for at in 0..self.phones.len() {
            less(&|world| !std::mem::replace(&mut world.phones[at].dead, true));
            less(&|world| {
                world.phones[at].responses.len() > 1 && {
                    world.phones[at].responses.remove(0);
                    true
                }
            });
        }
        for at in 0..self.answers.len() {
            less(&|world| world.answers[at].extends.take().is_some());
            let routes = match &self.answers[at].what {
                What::Routes { routes, .. } => routes.len(),
                _ => 0,
            };
            for route in 0..routes {
                less(&|world| match &mut world.answers[at].what {
                    What::Routes { routes, .. } if routes.len() > 1 => {
                        routes.remove(route);
                        true
                    }
                    _ => false,
                });
                less(&|world| match &mut world.answers[at].what {
                    What::Routes { routes, .. } => take(&mut routes[route].rewrites),
                    _ => false,
                });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_world() {
        let [one, same, other] = [7, 7, 8].map(|seed| format!("{:?}", World::drawn(seed)));
        assert_eq!(one, same);
        assert_ne!(one, other);
    }

    #[test]
    fn simpler_worlds_come_to_an_end() {
        let mut world = World::drawn(3);
        let mut steps = 0;
        while let Some(simpler) = world.simpler().pop() {
            world = simpler;
            steps += 1;
            assert!(steps < 1_000);
        }
    }
}
