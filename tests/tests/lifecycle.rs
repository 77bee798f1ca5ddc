//! Starting, reloading and stopping a node.

use anyhow::Result;
use e2e::{Answer, NatsServer, Phone, Setup, Stage};
use rustix::process::Signal;

#[test]
fn sigterm_refuses_new_calls_and_lets_the_pending_ones_finish() -> Result<()> {
    let (alice, bob, carol) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("carol")?,
    );
    let mut stage = Stage::with(
        |setup| setup.budget_ms(60_000).set("runtime", "drain_s", "60"),
        |_| Answer::Silence,
    )?;
    let decider = &stage.decider;

    let pending = alice.call(stage.sigbox.sip(), &stage.sigbox.uri("bob"))?;
    let query = decider.next_query()?;
    stage.sigbox.signal(Signal::TERM)?;
    e2e::poll::until("the proxy to drain", || {
        Ok((stage.sigbox.get("/readyz")?.0 == 503).then_some(()))
    })?;
    let refused = carol
        .call(stage.sigbox.sip(), &stage.sigbox.uri("bob"))?
        .expect(503)?;
    assert!(refused.header("Retry-After").is_some(), "{refused}");

    decider.answer(&query, Answer::route_to(&bob.hop()))?;
    bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
    pending.expect(486)?;
    bob.expect_request("ACK")?;
    assert!(stage.sigbox.wait()?.success());
    Ok(())
}

#[test]
fn sighup_applies_a_good_file_and_keeps_the_old_one_over_a_bad_one() -> Result<()> {
    let nats = NatsServer::start()?;
    let alice = Phone::new("alice")?;
    let setup = Setup::new(&nats.url());
    let mut sigbox = setup.clone().fall_back_to_status(480).start_connected()?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;

    sigbox.rewrite(&setup.clone().fall_back_to_status(404).to_toml())?;
    sigbox.signal(Signal::HUP)?;
    sigbox.wait_for_count("sigbox_reloads_total", &[("result", "applied")], 1)?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(404)?;

    sigbox.rewrite(&setup.rules("[[fallback]]\naction = \"jump\"").to_toml())?;
    sigbox.signal(Signal::HUP)?;
    sigbox.wait_for_count("sigbox_reloads_total", &[("result", "refused")], 1)?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(404)?;
    assert!(sigbox.terminate()?.success());
    Ok(())
}

#[test]
fn health_and_readiness_are_told_apart() -> Result<()> {
    let mut nats = NatsServer::start()?;
    let setup = Setup::new(&nats.url()).set("admin", "ready_without_nats", "false");
    let sigbox = setup.start_connected()?;
    assert_eq!(sigbox.get("/healthz")?.0, 200);
    assert_eq!(sigbox.get("/readyz")?.0, 200);
    nats.stop()?;
    e2e::poll::until("the proxy to notice", || {
        Ok((sigbox.get("/readyz")?.0 == 503).then_some(()))
    })?;
    assert_eq!(sigbox.get("/healthz")?.0, 200);
    assert_eq!(sigbox.get("/nowhere")?.0, 404);
    Ok(())
}

#[test]
fn d15_the_ack_of_a_call_answered_while_draining_still_gets_through() -> Result<()> {
    let (alice, bob) = (Phone::new("alice")?, Phone::new("bob")?);
    let mut stage = Stage::routing_to(&bob)?;
    let call = alice.call(stage.sigbox.sip(), &stage.sigbox.uri("bob"))?;
    let invite = bob.ring(&call)?;
    stage.sigbox.signal(Signal::TERM)?;
    e2e::poll::until("the proxy to drain", || {
        Ok((stage.sigbox.get("/readyz")?.0 == 503).then_some(()))
    })?;
    bob.reply(&invite, 200, "OK")?;
    let answer = call.expect(200)?;
    // Nothing is open any more; an answer to OPTIONS shows that the shard has been round since.
    alice.options(stage.sigbox.sip())?;
    alice.expect(200)?;
    call.dialog(&answer)?.acknowledge()?;
    bob.expect_request("ACK")?;
    assert!(stage.sigbox.wait()?.success());
    Ok(())
}
