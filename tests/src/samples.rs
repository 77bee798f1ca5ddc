//! The sample deciders as programs.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::artifact::{node, repository, workspace_binary};
use crate::process::Process;

/// Starts `lcr-rust` on a file of rates and returns once it takes queries.
pub fn rust(nats_url: &str, rates: &Path) -> Result<Process> {
    start(
        "lcr-rust",
        &mut Command::new(workspace_binary("lcr-rust")?),
        nats_url,
        rates,
    )
}

/// Starts `lcr-node` on a file of rates and returns once it takes queries.
pub fn javascript(nats_url: &str, rates: &Path) -> Result<Process> {
    let program = repository().join("deciders/lcr-node/index.js");
    start(
        "lcr-node",
        Command::new(node()).arg(program),
        nats_url,
        rates,
    )
}

fn start(name: &str, command: &mut Command, nats_url: &str, rates: &Path) -> Result<Process> {
    let process = Process::spawn(name, command.env("NATS_URL", nats_url).env("RATES", rates))?;
    wait_until_ready(&process)?;
    Ok(process)
}

/// Both SDKs log `ready` when the server has their subscriptions.
pub fn wait_until_ready(decider: &Process) -> Result<()> {
    decider.wait_for_line("that it is ready", |line| {
        line.contains(" ready ").then_some(())
    })
}
