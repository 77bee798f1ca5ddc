//! Rules decide before anyone is asked.

use std::sync::Arc;

use sigbox_core::{
    Action, Ask, Class, Condition, Counter, HeaderMatch, Plan, Rule, Settings, TextMatch,
};
use sigbox_testkit::{Request, Sim, plans};

use crate::world::*;

fn rule(condition: Condition, plan: Plan) -> Rule {
    Rule {
        name: "test".into(),
        condition,
        action: Action::Decide(Arc::new(plan)),
    }
}

/// The final status of a request that rules answer 403, and 404 when they do not.
fn status(condition: Condition, change: impl Fn(Request) -> Request) -> String {
    let mut settings = Settings::default();
    settings.rules.before = vec![rule(condition, plans::reject(403))];
    let mut sim = Sim::always(settings, plans::reject(404));
    sim.send(alice(), change(invite()).text());
    sim.run_for(ms(10));
    sim.seen(alice()).last().unwrap().label()
}

#[test]
fn every_condition_matches_what_it_says() {
    let same = |request: Request| request;
    let none = Condition::default;
    let header = |name: &str, value: Option<TextMatch>| Condition {
        headers: vec![HeaderMatch {
            name: name.into(),
            value,
        }],
        ..none()
    };
    let agent = |request: Request| request.with("User-Agent: friendly-scanner");
    let yes = [
        none(),
        Condition {
            methods: vec!["MESSAGE".into(), "INVITE".into()],
            ..none()
        },
        Condition {
            sources: vec!["192.0.2.0/24".parse().unwrap()],
            ..none()
        },
        Condition {
            users: vec![TextMatch::Prefix("+4930".into())],
            ..none()
        },
        Condition {
            users: vec![TextMatch::Exact("+4930123".into())],
            ..none()
        },
        Condition {
            domains: vec!["example.com".into()],
            ..none()
        },
        header("X-None", None),
    ];
    let matched: Vec<_> = yes
        .into_iter()
        .map(|condition| status(condition, same))
        .collect();
    assert_eq!(matched, ["403", "403", "403", "403", "403", "403", "404"]);
    let no = [
        Condition {
            methods: vec!["invite".into()],
            ..none()
        },
        Condition {
            sources: vec!["198.51.100.0/24".parse().unwrap()],
            ..none()
        },
        Condition {
            users: vec![TextMatch::Exact("+4930".into())],
            ..none()
        },
        Condition {
            domains: vec!["*.example.com".into()],
            ..none()
        },
    ];
    for condition in no {
        assert_eq!(status(condition.clone(), same), "404", "{condition:?}");
    }
    let exact = TextMatch::Exact("friendly-scanner".into());
    assert_eq!(status(header("user-agent", Some(exact)), agent), "403");
    let subdomain = Condition {
        domains: vec!["*.example.com".into()],
        ..none()
    };
    let deeper = |mut request: Request| {
        request.uri = "sip:x@a.EXAMPLE.com".into();
        request
    };
    assert_eq!(status(subdomain, deeper), "403");
}

#[test]
fn a_rule_may_ask_another_tenant_with_another_budget() {
    let ask = Ask {
        tenant: Some("acme".into()),
        budget: Some(ms(50)),
    };
    let mut settings = falling_back_to(plans::reject(480));
    settings.decision.ask = Vec::new();
    settings.rules.before = vec![Rule {
        name: "acme".into(),
        condition: Condition::default(),
        action: Action::Ask(ask),
    }];
    let mut sim = silent(settings);
    call(&mut sim, ms(100));
    assert_eq!(sim.asked[0].tenant, "acme");
    assert_eq!(sim.asked[0].budget, ms(50));
    assert!(sim.first(alice(), "480").at_ms <= 53);
}

#[test]
fn a_class_nobody_is_to_be_asked_about_goes_to_the_fallback_rules() {
    let mut settings = falling_back_to(plans::reject(405));
    settings.decision.ask = vec![Class::Invite];
    let mut sim = silent(settings);
    let register = Request::new("REGISTER", "sip:example.com", alice(), "r1");
    sim.send(alice(), register.text());
    sim.run_for(ms(10));
    assert_eq!(sim.labels(alice()), ["405"]);
    assert!(sim.asked.is_empty());
    assert_eq!(sim.count(Counter::FallbackPass), 1);
}

#[test]
fn a_pass_rule_leads_on_to_the_next() {
    let mut settings = Settings::default();
    settings.rules.before = vec![
        rule(Condition::default(), Plan::Pass),
        rule(Condition::default(), plans::reject(403)),
    ];
    let mut sim = silent(settings);
    call(&mut sim, ms(10));
    assert_eq!(sim.labels(alice()), ["100", "403"]);
    assert_eq!(sim.count(Counter::DecidedByRule), 1);
}
