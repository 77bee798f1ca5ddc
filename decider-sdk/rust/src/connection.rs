use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, Event, ServerAddr};
use percent_encoding::percent_decode_str;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tracing::{debug, info, warn};

use crate::Error;
use crate::service::Service;
use crate::settings::Settings;

/// A stopped server is noticed after at most two of these.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Longest pause between attempts to reach NATS. A decider that is missing means calls that fall back.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What has become of the connection, as its events told.
#[derive(Debug, Default)]
pub(crate) struct Connectivity {
    lost: Notify,
    losses: AtomicU32,
}

impl Connectivity {
    /// Resolves when the connection breaks, if it does after this was made and enabled.
    pub(crate) fn lost(&self) -> Notified<'_> {
        self.lost.notified()
    }

    /// Whether it ever broke.
    pub(crate) fn was_lost(&self) -> bool {
        self.losses.load(Ordering::Relaxed) > 0
    }

    fn lose(&self) {
        self.losses.fetch_add(1, Ordering::Relaxed);
        self.lost.notify_waiters();
    }
}

/// Opens the connection. Returns before NATS has answered: a decider may be started first.
pub(crate) async fn open(
    settings: Settings,
    service: &Service,
    connectivity: Arc<Connectivity>,
) -> Result<Client, Error> {
    let mut options = match login(&settings.servers) {
        Some((user, Some(password))) => settings.connection.user_and_password(user, password),
        Some((token, None)) => settings.connection.token(token),
        None => settings.connection,
    };
    if let Some(path) = settings.credentials {
        options = options
            .credentials_file(&path)
            .await
            .map_err(|source| Error::Credentials { path, source })?;
    }
    let state = Arc::new(Mutex::new(String::new()));
    Ok(options
        .name(service.decider())
        // For what JetStream answers; the permissions of the contract allow it.
        .custom_inbox_prefix("_INBOX_decider")
        .retry_on_initial_connect()
        .max_reconnects(None)
        .ping_interval(PING_INTERVAL)
        .reconnect_delay_callback(pause)
        .event_callback(move |event| {
            if event == Event::Disconnected {
                connectivity.lose();
            }
            log(&event, &state);
            std::future::ready(())
        })
        .connect(settings.servers)
        .await?)
}

/// `nats://user:password@host` and `nats://token@host`, as every NATS client takes them; async-nats leaves them in the
/// address. One login for all servers, so the first address that has one counts.
fn login(servers: &[ServerAddr]) -> Option<(String, Option<String>)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    servers
        .iter()
        .find_map(|server| Some((decoded(server.username()?), server.password().map(decoded))))
}

fn pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(2)).unwrap_or(u32::MAX);
    match attempt {
        0 | 1 => Duration::ZERO,
        _ => Duration::from_millis(25)
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(LONGEST_PAUSE),
    }
}

/// One line per change of state: an attempt a second over a night would bury what matters.
fn log(event: &Event, state: &Mutex<String>) {
    let text = event.to_string();
    let mut last = state
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if *last == text {
        debug!(event = text, "NATS");
        return;
    }
    match event {
        Event::Connected => info!("connected to NATS"),
        Event::Disconnected => warn!("lost the connection to NATS; connecting again"),
        Event::LameDuckMode => info!("the NATS server is going down; moving to another one"),
        Event::ClientError(error) => warn!(%error, "waiting for NATS"),
        Event::ServerError(error) => warn!(%error, "NATS refused something"),
        Event::SlowConsumer(_) => {
            warn!("queries come faster than they are read; NATS dropped some")
        }
        Event::Draining | Event::Closed => debug!(event = text, "NATS"),
    }
    *last = text;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_comes_from_the_first_address_that_has_one() {
        let found = |addresses: &[&str]| {
            let servers: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
            login(&servers)
        };
        let user = ("decider".to_owned(), Some("a@b".to_owned()));
        assert_eq!(
            found(&["nats://a", "nats://decider:a%40b@b:4222", "nats://x@c"]),
            Some(user)
        );
        assert_eq!(
            found(&["nats://s3cr3t@a"]),
            Some(("s3cr3t".to_owned(), None))
        );
        assert_eq!(found(&["a:4222", "nats://b"]), None);
    }

    #[test]
    fn attempts_start_at_once_and_settle_at_one_a_second() {
        assert_eq!(pause(1), Duration::ZERO);
        assert_eq!(pause(2), Duration::from_millis(25));
        assert_eq!(pause(3), Duration::from_millis(50));
        for attempt in [8, 100, usize::MAX] {
            assert_eq!(pause(attempt), LONGEST_PAUSE);
        }
    }
}
