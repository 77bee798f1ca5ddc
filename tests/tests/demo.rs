//! `sigbox demo` and `sigbox call`, as a person runs them.

use std::process::Command;

use anyhow::Result;
use e2e::artifact::{node, workspace_binary};
use e2e::{Phone, Process, Sigbox, Stage, nats, repository};
use rustix::process::Signal;
use serde_json::Value;

fn demo() -> Result<Command> {
    let mut command = Command::new(Sigbox::binary()?);
    command.current_dir(repository()).arg("demo");
    command.arg("--nats-server").arg(nats::current());
    command
        .arg("--decider-rust")
        .arg(workspace_binary("lcr-rust")?);
    let program = repository().join("deciders/lcr-node/index.js");
    command.args([
        "--decider-node",
        &format!("{} {}", node().display(), program.display()),
    ]);
    Ok(command)
}

#[test]
fn every_call_of_the_demo_goes_as_expected() -> Result<()> {
    let run = demo()?.arg("--json").output()?;
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{}:\n{printed}", run.status);
    let calls: Vec<Value> = serde_json::from_str(&printed)?;
    assert!(calls.len() >= 10, "{printed}");
    for call in calls {
        assert_eq!(call["seen"], call["expected"], "{call:#}");
        assert!(call["ladder"]["lanes"].is_array(), "{call:#}");
    }
    Ok(())
}

#[test]
fn a_demo_whose_decider_does_not_start_fails() -> Result<()> {
    let mut command = demo()?;
    command.args(["--only", "rust", "--decider-rust", "/bin/false"]);
    let mut demo = Process::spawn("demo", &mut command)?;
    assert!(!demo.wait_for(e2e::PATIENCE * 6)?.success());
    Ok(())
}

#[test]
fn a_demo_that_is_kept_runs_until_it_is_interrupted() -> Result<()> {
    let mut demo = Process::spawn("demo", demo()?.args(["--keep", "--only", "rust"]))?;
    demo.wait_for_line("what to try", |line| {
        line.contains("Everything keeps running").then_some(())
    })?;
    demo.signal(Signal::INT)?;
    assert!(demo.wait()?.success(), "{}", demo.lines().join("\n"));
    Ok(())
}

#[test]
fn a_call_from_the_command_line_shows_who_decided() -> Result<()> {
    let bob = Phone::new("bob")?;
    let stage = Stage::routing_to(&bob)?;
    let uri = stage.sigbox.uri("bob");
    let mut command = Command::new(Sigbox::binary()?);
    command.args([
        "call",
        &uri,
        "--nats",
        &stage.nats.url(),
        "--expect",
        "486",
        "--ascii",
    ]);
    let mut call = Process::spawn("sigbox call", &mut command)?;
    let invite = bob.expect_request("INVITE")?;
    bob.reply(&invite, 486, "Busy Here")?;
    bob.expect_request("ACK")?;
    let status = call.wait()?;
    let ladder = call.lines().join("\n");
    assert!(status.success(), "{ladder}");
    for part in ["INVITE", "486 Busy Here", "ACK", "route"] {
        assert!(ladder.contains(part), "no {part} in:\n{ladder}");
    }
    Ok(())
}

#[test]
fn a_call_that_ends_otherwise_than_expected_fails() -> Result<()> {
    let bob = Phone::new("bob")?;
    let stage = Stage::routing_to(&bob)?;
    let mut command = Command::new(Sigbox::binary()?);
    let mut call = Process::spawn(
        "sigbox call",
        command.args(["call", &stage.sigbox.uri("bob")]),
    )?;
    bob.reply(&bob.expect_request("INVITE")?, 486, "Busy Here")?;
    bob.expect_request("ACK")?;
    assert!(!call.wait()?.success());
    Ok(())
}
