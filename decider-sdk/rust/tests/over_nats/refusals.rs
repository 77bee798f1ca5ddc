use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use sigbox_decider::{Decider, prelude::*};
use tokio::sync::Semaphore;

use crate::stage::{Stage, decision, error};

fn refused(reply: &async_nats::Message) -> Result<(String, String)> {
    assert!(reply.payload.is_empty(), "an error carries no document");
    error(reply).context("a service error")
}

#[tokio::test]
async fn a_handler_s_error_is_a_service_error_without_its_causes() -> Result<()> {
    let failing = Decider::new("decider", "1.0.0").on(Class::Invite, |_| async {
        Err::<Answer, _>(anyhow!("password is hunter2").context("no answer\r\nfrom the database"))
    });
    let mut stage = Stage::with(failing).await?;
    let (code, text) = refused(&stage.proxy.ask("sip:a@example.com").await?)?;
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("500", "no answer  from the database")
    );
    assert_eq!(stage.counts()?.failed, 1);
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_panic_is_a_service_error_and_the_decider_lives() -> Result<()> {
    let panicking = Decider::new("decider", "1.0.0").on(Class::Invite, |call: Call| {
        assert_ne!(call.request_uri().user(), Some("at-once"), "secret");
        async move {
            assert_ne!(call.request_uri().user(), Some("at-first-poll"), "secret");
            tokio::task::yield_now().await;
            assert_ne!(call.request_uri().user(), Some("later"), "secret");
            reject(404)
        }
    });
    let mut stage = Stage::with(panicking).await?;
    for when in ["at-once", "at-first-poll", "later"] {
        let reply = stage.proxy.ask(&format!("sip:{when}@example.com")).await?;
        let (code, text) = refused(&reply)?;
        assert_eq!(
            (code.as_str(), text.as_str()),
            ("500", "handler panicked"),
            "{when}"
        );
    }
    let reply = stage.proxy.ask("sip:never@example.com").await?;
    assert_eq!(decision(&reply)?["status"], 404);
    assert_eq!(stage.counts()?.failed, 3);
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn an_invalid_decision_is_never_sent() -> Result<()> {
    let wrong = Decider::new("decider", "1.0.0").on(Class::Invite, |_| async {
        route([to("sip:192.0.2.20").header("X-Why", "a\r\nVia: SIP/2.0/UDP 192.0.2.66")])
    });
    let mut stage = Stage::with(wrong).await?;
    let (code, text) = refused(&stage.proxy.ask("sip:a@example.com").await?)?;
    assert_eq!(code, "500");
    assert!(
        text.starts_with("invalid decision: header_injection at /routes/0/headers/set/X-Why"),
        "{text}"
    );
    let counts = stage.counts()?;
    assert_eq!((counts.invalid, counts.answered), (1, 0));
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_answered_400() -> Result<()> {
    let mut stage =
        Stage::with(Decider::new("decider", "1.0.0").on(Class::Invite, |_| async { pass() }))
            .await?;
    for (payload, expected) in [
        ("{", "query: not_json"),
        ("[]", "query: wrong_type"),
        ("{\"version\": \"1.0\"}", "query: missing_field"),
    ] {
        stage
            .proxy
            .query("sip:a@example.com")
            .send_raw(payload.into())
            .await?;
        let (code, text) = refused(&stage.proxy.reply().await?)?;
        assert_eq!(code, "400");
        assert!(text.starts_with(expected), "{text}");
    }
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn one_query_too_many_is_answered_503_at_once() -> Result<()> {
    const AT_ONCE: usize = 2;
    let places = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&places);
    let decider =
        Decider::new("decider", "1.0.0")
            .concurrency(AT_ONCE)
            .on(Class::Invite, move |_| {
                let places = Arc::clone(&waiting);
                async move {
                    let _place = places.acquire().await?;
                    Ok::<_, anyhow::Error>(pass())
                }
            });
    let mut stage = Stage::with(decider).await?;
    for _ in 0..AT_ONCE {
        stage.proxy.query("sip:waits@example.com").send().await?;
    }
    let (code, text) = refused(&stage.proxy.ask("sip:too-many@example.com").await?)?;
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("503", "busy: 2 queries in hand")
    );

    places.add_permits(AT_ONCE);
    for _ in 0..AT_ONCE {
        assert_eq!(decision(&stage.proxy.reply().await?)?["action"], "pass");
    }
    assert_eq!(
        decision(&stage.proxy.ask("sip:again@example.com").await?)?["action"],
        "pass"
    );
    let counts = stage.counts()?;
    assert_eq!((counts.busy, counts.answered), (1, 3));
    stage.decider.stop().await?;
    Ok(())
}
