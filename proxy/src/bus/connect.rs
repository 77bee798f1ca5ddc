//! The connection of one shard to NATS.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, Server, Subscriber};
use tokio::sync::mpsc;

use super::inbox::Inbox;
use crate::config::{Config, Login, Nats};

/// How many commands may wait for the connection's task before the bus counts as congested. Small,
/// because what waits here while a server dies is sent after the reconnect.
const QUEUED_COMMANDS: usize = 1_024;

/// How many answers may wait for the shard.
const QUEUED_ANSWERS: usize = 16_384;

/// The longest pause between two attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why the bus cannot be started. A server that is not there is no reason: the proxy starts without.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The `.creds` file cannot be used.
    #[error("cannot read the NATS credentials {path}: {source}")]
    Credentials {
        /// The configured path.
        path: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A server's URL is none.
    #[error("cannot connect to NATS: {0}")]
    Connect(#[from] async_nats::ConnectError),
    /// The inbox subject is none.
    #[error("cannot subscribe to the inbox: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
}

pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) answers: Subscriber,
    /// What the client's task reports, in order.
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    pub(super) refusal: Refusal,
}

/// What the last server that could not be reached said, with its kind in front; the client's events
/// have the kind only.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusal(Arc<Mutex<Option<String>>>);

impl Refusal {
    /// Takes note of what the client knows about its servers.
    fn note(&self, servers: &[Server]) {
        let failed = servers.iter().max_by_key(|server| server.failed_attempts);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            failed.and_then(|server| server.last_error.clone());
    }

    /// The cause under a failure of this kind; the kind itself when no more is known.
    pub(super) fn cause(&self, kind: &str) -> String {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under = last.as_deref().and_then(|last| last.strip_prefix(kind));
        let cause = under.and_then(|under| under.strip_prefix(": "));
        cause.unwrap_or(kind).to_owned()
    }
}

/// Starts connecting; returns at once, connected or not, and goes on trying for good.
pub(super) async fn connect(
    nats: &Nats,
    name: String,
    inbox: &Inbox,
) -> Result<Connection, BusError> {
    // Unbounded in type only: the client itself holds back at 128 events.
    let (reported, events) = mpsc::unbounded_channel();
    let refusal = Refusal::default();
    let noted = refusal.clone();
    let options = login(ConnectOptions::new(), &nats.login).await?;
    let client = options
        .name(name)
        .retry_on_initial_connect()
        .ping_interval(nats.ping_interval)
        .connection_timeout(nats.connect_timeout)
        .client_capacity(QUEUED_COMMANDS)
        .subscription_capacity(QUEUED_ANSWERS)
        // Subjects are made of slugs and numbers.
        .skip_subject_validation(true)
        .reconnect_delay_callback(pause)
        // Called before each attempt, and so before the failure of the last one is reported. `None`
        // leaves the choice to the client.
        .reconnect_to_server_callback(move |servers, _| {
            noted.note(&servers);
            std::future::ready(None)
        })
        .event_callback(move |event| {
            // Nobody listens any more when the shard is gone, and then nobody needs to.
            let _ = reported.send(event);
            std::future::ready(())
        })
        .connect(nats.servers.as_slice())
        .await?;
    let answers = client.subscribe(inbox.subscription()).await?;
    Ok(Connection {
        client,
        answers,
        events,
        refusal,
    })
}

pub(crate) async fn login(
    options: ConnectOptions,
    login: &Login,
) -> Result<ConnectOptions, BusError> {
    Ok(match login {
        Login::None => options,
        Login::User(user, password) => {
            options.user_and_password(user.clone(), password.expose().to_owned())
        }
        Login::Token(token) => options.token(token.expose().to_owned()),
        Login::Credentials(path) => {
            options
                .credentials_file(path)
                .await
                .map_err(|source| BusError::Credentials {
                    path: path.display().to_string(),
                    source,
                })?
        }
    })
}

/// A connection of its own for what people ask, which ends when it is dropped; no shard hears of it. `purpose` is
/// what it is called.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn aside(config: &Config, purpose: &str) -> Result<Client, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let options = login(ConnectOptions::new(), &config.nats.login)
        .await
        .map_err(|error| words(&error))?
        .name(format!("sigbox/{}/{purpose}", config.node))
        .connection_timeout(config.nats.connect_timeout);
    let connecting = options.connect(config.nats.servers.as_slice());
    tokio::time::timeout(config.nats.connect_timeout, connecting)
        .await
        .map_err(|error| words(&error))?
        .map_err(|error| words(&error))
}

/// Short at first, because every call falls back meanwhile; then longer, and never the same for all
/// proxies of a server that comes back.
pub(super) fn pause(attempt: usize) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    let doubled = Duration::from_millis(25).saturating_mul(1 << attempt.min(8));
    let most = doubled.min(LONGEST_PAUSE);
    // Without randomness all proxies come back together, which is no reason to stay away.
    let share = getrandom::u32().map_or(1.0, |drawn| f64::from(drawn) / f64::from(u32::MAX));
    most / 2 + (most / 2).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_failure_is_what_is_under_its_kind() {
        let refusal = Refusal::default();
        assert_eq!(refusal.cause("IO error"), "IO error");
        *refusal.0.lock().unwrap() = Some("IO error: Connection refused (os error 111)".to_owned());
        assert_eq!(
            refusal.cause("IO error"),
            "Connection refused (os error 111)"
        );
        assert_eq!(refusal.cause("DNS error"), "DNS error", "another failure");
    }

    #[test]
    fn the_first_attempt_is_immediate_and_later_ones_are_bounded() {
        assert_eq!(pause(1), Duration::ZERO);
        for attempt in 2..100 {
            let pause = pause(attempt);
            assert!(
                pause >= Duration::from_millis(50) && pause <= LONGEST_PAUSE,
                "{attempt}: {pause:?}"
            );
        }
    }
}
