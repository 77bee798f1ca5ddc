//! Asking a running node over its HTTP API.

use std::io::{self, Read, Write as _};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

use super::secure::{self, Secure};

/// How long the node may take to begin its answer; a decider that is asked on the way may want as long as a call.
const PATIENCE: Duration = Duration::from_secs(200);

/// A node that refuses a body says so before it comes, and closes the connection: the answer would be lost while the
/// body is still being sent (RFC 9110 §10.1.1).
const EXPECT: (&str, &str) = ("Expect", "100-continue");

/// Which node, and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct Node {
    /// Where the node serves its API: an address, or a URL
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "SIGBOX_ADMIN",
        default_value = "127.0.0.1:9090",
        global = true
    )]
    admin: String,
    /// A token of `admin.token`, where the node wants one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "SIGBOX_TOKEN",
        hide_env_values = true,
        global = true
    )]
    token: Option<String>,
    #[command(flatten)]
    secure: Secure,
}

/// What the node answered.
pub(super) struct Answer {
    response: Response<Body>,
}

impl Node {
    fn url(&self, path: &str) -> String {
        let base = self.admin.trim_end_matches('/');
        match (base.contains("://"), self.secure.is_wanted()) {
            (true, _) => format!("{base}{path}"),
            (false, true) => format!("https://{base}{path}"),
            (false, false) => format!("http://{base}{path}"),
        }
    }

    /// What it means that there is no answer.
    fn failure(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Protocol(_) => format!(
                "what answers at {0} does not speak HTTP; if it is a node with TLS: --admin https://{0}",
                self.admin
            ),
            ureq::Error::Io(error) if error.kind() != std::io::ErrorKind::ConnectionRefused => {
                format!("the connection to {} broke", self.admin)
            }
            _ => format!("no node answers at {}; --admin names another", self.admin),
        }
    }

    fn send<'b>(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: SendBody<'b>,
    ) -> Result<Answer> {
        let url = self.url(path);
        let mut config = Agent::config_builder();
        if url.starts_with("https://") {
            config = config.tls_config(self.secure.config()?);
        }
        let config = config
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(PATIENCE))
            .user_agent(concat!("sigbox/", env!("CARGO_PKG_VERSION")))
            .build();
        let mut request = Request::builder().method(method).uri(url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(body)
            .with_context(|| format!("{:?} is not where a node can be", self.admin))?;
        let response = Agent::new_with_config(config).run(request);
        let response = response.map_err(|error| match secure::in_words(&error) {
            Some(words) => anyhow!("no TLS with {}: {words}", self.admin),
            None => {
                let context = self.failure(&error);
                anyhow!(error).context(context)
            }
        })?;
        Ok(Answer { response })
    }

    /// Asks for a document.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Method::GET, path, &[], SendBody::none())?.read()
    }

    /// Prints the node's answer as it comes, however long it is. Whoever reads only the first of it has read enough.
    pub(super) fn copy(&self, path: &str) -> Result<()> {
        let mut answer = self.send(Method::GET, path, &[], SendBody::none())?;
        if !answer.response.status().is_success() {
            return answer.text().map(drop);
        }
        let mut from = answer.response.body_mut().as_reader();
        let mut piece = vec![0; 1 << 16];
        let mut to = io::stdout().lock();
        loop {
            let read = from.read(&mut piece);
            let written = match read.context("the node's answer ended early")? {
                0 => return to.flush().or_else(unread),
                read => to.write_all(&piece[..read]),
            };
            match written {
                Ok(()) => {}
                Err(error) => return unread(error),
            }
        }
    }

    /// The node's answer to a document, as it is.
    pub(super) fn answer(&self, method: Method, path: &str, document: &str) -> Result<String> {
        let mut text = document.as_bytes();
        let body = SendBody::from_reader(&mut text);
        let headers = [("Content-Type", "application/json"), EXPECT];
        self.send(method, path, &headers, body)?.text()
    }

    /// Has something done, with a document.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        document: &Value,
    ) -> Result<T> {
        decoded(&self.answer(method, path, &document.to_string())?)
    }

    /// Uploads what `input` reads.
    pub(super) fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        media_type: &str,
        packing: Option<&str>,
        mut input: impl Read,
    ) -> Result<T> {
        let mut headers = vec![("Content-Type", media_type), EXPECT];
        headers.extend(packing.map(|packing| ("Content-Encoding", packing)));
        let body = SendBody::from_reader(&mut input);
        self.send(Method::PUT, path, &headers, body)?.read()
    }
}

impl Answer {
    /// The document; the node's words when it did not do what it was asked for.
    fn read<T: DeserializeOwned>(self) -> Result<T> {
        decoded(&self.text()?)
    }

    fn text(mut self) -> Result<String> {
        let status = self.response.status();
        let mut text = String::new();
        let body = self.response.body_mut().as_reader();
        body.take(64 << 20)
            .read_to_string(&mut text)
            .context("the node's answer cannot be read")?;
        if status.is_success() {
            return Ok(text);
        }
        match serde_json::from_str::<Value>(&text) {
            Ok(problem) => bail!(in_words(&problem)),
            Err(_) => Err(anyhow!("the node answered {status}: {}", text.trim())),
        }
    }
}

/// Nobody reads on: that is no failure.
fn unread(error: io::Error) -> Result<()> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error).context("the answer cannot be printed"),
    }
}

fn decoded<T: DeserializeOwned>(text: &str) -> Result<T> {
    let text = if text.is_empty() { "null" } else { text };
    serde_json::from_str(text).context("the node's answer cannot be read")
}

/// A problem document for people: each fault of an upload on a line of its own.
fn in_words(problem: &Value) -> String {
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    let errors = problem["errors"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if errors.is_empty() {
        return format!("{} ({})", text("detail"), text("title").to_lowercase());
    }
    let mut words = text("title").to_owned();
    for error in errors {
        let detail = error["detail"].as_str().unwrap_or_default();
        words += &format!("\n  line {}: {detail}", error["line"]);
    }
    let total = problem["total"].as_u64().unwrap_or_default();
    if total > errors.len() as u64 {
        words += &format!("\n  and {} more", total - errors.len() as u64);
    }
    words
}
