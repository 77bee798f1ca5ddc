//! The program under test.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::artifact::workspace_binary;
use crate::http::Request;
use crate::metrics::Metrics;
use crate::phone::Phone;
use crate::poll;
use crate::process::Process;

/// A configuration file in the making.
///
/// It starts as one shard on free ports of 127.0.0.1, logging JSON and publishing every event, with a budget that no
/// slow test machine exceeds by accident.
#[derive(Clone, Debug)]
pub struct Setup {
    sections: BTreeMap<String, BTreeMap<String, String>>,
    rules: String,
    is_quiet: bool,
}

impl Setup {
    /// A proxy on this nats-server.
    pub fn new(nats_url: &str) -> Self {
        Self {
            sections: BTreeMap::new(),
            rules: String::new(),
            is_quiet: false,
        }
        .set("sip", "listen", "\"udp:127.0.0.1:0\"")
        .set("nats", "servers", &format!("{nats_url:?}"))
        .set(
            "events",
            "publish",
            "[\"decision\", \"transaction\", \"cancelled\", \"node\"]",
        )
        .set("decision", "budget_ms", "5000")
        .set("admin", "listen", "\"127.0.0.1:0\"")
        .set("log", "format", "\"json\"")
        .set("runtime", "shards", "1")
    }

    /// A proxy that asks nobody and has no NATS: a rule sends every call to this phone.
    pub fn routing_to(phone: &Phone) -> Self {
        Self::routing_to_hop(&phone.hop())
    }

    /// As [`Setup::routing_to`], to a next hop given as a URI.
    pub fn routing_to_hop(hop: &str) -> Self {
        // Nobody listens on port 1.
        Self::new("nats://127.0.0.1:1").rules(&format!(
            "[[rule]]\naction = \"route\"\nroutes = [{{ dst_uri = {hop:?} }}]"
        ))
    }

    /// Sets one key; `value` is TOML.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: &str) -> Self {
        self.sections
            .entry(section.to_owned())
            .or_default()
            .insert(key.to_owned(), value.to_owned());
        self
    }

    /// How long deciders have, for tests in which they say nothing.
    #[must_use]
    pub fn budget_ms(self, milliseconds: u32) -> Self {
        let longest = milliseconds.max(10_000).to_string();
        self.set("decision", "budget_ms", &milliseconds.to_string())
            .set("decision", "max_wait_ms", &longest)
    }

    /// Logs only what the harness must read, as a proxy under load is run; nothing of it is shown.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Appends `[[rule]]` or `[[fallback]]` tables.
    #[must_use]
    pub fn rules(mut self, toml: &str) -> Self {
        self.rules.push_str(toml);
        self.rules.push('\n');
        self
    }

    /// When nobody decides, calls go to this next hop.
    #[must_use]
    pub fn fall_back_to(self, hop: &str) -> Self {
        self.rules(&format!(
            "[[fallback]]\naction = \"route\"\nroutes = [{{ dst_uri = {hop:?} }}]"
        ))
    }

    /// When nobody decides, calls are refused with this status.
    #[must_use]
    pub fn fall_back_to_status(self, status: u16) -> Self {
        self.rules(&format!(
            "[[fallback]]\naction = \"reject\"\nstatus = {status}"
        ))
    }

    /// Starts the proxy and returns once it listens; its connection to NATS may still be in the making.
    pub fn start(&self) -> Result<Sigbox> {
        Sigbox::start(&self.to_toml(), self.is_quiet)
    }

    /// Starts the proxy and returns once it listens and is connected to NATS.
    pub fn start_connected(&self) -> Result<Sigbox> {
        let sigbox = self.start()?;
        sigbox.wait_until_connected()?;
        Ok(sigbox)
    }

    /// The file's text.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        // Those without a name are at the top of the file.
        for (section, keys) in &self.sections {
            if !section.is_empty() {
                text.push_str(&format!("[{section}]\n"));
            }
            for (key, value) in keys {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text + &self.rules
    }
}

/// `sigbox run`, killed when dropped.
#[derive(Debug)]
pub struct Sigbox {
    process: Process,
    sip: SocketAddr,
    admin: SocketAddr,
    files: TempDir,
    is_quiet: bool,
}

impl Sigbox {
    /// Runs the program with this configuration; its `[log]` must say JSON.
    pub fn start(config: &str, is_quiet: bool) -> Result<Self> {
        let filter = if is_quiet {
            "warn,sigbox::node=info"
        } else {
            "info,sigbox=debug"
        };
        let files = TempDir::new()?;
        let path = files.path().join("sigbox.toml");
        fs::write(&path, config)?;
        let mut command = Command::new(Self::binary()?);
        command
            .arg("run")
            .arg("-c")
            .arg(&path)
            .env("SIGBOX_LOG", filter);
        let process = Process::spawn("sigbox", &mut command)?;
        let sip = process.wait_for_line("its SIP address", |line| listening(line, "udp"))?;
        let admin = process.wait_for_line("its admin address", |line| {
            listening(line, "http").or_else(|| listening(line, "https"))
        })?;
        Ok(Self {
            process,
            sip,
            admin,
            files,
            is_quiet,
        })
    }

    /// The program itself, for its other subcommands.
    pub fn binary() -> Result<PathBuf> {
        workspace_binary("sigbox")
    }

    /// Its first UDP address.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// A URI that names this proxy as the domain of `user`.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    /// Waits until every shard is connected to NATS.
    pub fn wait_until_connected(&self) -> Result<()> {
        let connected = |metrics: &Metrics| {
            metrics.sum("sigbox_nats_connected", &[]) == metrics.sum("sigbox_shards", &[])
        };
        self.wait_for_metrics("a connection to NATS", connected)
    }

    /// Waits until a scrape looks like that.
    pub fn wait_for_metrics(
        &self,
        what: &str,
        mut look: impl FnMut(&Metrics) -> bool,
    ) -> Result<()> {
        let mut last = Metrics::default();
        poll::until(what, || {
            last = self.metrics()?;
            Ok(look(&last).then_some(()))
        })
        .with_context(|| format!("the metrics stayed:\n{last}"))
    }

    /// Waits until a counter has this value.
    pub fn wait_for_count(&self, name: &str, labels: &[(&str, &str)], value: u32) -> Result<()> {
        self.wait_for_metrics(&format!("{name} {labels:?} = {value}"), |metrics| {
            metrics.sum(name, labels) == f64::from(value)
        })
    }

    /// Waits until no transaction is open or suspended; finished ones may still absorb retransmissions.
    pub fn wait_until_idle(&self) -> Result<()> {
        self.wait_for_count("sigbox_transactions_suspended", &[], 0)?;
        self.wait_for_count("sigbox_transactions", &[], 0)
    }

    /// Scrapes `/metrics`.
    pub fn metrics(&self) -> Result<Metrics> {
        Metrics::scrape(self.admin)
    }

    /// GETs a path of the admin server: status and body.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let response = self.http("GET", path).send()?;
        Ok((response.status, response.text()))
    }

    /// A request to the admin server.
    pub fn http(&self, method: &str, path: &str) -> Request {
        Request::new(self.admin, method, path)
    }

    /// Pushes a table and returns once it counts.
    pub fn push_csv(&self, table: &str, kind: &str, csv: &str) -> Result<Value> {
        let path = format!("/api/v1/tables/{table}?kind={kind}");
        let pushed = self
            .http("PUT", &path)
            .body("text/csv", csv)
            .send()?
            .json()?;
        ensure!(pushed["state"] == "active", "{pushed}");
        Ok(pushed)
    }

    /// Ends the process at once.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Asks the admin server, with a JSON body: status and the JSON of the answer, null when it has none.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, answer) = crate::metrics::ask(self.admin, method, path, &body)?;
        let answer = match answer.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).with_context(|| format!("no JSON: {text}"))?,
        };
        Ok((status, answer))
    }

    /// Its admin address.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Puts another file into the place of the configuration file, as editors do.
    pub fn replace(&self, config: &str) -> Result<()> {
        let new = self.files.path().join("sigbox.toml.new");
        fs::write(&new, config)?;
        fs::rename(new, self.files.path().join("sigbox.toml")).context("the configuration file")
    }

    /// PUTs JSON to a path of the admin server: status and body of the answer.
    pub fn put(&self, path: &str, body: &Value) -> Result<(u16, String)> {
        crate::metrics::ask(self.admin, "PUT", path, &body.to_string())
    }

    /// Replaces the configuration file; [`Sigbox::signal`] with SIGHUP makes the proxy read it.
    pub fn rewrite(&self, config: &str) -> Result<()> {
        fs::write(self.files.path().join("sigbox.toml"), config).context("the configuration file")
    }

    /// Waits for a log record in which `look` finds something.
    pub fn wait_for_log<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        self.process
            .wait_for_line(what, |line| look(&serde_json::from_str(line).ok()?))
    }

    /// All log lines so far.
    pub fn log(&self) -> Vec<String> {
        self.process.lines()
    }

    /// Stops the process where it stands; what is sent to it meanwhile waits in its sockets.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Memory of the process that is in RAM, in bytes.
    pub fn resident_bytes(&self) -> Result<f64> {
        Ok(self.metrics()?.sum("process_resident_memory_bytes", &[]))
    }

    /// Processor time used so far.
    pub fn cpu_time(&self) -> Result<Duration> {
        self.process.cpu_time()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Waits for the program to end by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.process.wait()
    }

    /// SIGTERM, and the exit that follows.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.terminate()
    }
}

impl Drop for Sigbox {
    /// The end of the log goes to the test's output, which test runners show when the test has failed.
    fn drop(&mut self) {
        if self.is_quiet {
            return;
        }
        let log = self.log();
        for line in &log[log.len().saturating_sub(60)..] {
            eprintln!("sigbox: {line}");
        }
    }
}

/// The address in a log line (JSON) that says `listening` for that transport: `udp`, or `http` or `https` for the admin server.
pub fn listening(line: &str, transport: &str) -> Option<SocketAddr> {
    let record: Value = serde_json::from_str(line).ok()?;
    if record["message"] != "listening" || record["transport"] != transport {
        return None;
    }
    record["address"].as_str()?.parse().ok()
}
