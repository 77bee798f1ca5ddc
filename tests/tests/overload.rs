//! More to do than time or memory: FAULTS O1, O3. What it does to the figures is measured by `make bench`.

use anyhow::{Context, Result, ensure};
use e2e::{FakeDecider, Message, NatsServer, Phone, Setup};

/// Fits into the smallest receive buffer that a Linux system gives.
const FLOOD: usize = 100;
/// More than fits into the receive buffer that the test asks for.
const DELUGE: usize = 2_000;

fn flood(phone: &Phone, sigbox: &e2e::Sigbox, requests: usize) -> Result<()> {
    (0..requests).try_for_each(|_| {
        let invite = phone.request("INVITE", &sigbox.uri("bob"));
        phone.send(sigbox.sip(), invite.to_string())
    })
}

/// Alice is in a call with Bob. While sigbox stands still the crowd calls, and then she hangs up.
fn flood_and_hang_up(
    sigbox: &e2e::Sigbox,
    [alice, bob, crowd]: [&Phone; 3],
    requests: usize,
) -> Result<()> {
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    let invite = bob.ring(&call)?;
    bob.reply(&invite, 200, "OK")?;
    let mut dialog = call.establish()?;
    bob.expect_request("ACK")?;

    sigbox.freeze()?;
    flood(crowd, sigbox, requests)?;
    dialog.ask("BYE")?;
    sigbox.thaw()
}

/// The seconds of a 503.
fn retry_after(refusal: &Message) -> Result<u32> {
    refusal
        .required("Retry-After")?
        .parse()
        .context("Retry-After")
}

#[test]
fn o1_messages_of_calls_under_way_come_before_new_calls() -> Result<()> {
    let (alice, bob, crowd) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("crowd")?,
    );
    let sigbox = Setup::routing_to(&bob)
        .set("overload", "max_wait_ms", "10000")
        .start()?;
    flood_and_hang_up(&sigbox, [&alice, &bob, &crowd], FLOOD)?;

    ensure!(bob.receive()?.method() == "BYE", "new calls came first");
    (0..FLOOD).try_for_each(|_| bob.expect_request("INVITE").map(drop))?;
    let metrics = sigbox.metrics()?;
    ensure!(metrics.sum("sigbox_requests_queued_total", &[]) > 0.0);
    let overload = [("reason", "overload")];
    ensure!(metrics.sum("sigbox_requests_rejected_total", &overload) == 0.0);
    ensure!(metrics.sum("sigbox_udp_dropped_total", &overload) == 0.0);
    Ok(())
}

#[test]
fn o1_a_flood_that_overflows_the_receive_buffer_takes_nothing_from_calls_under_way() -> Result<()> {
    let (alice, bob, crowd) = (
        Phone::new("alice")?,
        Phone::new("bob")?,
        Phone::new("crowd")?,
    );
    let sigbox = Setup::routing_to(&bob)
        .set("runtime", "udp_receive_buffer", "65536")
        .start()?;
    flood_and_hang_up(&sigbox, [&alice, &bob, &crowd], DELUGE)?;

    let bye = bob.receive()?;
    ensure!(bye.method() == "BYE", "{bye:?} came first");
    bob.reply(&bye, 200, "OK")?;
    alice.expect(200)?;
    let dropped = |metrics: &e2e::Metrics, socket| {
        let buffers = "sigbox_udp_receive_buffer_dropped_total";
        metrics.sum(buffers, &[("socket", socket)])
    };
    sigbox.wait_for_metrics("the rest of the flood", |metrics| {
        let let_in = metrics.sum("sigbox_requests_total", &[("method", "INVITE")]) - 1.0;
        let_in > 0.0 && let_in + dropped(metrics, "beginning") == DELUGE as f64
    })?;
    ensure!(dropped(&sigbox.metrics()?, "under_way") == 0.0);
    Ok(())
}

#[test]
fn o1_who_waited_too_long_is_refused_and_told_when_to_come_back() -> Result<()> {
    let (bob, crowd) = (Phone::new("bob")?, Phone::new("crowd")?);
    let sigbox = Setup::routing_to(&bob)
        .set("overload", "max_wait_ms", "1")
        .set("overload", "retry_after_min_s", "20")
        .set("overload", "retry_after_max_s", "40")
        // One core that logs every message does not take in 100 calls within 1 ms.
        .set("log", "level", "\"trace\"")
        .start()?;
    sigbox.freeze()?;
    flood(&crowd, &sigbox, FLOOD)?;
    sigbox.thaw()?;
    sigbox.wait_for_metrics("every request to be dealt with", |metrics| {
        let overload = [("reason", "overload")];
        let refused = metrics.sum("sigbox_requests_rejected_total", &overload);
        let dropped = metrics.sum("sigbox_udp_dropped_total", &overload);
        let let_in = metrics.sum("sigbox_requests_forwarded_total", &[]);
        refused > 0.0 && refused + dropped + let_in == FLOOD as f64
    })?;
    let mut waits = Vec::new();
    let refused = sigbox
        .metrics()?
        .sum("sigbox_requests_rejected_total", &[("reason", "overload")]);
    while waits.len() < refused as usize {
        let answer = crowd.receive()?;
        if answer.status() == Some(503) {
            waits.push(retry_after(&answer)?);
        }
    }
    ensure!(
        waits.iter().all(|wait| (20..=40).contains(wait)),
        "{waits:?}"
    );
    waits.sort_unstable();
    waits.dedup();
    ensure!(
        waits.len() > 1,
        "everybody is told to come back at once: {waits:?}"
    );
    sigbox.wait_for_log("that it is overloaded", |line| {
        line.to_string().contains("overloaded").then_some(())
    })
}

#[test]
fn o3_when_memory_is_short_new_calls_are_refused_and_those_under_way_go_on() -> Result<()> {
    const LIMIT: f64 = 67_108_864.0;
    let nats = NatsServer::start()?;
    let silent = FakeDecider::silent(&nats.url())?;
    let (alice, crowd) = (Phone::new("alice")?, Phone::new("crowd")?);
    let sigbox = Setup::new(&nats.url())
        .budget_ms(60_000)
        .set("overload", "memory_bytes", "67108864")
        .set("limits", "transactions", "1000000")
        .set("decision", "max_suspended", "1000000")
        .set("nats", "adaptive", "false")
        .fall_back_to_status(480)
        .start_connected()?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    alice.expect(100)?;

    // Each of them is kept whole while a decider thinks.
    let mut held = 0;
    let refusal = loop {
        let mut invite = crowd.request("INVITE", &sigbox.uri("bob"));
        invite.body = "x".repeat(20_000);
        crowd.send(sigbox.sip(), invite.to_string())?;
        let answer = crowd.receive()?;
        if answer.status() != Some(100) {
            break answer;
        }
        held += 1;
        ensure!(held < 10_000, "200 MB are held, and nothing was refused");
    };
    retry_after(&refusal.must_be_status(503)?)?;
    ensure!(held > 100, "refused after {held} calls");
    let used = sigbox.resident_bytes()?;
    ensure!(used < LIMIT * 1.25, "{used} bytes");

    call.cancel()?;
    alice.expect_each([(200, "CANCEL"), (487, "INVITE")])?;
    drop(silent);
    Ok(())
}
