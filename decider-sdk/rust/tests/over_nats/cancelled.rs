use anyhow::{Context, Result};
use sigbox_decider::{Decider, Withdrawn, prelude::*};
use tokio::sync::mpsc;

use crate::stage::{Stage, decision};

/// D6: the decider gets a `cancelled` event, and what it answers then goes nowhere.
#[tokio::test]
async fn d6_a_handler_learns_that_the_caller_has_hung_up() -> Result<()> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let decider = Decider::new("decider", "1.0.0").on(Class::Invite, move |call: Call| {
        let tell = tell.clone();
        async move {
            if call.request_uri().user() == Some("waits") {
                tell.send((call.id().to_owned(), None))?;
                let why = call.cancelled().await;
                tell.send((call.id().to_owned(), Some(why)))?;
            }
            Ok::<_, anyhow::Error>(reject(404))
        }
    });
    let mut stage = Stage::with(decider).await?;
    for id in ["first", "second"] {
        stage
            .proxy
            .query("sip:waits@example.com")
            .id(id)
            .send()
            .await?;
        assert_eq!(told.recv().await, Some((id.to_owned(), None)));
    }
    stage
        .proxy
        .client
        .publish("sigbox.v1.event.cancelled.default", "nonsense".into())
        .await?;
    stage.proxy.hang_up("somebody-else").await?;
    stage.proxy.hang_up("second").await?;
    let (id, why) = told.recv().await.context("the handler to go on")?;
    assert_eq!(
        (id.as_str(), why),
        ("second", Some(Withdrawn::Cancelled)),
        "not the first"
    );

    let reply = stage.proxy.ask("sip:quick@example.com").await?;
    assert_eq!(decision(&reply)?["status"], 404, "the first reply of all");
    stage.proxy.hang_up("first").await?;
    told.recv().await.context("the other handler to go on")?;
    let counts = stage.counts()?;
    stage.decider.stop().await?;
    assert_eq!((counts.answered, counts.failed), (1, 0));
    Ok(())
}

/// A handler that never looks up cannot use up the concurrency for good.
#[tokio::test]
async fn a_handler_that_hangs_is_dropped_after_its_deadline() -> Result<()> {
    struct Dropped(mpsc::UnboundedSender<()>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (tell, mut told) = mpsc::unbounded_channel();
    let decider =
        Decider::new("decider", "1.0.0")
            .concurrency(1)
            .on(Class::Invite, move |call: Call| {
                let dropped = Dropped(tell.clone());
                async move {
                    if call.request_uri().user() == Some("hangs") {
                        std::future::pending::<()>().await;
                    }
                    drop(dropped);
                    pass()
                }
            });
    let mut stage = Stage::with(decider).await?;
    stage
        .proxy
        .query("sip:hangs@example.com")
        .budget(millis(50))
        .send()
        .await?;
    told.recv().await.context("the handler to be dropped")?;
    // Its place is free when its task has been reaped, which is after the drop by a turn of the loop or two.
    let decided = async {
        loop {
            let reply = stage.proxy.ask("sip:quick@example.com").await?;
            if !reply.payload.is_empty() {
                return decision(&reply);
            }
        }
    };
    assert_eq!(
        tokio::time::timeout(e2e::PATIENCE, decided).await??["action"],
        "pass"
    );
    assert_eq!(stage.counts()?.late, 1);
    stage.decider.stop().await?;
    Ok(())
}
