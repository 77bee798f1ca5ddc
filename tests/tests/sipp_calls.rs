//! SIPp's calls through the proxy: a stranger's SIP stack on both sides.

use anyhow::Result;
use e2e::{Answer, FakeDecider, NatsServer, Setup, Sipp, SippResult};

fn hundred_calls(nats: &NatsServer) -> Result<()> {
    let phones = Sipp::answering()?;
    let answer = Answer::route_to(&format!("sip:{}", phones.address()));
    let _decider = FakeDecider::start(&nats.url(), move |_| answer.clone())?;
    let sigbox = Setup::new(&nats.url())
        .set("runtime", "shards", "2")
        .start_connected()?;
    let result = Sipp::calling(sigbox.sip(), "+4930123", 100, 50)?.finish()?;
    assert_eq!(
        result,
        SippResult {
            successful: 100,
            failed: 0,
            retransmissions: result.retransmissions
        }
    );
    assert_eq!(phones.end()?.failed, 0);
    sigbox.wait_until_idle()?;
    assert_eq!(
        sigbox
            .metrics()?
            .sum("sigbox_decisions_total", &[("outcome", "decided")]),
        100.0
    );
    Ok(())
}

#[test]
fn a_hundred_sipp_calls_are_decided() -> Result<()> {
    hundred_calls(&NatsServer::start()?)
}

#[test]
fn a_hundred_sipp_calls_are_decided_over_the_oldest_nats() -> Result<()> {
    match NatsServer::start_oldest()? {
        Some(nats) => hundred_calls(&nats),
        None => {
            eprintln!("nats-server 2.9 is not installed: left out");
            Ok(())
        }
    }
}
