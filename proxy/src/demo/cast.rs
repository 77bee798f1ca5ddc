//! The phones that are called, and the files that lead to them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use crate::phone::{Callee, CalleeScript, Endpoint, Trace, run};

/// A free port of the loopback interface.
pub(super) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How long a decider has, in the demo's configuration.
pub(super) const BUDGET: Duration = Duration::from_millis(200);

/// Whoever is called.
pub(super) const CARRIER_A: &str = "carrier-a";
/// The other carrier.
pub(super) const CARRIER_B: &str = "carrier-b";
/// A carrier whose trunks are full.
pub(super) const FULL: &str = "carrier-full";
/// A carrier whose gateway is dead.
pub(super) const DEAD: &str = "carrier-dead";
/// A phone on a desk that answers.
pub(super) const DESK: &str = "desk";
/// A phone in a pocket that only rings.
pub(super) const MOBILE: &str = "mobile";
/// Where local rules send callers when nobody decides.
pub(super) const VOICEMAIL: &str = "voicemail";

const RINGS: Duration = Duration::from_millis(40);
const RINGS_LONGER: Duration = Duration::from_millis(80);

fn scripts() -> [(&'static str, CalleeScript); 7] {
    [
        (CARRIER_A, CalleeScript::answers(RINGS)),
        (CARRIER_B, CalleeScript::answers(RINGS)),
        (FULL, CalleeScript::refuses(503)),
        (DEAD, CalleeScript::silent()),
        (DESK, CalleeScript::answers(RINGS_LONGER)),
        (MOBILE, CalleeScript::rings()),
        (VOICEMAIL, CalleeScript::answers(Duration::ZERO)),
    ]
}

/// The phones, each on a port of its own, served until this is dropped.
#[derive(Debug)]
pub(super) struct Cast {
    addresses: Vec<(&'static str, SocketAddr)>,
    tasks: Vec<JoinHandle<()>>,
}

impl Cast {
    /// Puts every phone on its port.
    pub(super) fn start(trace: &Trace) -> Result<Self> {
        let mut cast = Self {
            addresses: Vec::new(),
            tasks: Vec::new(),
        };
        for (name, script) in scripts() {
            let mut endpoint = Endpoint::bind(name, ANY_PORT, trace).context("binding a phone")?;
            cast.addresses.push((name, endpoint.address()));
            let mut callee = Callee::new(script, endpoint.address());
            cast.tasks.push(tokio::spawn(async move {
                // A phone whose socket fails falls silent, and the call that needs it fails.
                let _ = run(&mut endpoint, &mut callee).await;
            }));
        }
        Ok(cast)
    }

    /// A phone's address as a SIP URI.
    fn uri(&self, name: &str) -> String {
        let address = self
            .addresses
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(ANY_PORT, |(_, address)| *address);
        format!("sip:{address}")
    }

    /// What the Rust decider routes by: the numbers under +49.
    pub(super) fn rust_rates(&self) -> String {
        rates(&[
            ("4930", CARRIER_A, self.uri(CARRIER_A), "", "serial"),
            ("4940", FULL, self.uri(FULL), "2000", "serial"),
            ("4940", CARRIER_B, self.uri(CARRIER_B), "2000", "serial"),
            ("49700", "moved", REDIRECTED_TO.to_owned(), "", "redirect"),
            ("4989", "nobody", String::new(), "", "silent"),
        ])
    }

    /// What the Node decider routes by: the numbers under +44.
    pub(super) fn node_rates(&self) -> String {
        rates(&[
            ("4420", CARRIER_B, self.uri(CARRIER_B), "", "serial"),
            ("44113", DESK, self.uri(DESK), "", "parallel"),
            ("44113", MOBILE, self.uri(MOBILE), "", "parallel"),
            ("44161", DEAD, self.uri(DEAD), "300", "serial"),
            ("44161", CARRIER_A, self.uri(CARRIER_A), "2000", "serial"),
            ("44900", "premium", String::new(), "", "reject:403"),
        ])
    }

    /// sigbox's configuration.
    pub(super) fn sigbox_config(&self, nats: &str) -> String {
        format!(
            r#"# Written by `sigbox demo`.
node = "demo"

[sip]
listen = "udp:127.0.0.1:0"

[nats]
servers = ["{nats}"]

[decision]
budget_ms = {budget}

[events]
publish = ["decision", "transaction", "cancelled"]

[admin]
listen = "127.0.0.1:0"

[runtime]
drain_s = 1

# Each tenant has deciders of its own; nobody decides for the third.
[[rule]]
name = "germany"
user_prefix = "+49"
action = "ask"
tenant = "rust"

[[rule]]
name = "britain"
user_prefix = "+44"
action = "ask"
tenant = "node"

[[rule]]
name = "france"
user_prefix = "+33"
action = "ask"
tenant = "nobody"

# When nobody decides in time.
[[fallback]]
name = "voicemail"
action = "route"
routes = [{{ dst_uri = "{voicemail}" }}]
"#,
            budget = BUDGET.as_millis(),
            voicemail = self.uri(VOICEMAIL),
        )
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Where a number has moved to.
pub(super) const REDIRECTED_TO: &str = "sip:alice@new-office.example";

/// A `rates.csv` of the sample deciders; the order of a prefix's rows is their cost.
fn rates(rows: &[(&str, &str, String, &str, &str)]) -> String {
    let mut csv = "prefix,carrier,uri,timeout_ms,cost,mode\n".to_owned();
    for (cost, (prefix, carrier, uri, timeout, mode)) in rows.iter().enumerate() {
        // Writing into a string cannot fail.
        let _ = writeln!(csv, "{prefix},{carrier},{uri},{timeout},{cost},{mode}");
    }
    csv
}
