//! Local rules decide when nobody else does: FAULTS D1, D2, D12, D19.

use std::collections::BTreeMap;

use anyhow::Result;
use e2e::{Answer, FakeDecider, NatsServer, Phone, Setup, Sigbox, Stage};
use serde_json::json;

/// Which causes led to a fallback, and how often.
fn fallbacks(sigbox: &Sigbox) -> Result<BTreeMap<String, f64>> {
    Ok(sigbox
        .metrics()?
        .moved(&e2e::Metrics::default(), "sigbox_fallbacks_total"))
}

fn once(cause: &str) -> BTreeMap<String, f64> {
    BTreeMap::from([(cause.to_owned(), 1.0)])
}

#[test]
fn d1_a_silent_decider_leads_to_the_fallback_exactly_once() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::with(|setup| setup.budget_ms(150), |_| Answer::Silence)?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    alice.expect(100)?;
    call.expect(480)?;
    let event = decider.next_event("decision")?;
    assert_eq!(
        (event["outcome"].as_str(), event["cause"].as_str()),
        (Some("fallback"), Some("timeout"))
    );
    assert!(
        event["took_ms"].as_f64().is_some_and(|took| took >= 140.0),
        "{event}"
    );
    assert_eq!(fallbacks(sigbox)?, once("timeout"));

    // The answer comes after all: it is counted and has no other effect.
    decider.answer(&decider.next_query()?, Answer::route_to(&bob.hop()))?;
    sigbox.wait_for_count("sigbox_answers_ignored_total", &[], 1)?;
    bob.expect_quiet(sigbox.sip())?;
    alice.expect_quiet(sigbox.sip())?;
    sigbox.wait_until_idle()
}

#[test]
fn d2_no_responders_is_noticed_without_waiting() -> Result<()> {
    let nats = NatsServer::start()?;
    let alice = Phone::new("alice")?;
    let observer = FakeDecider::observer(&nats.url())?;
    // A budget longer than the patience of this test: only the server's own word can end the wait.
    let sigbox = Setup::new(&nats.url())
        .budget_ms(60_000)
        .fall_back_to_status(480)
        .start_connected()?;

    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    assert_eq!(fallbacks(&sigbox)?, once("no_responders"));
    assert_eq!(observer.next_event("decision")?["cause"], "no_responders");

    // The log says so, and once: what everybody falls back for is no news.
    let silence = "no decider listens on sigbox.v1.query.default.invite; local rules decide";
    sigbox.wait_for_log("that nobody listens", |line| {
        line.to_string().contains(silence).then_some(())
    })?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    let decider = FakeDecider::start(&nats.url(), |_| {
        Answer::Json(json!({ "action": "reject", "status": 404 }))
    })?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(404)?;
    decider.next_query()?;
    sigbox.wait_for_log("that somebody listens", |line| {
        line.to_string()
            .contains("deciders answer again")
            .then_some(())
    })?;
    let log = sigbox.log();
    let lines = log.iter().filter(|line| line.contains(silence));
    assert_eq!(lines.count(), 1, "{log:?}");
    sigbox.wait_until_idle()
}

#[test]
fn d12_over_the_cap_of_suspended_transactions_calls_fall_back_at_once() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let stage = Stage::with(
        |setup| {
            setup
                .budget_ms(60_000)
                .set("decision", "max_suspended", "1")
        },
        |_| Answer::Silence,
    )?;
    let sigbox = &stage.sigbox;
    let decider = &stage.decider;

    let first = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let query = decider.next_query()?;
    Phone::new("carol")?
        .call(sigbox.sip(), &sigbox.uri("bob"))?
        .expect(480)?;
    assert_eq!(fallbacks(sigbox)?, once("capacity"));
    assert!(decider.pending().is_empty());

    // The one that waits is not disturbed, and its place becomes free.
    decider.answer(&query, Answer::route_to(&bob.hop()))?;
    bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
    first.expect(486)?;
    bob.expect_request("ACK")?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    decider.next_query()?;
    Ok(())
}

#[test]
fn d19_what_a_fallback_forwards_is_a_whole_call() -> Result<()> {
    let nats = NatsServer::start()?;
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let sigbox = Setup::new(&nats.url())
        .fall_back_to(&bob.hop())
        .start_connected()?;

    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.ring(&call)?;
    bob.reply(&invite, 200, "OK")?;
    let mut dialog = call.establish()?;
    bob.expect_request("ACK")?;
    dialog.hang_up(&bob)?;
    assert_eq!(fallbacks(&sigbox)?, once("no_responders"));
    sigbox.wait_until_idle()
}

#[test]
fn rules_before_asking_can_spare_the_question() -> Result<()> {
    let nats = NatsServer::start()?;
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let decider = FakeDecider::silent(&nats.url())?;
    let rules = format!(
        "[[rule]]\nuser_prefix = \"0900\"\naction = \"reject\"\nstatus = 403\n\n\
         [[rule]]\nuser = \"bob\"\naction = \"route\"\nroutes = [{{ dst_uri = {:?} }}]\n",
        bob.hop()
    );
    let sigbox = Setup::new(&nats.url()).rules(&rules).start_connected()?;

    alice
        .call(sigbox.sip(), &sigbox.uri("0900123"))?
        .expect(403)?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
    call.expect(486)?;
    bob.expect_request("ACK")?;
    alice.call(sigbox.sip(), &sigbox.uri("someone"))?;
    assert_eq!(decider.next_query()?.json["request_uri"]["user"], "someone");
    Ok(())
}
