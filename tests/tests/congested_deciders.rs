//! Deciders that are slower than what they are asked: FAULTS O1. What it does to the figures is measured by `make bench`.

use anyhow::{Result, ensure};
use e2e::{Answer, FakeDecider, Metrics, NatsServer, Phone, Query, Setup, Sigbox};
use serde_json::json;

/// Fits into the smallest receive buffer that a Linux system gives.
const BURST: usize = 100;
const BURSTS: usize = 4;
const CALLS: usize = BURST * BURSTS;
/// So many queries are out at once before anything is known, and as many more as one read holds.
const AT_FIRST: usize = 128;
const READ: usize = 32;

/// Calls in bursts, the next one after the last was dealt with.
fn flood(crowd: &Phone, sigbox: &Sigbox, dealt_with: impl Fn(&Metrics) -> f64) -> Result<()> {
    (1..=BURSTS).try_for_each(|burst| {
        for _ in 0..BURST {
            let invite = crowd.request("INVITE", &sigbox.uri("bob"));
            crowd.send(sigbox.sip(), invite.to_string())?;
        }
        sigbox.wait_for_metrics("the burst to be dealt with", |metrics| {
            dealt_with(metrics) == (burst * BURST) as f64
        })
    })
}

fn refused(metrics: &Metrics) -> f64 {
    let overload = [("reason", "overload")];
    metrics.sum("sigbox_requests_rejected_total", &overload)
        + metrics.sum("sigbox_udp_dropped_total", &overload)
}

/// The queries about all calls that are suspended.
fn asked(decider: &FakeDecider, sigbox: &Sigbox) -> Result<Vec<Query>> {
    let suspended = sigbox.metrics()?.sum("sigbox_transactions_suspended", &[]);
    (0..suspended as usize)
        .map(|_| decider.next_query())
        .collect()
}

fn setup(nats: &NatsServer) -> Setup {
    Setup::new(&nats.url()).budget_ms(60_000)
}

/// A proxy whose rules only refuse, with as many queries out as there may be, and what was asked.
fn refusing(
    nats: &NatsServer,
    decider: &FakeDecider,
    crowd: &Phone,
) -> Result<(Sigbox, Vec<Query>)> {
    let sigbox = setup(nats).fall_back_to_status(480).start_connected()?;
    flood(crowd, &sigbox, |metrics| {
        metrics.sum("sigbox_transactions_suspended", &[]) + refused(metrics)
    })?;
    let asked = asked(decider, &sigbox)?;
    Ok((sigbox, asked))
}

#[test]
fn o1_calls_for_which_deciders_have_no_time_are_refused_when_no_rule_would_route_them() -> Result<()>
{
    let nats = NatsServer::start()?;
    let decider = FakeDecider::silent(&nats.url())?;
    let crowd = Phone::new("crowd")?;
    let (sigbox, asked) = refusing(&nats, &decider, &crowd)?;
    ensure!(
        (AT_FIRST..=AT_FIRST + READ).contains(&asked.len()),
        "{} were asked about",
        asked.len()
    );
    let metrics = sigbox.metrics()?;
    ensure!(refused(&metrics) == (CALLS - asked.len()) as f64);
    ensure!(metrics.sum("sigbox_fallbacks_total", &[]) == 0.0);
    let limit = metrics.sum("sigbox_query_limit", &[("class", "invite")]);
    ensure!(limit == AT_FIRST as f64, "{limit}");

    // Their answers come early in the budget: from now on there may be more.
    for query in &asked {
        decider.answer(
            query,
            Answer::Json(json!({ "action": "reject", "status": 404 })),
        )?;
    }
    sigbox.wait_for_metrics("more to be let in", |metrics| {
        metrics.sum("sigbox_query_limit", &[("class", "invite")]) > limit
    })
}

#[test]
fn o1_calls_for_which_deciders_have_no_time_go_where_a_rule_sends_them() -> Result<()> {
    let nats = NatsServer::start()?;
    let decider = FakeDecider::silent(&nats.url())?;
    let (bob, crowd) = (Phone::new("bob")?, Phone::new("crowd")?);
    let sigbox = setup(&nats).fall_back_to(&bob.hop()).start_connected()?;
    let congested = [("cause", "congested")];
    flood(&crowd, &sigbox, |metrics| {
        metrics.sum("sigbox_transactions_suspended", &[])
            + metrics.sum("sigbox_fallbacks_total", &congested)
    })?;

    let asked = asked(&decider, &sigbox)?.len();
    ensure!(asked == AT_FIRST + READ, "{asked} were asked about");
    ensure!(refused(&sigbox.metrics()?) == 0.0);
    (asked..CALLS).try_for_each(|_| bob.expect_request("INVITE").map(drop))
}

#[test]
fn o1_who_does_not_want_the_limit_has_none() -> Result<()> {
    let nats = NatsServer::start()?;
    let decider = FakeDecider::silent(&nats.url())?;
    let crowd = Phone::new("crowd")?;
    let sigbox = setup(&nats)
        .fall_back_to_status(480)
        .set("nats", "adaptive", "false")
        .start_connected()?;
    flood(&crowd, &sigbox, |metrics| {
        metrics.sum("sigbox_transactions_suspended", &[])
    })?;
    ensure!(asked(&decider, &sigbox)?.len() == CALLS);
    Ok(())
}

#[test]
fn o1_a_decider_that_wants_more_time_does_not_count() -> Result<()> {
    let nats = NatsServer::start()?;
    let _decider = FakeDecider::start(&nats.url(), |_| {
        Answer::Json(json!({ "action": "extend", "extend_ms": 5_000 }))
    })?;
    let crowd = Phone::new("crowd")?;
    let sigbox = setup(&nats).fall_back_to_status(480).start_connected()?;
    flood(&crowd, &sigbox, |metrics| {
        metrics.sum("sigbox_transactions_suspended", &[])
    })
}

#[test]
fn o1_calls_that_need_other_deciders_do_not_wait_for_these() -> Result<()> {
    let nats = NatsServer::start()?;
    let decider = FakeDecider::start(&nats.url(), |query| {
        if query.subject.contains(".free.") {
            Answer::Json(json!({ "action": "reject", "status": 404 }))
        } else {
            Answer::Silence
        }
    })?;
    let crowd = Phone::new("crowd")?;
    let sigbox = setup(&nats)
        .rules("[[rule]]\nuser_prefix = \"9\"\naction = \"ask\"\ntenant = \"free\"\n")
        .fall_back_to_status(480)
        .start_connected()?;
    flood(&crowd, &sigbox, |metrics| {
        metrics.sum("sigbox_transactions_suspended", &[])
            + metrics.sum("sigbox_fallbacks_total", &[("cause", "congested")])
    })?;
    ensure!(asked(&decider, &sigbox)?.len() == AT_FIRST + READ);
    let alice = Phone::new("alice")?;
    alice.call(sigbox.sip(), &sigbox.uri("900"))?.expect(404)?;
    Ok(())
}

#[test]
fn o1_emergency_calls_are_asked_about_when_others_are_not() -> Result<()> {
    let nats = NatsServer::start()?;
    let decider = FakeDecider::silent(&nats.url())?;
    let crowd = Phone::new("crowd")?;
    let (sigbox, asked) = refusing(&nats, &decider, &crowd)?;
    for _ in 0..BURST {
        let invite = crowd.request("INVITE", "urn:service:sos");
        crowd.send(sigbox.sip(), invite.to_string())?;
    }
    sigbox.wait_for_count(
        "sigbox_transactions_suspended",
        &[],
        (asked.len() + BURST) as u32,
    )
}
