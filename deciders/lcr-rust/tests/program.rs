//! The program as it is run: from its environment to SIGTERM.

use std::process::Command;

use anyhow::{Context, Result};
use e2e::{NatsServer, PATIENCE, Process};
use sigbox_decider::async_nats;
use sigbox_decider::contracts::{Decision, Limits};
use sigbox_decider::testing::query;

#[tokio::test]
async fn it_answers_from_its_file_and_stops_when_told() -> Result<()> {
    let nats = NatsServer::start()?;
    let rates = tempfile::NamedTempFile::new()?;
    std::fs::write(
        rates.path(),
        "prefix,carrier,uri,timeout_ms,cost,mode\n49,a,sip:192.0.2.20,,,\n",
    )?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcr-rust"));
    command
        .env("NATS_URL", nats.url())
        .env("RATES", rates.path());
    command
        .env_remove("SIGBOX_LOG")
        .env("SIGBOX_PREFIX", "acme")
        .env("SIGBOX_TENANT", "default");
    let mut program = Process::spawn("lcr-rust", &mut command)?;
    program.wait_for_line("that it is ready", |line| {
        line.contains("ready").then_some(())
    })?;

    let client = async_nats::connect(nats.url()).await?;
    let ask = async {
        loop {
            let document = serde_json::to_vec(&query("INVITE", "sip:+4930123@example.com"))?;
            // "Ready" is what the program has sent; the server may be a moment behind.
            match client
                .request("acme.v1.query.default.invite", document.into())
                .await
            {
                Ok(reply) => return anyhow::Ok(reply),
                Err(error) if error.kind() == async_nats::RequestErrorKind::NoResponders => {}
                Err(error) => return Err(error.into()),
            }
        }
    };
    let reply = tokio::time::timeout(PATIENCE, ask)
        .await
        .context("an answer")??;
    let decision = Decision::parse(&reply.payload, &Limits::default())?;
    assert_eq!(
        decision.routes[0].dst_uri.as_deref(),
        Some("sip:192.0.2.20")
    );
    assert_eq!(decision.reasons, ["prefix 49 -> a"]);

    assert!(program.terminate()?.success(), "{:?}", program.lines());
    Ok(())
}

#[test]
fn a_file_that_cannot_be_right_is_named_with_its_line() -> Result<()> {
    let rates = tempfile::NamedTempFile::new()?;
    std::fs::write(
        rates.path(),
        "prefix,carrier,uri,timeout_ms,cost,mode\n49,a,,,,\n",
    )?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcr-rust"));
    command
        .env("RATES", rates.path())
        .env("RUST_BACKTRACE", "0");
    let mut program = Process::spawn("lcr-rust", &mut command)?;
    assert!(!program.wait()?.success());
    let said = program.lines().join("\n");
    assert!(
        said.contains("line 2") && said.contains("needs a uri"),
        "{said}"
    );
    Ok(())
}
