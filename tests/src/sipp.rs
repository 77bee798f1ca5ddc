//! SIPp as a load generator and as the phones that it calls.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::PATIENCE;
use crate::artifact::sample_file;
use crate::poll;
use crate::process::Process;

/// A running SIPp with one of the scenarios in `tests/sipp/`.
#[derive(Debug)]
pub struct Sipp {
    process: Process,
    address: SocketAddr,
    files: TempDir,
    /// How long the calls take to place.
    placing: Duration,
}

/// What SIPp counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SippResult {
    /// Calls that went through the scenario to its end.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Messages that had to be sent again.
    pub retransmissions: u64,
}

impl Sipp {
    /// Answers calls: INVITE-180-200, ACK, BYE-200 (`uas.xml`). Returns once the socket is bound.
    pub fn answering() -> Result<Self> {
        let sipp = Self::start("uas.xml", &[])?;
        let port = format!(":{:04X}", sipp.address.port());
        poll::until("SIPp to listen", || {
            let sockets = fs::read_to_string("/proc/net/udp")?;
            Ok(sockets
                .lines()
                .filter_map(|line| line.split_whitespace().nth(1))
                .any(|local| local.ends_with(&port))
                .then_some(()))
        })?;
        Ok(sipp)
    }

    /// Places `calls` calls to `service`, `rate` a second, through `target` (`uac.xml`).
    pub fn calling(target: SocketAddr, service: &str, calls: u32, rate: u32) -> Result<Self> {
        let placing = Duration::from_secs(u64::from(calls.div_ceil(rate)));
        let (calls, rate) = (calls.to_string(), rate.to_string());
        let sipp = Self::start(
            "uac.xml",
            &[
                &target.to_string(),
                "-s",
                service,
                "-m",
                &calls,
                "-r",
                &rate,
            ],
        )?;
        Ok(Self { placing, ..sipp })
    }

    fn start(scenario: &str, arguments: &[&str]) -> Result<Self> {
        let files = TempDir::new()?;
        let address = free_port()?;
        let mut command = Command::new("sipp");
        command
            .args(arguments)
            .arg("-sf")
            .arg(sample_file(&format!("tests/sipp/{scenario}"))?);
        command.args([
            "-i",
            "127.0.0.1",
            "-p",
            &address.port().to_string(),
            "-nostdin",
            "-trace_stat",
            "-fd",
            "1",
        ]);
        command.arg("-stf").arg(files.path().join("statistics.csv"));
        command
            .args(["-trace_err", "-error_file"])
            .arg(files.path().join("errors.log"));
        let process = Process::spawn("sipp", command.current_dir(files.path()))?;
        Ok(Self {
            process,
            address,
            files,
            placing: Duration::ZERO,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the calls to end and reads the statistics.
    pub fn finish(mut self) -> Result<SippResult> {
        let status = self.process.wait_for(self.placing + PATIENCE)?;
        // 0: all calls succeeded, 1: some failed. Anything else never came to count.
        if !matches!(status.code(), Some(0 | 1)) {
            bail!(
                "SIPp ended with {status}:\n{}\n{}",
                self.process.lines().join("\n"),
                self.errors()
            );
        }
        let statistics = fs::read_to_string(self.files.path().join("statistics.csv"))
            .context("SIPp's statistics")?;
        SippResult::parse(&statistics)
    }

    /// Tells it to take no more calls and to end when the present ones have.
    pub fn end(self) -> Result<SippResult> {
        self.process.signal(Signal::USR1)?;
        self.finish()
    }

    /// Unexpected messages, as SIPp logged them.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.files.path().join("errors.log")).unwrap_or_default()
    }
}

impl SippResult {
    /// Reads the last line of a SIPp statistics file; columns that end in `(C)` are cumulative.
    fn parse(csv: &str) -> Result<Self> {
        let mut lines = csv.lines().filter(|line| !line.trim().is_empty());
        let names = lines.next().context("an empty statistics file")?.split(';');
        let last: BTreeMap<&str, &str> = names
            .zip(lines.next_back().context("no statistics")?.split(';'))
            .collect();
        let count = |name: &str| -> Result<u64> {
            let value = last
                .get(name)
                .with_context(|| format!("no column {name}"))?;
            value.parse().with_context(|| format!("{name} = {value:?}"))
        };
        Ok(Self {
            successful: count("SuccessfulCall(C)")?,
            failed: count("FailedCall(C)")?,
            retransmissions: count("Retransmissions(C)")?,
        })
    }
}

/// SIPp cannot be asked which port the system gave it, so one is picked beforehand.
fn free_port() -> Result<SocketAddr> {
    let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    ensure!(address.port() != 0);
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_between_two_sipps_are_counted() -> Result<()> {
        let answering = Sipp::answering()?;
        let result = Sipp::calling(answering.address(), "bob", 20, 100)?.finish()?;
        assert_eq!(
            result,
            SippResult {
                successful: 20,
                failed: 0,
                retransmissions: 0
            }
        );
        let answered = answering.end()?;
        assert_eq!((answered.successful, answered.failed), (20, 0));
        Ok(())
    }

    #[test]
    fn a_failure_is_counted() -> Result<()> {
        let phone = crate::Phone::new("bob")?;
        let calling = Sipp::calling(phone.address(), "bob", 1, 1)?;
        phone.reply(&phone.expect_request("INVITE")?, 486, "Busy Here")?;
        assert_eq!(calling.finish()?.failed, 1);
        Ok(())
    }
}
