use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;
use sigbox_decider::{Decider, prelude::*};
use tokio::sync::Notify;

use crate::stage::{Proxy, Stage, decision};

fn routing() -> Decider {
    Decider::new("decider", "1.2.3").on(Class::Invite, |call: Call| async move {
        route([to("sip:192.0.2.20").timeout(secs(5))]).because(call.request_uri().text.clone())
    })
}

#[tokio::test]
async fn a_decision_says_who_made_it() -> Result<()> {
    let mut stage = Stage::with(routing()).await?;
    let reply = stage.proxy.ask("sip:+4930123@example.com").await?;
    assert_eq!(
        decision(&reply)?,
        json!({"version": "1.0", "action": "route", "reasons": ["sip:+4930123@example.com"],
            "routes": [{"dst_uri": "sip:192.0.2.20", "fr_timer": 5000}]})
    );
    let headers = reply.headers.context("headers")?;
    assert_eq!(
        headers.get("Sigbox-Decider").map(|value| value.as_str()),
        Some("decider/1.2.3")
    );
    assert_eq!(headers.len(), 1, "no error");
    assert_eq!(stage.counts()?.answered, 1);
    assert_eq!(stage.decider.counts(Class::Message), None);
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_handler_that_waits_does_not_hold_up_the_next_query() -> Result<()> {
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let mut stage = Stage::with(Decider::new("decider", "1.0.0").on(
        Class::Invite,
        move |call: Call| {
            let go_on = Arc::clone(&waiting);
            async move {
                if call.request_uri().user() == Some("slow") {
                    go_on.notified().await;
                }
                reject(404).because(call.request_uri().text.clone())
            }
        },
    ))
    .await?;
    stage.proxy.query("sip:slow@example.com").send().await?;
    stage.proxy.query("sip:quick@example.com").send().await?;
    let first = decision(&stage.proxy.reply().await?)?;
    assert_eq!(first["reasons"], json!(["sip:quick@example.com"]));
    go_on.notify_one();
    let second = decision(&stage.proxy.reply().await?)?;
    assert_eq!(second["reasons"], json!(["sip:slow@example.com"]));
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn two_instances_share_the_queries() -> Result<()> {
    let mut stage = Stage::with(routing()).await?;
    let second = routing().servers(stage.nats.url()).start().await?;
    stage.proxy.wait_for(&second).await?;
    const QUERIES: u64 = 64;
    for n in 0..QUERIES {
        stage
            .proxy
            .query(&format!("sip:{n}@example.com"))
            .send()
            .await?;
    }
    for _ in 0..QUERIES {
        stage.proxy.reply().await?;
    }
    let answered = [&stage.decider, &second].map(|decider| {
        decider
            .counts(Class::Invite)
            .map(|counts| counts.answered)
            .unwrap_or_default()
    });
    assert_eq!(
        answered.iter().sum::<u64>(),
        QUERIES,
        "each query is answered once"
    );
    assert!(answered.iter().all(|n| *n > 0), "{answered:?}");
    second.stop().await?;
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_tenant_s_decider_is_not_asked_about_others() -> Result<()> {
    let mut stage = Stage::with(routing().tenant("gold")).await?;
    stage
        .proxy
        .query("sip:a@example.com")
        .tenant("silver")
        .send()
        .await?;
    let reply = stage.proxy.reply().await?;
    assert_eq!(
        reply.status.map(|status| status.as_u16()),
        Some(503),
        "no responders"
    );
    stage
        .proxy
        .query("sip:a@example.com")
        .tenant("gold")
        .send()
        .await?;
    assert_eq!(decision(&stage.proxy.reply().await?)?["action"], "route");
    stage.decider.stop().await?;
    Ok(())
}

/// D3: what waited in a client during an outage is not answered as if it were new.
#[tokio::test]
async fn d3_an_expired_query_is_dropped_unread() -> Result<()> {
    let mut stage = Stage::with(routing()).await?;
    stage
        .proxy
        .query("sip:late@example.com")
        .late(millis(1))
        .send()
        .await?;
    stage
        .proxy
        .query("sip:late@example.com")
        .late(secs(3600))
        .send_raw(b"not read".into())
        .await?;
    let reply = decision(&stage.proxy.ask("sip:new@example.com").await?)?;
    assert_eq!(reply["reasons"], json!(["sip:new@example.com"]));
    let counts = stage.counts()?;
    assert_eq!(
        (counts.expired, counts.answered, counts.malformed),
        (2, 1, 0)
    );
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_is_counted_and_dropped() -> Result<()> {
    let mut stage = Stage::with(routing()).await?;
    let Proxy { client, .. } = &stage.proxy;
    client
        .publish("sigbox.v1.query.default.invite", "{}".into())
        .await?;
    stage.proxy.ask("sip:new@example.com").await?;
    let counts = stage.counts()?;
    assert_eq!((counts.malformed, counts.answered), (1, 1));
    stage.decider.stop().await?;
    Ok(())
}
