//! Plans and settings, chosen by a program.

use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{
    Action, Algorithm, Ask, Condition, Failover, GatewayDefinition, GatewaySets, HashOn,
    HeaderEdits, Instant, ListenerId, Party, Plan, Reject, Route, RoutePlan, RouteSet, Rule, Rules,
    SetDefinition, Settings, StatusMatch, Target,
};
use sigbox_testkit::plans;

use super::program::Program;

/// Where names lead; the last one has no listener that reaches it.
pub(super) const ADDRESSES: [&str; 4] = ["192.0.2.20", "192.0.2.1", "192.0.2.30", "2001:db8::1"];

const HOPS: [&str; 12] = [
    "sip:192.0.2.20",
    "sip:192.0.2.30:5070",
    "sip:192.0.2.40;transport=tcp",
    "sip:gw.example.net",
    "sip:192.0.2.1",
    "sip:sip.example.com",
    "sips:192.0.2.20",
    "sip:224.0.1.75",
    "sip:255.255.255.255",
    "sip:0.0.0.0",
    "sip:[2001:db8::1]",
    "tel:+4930123",
];

/// Any plan there is.
pub(super) fn plan(program: &mut Program<'_>) -> Plan {
    match program.below(8) {
        0 => Plan::Pass,
        1 => Plan::Reject(Reject {
            status: 400 + u16::from(program.byte()),
            reason: None,
            headers: HeaderEdits::new(),
            retry_after: Some((Duration::from_secs(1), program.span())),
        }),
        2 => plans::redirect(302, &["sip:bob@192.0.2.20", "tel:+4930123"]),
        _ => {
            let count = 1 + program.below(4);
            let routes = (0..count).map(|_| route(program)).collect();
            let failover = match program.below(4) {
                0 => Failover::Only(vec![StatusMatch::Class(5), StatusMatch::Status(486)]),
                1 => Failover::Only(Vec::new()),
                _ => Failover::Any,
            };
            Plan::Route(RoutePlan::new(routes, failover, program.below(4) == 0).unwrap())
        }
    }
}

fn route(program: &mut Program<'_>) -> Route {
    let hop = *program.pick(&HOPS);
    let mut route = plans::route(hop, program.below(3) as u16);
    let shape = program.byte();
    if shape & 1 != 0 {
        route.uri = Target::parse("sip:bob@192.0.2.20:5080").ok();
    }
    if shape & 2 != 0 {
        route.next_hop = None;
    }
    if shape & 4 != 0 {
        route.path = RouteSet::parse("<sip:192.0.2.50;lr>, <sip:edge.example.net;lr>").ok();
    }
    if shape & 8 != 0 {
        route.fr_timer = Some(program.short_span());
        route.fr_inv_timer = Some(program.short_span());
    }
    if shape & 16 != 0 {
        let mut edits = HeaderEdits::new();
        let party = Party {
            display: Some("a \"b\"".into()),
            uri: Some("sip:x@y.invalid".into()),
        };
        edits.from(party.clone()).unwrap();
        edits.to(party).unwrap();
        edits.set("X-Account", "1").unwrap();
        edits.add("Subject", "s").unwrap();
        edits.remove("Contact").unwrap();
        route.edits = Some(Box::new(edits));
    }
    if shape & 128 != 0 {
        route.next_hop = None;
        route.gateways = Some(["gateways", "unknown"][usize::from(shape & 64 != 0)].into());
    }
    if shape & 32 != 0 {
        route.listener = Some(ListenerId(u16::from(shape & 64 != 0)));
    }
    route
}

/// One set of any kind, without probes.
fn gateways(program: &mut Program<'_>) -> GatewaySets {
    let algorithms = [
        Algorithm::Hash(HashOn::From),
        Algorithm::Hash(HashOn::Header("to".into())),
        Algorithm::RoundRobin,
        Algorithm::Weight,
        Algorithm::Priority,
        Algorithm::LeastCalls,
        Algorithm::Latency,
        Algorithm::Parallel,
    ];
    let algorithm = program.pick(&algorithms).clone();
    let shape = program.byte();
    let gateways = HOPS.iter().enumerate().filter_map(|(at, hop)| {
        let uri = Target::parse(hop).ok()?;
        uri.hop()?;
        Some(GatewayDefinition {
            weight: at as u32 % 3,
            max_calls: u32::from(shape & 1),
            strip: if shape & 2 != 0 { at as u8 * 8 } else { 0 },
            prefix: if shape & 4 != 0 { "+49" } else { "" }.into(),
            ..GatewayDefinition::new(&format!("g{at}"), uri)
        })
    });
    let set = SetDefinition {
        inactive_after: 1 + u32::from(shape & 8 != 0),
        overload_control: shape & 16 != 0,
        max_tries: if shape & 32 != 0 { 2 } else { 64 },
        max_call: program.span(),
        ..SetDefinition::new("gateways", algorithm, gateways.collect())
    };
    GatewaySets::build(None, vec![set], Instant::ZERO).unwrap()
}

/// Settings other than the listeners.
pub(super) fn settings(program: &mut Program<'_>) -> Settings {
    let shape = program.byte();
    let last_resort = match shape & 3 {
        0 => None,
        1 => Some(plans::reject(480)),
        2 => Some(plans::serial(&["sip:192.0.2.40", "sip:gw.example.net"])),
        _ => Some(plan(program)),
    };
    let before = match program.below(8) {
        0 => Some(Action::Decide(Arc::new(plan(program)))),
        1 => Some(Action::Ask(Ask {
            tenant: Some("other".into()),
            budget: Some(program.span()),
        })),
        _ => None,
    };
    let rule = |name: &str, action| Rule {
        name: name.into(),
        condition: Condition {
            methods: if shape & 4 != 0 {
                vec!["INVITE".into()]
            } else {
                Vec::new()
            },
            ..Condition::default()
        },
        action,
    };
    let mut settings = Settings {
        aliases: vec!["sip.example.com".into()],
        record_route: shape & 8 == 0,
        explain_fallback: shape & 16 != 0,
        rules: Rules {
            before: before
                .map(|action| rule("before", action))
                .into_iter()
                .collect(),
            fallback: last_resort
                .map(|plan| rule("last", Action::Decide(Arc::new(plan))))
                .into_iter()
                .collect(),
        },
        ..Settings::default()
    };
    settings.gateways = Arc::new(gateways(program));
    settings.records.decisions = shape & 32 != 0;
    settings.records.transactions = shape & 32 != 0;
    settings.timers.trying = Duration::from_millis(if shape & 64 != 0 { 150 } else { 0 });
    settings.decision.max_attempts = 1 + program.below(4) as u8;
    if shape & 128 != 0 {
        settings.limits.suspended = program.below(3);
        settings.limits.transactions = 1 + program.below(4);
        settings.decision.budget = program.span();
        settings.decision.max_wait = program.span();
    }
    settings
}
