//! T16: two bindings of one user, each reached by a path of its own (RFC 3327).

use sigbox_core::{Route, RouteSet, Settings};
use sigbox_testkit::{Script, Sim, fields, plans};

use crate::world::*;

const EDGE_1: &str = "192.0.2.41:5060";
const EDGE_2: &str = "192.0.2.42:5060";

fn binding(contact: &str, path: &str, group: u16) -> Route {
    Route {
        uri: Some(sigbox_core::Target::parse(contact).unwrap()),
        next_hop: None,
        path: Some(RouteSet::parse(path).unwrap()),
        ..plans::route(contact, group)
    }
}

#[test]
fn t16_the_second_binding_is_reached_by_its_own_path_and_acknowledged_once() {
    let mut sim = Sim::always(
        Settings::default(),
        plans::plan(vec![
            binding("sip:bob@10.0.0.1", "<sip:192.0.2.41;lr>", 0),
            binding(
                "sip:bob@10.0.0.2",
                "<sip:192.0.2.42;lr>, <sip:10.9.9.9;lr>",
                1,
            ),
        ]),
    );
    let first = sim.callee(EDGE_1, Script::refuses(503));
    let second = sim.callee(EDGE_2, Script::answers(50));
    let invite = call(&mut sim, ms(200));
    let routes = |phone| -> Vec<String> {
        let text = &sim.first(phone, "INVITE").text;
        fields(text, "Route").map(str::to_owned).collect()
    };
    assert_eq!(routes(first), ["<sip:192.0.2.41;lr>"]);
    assert_eq!(routes(second), ["<sip:192.0.2.42;lr>, <sip:10.9.9.9;lr>"]);
    let uri = |phone| {
        sim.first(phone, "INVITE")
            .text
            .split(' ')
            .nth(1)
            .map(str::to_owned)
    };
    assert_eq!(uri(first).as_deref(), Some("sip:bob@10.0.0.1"));
    assert_eq!(uri(second).as_deref(), Some("sip:bob@10.0.0.2"));
    acknowledge(&mut sim, &invite);
    sim.run_for(ms(20));
    // The first has the ACK of its 503, the second that of its 200, end to end.
    assert_eq!(sim.labels(first), ["INVITE", "ACK"]);
    assert_eq!(sim.labels(second), ["INVITE", "ACK"]);
    sim.run_to_end();
}

#[test]
fn t16_an_answer_to_both_bindings_of_a_fork_is_acknowledged_on_each_path_once() {
    let mut sim = Sim::always(
        Settings::default(),
        plans::plan(vec![
            binding("sip:bob@10.0.0.1", "<sip:192.0.2.41;lr>", 0),
            binding("sip:bob@10.0.0.2", "<sip:192.0.2.42;lr>", 0),
        ]),
    );
    let edges = [EDGE_1, EDGE_2].map(|edge| {
        let mut script = Script::answers(50);
        script.cancellable = false;
        sim.callee(edge, script)
    });
    let invite = call(&mut sim, ms(200));
    let answers: Vec<_> = sim
        .seen(alice())
        .iter()
        .filter(|seen| seen.label() == "200")
        .map(|seen| seen.text.clone())
        .collect();
    assert_eq!(
        answers.len(),
        2,
        "RFC 3261 §16.7 step 5: every 2xx goes upstream"
    );
    for answer in answers {
        sim.send(
            alice(),
            invite.in_dialog("ACK", &answer, invite.cseq).text(),
        );
    }
    sim.run_for(ms(20));
    for edge in edges {
        let acks = sim
            .labels(edge)
            .iter()
            .filter(|label| *label == "ACK")
            .count();
        assert_eq!(acks, 1, "{edge}");
    }
}
