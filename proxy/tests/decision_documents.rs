//! The golden decisions of `contracts/examples`, read as the proxy reads an answer (D5).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sigbox::decision::{Parsed, PlanContext, plan_of};
use sigbox_contracts::{Decision, Invalid, InvalidReason, Limits};
use sigbox_core::{
    Failover, Listener, ListenerId, Plan, RoutePlan, Settings, StatusMatch, Transport,
};

#[derive(Debug, Deserialize)]
struct Entry {
    file: String,
    kind: String,
    valid: bool,
    reason: Option<String>,
    pointer: Option<String>,
    action: Option<String>,
    groups: Option<Vec<Vec<usize>>>,
}

/// The proxy that the manifest speaks of.
fn settings() -> Settings {
    Settings {
        listeners: vec![Listener::new(
            Transport::Udp,
            "192.0.2.1:5060".parse().unwrap(),
            None,
        )],
        aliases: vec!["sip.example.com".into()],
        ..Settings::default()
    }
}

fn read(document: &[u8], settings: &Settings) -> Result<Parsed, Invalid> {
    let limits = Limits::default();
    let decision = Decision::parse(document, &limits)?;
    plan_of(
        &decision,
        &PlanContext {
            settings,
            max_routes: limits.max_routes,
        },
    )
}

fn plan(document: serde_json::Value) -> Result<Plan, Invalid> {
    match read(document.to_string().as_bytes(), &settings())? {
        Parsed::Final(plan) => Ok(plan),
        Parsed::Extend(by) => panic!("extend by {by:?}"),
    }
}

fn route_plan(document: serde_json::Value) -> RoutePlan {
    match plan(document) {
        Ok(Plan::Route(plan)) => plan,
        other => panic!("{other:?}"),
    }
}

/// Positions of the document's routes, group by group. The golden documents of one file differ in
/// where their routes lead or are all in order.
fn groups(plan: &RoutePlan) -> Vec<usize> {
    let mut groups: Vec<(u16, usize)> = Vec::new();
    for route in plan.routes() {
        match groups.last_mut() {
            Some((group, count)) if *group == route.group => *count += 1,
            _ => groups.push((route.group, 1)),
        }
    }
    groups.into_iter().map(|(_, count)| count).collect()
}

#[test]
fn d5_golden_decisions_are_taken_or_refused_as_the_manifest_says() {
    let examples =
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../contracts/examples");
    let file = |name: &str| -> PathBuf { examples.join(name) };
    let manifest = std::fs::read(file("manifest.json")).unwrap();
    let entries: Vec<Entry> = serde_json::from_slice(&manifest).unwrap();
    let decisions: Vec<_> = entries
        .into_iter()
        .filter(|entry| entry.kind == "decision")
        .collect();
    assert!(decisions.len() > 50, "{}", decisions.len());
    for entry in decisions {
        let name = &entry.file;
        let read = read(&std::fs::read(file(name)).unwrap(), &settings());
        if !entry.valid {
            let refused = read.expect_err(name);
            assert_eq!(
                Some(refused.reason.label()),
                entry.reason.as_deref(),
                "{name}: {refused}"
            );
            if let Some(pointer) = &entry.pointer {
                assert_eq!(&refused.pointer, pointer, "{name}: {refused}");
            }
            continue;
        }
        match read.unwrap_or_else(|refused| panic!("{name}: {refused}")) {
            Parsed::Extend(_) => assert_eq!(entry.action.as_deref(), Some("extend"), "{name}"),
            Parsed::Final(plan) => {
                assert_eq!(Some(plan.action()), entry.action.as_deref(), "{name}");
                if let Plan::Route(plan) = plan {
                    let expected = entry.groups.unwrap_or_default();
                    let expected: Vec<_> = expected.iter().map(Vec::len).collect();
                    assert_eq!(groups(&plan), expected, "{name}");
                }
            }
        }
    }
}

#[test]
fn every_field_of_a_route_arrives_in_the_plan() {
    let plan = route_plan(serde_json::json!({
        "routes": [{
            "uri": "sip:+4930123@gw1.example.net", "dst_uri": "sip:192.0.2.20:5070",
            "path": "<sip:edge.example.net;lr>", "socket": "udp:192.0.2.1:5060",
            "headers": {
                "from": {"display": "A", "uri": "sip:a@example.net"}, "to": {"display": ""},
                "extra": "X-Carrier: a\r\nX-Trunk: 7",
                "set": {"P-Asserted-Identity": "<sip:a@b>"}, "remove": ["X-Internal"]
            },
            "branch_flags": 8, "fr_timer": 5000, "fr_inv_timer": 30000
        }],
        "failover": [408, "5xx"], "requery": true
    }));
    assert_eq!(
        plan.failover,
        Failover::Only(vec![StatusMatch::Status(408), StatusMatch::Class(5)])
    );
    assert!(plan.requery);
    let [route] = plan.routes() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        route.uri.as_ref().unwrap().text(),
        "sip:+4930123@gw1.example.net"
    );
    assert_eq!(
        route.next_hop.as_ref().unwrap().text(),
        "sip:192.0.2.20:5070"
    );
    assert_eq!(
        route.path.as_ref().unwrap().text(),
        "<sip:edge.example.net;lr>"
    );
    assert_eq!(route.listener, Some(ListenerId(0)));
    assert_eq!(route.branch_flags, 8);
    assert_eq!(route.fr_timer, Some(Duration::from_secs(5)));
    assert_eq!(route.fr_inv_timer, Some(Duration::from_secs(30)));
    let edits = route.edits.as_deref().unwrap();
    assert_eq!(edits.from_party().unwrap().display.as_deref(), Some("A"));
    assert_eq!(edits.to_party().unwrap().display.as_deref(), Some(""));
    assert_eq!(edits.extra(), b"X-Carrier: a\r\nX-Trunk: 7\r\n");
    assert_eq!(
        edits.sets().collect::<Vec<_>>(),
        [("P-Asserted-Identity", "<sip:a@b>")]
    );
    assert_eq!(edits.removals().collect::<Vec<_>>(), ["X-Internal"]);
}

#[test]
fn routes_are_tried_in_order_at_once_or_by_group() {
    let to = |port: u16, group: Option<u16>| {
        let mut route = serde_json::json!({ "dst_uri": format!("sip:192.0.2.20:{port}") });
        if let Some(group) = group {
            route["group"] = group.into();
        }
        route
    };
    let hops = |document| -> Vec<(u16, String)> {
        let plan = route_plan(document);
        let hop = |route: &sigbox_core::Route| route.next_hop.as_ref().unwrap().text().to_owned();
        plan.routes()
            .iter()
            .map(|route| (route.group, hop(route)))
            .collect()
    };
    let hop = |port: u16| format!("sip:192.0.2.20:{port}");
    let serial = hops(serde_json::json!({ "routes": [to(1, None), to(2, None)] }));
    assert_eq!(serial, [(0, hop(1)), (1, hop(2))]);
    let parallel =
        hops(serde_json::json!({ "routing": "parallel", "routes": [to(1, None), to(2, None)] }));
    assert_eq!(parallel, [(0, hop(1)), (0, hop(2))]);
    let grouped = hops(serde_json::json!({
        "routing": "serial", "routes": [to(1, Some(7)), to(2, Some(3)), to(3, Some(7))]
    }));
    assert_eq!(grouped, [(3, hop(2)), (7, hop(1)), (7, hop(3))]);
}

#[test]
fn a_target_that_is_this_proxy_is_refused_however_it_is_written() {
    for (route, pointer) in [
        (
            serde_json::json!({ "dst_uri": "sip:192.0.2.1" }),
            "/routes/0/dst_uri",
        ),
        (
            serde_json::json!({ "uri": "sip:bob@192.0.2.1:5060" }),
            "/routes/0/uri",
        ),
        (
            serde_json::json!({ "uri": "sip:bob@SIP.example.com" }),
            "/routes/0/uri",
        ),
        (
            serde_json::json!({ "path": "<sip:sip.example.com:5060;lr>" }),
            "/routes/0/path",
        ),
    ] {
        let refused = plan(serde_json::json!({ "routes": [route] })).unwrap_err();
        assert_eq!(
            refused.reason,
            InvalidReason::SelfTarget,
            "{route}: {refused}"
        );
        assert_eq!(refused.pointer, pointer, "{route}");
    }
    for route in [
        // Our own domain stays in the Request-URI, and the request goes elsewhere.
        serde_json::json!({ "uri": "sip:bob@sip.example.com", "dst_uri": "sip:192.0.2.9" }),
        // Somebody else on this host.
        serde_json::json!({ "dst_uri": "sip:192.0.2.1:5080" }),
        serde_json::json!({ "dst_uri": "sip:192.0.2.1:5060;transport=tcp" }),
    ] {
        assert!(
            plan(serde_json::json!({ "routes": [route] })).is_ok(),
            "{route}"
        );
    }
}

#[test]
fn a_proxy_on_every_address_knows_itself_on_loopback() {
    let mut settings = settings();
    settings.listeners[0] = Listener::new(Transport::Udp, "0.0.0.0:5060".parse().unwrap(), None);
    let refused = read(br#"{"routes": [{"dst_uri": "sip:127.0.0.1"}]}"#, &settings).unwrap_err();
    assert_eq!(refused.reason, InvalidReason::SelfTarget);
}

#[test]
fn a_socket_is_named_by_its_bound_or_advertised_address() {
    let mut settings = settings();
    let advertised = Some(("sip.example.com".into(), 5080));
    let address = settings.listeners[0].address;
    settings.listeners[0] = Listener::new(Transport::Udp, address, advertised);
    for socket in [
        "udp:192.0.2.1:5060",
        "UDP:192.0.2.1:5060",
        "udp:sip.example.com:5080",
    ] {
        let document =
            serde_json::json!({ "routes": [{ "dst_uri": "sip:192.0.2.9", "socket": socket }] });
        assert!(
            read(document.to_string().as_bytes(), &settings).is_ok(),
            "{socket}"
        );
    }
    for socket in [
        "tcp:192.0.2.1:5060",
        "udp:192.0.2.1",
        "192.0.2.1:5060",
        "udp",
    ] {
        let document =
            serde_json::json!({ "routes": [{ "dst_uri": "sip:192.0.2.9", "socket": socket }] });
        let refused = read(document.to_string().as_bytes(), &settings).unwrap_err();
        assert_eq!(refused.reason, InvalidReason::UnknownSocket, "{socket}");
        assert!(refused.detail.contains("udp:192.0.2.1:5060"), "{refused}");
    }
}

#[test]
fn responses_made_here_carry_what_the_decision_says() {
    let document = serde_json::json!({
        "action": "reject", "status": 486, "reason": "Not Today",
        "headers": { "set": { "X-Why": "rain" } }, "retry_after_ms": { "min": 1000, "max": 5000 }
    });
    let Ok(Plan::Reject(reject)) = plan(document) else {
        panic!()
    };
    assert_eq!(
        (reject.status, reject.reason.as_deref()),
        (486, Some("Not Today"))
    );
    assert_eq!(
        reject.headers.sets().collect::<Vec<_>>(),
        [("X-Why", "rain")]
    );
    assert_eq!(
        reject.retry_after,
        Some((Duration::from_secs(1), Duration::from_secs(5)))
    );

    let document = serde_json::json!({
        "action": "redirect", "contacts": [{ "uri": "sip:bob@192.0.2.7", "q": 0.75, "expires": 60 }]
    });
    let Ok(Plan::Redirect(redirect)) = plan(document) else {
        panic!()
    };
    assert_eq!(redirect.status, 302);
    assert_eq!(
        (redirect.contacts[0].q, redirect.contacts[0].expires),
        (Some(750), Some(60))
    );
}
