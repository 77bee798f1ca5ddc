//! Which deciders there are, by the services protocol of NATS (ADR-32).

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sigbox_contracts::subject::QUEUE_GROUP;
use sigbox_core::{Token, TransactionKey};
use tokio::time::{Instant, timeout_at};

use super::connect;
use super::inbox::Inbox;
use crate::config::Config;

/// How long answers are waited for; nobody says how many there will be.
const PATIENCE: Duration = Duration::from_millis(500);

/// Deciders that are listed.
const MOST: usize = 1_000;

/// A running decider, as it describes itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The id of the process.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Since when it runs, as it says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// What it answers.
    pub endpoints: Vec<Endpoint>,
}

/// A subject that a decider answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Endpoint {
    /// The subject.
    pub subject: String,
    /// Queries it has had.
    pub requests: u64,
    /// Those of them that it answered with an error.
    pub errors: u64,
    /// What the last error was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// What a query takes on average, in milliseconds.
    pub average_ms: f64,
}

/// The answer to `$SRV.STATS`.
#[derive(Deserialize)]
struct Stats {
    name: String,
    id: String,
    version: String,
    started: Option<String>,
    #[serde(default)]
    endpoints: Vec<EndpointStats>,
}

#[derive(Deserialize)]
struct EndpointStats {
    subject: String,
    queue_group: Option<String>,
    #[serde(default)]
    num_requests: u64,
    #[serde(default)]
    num_errors: u64,
    last_error: Option<String>,
    /// Nanoseconds.
    #[serde(default)]
    average_processing_time: f64,
}

/// Asks every service that is connected, and lists those that are deciders of this prefix, by name and id. `drawn` is a
/// random number.
///
/// # Errors
/// Why nobody could be asked, in words.
pub async fn services(config: &Config, drawn: u64) -> Result<Vec<Service>, String> {
    let client = connect::aside(config, "deciders").await?;
    let inbox = Inbox::new(&config.node, drawn, u8::MAX);
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let mut answers = client
        .subscribe(inbox.subscription())
        .await
        .map_err(|error| words(&error))?;
    let token = Token {
        key: TransactionKey::from_bits(0),
        attempt: 1,
    };
    client
        .publish_with_reply("$SRV.STATS", inbox.subject(token), Default::default())
        .await
        .map_err(|error| words(&error))?;
    client.flush().await.map_err(|error| words(&error))?;
    let until = Instant::now() + PATIENCE;
    let queries = format!("{}.v1.query.", config.nats.prefix);
    let mut found = BTreeMap::new();
    while let Ok(Some(message)) = timeout_at(until, answers.next()).await {
        // Nobody is there at all, or something that speaks otherwise.
        let Ok(stats) = serde_json::from_slice::<Stats>(&message.payload) else {
            if message.status.is_some() {
                break;
            }
            continue;
        };
        if let Some(service) = decider(stats, &queries)
            && found.len() < MOST
        {
            found.insert((service.name.clone(), service.id.clone()), service);
        }
    }
    Ok(found.into_values().collect())
}

/// The service, if it answers queries.
fn decider(stats: Stats, queries: &str) -> Option<Service> {
    let endpoints: Vec<_> = stats
        .endpoints
        .into_iter()
        .filter(|endpoint| endpoint.queue_group.as_deref() == Some(QUEUE_GROUP))
        .filter(|endpoint| endpoint.subject.starts_with(queries))
        .map(|endpoint| Endpoint {
            subject: endpoint.subject,
            requests: endpoint.num_requests,
            errors: endpoint.num_errors,
            last_error: endpoint.last_error.unwrap_or_default(),
            average_ms: endpoint.average_processing_time / 1_000_000.0,
        })
        .collect();
    (!endpoints.is_empty()).then_some(Service {
        name: stats.name,
        id: stats.id,
        version: stats.version,
        started: stats.started,
        endpoints,
    })
}
