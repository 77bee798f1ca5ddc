//! Deciders that do not answer are not asked for a while: FAULTS D11.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use e2e::{Answer, FakeDecider, NatsServer, Phone, Setup, Sigbox};
use serde_json::json;

fn setup(nats: &NatsServer) -> Setup {
    Setup::new(&nats.url())
        .fall_back_to_status(480)
        .set("nats.breaker", "min_requests", "3")
        .set("nats.breaker", "failure_ratio", "0.5")
        .set("nats.breaker", "open_ms", "300")
        .set("nats.breaker", "probes", "1")
}

/// Places a call that no decider decides, and waits until it has fallen back for this cause.
fn falls_back(sigbox: &Sigbox, alice: &Phone, cause: &str) -> Result<()> {
    let before = sigbox.metrics()?;
    alice.call(sigbox.sip(), &sigbox.uri("bob"))?.expect(480)?;
    let causes = sigbox.metrics()?.moved(&before, "sigbox_fallbacks_total");
    assert_eq!(
        causes.into_iter().collect::<Vec<_>>(),
        [(cause.to_owned(), 1.0)]
    );
    Ok(())
}

#[test]
fn d11_a_slow_decider_opens_the_circuit_and_an_answer_closes_it() -> Result<()> {
    let nats = NatsServer::start()?;
    let alice = Phone::new("alice")?;
    let is_slow = Arc::new(AtomicBool::new(true));
    let slow = is_slow.clone();
    let decider = FakeDecider::start(&nats.url(), move |_| {
        if slow.load(Ordering::SeqCst) {
            Answer::Silence
        } else {
            Answer::Json(json!({ "action": "reject", "status": 404 }))
        }
    })?;
    let sigbox = setup(&nats).budget_ms(50).start_connected()?;

    for _ in 0..3 {
        falls_back(&sigbox, &alice, "timeout")?;
        decider.next_query()?;
    }
    sigbox.wait_for_count("sigbox_breaker_open", &[("class", "invite")], 1)?;
    sigbox.wait_for_log("an open circuit", |line| {
        let line = line.to_string();
        let told = ["circuit breaker open", "\"timeout\"", "\"open_ms\":300"];
        told.iter().all(|text| line.contains(text)).then_some(())
    })?;
    falls_back(&sigbox, &alice, "circuit_open")?;
    assert!(decider.pending().is_empty(), "nobody was asked");

    // From now on there are answers. Calls fall back until one of them is the probe.
    is_slow.store(false, Ordering::SeqCst);
    e2e::poll::until("a call that is decided", || {
        let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
        let outcome = loop {
            let response = alice.receive()?;
            if response.status().is_some_and(|status| status >= 200) {
                break response;
            }
        };
        call.acknowledge(&outcome)?;
        Ok((outcome.status() == Some(404)).then_some(()))
    })?;
    sigbox.wait_for_count("sigbox_breaker_open", &[], 0)?;
    let call = alice.call(sigbox.sip(), &sigbox.uri("bob"))?;
    call.expect(404)?;
    assert_eq!(
        decider.pending().len(),
        2,
        "the probe and the call after it"
    );
    sigbox.wait_until_idle()
}
