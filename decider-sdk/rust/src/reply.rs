use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, HeaderMap, Subject};
use bytes::Bytes;
use sigbox_contracts::{Decision, header};

use crate::connection::Connectivity;

/// A reply that NATS did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsent {
    /// There is no connection. The proxy has given up on all open queries if it lost its own, and a reply kept for
    /// later would reach nobody.
    #[error("not connected to NATS")]
    Disconnected,
    /// The connection took nothing until the deadline.
    #[error("NATS is congested")]
    Congested,
    /// The reply is larger than the server's `max_payload`, or the reply subject is none.
    #[error("NATS refused the reply")]
    Refused,
}

/// What goes back for one query: headers besides `Sigbox-Decider`, and the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Decision(Bytes),
    Error { code: u16, text: String },
}

/// The connection as replies see it.
pub(crate) struct Link {
    client: Client,
    /// `Sigbox-Decider`, made once: a reply clones it.
    headers: HeaderMap,
    connectivity: Arc<Connectivity>,
}

impl Link {
    pub(crate) fn new(client: Client, decider: &str, connectivity: Arc<Connectivity>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::DECIDER, decider);
        Self {
            client,
            headers,
            connectivity,
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    pub(crate) fn connectivity(&self) -> &Connectivity {
        &self.connectivity
    }

    /// Hands a reply to the connection; waits for room there no longer than `within`, which is how long somebody
    /// waits for the reply.
    pub(crate) async fn send(
        &self,
        subject: Subject,
        reply: Reply,
        within: Duration,
    ) -> Result<(), Unsent> {
        if !self.connected() {
            return Err(Unsent::Disconnected);
        }
        let mut headers = self.headers.clone();
        let payload = match reply {
            Reply::Decision(payload) => payload,
            Reply::Error { code, text } => {
                headers.insert(header::SERVICE_ERROR, text.as_str());
                headers.insert(header::SERVICE_ERROR_CODE, code.to_string().as_str());
                Bytes::new()
            }
        };
        let publish = self.client.publish_with_headers(subject, headers, payload);
        match tokio::time::timeout(within, publish).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Unsent::Refused),
            Err(_) => Err(Unsent::Congested),
        }
    }
}

/// Where the answer to one query goes.
pub(crate) enum ReplyTo {
    Nats {
        link: Arc<Link>,
        subject: Subject,
    },
    /// The test harness: what was sent before the final answer.
    Harness(Mutex<Vec<Decision>>),
}

impl ReplyTo {
    /// Sends an `extend`.
    pub(crate) async fn extend(&self, decision: Decision, within: Duration) -> Result<(), Unsent> {
        match self {
            Self::Nats { link, subject } => {
                let payload = serde_json::to_vec(&decision).map_err(|_| Unsent::Refused)?;
                link.send(subject.clone(), Reply::Decision(payload.into()), within)
                    .await
            }
            Self::Harness(sent) => {
                sent.lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner())
                    .push(decision);
                Ok(())
            }
        }
    }

    /// What a harness has been sent so far.
    pub(crate) fn collected(&self) -> Vec<Decision> {
        match self {
            Self::Nats { .. } => Vec::new(),
            Self::Harness(sent) => sent
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .clone(),
        }
    }
}

/// Longest error text that goes into a header, in characters.
const LONGEST_TEXT: usize = 512;

/// `text` as a header value: one line, control characters as spaces, cut to a length that a log can bear.
pub(crate) fn header_text(text: &str) -> String {
    let line = text.replace(char::is_control, " ");
    let line = line.trim();
    match line.char_indices().nth(LONGEST_TEXT) {
        None => line.to_owned(),
        Some(_) => line.chars().take(LONGEST_TEXT - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_cannot_break_out_of_its_header() {
        assert_eq!(header_text(" a\r\nX-Evil: 1\0 "), "a  X-Evil: 1");
        let long = header_text(&"ä".repeat(1_000));
        assert_eq!(long.chars().count(), LONGEST_TEXT);
        assert!(long.ends_with('…'));
    }
}
