//! Requests over a limit are turned away before there is a transaction for them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use sigbox_core::{
    Action, BanAfter, Condition, Counter, Input, LimitAlgorithm, Over, Plan, RateLimit, RateLimits,
    RequestPart, Rule, Settings,
};
use sigbox_testkit::{Request, Script, Sim, field, plans};

use crate::world::*;

const CROWD: &str = "192.0.2.11:5060";

fn crowd() -> SocketAddr {
    CROWD.parse().unwrap()
}

/// 503, and Retry-After of 20 to 40 seconds.
fn refuse() -> Over {
    let Plan::Reject(mut reject) = plans::reject(503) else {
        panic!("not a refusal")
    };
    reject.retry_after = Some((secs(20), secs(40)));
    Over::Reject(reject)
}

fn by_source(algorithm: LimitAlgorithm, over: Over) -> RateLimit {
    let key = vec![RequestPart::SOURCE];
    RateLimit::new("calls", key, algorithm, over, 65_536, [7; 16])
}

/// One call a year.
fn one(over: Over) -> RateLimit {
    let once = LimitAlgorithm::tail_drop(1, secs(365 * 86_400)).unwrap();
    by_source(once, over)
}

/// A world in which `limit` holds for everything and everybody is sent to Bob.
fn limited(limit: RateLimit) -> (Sim, Arc<RateLimit>, SocketAddr) {
    let limit = Arc::new(limit.always(true));
    let settings = Settings {
        rate_limits: RateLimits {
            all: vec![limit.clone()],
        },
        ..Settings::default()
    };
    let mut sim = Sim::always(settings, plans::serial(&[TO_BOB]));
    let bob = sim.callee(BOB, Script::answers(0));
    (sim, limit, bob)
}

fn nth(phone: SocketAddr, n: u64) -> Request {
    Request::new(
        "INVITE",
        "sip:+4930123@example.com",
        phone,
        &format!("n{n}"),
    )
}

/// Sends `count` calls evenly over `span`.
fn send(sim: &mut Sim, phone: SocketAddr, count: u64, span: std::time::Duration) {
    for n in 0..count {
        sim.send(phone, nth(phone, n).text());
        sim.run_for(span / u32::try_from(count).unwrap());
    }
    sim.run_for(secs(1));
}

fn seen(sim: &Sim, phone: SocketAddr, label: &str) -> usize {
    let labels = sim.labels(phone);
    let mut calls = BTreeSet::new();
    for (at, seen) in sim.seen(phone).iter().enumerate() {
        if labels[at] == label {
            calls.insert(field(&seen.text, "Call-ID").unwrap().to_owned());
        }
    }
    calls.len()
}

#[test]
fn a_token_bucket_lets_its_burst_and_its_rate_in_and_refuses_the_rest() {
    let bucket = LimitAlgorithm::token_bucket(10.0, 5).unwrap();
    let (mut sim, limit, bob) = limited(by_source(bucket, refuse()));
    send(&mut sim, alice(), 1_000, secs(10));
    let passed = seen(&sim, bob, "INVITE");
    assert!((103..=106).contains(&passed), "{passed} of 5 + 10 s of 10");
    assert_eq!(seen(&sim, alice(), "503"), 1_000 - passed);
    assert_eq!(limit.passed(), passed as u64);
    assert_eq!(limit.limited(), [1_000 - passed as u64, 0, 0]);
    assert_eq!(sim.count(Counter::RejectLimit), 1_000 - passed as u64);
}

#[test]
fn keys_do_not_know_of_each_other() {
    let (mut sim, _, bob) = limited(one(refuse()));
    for n in 0..100 {
        let phone = SocketAddr::from(([192, 0, 2, 100 + n], 5060));
        sim.send(phone, nth(phone, 0).text());
    }
    sim.run_for(secs(1));
    assert_eq!(seen(&sim, bob, "INVITE"), 100);
    send(&mut sim, alice(), 3, secs(1));
    assert_eq!(seen(&sim, bob, "INVITE"), 101);
}

#[test]
fn a_network_a_domain_and_a_header_are_keys_as_well() {
    for (key, other) in [
        (RequestPart::parse("source/24").unwrap(), "192.0.3.10:5060"),
        (RequestPart::Domain, CROWD),
        (RequestPart::FromUser, CROWD),
        (RequestPart::Header("X-Trunk".into()), CROWD),
    ] {
        let once = LimitAlgorithm::tail_drop(1, secs(365 * 86_400)).unwrap();
        let limit = RateLimit::new("calls", vec![key.clone()], once, refuse(), 65_536, [7; 16]);
        let (mut sim, _, bob) = limited(limit);
        let trunk = |phone, n, trunk: &str| nth(phone, n).with(&format!("X-Trunk: {trunk}"));
        sim.send(alice(), trunk(alice(), 0, "a").text());
        sim.run_for(ms(10));
        // The same network, domain, user and trunk, from somebody else.
        sim.send(crowd(), trunk(crowd(), 1, "a").text());
        sim.run_for(ms(10));
        assert_eq!(seen(&sim, bob, "INVITE"), 1, "{key}");
        let other = other.parse().unwrap();
        let mut request = trunk(other, 2, "b");
        request.uri = "sip:+4930123@example.net".into();
        request.from = "<sip:carol@example.com>;tag=c".into();
        sim.send(other, request.text());
        sim.run_for(ms(10));
        assert_eq!(seen(&sim, bob, "INVITE"), 2, "{key}");
    }
}

#[test]
fn retry_after_is_drawn_anew_from_its_range() {
    let (mut sim, ..) = limited(one(refuse()));
    send(&mut sim, alice(), 501, secs(1));
    let drawn: Vec<u32> = sim
        .seen(alice())
        .iter()
        .filter(|seen| seen.status() == 503)
        .map(|seen| field(&seen.text, "Retry-After").unwrap().parse().unwrap())
        .collect();
    let different: BTreeSet<_> = drawn.iter().copied().collect();
    assert_eq!(different, (20..=40).collect(), "each of them, and no other");
    for value in 20..=40 {
        let count = drawn.iter().filter(|drawn| **drawn == value).count();
        assert!(
            (6..=48).contains(&count),
            "{count} times {value} of {}",
            drawn.len()
        );
    }
}

#[test]
fn who_is_refused_leaves_nothing_behind_and_may_acknowledge() {
    let (mut sim, ..) = limited(one(refuse()));
    send(&mut sim, alice(), 1, secs(1));
    let live = sim.core.live();
    let refused = nth(alice(), 1);
    sim.send(alice(), refused.text());
    sim.run_for(ms(10));
    assert_eq!(sim.core.live(), live);
    assert!(!sim.labels(alice()).ends_with(&["100".to_owned()]));
    let refusal = sim.first(alice(), "503").text.clone();
    sim.send(alice(), refused.hop_by_hop("ACK", Some(&refusal)).text());
    sim.run_for(ms(10));
    assert_eq!(sim.count(Counter::DropAbsorbedAck), 1);
}

#[test]
fn a_repeated_request_is_counted_once() {
    let (mut sim, limit, bob) = limited(one(refuse()));
    for _ in 0..5 {
        sim.send(alice(), nth(alice(), 0).text());
        sim.run_for(ms(500));
    }
    assert_eq!(seen(&sim, bob, "INVITE"), 1);
    assert_eq!((limit.passed(), limit.limited()), (1, [0, 0, 0]));
}

#[test]
fn nothing_in_a_dialog_is_limited() {
    let (mut sim, limit, bob) = limited(one(refuse()));
    let invite = call(&mut sim, ms(100));
    acknowledge(&mut sim, &invite);
    let answer = sim.first(alice(), "200").text.clone();
    for (number, method) in (2..).zip(["INFO", "UPDATE", "INVITE", "BYE"]) {
        sim.send(alice(), invite.in_dialog(method, &answer, number).text());
        sim.run_for(ms(20));
        assert_eq!(sim.seen(bob).last().unwrap().label(), method);
    }
    assert_eq!((limit.passed(), limit.limited()), (1, [0, 0, 0]));
}

#[test]
fn an_emergency_call_is_never_limited() {
    let (mut sim, limit, bob) = limited(one(Over::Drop));
    for n in 0..10 {
        let uri = ["urn:service:sos", "urn:service:sos.fire"][n % 2];
        let call = Request::new("INVITE", uri, alice(), &format!("sos{n}"));
        sim.send(alice(), call.text());
        sim.run_for(ms(10));
    }
    assert_eq!(seen(&sim, bob, "INVITE"), 10);
    assert_eq!((limit.passed(), limit.limited()), (0, [0, 0, 0]));
}

#[test]
fn who_is_over_may_be_sent_elsewhere_with_the_number_that_was_called() {
    let Plan::Redirect(elsewhere) = plans::redirect(302, &["sip:node2.example.com:5070"]) else {
        panic!("not a redirect")
    };
    let (mut sim, limit, _) = limited(one(Over::Redirect(elsewhere)));
    send(&mut sim, alice(), 2, secs(1));
    let moved = &sim.first(alice(), "302").text;
    let contact = field(moved, "Contact").unwrap();
    assert_eq!(contact, "<sip:+4930123@node2.example.com:5070>");
    assert_eq!(limit.limited(), [0, 1, 0]);
}

#[test]
fn who_is_over_may_be_left_without_an_answer() {
    let (mut sim, limit, _) = limited(one(Over::Drop));
    send(&mut sim, crowd(), 1, secs(1));
    let before = sim.seen(crowd()).len();
    sim.send(crowd(), nth(crowd(), 1).text());
    sim.run_for(secs(40));
    let new: Vec<_> = sim.labels(crowd()).split_off(before);
    // Bob repeats his 200, which nobody acknowledges.
    assert!(new.iter().all(|label| label == "200"), "{new:?}");
    assert_eq!(limit.limited(), [0, 0, 1]);
    assert_eq!(sim.count(Counter::DropLimit), 1);
}

#[test]
fn an_adaptive_limit_refuses_a_share_that_follows_the_lag() {
    let adaptive = LimitAlgorithm::adaptive(ms(20), ms(60)).unwrap();
    let (mut sim, limit, _) = limited(by_source(adaptive, refuse()));
    for (lag, expected) in [
        (0, 0.0),
        (20, 0.0),
        (30, 0.25),
        (40, 0.5),
        (60, 1.0),
        (0, 0.0),
    ] {
        sim.input(Input::Lag(ms(lag)));
        let before = limit.limited()[0];
        for n in 0..1_000 {
            let phone = SocketAddr::from(([198, 51, 100, 1], 5060));
            sim.send(phone, nth(phone, n + 1_000 * lag).text());
        }
        sim.run_for(secs(40));
        let share = (limit.limited()[0] - before) as f64 / 1_000.0;
        assert!((share - expected).abs() < 0.05, "{lag} ms: {share}");
    }
}

#[test]
fn a_limit_before_an_action_holds_for_what_its_rule_matches() {
    let limit = Arc::new(one(refuse()));
    let then = |plan| Action::Decide(Arc::new(plan));
    let rule = |name: &str, condition, action| Rule {
        name: name.into(),
        condition,
        action,
    };
    let numbers = Condition {
        users: vec![sigbox_core::TextMatch::Prefix("+49".into())],
        ..Condition::default()
    };
    let before = Action::Limited(limit.clone(), Box::new(then(Plan::Pass)));
    let mut settings = Settings::default();
    settings.rules.before = vec![
        rule("slow", numbers, before),
        rule("all", Condition::default(), then(plans::reject(404))),
    ];
    let mut sim = silent(settings);
    let mut status = |n, uri: &str| {
        let mut request = nth(alice(), n);
        request.uri = uri.into();
        sim.send(alice(), request.text());
        sim.run_for(ms(10));
        sim.seen(alice()).last().unwrap().status()
    };
    let german = "sip:+4930123@example.com";
    // Under it the next rule decides; over it the limit; what does not match is not counted.
    assert_eq!([status(0, german), status(1, german)], [404, 503]);
    assert_eq!(
        [2, 3].map(|n| status(n, "sip:+3312@example.com")),
        [404, 404]
    );
    assert_eq!((limit.passed(), limit.limited()), (1, [1, 0, 0]));
}

#[test]
fn who_stays_over_a_limit_is_banned() {
    let ban = BanAfter {
        requests: 3,
        within: secs(10),
        ban: secs(600),
    };
    let (mut sim, ..) = limited(one(refuse()).banning(Some(ban)));
    send(&mut sim, alice(), 3, secs(3));
    assert_eq!(sim.banned, []);
    sim.send(alice(), nth(alice(), 3).text());
    sim.run_for(ms(10));
    let expected = (alice().ip(), secs(600), "calls".to_owned());
    assert_eq!(sim.banned, [expected]);
}

#[test]
fn a_rule_that_bans_drops_the_request_without_a_word() {
    let scanners = Condition {
        headers: vec![sigbox_core::HeaderMatch {
            name: "User-Agent".into(),
            value: Some(sigbox_core::TextMatch::Prefix("friendly-".into())),
        }],
        ..Condition::default()
    };
    let mut settings = falling_back_to(plans::reject(480));
    settings.rules.before = vec![Rule {
        name: "scanners".into(),
        condition: scanners,
        action: Action::Ban(secs(3_600)),
    }];
    let mut sim = silent(settings);
    sim.send(
        alice(),
        invite().with("User-Agent: friendly-scanner").text(),
    );
    sim.run_for(secs(10));
    assert!(sim.seen(alice()).is_empty());
    assert!(sim.asked.is_empty() && sim.core.is_empty());
    assert_eq!(sim.count(Counter::DropBanned), 1);
    let expected = (alice().ip(), secs(3_600), "scanners".to_owned());
    assert_eq!(sim.banned, [expected]);
    sim.send(alice(), invite().with("User-Agent: Phone").text());
    sim.run_for(ms(10));
    assert_eq!(sim.asked.len(), 1);
}

#[test]
fn a_reload_goes_on_where_the_limit_stands() {
    let (mut sim, limit, _) = limited(one(refuse()));
    send(&mut sim, alice(), 2, secs(1));
    let mut reload = |new: RateLimit| {
        let new = Arc::new(new.always(true).after(&limit));
        let settings = Settings {
            rate_limits: RateLimits {
                all: vec![new.clone()],
            },
            ..(**sim.core.settings()).clone()
        };
        sim.input(Input::Reload(Arc::new(settings)));
        let before = new.passed();
        sim.send(alice(), nth(alice(), 100 + before).text());
        sim.run_for(ms(10));
        (before, new.passed())
    };
    // The same: the one call there may be was made. Another: its buckets are empty, its numbers go on.
    assert_eq!(reload(one(Over::Drop)), (1, 1));
    let two = LimitAlgorithm::tail_drop(2, secs(365 * 86_400)).unwrap();
    assert_eq!(reload(by_source(two, refuse())), (1, 2));
    assert_eq!(limit.limited(), [1, 0, 1]);
}
