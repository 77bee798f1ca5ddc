//! Decision documents, as the proxy reads and carries them out.

use std::collections::HashSet;

use sigbox::decision::{Parsed, PlanContext, plan_of};
use sigbox_contracts::{Decision, Limits};
use sigbox_core::{MAX_ROUTES, Plan, RoutePlan};
use sigbox_wire::{Index, Message, Method};

use crate::sequence::World;

/// One reply of a decider (D5):
///
/// - what is refused says what and where, in a line without control characters;
/// - what is taken is the same after it was written and read again;
/// - a plan has no more routes than allowed, in groups as the document has them;
/// - carried out, the plan ends with exactly one final response, and what it puts on the wire is
///   the caller's request with nothing changed that a decider may not change.
pub fn decision(bytes: &[u8]) {
    let limits = Limits::default();
    let document = match Decision::parse(bytes, &limits) {
        Ok(document) => document,
        Err(refusal) => {
            assert!(!refusal.detail.chars().any(char::is_control), "{refusal:?}");
            return;
        }
    };
    let written = serde_json::to_vec(&document).unwrap();
    let again = Decision::parse(&written, &limits);
    assert_eq!(again.as_ref(), Ok(&document));

    let mut world = World::asking();
    let context = PlanContext {
        settings: &world.settings(),
        max_routes: limits.max_routes,
    };
    let Ok(Parsed::Final(plan)) = plan_of(&document, &context) else {
        return;
    };
    if let Plan::Route(plan) = &plan {
        is_grouped(&document, plan);
    }
    world.ask();
    let query = world
        .queries()
        .last()
        .copied()
        .expect("an INVITE is asked about");
    world.decide(query, Ok(plan));
    while world.refuse_all() {}
    world.end();
    let mut finals = HashSet::new();
    for sent in world.sent() {
        let status = is_the_callers(sent);
        if status >= 200 {
            finals.insert(sent);
        }
    }
    assert_eq!(finals.len(), 1);
}

fn is_grouped(document: &Decision, plan: &RoutePlan) {
    assert!(plan.routes().len() <= MAX_ROUTES);
    let groups: Vec<_> = document.route_groups().iter().map(Vec::len).collect();
    let planned: Vec<_> = plan
        .routes()
        .chunk_by(|one, other| one.group == other.group)
        .map(<[_]>::len)
        .collect();
    assert_eq!(planned, groups);
}

/// What only the proxy or the caller may write is theirs. The status of a response, 0 for a request.
fn is_the_callers(sent: &[u8]) -> u16 {
    let mut index = Index::default();
    index.parse(sent, &sigbox_wire::Limits::default()).unwrap();
    let message = Message::new(sent, &index);
    assert_eq!(message.call_id(), World::CALL_ID.as_bytes());
    assert_eq!(message.cseq().unwrap().number, 1);
    assert_eq!(
        message.from().unwrap().tag(),
        Some(World::FROM_TAG.as_bytes())
    );
    let vias = match message.method() {
        _ if !message.is_request() => 1,
        Method::Invite => 2,
        // ACK and CANCEL are the proxy's own.
        _ => 1,
    };
    assert_eq!(message.vias().count(), vias, "{}", sent.escape_ascii());
    if message.is_request() && vias == 2 {
        assert_eq!(message.validate().map(|_| ()), Ok(()));
        assert_eq!(message.body(), World::BODY.as_bytes());
        assert_eq!(message.max_forwards(), Ok(Some(69)));
        assert_eq!(message.to().unwrap().tag(), None);
    }
    message.status()
}
