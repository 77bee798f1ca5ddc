//! What each action puts on the wire: FAULTS D13, D17.

use anyhow::Result;
use e2e::{Answer, FakeDecider, NatsServer, Phone, Setup, Sigbox};
use serde_json::{Value, json};

/// A proxy whose decider gives every call the same answer.
struct Deciding {
    sigbox: Sigbox,
    alice: Phone,
    _decider: FakeDecider,
    _nats: NatsServer,
}

impl Deciding {
    fn always(decision: Value) -> Result<Self> {
        let nats = NatsServer::start()?;
        let decider = FakeDecider::start(&nats.url(), move |_| Answer::Json(decision.clone()))?;
        let sigbox = Setup::new(&nats.url())
            .fall_back_to_status(480)
            .start_connected()?;
        Ok(Self {
            sigbox,
            alice: Phone::new("alice")?,
            _decider: decider,
            _nats: nats,
        })
    }

    fn call(&self) -> Result<e2e::Call<'_>> {
        self.alice.call(self.sigbox.sip(), &self.sigbox.uri("bob"))
    }
}

#[test]
fn d13_reject_is_the_answer() -> Result<()> {
    let scene = Deciding::always(json!({
        "action": "reject", "status": 503, "reason": "Not Today", "retry_after_ms": 1500,
        "headers": { "set": { "X-Why": "closed" } },
    }))?;
    let refused = scene.call()?.expect(503)?;
    assert_eq!(refused.start, "SIP/2.0 503 Not Today");
    assert_eq!(refused.header("Retry-After"), Some("2"));
    assert_eq!(refused.header("X-Why"), Some("closed"));
    assert!(refused.tag("To").is_some(), "a final response has a To tag");
    scene.sigbox.wait_until_idle()
}

#[test]
fn d13_redirect_names_the_contacts() -> Result<()> {
    let scene = Deciding::always(json!({
        "action": "redirect", "status": 302,
        "contacts": [{ "uri": "sip:bob@192.0.2.20", "q": 0.7 }, { "uri": "sip:bob@192.0.2.21", "expires": 60 }],
    }))?;
    let moved = scene.call()?.expect(302)?;
    let contacts = moved.all("Contact").join(", ");
    for part in [
        "<sip:bob@192.0.2.20>;q=0.7",
        "<sip:bob@192.0.2.21>;expires=60",
    ] {
        assert!(contacts.contains(part), "{contacts}");
    }
    scene.sigbox.wait_until_idle()
}

#[test]
fn d13_pass_leaves_it_to_local_rules() -> Result<()> {
    let scene = Deciding::always(json!({ "action": "pass" }))?;
    scene.call()?.expect(480)?;
    scene
        .sigbox
        .wait_for_count("sigbox_fallbacks_total", &[("cause", "pass")], 1)
}

/// RFC 3261 §16.5, §16.6 step 2
#[test]
fn d13_serial_routes_are_tried_in_order() -> Result<()> {
    let (silent, busy, bob) = (
        Phone::new("silent")?,
        Phone::new("busy")?,
        Phone::new("bob")?,
    );
    let scene = Deciding::always(json!({ "routing": "serial", "routes": [
        { "dst_uri": silent.hop(), "fr_timer": 300, "headers": { "set": { "X-Branch": "1" } } },
        { "dst_uri": busy.hop(), "uri": "sip:other@example.com", "headers": { "set": { "X-Branch": "2" } } },
        { "dst_uri": bob.hop() },
    ] }))?;
    let call = scene.call()?;
    // The first route has a timer of its own, shorter than any default.
    let first = silent.expect_request("INVITE")?;
    let second = busy.expect_request("INVITE")?;
    busy.reply(&second, 503, "Service Unavailable")?;
    assert_eq!(busy.expect_request("ACK")?.branch(), second.branch());
    let third = bob.expect_request("INVITE")?;
    bob.reply(&third, 200, "OK")?;
    call.establish()?;

    assert_eq!(first.header("X-Branch"), Some("1"));
    assert_eq!(
        (second.header("X-Branch"), second.request_uri()),
        (Some("2"), "sip:other@example.com")
    );
    assert_eq!(
        (third.header("X-Branch"), third.request_uri()),
        (None, call.invite().uri.as_str())
    );
    let mut branches = [first.branch(), second.branch(), third.branch()];
    branches.sort_unstable();
    assert!(
        branches.windows(2).all(|pair| pair[0] != pair[1]),
        "{branches:?}"
    );
    Ok(())
}

#[test]
fn d13_failover_says_which_finals_move_on() -> Result<()> {
    let (busy, bob) = (Phone::new("busy")?, Phone::new("bob")?);
    let scene = Deciding::always(json!({
        "routing": "serial", "routes": [{ "dst_uri": busy.hop() }, { "dst_uri": bob.hop() }], "failover": [408, "5xx"],
    }))?;
    let call = scene.call()?;
    busy.reply(&busy.expect_request("INVITE")?, 486, "Busy Here")?;
    call.expect(486)?;
    bob.expect_quiet(scene.sigbox.sip())
}

/// RFC 3261 §16.6 step 10, §16.7 step 10
#[test]
fn d13_parallel_losers_are_cancelled() -> Result<()> {
    let (bob, carol) = (Phone::new("bob")?, Phone::new("carol")?);
    let scene = Deciding::always(json!({ "routing": "parallel", "routes": [
        { "dst_uri": bob.hop(), "headers": { "set": { "X-For": "bob" } } },
        { "dst_uri": carol.hop(), "headers": { "set": { "X-For": "carol" } } },
    ] }))?;
    let call = scene.call()?;
    let (at_bob, at_carol) = (
        bob.expect_request("INVITE")?,
        carol.expect_request("INVITE")?,
    );
    assert_eq!(
        (at_bob.header("X-For"), at_carol.header("X-For")),
        (Some("bob"), Some("carol"))
    );
    bob.reply(&at_bob, 180, "Ringing")?;
    carol.reply(&at_carol, 180, "Ringing")?;
    for _ in 0..2 {
        call.expect(180)?;
    }
    carol.reply(&at_carol, 200, "OK")?;
    let mut dialog = call.establish()?;

    bob.stop_ringing(&at_bob)?;
    carol.expect_request("ACK")?;
    dialog.hang_up(&carol)?;
    scene.alice.expect_quiet(scene.sigbox.sip())?;
    scene.sigbox.wait_until_idle()
}

#[test]
fn d17_each_branch_carries_its_own_headers_and_no_other() -> Result<()> {
    let phones = [
        Phone::new("bob")?,
        Phone::new("carol")?,
        Phone::new("dave")?,
    ];
    let route =
        |phone: &Phone, headers: Value| json!({ "dst_uri": phone.hop(), "headers": headers });
    let scene = Deciding::always(json!({ "routing": "parallel", "routes": [
        route(&phones[0], json!({ "set": { "X-Only": "bob", "User-Agent": "bob's" } })),
        route(&phones[1], json!({ "extra": "X-Extra: carol\r\n", "remove": ["User-Agent"] })),
        route(&phones[2], json!({ "from": { "display": "Dave's", "uri": "sip:sales@example.com" } })),
    ] }))?;
    let call = scene.alice.call_with(
        scene.sigbox.sip(),
        &scene.sigbox.uri("bob"),
        &["User-Agent: caller's"],
    )?;
    let seen = phones
        .iter()
        .map(|phone| phone.expect_request("INVITE"))
        .collect::<Result<Vec<_>>>()?;
    let values = |name: &str| {
        seen.iter()
            .map(|invite| invite.all(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(values("X-Only"), [vec!["bob"], vec![], vec![]]);
    assert_eq!(values("X-Extra"), [vec![], vec!["carol"], vec![]]);
    assert_eq!(
        values("User-Agent"),
        [vec!["bob's"], vec![], vec!["caller's"]]
    );
    let from = values("From").concat();
    assert_eq!(from[..2], [call.invite().from.as_str(); 2]);
    assert!(from[2].contains("<sip:sales@example.com>"), "{}", from[2]);
    let tag = seen[2].tag("From").map(str::to_owned);
    assert!(
        tag.is_some_and(|tag| call.invite().from.ends_with(&tag)),
        "the tag stays: {}",
        from[2]
    );

    // What the phones answer still finds the caller, whose From is as it was.
    for (phone, invite) in phones.iter().zip(&seen) {
        phone.reply(invite, 486, "Busy Here")?;
    }
    let busy = call.expect(486)?;
    assert_eq!(busy.header("From"), Some(call.invite().from.as_str()));
    Ok(())
}

#[test]
fn d13_groups_fork_within_and_follow_each_other() -> Result<()> {
    let (bob, carol, desk) = (
        Phone::new("bob")?,
        Phone::new("carol")?,
        Phone::new("desk")?,
    );
    let scene = Deciding::always(json!({ "routes": [
        { "dst_uri": bob.hop(), "group": 1 }, { "dst_uri": desk.hop(), "group": 2 }, { "dst_uri": carol.hop(), "group": 1 },
    ] }))?;
    let call = scene.call()?;
    for phone in [&bob, &carol] {
        let invite = phone.expect_request("INVITE")?;
        desk.expect_quiet(scene.sigbox.sip())?;
        phone.reply(&invite, 486, "Busy Here")?;
        phone.expect_request("ACK")?;
    }
    desk.reply(&desk.expect_request("INVITE")?, 200, "OK")?;
    call.establish()?;
    Ok(())
}
