use std::sync::Arc;
use std::time::SystemTime;

use async_nats::{Client, Message, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use serde::Serialize;
use serde_json::{Value, json};
use sigbox_contracts::subject::{Prefix, QUEUE_GROUP};
use sigbox_contracts::{Class, Slug};

use crate::Counts;
use crate::service::Service;

/// The decider as a NATS service (ADR-32): answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, each also with
/// `.<name>` and `.<name>.<id>`, so that `nats service list` and the proxy see it.
///
/// async-nats has a `service` module. It is not used, because its endpoints can only stop at once: what NATS has
/// already delivered to them is lost, and a drain must answer it. Its responder also ends for good at the first
/// answer it cannot send, and it counts requests only when they are answered.
pub(crate) struct Registration {
    service: Arc<Service>,
    id: String,
    started: String,
    subjects: Vec<String>,
    verbs: SelectAll<Subscriber>,
}

#[derive(Serialize)]
struct Identity<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    id: &'a str,
    version: &'a str,
    metadata: Value,
}

#[derive(Serialize)]
struct Info<'a> {
    #[serde(flatten)]
    identity: Identity<'a>,
    description: &'a str,
    endpoints: Vec<EndpointInfo<'a>>,
}

#[derive(Serialize)]
struct EndpointInfo<'a> {
    name: Class,
    subject: &'a str,
    queue_group: &'static str,
    metadata: Value,
}

#[derive(Serialize)]
struct Stats<'a> {
    #[serde(flatten)]
    identity: Identity<'a>,
    started: &'a str,
    endpoints: Vec<EndpointStats<'a>>,
}

#[derive(Serialize)]
struct EndpointStats<'a> {
    name: Class,
    subject: &'a str,
    queue_group: &'static str,
    num_requests: u64,
    num_errors: u64,
    last_error: String,
    /// Nanoseconds, like the average.
    processing_time: u64,
    average_processing_time: u64,
    data: Counts,
}

impl Registration {
    pub(crate) async fn new(
        client: &Client,
        service: Arc<Service>,
        prefix: &Prefix,
        tenant: Option<&Slug>,
    ) -> Result<Self, SubscribeError> {
        // An inbox of the client ends with a NUID, which is what an id should be.
        let inbox = client.new_inbox();
        let id = inbox.rsplit('.').next().unwrap_or(&inbox).to_owned();
        let mut verbs = SelectAll::new();
        for verb in ["PING", "INFO", "STATS"] {
            for scope in [
                "",
                &format!(".{}", service.name),
                &format!(".{}.{id}", service.name),
            ] {
                verbs.push(client.subscribe(format!("$SRV.{verb}{scope}")).await?);
            }
        }
        let subjects = service
            .endpoints
            .iter()
            .map(|endpoint| endpoint.subject(prefix, tenant));
        Ok(Self {
            subjects: subjects.collect(),
            service,
            id,
            started: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            verbs,
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The next question about this decider; `None` when the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.verbs.next().await
    }

    /// The answer to such a question.
    pub(crate) fn answer(&self, question: &Message) -> Option<Bytes> {
        let verb = question.subject.strip_prefix("$SRV.")?.split('.').next()?;
        let document = match verb {
            "PING" => serde_json::to_vec(&self.identity("io.nats.micro.v1.ping_response")),
            "INFO" => serde_json::to_vec(&self.info()),
            _ => serde_json::to_vec(&self.stats()),
        };
        document.ok().map(Bytes::from)
    }

    /// Goes out of the register: nobody should count on this instance any more.
    pub(crate) fn close(&mut self) {
        self.verbs.clear();
    }

    fn identity(&self, kind: &'static str) -> Identity<'_> {
        Identity {
            kind,
            name: &self.service.name,
            id: &self.id,
            version: &self.service.version,
            metadata: json!({
                "sigbox": "decider",
                "classes": self.service.classes(),
                "sdk": concat!("rust/", env!("CARGO_PKG_VERSION")),
            }),
        }
    }

    fn info(&self) -> Info<'_> {
        let endpoints = self.service.endpoints.iter().zip(&self.subjects);
        Info {
            identity: self.identity("io.nats.micro.v1.info_response"),
            description: &self.service.description,
            endpoints: endpoints
                .map(|(endpoint, subject)| EndpointInfo {
                    name: endpoint.class,
                    subject,
                    queue_group: QUEUE_GROUP,
                    metadata: json!({ "class": endpoint.class }),
                })
                .collect(),
        }
    }

    fn stats(&self) -> Stats<'_> {
        let endpoints = self.service.endpoints.iter().zip(&self.subjects);
        Stats {
            identity: self.identity("io.nats.micro.v1.stats_response"),
            started: &self.started,
            endpoints: endpoints
                .map(|(endpoint, subject)| {
                    let counters = &endpoint.counters;
                    let (requests, spent) = (counters.requests(), counters.processing_ns());
                    EndpointStats {
                        name: endpoint.class,
                        subject,
                        queue_group: QUEUE_GROUP,
                        num_requests: requests,
                        num_errors: counters.errors(),
                        last_error: counters.last_error(),
                        processing_time: spent,
                        average_processing_time: spent.checked_div(requests).unwrap_or(0),
                        data: counters.counts(),
                    }
                })
                .collect(),
        }
    }
}
