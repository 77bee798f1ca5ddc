use anyhow::{Context, Result};
use e2e::NatsServer;
use sigbox_decider::{Decider, prelude::*};

use crate::stage::{Proxy, decision};

fn passing() -> Decider {
    Decider::new("decider", "1.0.0").on(Class::Invite, |_| async { pass() })
}

/// D3, from the decider's side: NATS absent at start, then there, then restarted.
#[tokio::test]
async fn d3_a_decider_waits_for_nats_and_comes_back_with_it() -> Result<()> {
    let mut nats = NatsServer::start()?;
    nats.stop()?;
    // Somebody who hangs up on the first attempt, so that there is one before NATS comes.
    let port = std::net::TcpListener::bind(("127.0.0.1", nats.port()))?;
    let starting = tokio::spawn(passing().servers(nats.url()).start());
    tokio::task::spawn_blocking(move || port.accept()).await??;
    nats.restart()?;
    let decider = starting.await??;
    for _ in 0..2 {
        let mut proxy = Proxy::connect(&nats).await?;
        proxy.wait_for(&decider).await?;
        assert_eq!(
            decision(&proxy.ask("sip:a@example.com").await?)?["action"],
            "pass"
        );
        nats.restart()?;
    }
    decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_decider_that_waits_for_nats_can_be_stopped() -> Result<()> {
    let mut nats = NatsServer::start()?;
    let url = nats.url();
    nats.stop()?;
    passing()
        .servers(url)
        .run_until(tokio::task::yield_now())
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_stop_without_nats_does_not_wait_for_it() -> Result<()> {
    let mut nats = NatsServer::start()?;
    let decider = passing()
        .servers(nats.url())
        .drain_time(secs(3600))
        .start()
        .await?;
    nats.stop()?;
    tokio::time::timeout(e2e::PATIENCE, decider.stop())
        .await
        .context("the stop")??;
    Ok(())
}
