//! What every step of a transaction works with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::{Message, Reply, Splicer, Via};
use uuid::{Builder, Uuid};

use crate::clock::Instant;
use crate::counters::{Counter, Counters};
use crate::flow::Flow;
use crate::gateways::Calls;
use crate::io::{Output, Outputs};
use crate::key::{BranchToken, TransactionKey};
use crate::secret::{Fingerprint, Secret};
use crate::settings::Settings;
use crate::waiting::Waiting;

/// The core's parts that a transaction needs while it is taken out of the store.
pub(crate) struct Env<'a> {
    pub(crate) now: Instant,
    /// The transaction being worked on.
    pub(crate) key: TransactionKey,
    pub(crate) shard: u8,
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) secret: &'a mut Secret,
    pub(crate) counters: &'a Counters,
    pub(crate) splicer: &'a mut Splicer,
    pub(crate) out: &'a mut Outputs,
    /// Those that are suspended.
    pub(crate) suspended: &'a mut Waiting,
    /// How far the shard is behind.
    pub(crate) lag: Duration,
    /// Answered calls of gateways that count them.
    pub(crate) calls: &'a mut Calls,
    /// When a call was last answered.
    pub(crate) answered_at: &'a mut Option<Instant>,
    /// Unix time in milliseconds at [`Instant::ZERO`].
    pub(crate) wall_origin_ms: u64,
}

impl Env<'_> {
    pub(crate) fn count(&self, counter: Counter) {
        self.counters.add(counter);
    }

    /// Unix time, in seconds.
    pub(crate) fn unix_s(&self) -> i64 {
        i64::try_from((self.wall_origin_ms + self.now.as_millis()) / 1_000).unwrap_or(i64::MAX)
    }

    /// Sends what `write` writes; counts it when it is a response.
    pub(crate) fn send(
        &mut self,
        flow: Flow,
        branch: Option<BranchToken>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> std::ops::Range<usize> {
        let bytes = self.out.text(write);
        self.out.push(Output::Send {
            flow,
            bytes: bytes.clone(),
            branch,
        });
        bytes
    }

    /// Answers `request`, which came from `source`, from here.
    pub(crate) fn reply(
        &mut self,
        request: Message<'_>,
        source: SocketAddr,
        upstream: Flow,
        answer: &Answer<'_>,
    ) -> std::ops::Range<usize> {
        let is_trying = answer.status == 100;
        let tag = (!is_trying).then(|| self.secret.tag(answer.fingerprint));
        let server = self.settings.server.as_deref().filter(|_| !is_trying);
        self.count(sent_counter(answer.status));
        let reply = Reply {
            status: answer.status,
            reason: answer
                .reason
                .unwrap_or(sigbox_wire::reason_phrase(answer.status)),
            to_tag: tag.as_ref().map(|tag| &tag[..]),
            server,
            extra: answer.extra,
        };
        self.send(upstream, None, |out| reply.write(request, source, out))
    }

    /// A new decision id.
    pub(crate) fn new_id(&mut self) -> Uuid {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.secret.draw().to_be_bytes());
        random[8..].copy_from_slice(&self.secret.draw().to_be_bytes()[..2]);
        Builder::from_unix_timestamp_millis(self.wall_origin_ms + self.now.as_millis(), &random)
            .into_uuid()
    }
}

/// A response made here.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// `None` is RFC 3261's phrase.
    pub(crate) reason: Option<&'a str>,
    pub(crate) fingerprint: Fingerprint,
    /// Complete header lines.
    pub(crate) extra: &'a [u8],
}

/// Where the responses to a request with this topmost Via go: back to where it came from, with the
/// port of its Via unless it asked for the source port (RFC 3261 §18.2.2, RFC 3581 §4). Never to an
/// address that the sender merely names: `maddr` is not followed.
pub(crate) fn reply_flow(via: Option<&Via<'_>>, flow: &Flow) -> Flow {
    let mut reply = *flow;
    if !flow.transport.is_reliable()
        && let Some(via) = via
        && via.rport().is_none()
    {
        reply
            .peer
            .set_port(via.port.unwrap_or(flow.transport.default_port()));
    }
    reply
}

pub(crate) fn sent_counter(status: u16) -> Counter {
    match status / 100 {
        1 => Counter::Sent1xx,
        2 => Counter::Sent2xx,
        3 => Counter::Sent3xx,
        4 => Counter::Sent4xx,
        5 => Counter::Sent5xx,
        _ => Counter::Sent6xx,
    }
}
