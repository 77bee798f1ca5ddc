//! A call that a decider routes, from the first INVITE to the last BYE.

use anyhow::Result;
use e2e::{Answer, Phone, Stage};

/// RFC 3261 §16.2, §16.6 step 4
#[test]
fn a_decided_call_is_set_up_and_torn_down() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::routing_to(&bob)?;
    let sigbox = &stage.sigbox;

    let call = alice.call_with(
        sigbox.sip(),
        &sigbox.uri("+4930123"),
        &["X-Opaque:   kept  as it is;;"],
    )?;
    assert_eq!(alice.receive()?.status(), Some(100));
    let invite = bob.ring(&call)?;
    bob.reply(&invite, 200, "OK")?;
    let mut at_alice = call.establish()?;
    bob.expect_request("ACK")?;
    at_alice.hang_up(&bob)?;

    // Only what a proxy must change has changed (RFC 3261 §16.6).
    assert_eq!(invite.request_uri(), call.invite().uri);
    assert_eq!(invite.header("Max-Forwards"), Some("69"));
    assert_eq!(invite.all("Via").len(), 2);
    assert_eq!(invite.all("Record-Route").len(), 1);
    assert_eq!(invite.body, call.invite().body.as_bytes());
    assert!(
        String::from_utf8_lossy(&invite.raw).contains("\r\nX-Opaque:   kept  as it is;;\r\n"),
        "{invite}"
    );
    assert_eq!(
        stage.decider.pending().len(),
        1,
        "ACK and BYE are not asked about"
    );
    sigbox.wait_until_idle()
}

#[test]
fn the_callee_can_hang_up_too() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::routing_to(&bob)?;
    let sigbox = &stage.sigbox;

    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.expect_request("INVITE")?;
    bob.reply(&invite, 200, "OK")?;
    call.establish()?;
    bob.expect_request("ACK")?;
    bob.answered(&invite)?.hang_up(&alice)
}

#[test]
fn the_query_says_what_the_caller_asked() -> Result<()> {
    let alice = Phone::new("alice")?;
    let stage = Stage::with(
        |setup| setup.set("decision", "headers", "[\"x-account\"]"),
        |_| Answer::Json(serde_json::json!({ "action": "reject", "status": 404 })),
    )?;
    let sigbox = &stage.sigbox;

    let call = alice.call_with(
        sigbox.sip(),
        &sigbox.uri("+4930123"),
        &["X-Account: 7", "X-Private: no"],
    )?;
    call.expect(404)?;

    let query = stage.decider.next_query()?;
    assert_eq!(query.subject, "sigbox.v1.query.default.invite");
    assert_eq!(query.headers["Sigbox-Attempt"], "1");
    let budget: u32 = query.headers["Sigbox-Budget-Ms"].parse()?;
    assert!(
        (1..=5_000).contains(&budget),
        "what is left of the budget: {budget}"
    );
    assert_eq!(query.headers["Sigbox-Mode"], "live");
    assert!(query.headers.contains_key("traceparent"));
    let deadline: u64 = query.headers["Sigbox-Deadline"].parse()?;
    assert!(
        deadline > 1_700_000_000_000,
        "Unix milliseconds: {deadline}"
    );
    let json = &query.json;
    assert_eq!(json["id"], query.headers["Sigbox-Id"].as_str());
    assert_eq!(json["event"], "sip-routing");
    assert_eq!(json["method"], "INVITE");
    assert_eq!(json["call_id"], call.invite().call_id.as_str());
    assert_eq!(json["request_uri"]["user"], "+4930123");
    assert_eq!(json["request_uri"]["text"], call.invite().uri.as_str());
    assert_eq!(json["source"]["port"], alice.address().port());
    assert_eq!(json["source"]["transport"], "udp");
    assert_eq!(json["headers"]["x-account"][0], "7");
    assert!(!json.to_string().contains("x-private"), "{json}");
    assert!(
        json.get("body").is_none(),
        "bodies stay here unless configured"
    );
    Ok(())
}

/// The system hands the datagrams of one peer to one shard's socket, so there are several: answers arrive at the shard of
/// their call and at the other one.
#[test]
fn two_shards_share_the_calls() -> Result<()> {
    let alice = Phone::new("alice")?;
    let callees = (0..8)
        .map(|_| Phone::new("callee"))
        .collect::<Result<Vec<_>>>()?;
    let hops: Vec<String> = callees.iter().map(Phone::hop).collect();
    let stage = Stage::with(
        |setup| setup.set("runtime", "shards", "2"),
        move |query| {
            let user = query.json["request_uri"]["user"]
                .as_str()
                .unwrap_or_default();
            let number: usize = user.parse().unwrap_or_default();
            Answer::route_to(&hops[number % hops.len()])
        },
    )?;
    let sigbox = &stage.sigbox;

    for number in 0..24 {
        let callee = &callees[number % callees.len()];
        let call = alice.call(sigbox.sip(), &sigbox.uri(&number.to_string()))?;
        let invite = callee.ring(&call)?;
        callee.reply(&invite, 200, "OK")?;
        let mut dialog = call.establish()?;
        callee.expect_request("ACK")?;
        dialog.hang_up(callee)?;
    }
    sigbox.wait_for_metrics("messages to pass between the shards", |metrics| {
        metrics.sum("sigbox_shard_handoffs_total", &[]) > 0.0
    })?;
    sigbox.wait_until_idle()
}
