use std::process::Command;

use anyhow::Result;
use async_nats::ConnectOptions;
use e2e::{Process, repository};
use serde_json::Value;
use sigbox_decider::testing::query;
use sigbox_decider::{Decider, prelude::*};

/// The users of `contracts/nats/permissions.conf` are enough: to answer, and to be found.
#[tokio::test]
async fn a_decider_gets_by_with_the_rights_of_one() -> Result<()> {
    let binary = std::env::var_os("NATS_SERVER_BIN")
        .map_or_else(|| repository().join(".local/bin/nats-server"), Into::into);
    let mut command = Command::new(binary);
    command
        .args(["--addr", "127.0.0.1", "--port", "-1", "--config"])
        .arg(repository().join("contracts/nats/permissions.conf"))
        .env("SIGBOX_PROXY_PASSWORD", "of-the-proxy")
        .env("SIGBOX_DECIDER_PASSWORD", "of-the-decider")
        .env("SIGBOX_OBSERVER_PASSWORD", "of-the-observer");
    let server = Process::spawn("nats-server", &mut command)?;
    let port: u16 = server.wait_for_line("its port", |line| {
        let (_, port) = line.split_once("client connections on 127.0.0.1:")?;
        port.trim().parse().ok()
    })?;

    let decider = Decider::new("decider", "1.0.0")
        .servers(format!("nats://decider:of-the-decider@127.0.0.1:{port}"))
        .on(Class::Invite, |call: Call| async move {
            call.extend(secs(1)).await?;
            Ok::<_, anyhow::Error>(pass())
        })
        .start()
        .await?;
    let connect = |user: &str, password: &str, inbox: &str| {
        ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
            .custom_inbox_prefix(inbox)
            .connect(format!("127.0.0.1:{port}"))
    };

    let observer = connect("observer", "of-the-observer", "_INBOX").await?;
    let subject = format!("$SRV.PING.decider.{}", decider.id());
    let found = async { while observer.request(subject.clone(), "".into()).await.is_err() {} };
    tokio::time::timeout(e2e::PATIENCE, found).await?;

    let proxy = connect("proxy-edge-1", "of-the-proxy", "_INBOX_edge-1").await?;
    let document = serde_json::to_vec(&query("INVITE", "sip:a@example.com"))?;
    let first = proxy
        .request("sigbox.v1.query.default.invite", document.into())
        .await?;
    let first: Value = serde_json::from_slice(&first.payload)?;
    assert_eq!(first["action"], "extend");
    decider.stop().await?;
    Ok(())
}
