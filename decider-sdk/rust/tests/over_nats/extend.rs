use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;
use sigbox_decider::{Decider, prelude::*};
use tokio::sync::Notify;

use crate::stage::{Stage, decision};

#[tokio::test]
async fn an_extend_goes_out_before_the_decision() -> Result<()> {
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let decider = Decider::new("decider", "1.0.0").on(Class::Invite, move |call: Call| {
        let go_on = Arc::clone(&waiting);
        async move {
            call.extend(secs(30)).await?;
            go_on.notified().await;
            let left = call.remaining();
            anyhow::ensure!(left > secs(10), "{left:?} left");
            Ok(route(["sip:192.0.2.20"]))
        }
    });
    let mut stage = Stage::with(decider).await?;
    stage
        .proxy
        .query("sip:a@example.com")
        .budget(secs(5))
        .send()
        .await?;
    let extend = stage.proxy.reply().await?;
    assert_eq!(
        decision(&extend)?,
        json!({"version": "1.0", "action": "extend", "extend_ms": 30_000})
    );
    assert!(
        extend
            .headers
            .context("headers")?
            .get("Sigbox-Decider")
            .is_some()
    );
    go_on.notify_one();
    assert_eq!(decision(&stage.proxy.reply().await?)?["action"], "route");
    assert_eq!(stage.counts()?.answered, 1);
    stage.decider.stop().await?;
    Ok(())
}
