use anyhow::{Context, Result};
use serde_json::{Value, json};
use sigbox_decider::{Decider, prelude::*};

use crate::stage::{Proxy, Stage};

async fn document(proxy: &Proxy, subject: &str) -> Result<Value> {
    let reply = proxy.client.request(subject.to_owned(), "".into()).await?;
    Ok(serde_json::from_slice(&reply.payload)?)
}

#[tokio::test]
async fn a_decider_is_a_nats_service() -> Result<()> {
    let decider = Decider::new("decider", "1.2.3")
        .description("for the test")
        .on(Class::Invite, |_| async { pass() })
        .on(Class::Message, |_| async {
            Err::<Answer, _>("out of order")
        });
    let mut stage = Stage::with(decider).await?;
    stage.proxy.ask("sip:a@example.com").await?;
    let id = stage.decider.id().to_owned();

    for scope in [
        "".to_owned(),
        ".decider".to_owned(),
        format!(".decider.{id}"),
    ] {
        let ping = document(&stage.proxy, &format!("$SRV.PING{scope}")).await?;
        assert_eq!(
            ping,
            json!({"type": "io.nats.micro.v1.ping_response", "name": "decider", "id": id, "version": "1.2.3",
                "metadata": {"sigbox": "decider", "classes": "invite,message",
                    "sdk": concat!("rust/", env!("CARGO_PKG_VERSION"))}})
        );
        let info = document(&stage.proxy, &format!("$SRV.INFO{scope}")).await?;
        assert_eq!(info["type"], "io.nats.micro.v1.info_response");
        assert_eq!(info["description"], "for the test");
        assert_eq!(
            info["endpoints"][0],
            json!({"name": "invite", "subject": "sigbox.v1.query.*.invite", "queue_group": "deciders",
                "metadata": {"class": "invite"}})
        );
        let stats = document(&stage.proxy, &format!("$SRV.STATS{scope}")).await?;
        assert_eq!(stats["type"], "io.nats.micro.v1.stats_response");
        let started = stats["started"].as_str().context("started")?;
        assert!(
            started.starts_with("20") && started.ends_with('Z'),
            "{started}"
        );
        let [invite, message] = [&stats["endpoints"][0], &stats["endpoints"][1]];
        assert_eq!(
            (&invite["num_requests"], &invite["num_errors"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(invite["processing_time"], invite["average_processing_time"]);
        assert!(invite["processing_time"].as_u64() > Some(0));
        assert_eq!(invite["data"]["answered"], 1);
        assert_eq!(
            (&message["name"], &message["num_requests"]),
            (&json!("message"), &json!(0))
        );
    }
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn errors_show_in_the_statistics() -> Result<()> {
    let failing = Decider::new("decider", "1.0.0").on(Class::Invite, |_| async {
        Err::<Answer, _>("out of order")
    });
    let mut stage = Stage::with(failing).await?;
    stage.proxy.ask("sip:a@example.com").await?;
    let stats = document(&stage.proxy, "$SRV.STATS.decider").await?;
    let endpoint = &stats["endpoints"][0];
    assert_eq!(
        (&endpoint["num_requests"], &endpoint["num_errors"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(endpoint["last_error"], "500:out of order");
    stage.decider.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_stopped_decider_is_out_of_the_register() -> Result<()> {
    let stage =
        Stage::with(Decider::new("decider", "1.0.0").on(Class::Invite, |_| async { pass() }))
            .await?;
    stage.decider.stop().await?;
    for subject in ["$SRV.PING.decider", "sigbox.v1.query.default.invite"] {
        let error = stage
            .proxy
            .client
            .request(subject, "".into())
            .await
            .err()
            .context("an error")?;
        assert_eq!(
            error.kind(),
            async_nats::RequestErrorKind::NoResponders,
            "{subject}"
        );
    }
    Ok(())
}
