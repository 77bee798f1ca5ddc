//! One listening UDP socket of one shard.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::datagrams::{self, Received};
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

impl Socket {
    /// Must be called on the shard's runtime.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self {
            io: UdpSocket::from_std(socket)?,
            backlog: VecDeque::new(),
        })
    }

    /// Receives what waits, up to a batch. Must be called until it is pending, as it asks for being woken only then.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        into: &mut Received,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let received = self.io.try_io(Interest::READABLE, || {
                into.fill(&self.io)?;
                // A batch that is not full emptied the socket: the next datagram raises its readiness again, and the
                // system call that only says so is saved. Nothing else ends a batch early, as the system reports no
                // ICMP errors to an unconnected socket that did not ask for them.
                if into.is_full() {
                    Ok(())
                } else {
                    Err(io::ErrorKind::WouldBlock.into())
                }
            });
            match received {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                Err(_) if into.is_empty() => {}
                _ => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Sends datagrams in order, never waiting, and tells `failed` which of them the system refuses.
    pub(super) fn send(
        &mut self,
        datagrams: &[(SocketAddr, &[u8])],
        metrics: &ShardMetrics,
        mut failed: impl FnMut(usize),
    ) {
        let mut done = 0;
        while self.backlog.is_empty() && done < datagrams.len() {
            let sent = match datagrams[done..] {
                [(peer, bytes)] => self.io.try_send_to(bytes, peer).map(|_| 1),
                ref several => self
                    .io
                    .try_io(Interest::WRITABLE, || datagrams::send(&self.io, several)),
            };
            match sent {
                Ok(sent) => {
                    count_sent(&datagrams[done..done + sent], metrics);
                    done += sent;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    count_refused(&error, metrics);
                    failed(done);
                    done += 1;
                }
            }
        }
        for (peer, bytes) in &datagrams[done..] {
            if self.backlog.len() < BACKLOG {
                self.backlog.push_back((*peer, (*bytes).into()));
            } else {
                // As if the network had lost it.
                metrics.add(ShardCounter::UdpDropSendBuffer);
            }
        }
    }

    /// Sends what waits, as far as there is room now.
    pub(super) fn poll_backlog(&mut self, cx: &mut Context<'_>, metrics: &ShardMetrics) {
        while let Some((peer, bytes)) = self.backlog.front() {
            match self.io.poll_send_to(cx, bytes, *peer) {
                Poll::Pending => return,
                Poll::Ready(Ok(_)) => count_sent(&[(*peer, bytes)], metrics),
                Poll::Ready(Err(error)) => count_refused(&error, metrics),
            }
            self.backlog.pop_front();
        }
    }
}

fn count_sent(datagrams: &[(SocketAddr, &[u8])], metrics: &ShardMetrics) {
    let bytes: usize = datagrams.iter().map(|(_, bytes)| bytes.len()).sum();
    metrics.add_many(ShardCounter::UdpSent, datagrams.len() as u64);
    metrics.add_many(ShardCounter::UdpSentBytes, bytes as u64);
}

fn count_refused(error: &io::Error, metrics: &ShardMetrics) {
    let too_long = error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error());
    metrics.add(if too_long {
        ShardCounter::UdpDropTooLong
    } else {
        ShardCounter::UdpDropSendFailed
    });
    tracing::debug!(%error, "a datagram was not sent");
}
