//! Answers that come twice, late, or wrong: FAULTS D4, D5.

use anyhow::{Context, Result};
use e2e::{Answer, Phone, Stage};
use serde_json::json;

#[test]
fn d4_the_first_answer_wins_and_the_rest_is_counted() -> Result<()> {
    let (alice, bob, carol) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("carol")?,
    );
    let stage = Stage::silent()?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let query = decider.next_query()?;
    decider.answer(&query, Answer::route_to(&bob.hop()))?;
    decider.answer(&query, Answer::route_to(&carol.hop()))?;
    bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
    call.expect(486)?;
    bob.expect_request("ACK")?;
    // The transaction is finished; an answer to a query that never was.
    decider.answer(&query, Answer::route_to(&carol.hop()))?;
    let mut unknown = query.clone();
    unknown.reply = format!(
        "{}.never-asked",
        query
            .reply
            .rsplit_once('.')
            .context("a reply subject of tokens")?
            .0
    );
    decider.answer(&unknown, Answer::route_to(&carol.hop()))?;

    sigbox.wait_for_count("sigbox_answers_ignored_total", &[], 2)?;
    sigbox.wait_for_count("sigbox_answers_unknown_total", &[], 1)?;
    carol.expect_quiet(sigbox.sip())?;
    alice.expect_quiet(sigbox.sip())?;
    sigbox.wait_until_idle()
}

#[test]
fn d5_an_invalid_answer_is_refused_as_a_whole() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::with(
        |setup| setup.set("nats.breaker", "enabled", "false"),
        |_| Answer::Silence,
    )?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    let hop = bob.hop();
    let good = json!({ "dst_uri": hop });
    let route = |route: serde_json::Value| Answer::Json(json!({ "routes": [good, route] }));
    let deep = format!(
        "{{\"routes\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let answers = [
        ("not_json", Answer::Bytes(b"route to bob, please".to_vec())),
        ("not_json", Answer::Bytes(Vec::new())),
        ("", Answer::Bytes(deep.into_bytes())),
        ("wrong_type", Answer::Json(json!({ "routes": "bob" }))),
        (
            "no_routes",
            Answer::Json(json!({ "action": "route", "routes": [] })),
        ),
        (
            "too_many_routes",
            Answer::Json(json!({ "routes": vec![good.clone(); 1_000] })),
        ),
        (
            "too_large",
            Answer::Json(json!({ "routes": [good], "reasons": ["x".repeat(900_000)] })),
        ),
        (
            "unknown_action",
            Answer::Json(json!({ "action": "teleport", "routes": [good] })),
        ),
        (
            "bad_status",
            Answer::Json(json!({ "action": "reject", "status": 200 })),
        ),
        (
            "",
            route(json!({ "uri": "sip:bob@127.0.0.1\r\nX-Evil: 1" })),
        ),
        ("", route(json!({ "uri": "sip:bob@127.0.0.1\u{0}" }))),
        (
            "",
            route(json!({ "dst_uri": hop, "headers": { "set": { "X-A": "a\r\nX-Evil: 1" } } })),
        ),
        (
            "",
            route(json!({ "dst_uri": hop, "headers": { "set": { "X-A: b\r\nX-Evil": "1" } } })),
        ),
        (
            "",
            route(json!({ "dst_uri": hop, "headers": { "extra": "X-A: a\r\n\r\nX-Evil: 1" } })),
        ),
        (
            "protected_header",
            route(json!({ "dst_uri": hop, "headers": { "set": { "cALL-iD": "x" } } })),
        ),
        (
            "protected_header",
            route(json!({ "dst_uri": hop, "headers": { "remove": ["v"] } })),
        ),
        ("", route(json!({ "dst_uri": "http://127.0.0.1/" }))),
        ("", route(json!({ "dst_uri": "sip:" }))),
        (
            "unknown_socket",
            route(json!({ "dst_uri": hop, "socket": "udp:192.0.2.1:5060" })),
        ),
        (
            "self_target",
            route(json!({ "dst_uri": format!("sip:{}", sigbox.sip()) })),
        ),
    ];
    for (number, (label, answer)) in answers.into_iter().enumerate() {
        let what = format!("answer {number}, {label}");
        let before = sigbox.metrics()?;
        let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
        decider.answer(&decider.next_query()?, answer)?;
        call.expect(480).with_context(|| what.clone())?;

        let after = sigbox.metrics()?;
        let fallbacks = after.moved(&before, "sigbox_fallbacks_total");
        assert_eq!(
            fallbacks.into_iter().collect::<Vec<_>>(),
            [("invalid".to_owned(), 1.0)],
            "{what}"
        );
        let reasons: Vec<_> = after
            .moved(&before, "sigbox_decision_invalid_total")
            .into_iter()
            .collect();
        assert_eq!(
            (reasons.len(), reasons[0].1),
            (1, 1.0),
            "{what}: {reasons:?}"
        );
        if !label.is_empty() {
            assert_eq!(reasons[0].0, label, "{what}");
        }
    }
    bob.expect_quiet(sigbox.sip())?;
    sigbox.wait_until_idle()
}

#[test]
fn a_service_error_leads_to_the_fallback() -> Result<()> {
    let alice = Phone::new("alice")?;
    let stage = Stage::with(
        |setup| setup,
        |_| Answer::Error(503, "too many queries".to_owned()),
    )?;
    let sigbox = &stage.sigbox;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    sigbox.wait_for_count("sigbox_fallbacks_total", &[("cause", "service_error")], 1)
}

#[test]
fn an_rtjson_document_is_a_decision() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let hop = bob.hop();
    let stage = Stage::with(
        |setup| setup,
        move |_| {
            Answer::Json(json!({
                "Version": "1.0",
                "Routing": "serial",
                "Routes": [{
                    "URI": "sip:bob@example.com", "dst_uri": hop, "path": "", "socket": "",
                    "headers": { "from": { "display": "Sales", "uri": "sip:sales@example.com" }, "extra": "X-Carrier: a\r\n" },
                    "branch_flags": 8, "fr_timer": 5000, "fr_inv_timer": 30000,
                }],
            }))
        },
    )?;
    let sigbox = &stage.sigbox;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.expect_request("INVITE")?;
    assert_eq!(invite.request_uri(), "sip:bob@example.com");
    assert_eq!(invite.header("X-Carrier"), Some("a"));
    assert!(
        invite.required("From")?.contains("sip:sales@example.com"),
        "{invite}"
    );
    bob.reply(&invite, 486, "Busy Here")?;
    call.expect(486)?;
    Ok(())
}
