//! `make bench-sipp`: SIPp's calls through the proxy and the sample decider in Rust, all on this machine.
//!
//! `sipp-load [CALLS_PER_SECOND [SECONDS]]`, 1,000 for 20 s unless told otherwise. Prints what failed, what had to be sent
//! again, and the processor time per call; exits 1 when anything failed or was sent again.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use e2e::{NatsServer, Setup, Sipp, samples};
use tempfile::TempDir;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1).map(|word| {
        word.parse::<u32>()
            .with_context(|| format!("a number: {word}"))
    });
    let rate = arguments.next().transpose()?.unwrap_or(1_000);
    let seconds = arguments.next().transpose()?.unwrap_or(20);

    let nats = NatsServer::start()?;
    let files = TempDir::new()?;
    let phones = Sipp::answering()?;
    let rates = files.path().join("rates.csv");
    let hop = phones.address();
    let lines =
        format!("prefix,carrier,uri,timeout_ms,cost,mode\n49,sipp,sip:{hop},5000,0.010,serial\n");
    fs::write(&rates, lines)?;
    let decider = samples::rust(&nats.url(), &rates)?;
    let setup = Setup::new(&nats.url())
        .budget_ms(200)
        .set("events", "publish", "[\"cancelled\"]");
    // A call that fell back would be a failed one.
    let sigbox = setup
        .set("runtime", "shards", "2")
        .quiet()
        .fall_back_to_status(480)
        .start_connected()?;

    let calls = rate.saturating_mul(seconds);
    println!("{calls} calls at {rate}/s: SIPp -> sigbox -> SIPp, each decided by lcr-rust");
    let before = [sigbox.cpu_time()?, decider.cpu_time()?];
    let calling = Sipp::calling(sigbox.sip(), "+4930123", calls, rate)?;
    let called = calling.finish()?;
    let after = [sigbox.cpu_time()?, decider.cpu_time()?];
    let answered = phones.end()?;

    println!(
        "caller: {} successful, {} failed, {} retransmissions",
        called.successful, called.failed, called.retransmissions
    );
    println!(
        "callee: {} successful, {} failed, {} retransmissions",
        answered.successful, answered.failed, answered.retransmissions
    );
    let metrics = sigbox.metrics()?;
    let decided = metrics.sum("sigbox_decisions_total", &[("outcome", "decided")]);
    let fell_back = metrics.sum("sigbox_fallbacks_total", &[]);
    println!("decided: {decided}, fallbacks: {fell_back}");
    for (name, (before, after)) in ["sigbox", "lcr-rust"].iter().zip(before.iter().zip(after)) {
        let micros = (after - *before).as_secs_f64() * 1e6 / f64::from(calls);
        println!("processor time per call, {name}: {micros:.0} us");
    }
    let is_clean = called.successful == u64::from(calls)
        && [called, answered]
            .iter()
            .all(|result| result.failed == 0 && result.retransmissions == 0);
    Ok(if is_clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
