//! What a decider has decided is used again when nobody decides.

use std::sync::Arc;

use sigbox_core::{
    Action, Cached, Condition, Counter, FallbackCause, KeyTemplate, PlanCache, Rule, Settings,
};
use sigbox_testkit::{Request, Script, Sim, plans};

use crate::world::*;

fn remember(key: &str, tenant: Option<&str>) -> Rule {
    Rule {
        name: "last good".into(),
        condition: Condition::default(),
        action: Action::Cached(Cached {
            tenant: tenant.map(Into::into),
            key: KeyTemplate::parse(key).unwrap(),
        }),
    }
}

/// The first fallback is what was decided last for the caller and the number; the second is 480.
fn settings() -> Settings {
    let mut settings = falling_back_to(plans::reject(480));
    settings
        .rules
        .fallback
        .insert(0, remember("{from_user}|{user}", None));
    settings.cache = Arc::new(PlanCache::new(4, [9; 16]));
    settings
}

/// As the shell does with an answer that says `"cache": {"key": "alice|+4930123", "ttl_ms": 60000}`.
fn put(sim: &Sim, tenant: &str) {
    put_as(sim, tenant, b"alice|+4930123");
}

fn put_as(sim: &Sim, tenant: &str, key: &[u8]) {
    let now = sim.now();
    let plan = Arc::new(plans::serial(&[TO_BOB]));
    let cache = &sim.core.settings().cache;
    cache.put(now, tenant, key, plan, now + secs(60));
}

fn status(sim: &mut Sim, change: impl Fn(&mut Request), call: &str) -> u16 {
    let mut request = Request::new("INVITE", "sip:+4930123@example.com", alice(), call);
    change(&mut request);
    sim.send(alice(), request.text());
    sim.run_for(ms(500));
    sim.seen(alice()).last().unwrap().status()
}

#[test]
fn when_the_decider_is_gone_its_last_decision_holds_until_it_runs_out() {
    let mut sim = failing(settings(), FallbackCause::Timeout);
    sim.callee(BOB, Script::refuses(486));
    assert_eq!(status(&mut sim, |_| {}, "1"), 480, "nothing is remembered");
    put(&sim, "default");
    assert_eq!(status(&mut sim, |_| {}, "2"), 486, "Bob was called");
    sim.run_for(secs(58));
    assert_eq!(status(&mut sim, |_| {}, "3"), 486);
    sim.run_for(secs(2));
    assert_eq!(status(&mut sim, |_| {}, "4"), 480, "a minute is over");
    assert_eq!(sim.count(Counter::DecidedRemembered), 2);
    assert_eq!(sim.count(Counter::DecidedFallback), 2);
    assert_eq!(sim.count(Counter::FallbackTimeout), 4);
    assert_eq!(sim.count(Counter::CacheHit), 2);
    assert_eq!(sim.count(Counter::CacheMiss), 2);
}

#[test]
fn it_holds_for_the_same_key_and_tenant_alone() {
    let mut sim = failing(settings(), FallbackCause::NoResponders);
    sim.callee(BOB, Script::refuses(486));
    put(&sim, "acme");
    assert_eq!(status(&mut sim, |_| {}, "1"), 480);
    put(&sim, "default");
    let other_number = |request: &mut Request| request.uri = "sip:+4930124@example.com".into();
    assert_eq!(status(&mut sim, other_number, "2"), 480);
    let other_caller = |request: &mut Request| request.from = "<sip:eve@example.com>;tag=e".into();
    assert_eq!(status(&mut sim, other_caller, "3"), 480);
    // Nobody gets at another key by writing a separator into a part of it.
    put_as(&sim, "default", b"alice|x|+4930123");
    let forged = |request: &mut Request| request.from = "<sip:alice|x@example.com>;tag=e".into();
    assert_eq!(status(&mut sim, forged, "4"), 480);
    assert_eq!(status(&mut sim, |_| {}, "5"), 486);
}

#[test]
fn before_asking_it_saves_the_question_while_it_holds() {
    let mut settings = settings();
    settings.rules.before = vec![remember("{from_user}|{user}", Some("acme"))];
    let mut sim = Sim::always(settings, plans::reject(404));
    sim.callee(BOB, Script::refuses(486));
    assert_eq!(status(&mut sim, |_| {}, "1"), 404);
    put(&sim, "acme");
    assert_eq!(status(&mut sim, |_| {}, "2"), 486);
    assert_eq!(sim.asked.len(), 1);
    sim.run_for(secs(60));
    assert_eq!(status(&mut sim, |_| {}, "3"), 404);
    assert_eq!(sim.asked.len(), 2);
}
