//! One listening UDP socket of one shard.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::metrics::{ShardCounter, ShardMetrics};

/// How many datagrams wait for a full send buffer to drain. A buffer that stays full that long means
/// the network takes less than is sent; SIP's retransmissions do the rest.
const BACKLOG: usize = 256;

/// A socket that is never waited for.
#[derive(Debug)]
pub(super) struct Socket {
    io: UdpSocket,
    /// What did not fit into the send buffer, in order.
    backlog: VecDeque<(SocketAddr, Box<[u8]>)>,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is in the system's hands, or waits for room there.
    Taken,
    /// There was no room; it is as if the network had lost it.
    Dropped,
    /// The system refuses to send it at all.
    Failed,
}

impl Socket {
    /// Must be called on the shard's runtime.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self {
            io: UdpSocket::from_std(socket)?,
            backlog: VecDeque::new(),
        })
    }

    /// The next datagram, into `buffer`.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut into = ReadBuf::new(buffer);
        self.io
            .poll_recv_from(cx, &mut into)
            .map_ok(|peer| (into.filled().len(), peer))
    }

    /// Sends one datagram, never waiting.
    pub(super) fn send(&mut self, peer: SocketAddr, bytes: &[u8], metrics: &ShardMetrics) -> Sent {
        if self.backlog.is_empty() {
            match self.io.try_send_to(bytes, peer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return count(outcome, metrics),
            }
        }
        if self.backlog.len() >= BACKLOG {
            metrics.add(ShardCounter::UdpDropSendBuffer);
            return Sent::Dropped;
        }
        self.backlog.push_back((peer, bytes.into()));
        Sent::Taken
    }

    /// Sends what waits, as far as there is room now.
    pub(super) fn poll_backlog(&mut self, cx: &mut Context<'_>, metrics: &ShardMetrics) {
        while let Some((peer, bytes)) = self.backlog.front() {
            let Poll::Ready(outcome) = self.io.poll_send_to(cx, bytes, *peer) else {
                return;
            };
            count(outcome, metrics);
            self.backlog.pop_front();
        }
    }
}

fn count(outcome: io::Result<usize>, metrics: &ShardMetrics) -> Sent {
    match outcome {
        Ok(sent) => {
            metrics.add(ShardCounter::UdpSent);
            metrics.add_many(ShardCounter::UdpSentBytes, sent as u64);
            Sent::Taken
        }
        Err(error) => {
            let too_long = error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error());
            let reason = if too_long {
                ShardCounter::UdpDropTooLong
            } else {
                ShardCounter::UdpDropSendFailed
            };
            metrics.add(reason);
            tracing::debug!(%error, "a datagram was not sent");
            Sent::Failed
        }
    }
}
