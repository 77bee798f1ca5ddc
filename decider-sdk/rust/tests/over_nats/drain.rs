use std::sync::Arc;

use anyhow::{Context, Result};
use sigbox_decider::{Decider, Withdrawn, prelude::*};
use tokio::sync::{Notify, mpsc};

use crate::stage::{Stage, decision, error};

/// A decider whose handlers say that they have begun, and wait for `go_on`.
fn waiting(
    drain_time: std::time::Duration,
) -> (Decider, Arc<Notify>, mpsc::UnboundedReceiver<Call>) {
    let go_on = Arc::new(Notify::new());
    let notified = Arc::clone(&go_on);
    let (tell, told) = mpsc::unbounded_channel();
    let decider = Decider::new("decider", "1.0.0").drain_time(drain_time).on(
        Class::Invite,
        move |call: Call| {
            let (go_on, tell) = (Arc::clone(&notified), tell.clone());
            async move {
                tell.send(call)?;
                go_on.notified().await;
                Ok::<_, anyhow::Error>(reject(404))
            }
        },
    );
    (decider, go_on, told)
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_hand_and_takes_nothing_new() -> Result<()> {
    let (decider, go_on, mut told) = waiting(e2e::PATIENCE);
    let mut stage = Stage::with(decider).await?;
    stage.proxy.query("sip:a@example.com").send().await?;
    told.recv().await.context("the handler to begin")?;

    let client = stage.proxy.client.clone();
    let stopping = tokio::spawn(stage.decider.stop());
    // Out of the queue group: a proxy hears at once that nobody answers, while the handler is still at work.
    while client
        .request("sigbox.v1.query.default.invite", "".into())
        .await
        .is_ok()
    {}
    assert!(!stopping.is_finished());
    go_on.notify_one();
    assert_eq!(decision(&stage.proxy.reply().await?)?["status"], 404);
    stopping.await??;
    Ok(())
}

#[tokio::test]
async fn a_stop_under_load_loses_no_query() -> Result<()> {
    const BURST: u64 = 200;
    let decider = Decider::new("decider", "1.0.0").on(Class::Invite, |_| async { reject(404) });
    let mut stage = Stage::with(decider).await?;
    let stopping = tokio::spawn(stage.decider.stop());
    let mut asked = 0;
    while !stopping.is_finished() {
        // Bursts, so that some are on the way whenever the subscription ends.
        for _ in 0..BURST {
            stage.proxy.query("sip:a@example.com").send().await?;
        }
        asked += BURST;
        tokio::task::yield_now().await;
    }
    stopping.await??;
    // One reply each: the decider's, or NATS saying that there is no decider any more.
    let (mut decided, mut nobody) = (0, 0);
    while decided + nobody < asked {
        let reply = stage.proxy.reply().await;
        let reply =
            reply.with_context(|| format!("{asked} asked, {decided} and {nobody} answered"))?;
        match reply.status {
            None => decided += 1,
            Some(_) => nobody += 1,
        }
    }
    assert_eq!(
        stage
            .proxy
            .ask("sip:a@example.com")
            .await?
            .status
            .map(|s| s.as_u16()),
        Some(503)
    );
    Ok(())
}

#[tokio::test]
async fn a_handler_that_does_not_finish_is_given_up_with_503() -> Result<()> {
    let (decider, _go_on, mut told) = waiting(millis(20));
    let mut stage = Stage::with(decider).await?;
    stage.proxy.query("sip:a@example.com").send().await?;
    let call = told.recv().await.context("the handler to begin")?;
    stage.decider.stop().await?;
    let (code, text) = error(&stage.proxy.reply().await?).context("a service error")?;
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("503", "the decider is stopping")
    );
    assert_eq!(call.withdrawn(), Some(Withdrawn::Stopped));
    Ok(())
}
