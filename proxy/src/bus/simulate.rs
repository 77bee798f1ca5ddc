//! Asking a decider what it would say, for nobody's call.
//!
//! Rare, and asked by people: a connection of its own, closed afterwards, so that no shard hears of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use sigbox_contracts::Slug;
use sigbox_core::{FallbackCause, Listener, Plan, Suspended, Token, TransactionKey};
use tokio::time::timeout;

use super::answer::{self, Said};
use super::headers::QueryHeaders;
use super::inbox::Inbox;
use super::{connect, query_options};
use crate::config::Config;
use crate::decision::{PlanContext, write_query};

/// What came of it.
#[derive(Debug)]
pub struct SimulatedAnswer {
    /// Where it was asked.
    pub subject: String,
    /// `<service name>/<version>`, when it says so.
    pub decider: Option<String>,
    /// Its reasons.
    pub reasons: Vec<String>,
    /// From asking to the answer.
    pub took: Duration,
    /// What it decided, or why nobody did, with more about that.
    pub plan: Result<Plan, (FallbackCause, Option<String>)>,
}

/// Asks about `suspended`, which came in on `local`, in mode `simulate`, and waits as long as a call
/// would. `drawn` is a random number.
pub async fn simulate(
    config: &Config,
    suspended: &Suspended<'_>,
    local: &Listener,
    drawn: u64,
) -> SimulatedAnswer {
    let subject = match Slug::new(&**suspended.tenant) {
        // The slugs are the same by contract.
        Ok(tenant) => sigbox_contracts::Class::parse(suspended.class.slug())
            .map(|class| config.nats.prefix.query(&tenant, class)),
        Err(_) => None,
    };
    let subject = subject.unwrap_or_default();
    let asked_at = Instant::now();
    let (decider, reasons, plan) = match ask(config, suspended, local, drawn, &subject).await {
        Ok((decider, reasons, plan)) => (decider, reasons, plan),
        Err(failed) => (None, Vec::new(), Err(failed)),
    };
    SimulatedAnswer {
        subject,
        decider,
        reasons,
        took: asked_at.elapsed(),
        plan,
    }
}

type Failed = (FallbackCause, Option<String>);
type Heard = (Option<String>, Vec<String>, Result<Plan, Failed>);

async fn ask(
    config: &Config,
    suspended: &Suspended<'_>,
    local: &Listener,
    drawn: u64,
    subject: &str,
) -> Result<Heard, Failed> {
    let disconnected =
        |error: &dyn std::fmt::Display| (FallbackCause::Disconnected, Some(error.to_string()));
    let mut document = Vec::new();
    write_query(suspended, local, &query_options(config), &mut document)
        .map_err(|error| (FallbackCause::Invalid, Some(error.to_string())))?;

    let client = connect::aside(config, "simulate").await;
    let client = client.map_err(|error| disconnected(&error))?;
    let inbox = Inbox::new(&config.node, drawn, u8::MAX);
    let token = Token {
        key: TransactionKey::from_bits(0),
        attempt: suspended.attempt,
    };
    let mut answers = client
        .subscribe(inbox.subscription())
        .await
        .map_err(|error| disconnected(&error))?;
    let headers = QueryHeaders::simulated(suspended, std::time::SystemTime::now());
    client
        .publish_with_reply_and_headers(
            subject.to_owned(),
            inbox.subject(token),
            headers,
            Bytes::from(document),
        )
        .await
        .map_err(|error| disconnected(&error))?;
    client.flush().await.map_err(|error| disconnected(&error))?;

    let latest = Instant::now() + config.settings.decision.max_wait;
    let mut deadline = (Instant::now() + suspended.budget).min(latest);
    let context = PlanContext {
        settings: &config.settings,
        max_routes: config.exchange.max_routes,
    };
    let heard = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(Some(message)) = timeout(left, answers.next()).await else {
            break Err((FallbackCause::Timeout, None));
        };
        let read = answer::read(&message, &config.exchange.limits(), &context);
        let failed = read.said.failure();
        let why = failed
            .as_ref()
            .map(|failure| (failure.cause(), Some(failure.why())));
        match read.said {
            Said::Plan(plan) => {
                break Ok((answer::decider(&message), read.reasons, Ok(plan)));
            }
            Said::Extend(by) => deadline = (Instant::now() + by).min(latest).max(deadline),
            _ => {
                let why = why.unwrap_or((FallbackCause::Invalid, None));
                break Ok((answer::decider(&message), read.reasons, Err(why)));
            }
        }
    };
    // Dropping the client closes the connection.
    drop(client);
    heard
}
