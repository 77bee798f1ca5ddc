//! What one shard has of one UDP listener.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::Sockets;
use super::datagrams::{self, Received};
use crate::metrics::{ShardCounter, ShardMetrics};

/// How many datagrams wait for a full send buffer to drain. A buffer that stays full that long means
/// the network takes less than is sent; SIP's retransmissions do the rest.
const BACKLOG: usize = 256;

/// Which of a listener's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// That for what belongs to something under way.
    UnderWay,
    /// That for requests by which something may begin.
    Beginning,
}

/// The sockets of a listener, never waited for.
#[derive(Debug)]
pub(super) struct Socket {
    /// What is sent leaves by this one.
    io: UdpSocket,
    beginning: UdpSocket,
    /// What did not fit into the send buffer, in order.
    backlog: VecDeque<(SocketAddr, Box<[u8]>)>,
}

impl Socket {
    /// Must be called on the shard's runtime.
    pub(super) fn new(sockets: Sockets) -> io::Result<Self> {
        Ok(Self {
            io: UdpSocket::from_std(sockets.under_way)?,
            beginning: UdpSocket::from_std(sockets.beginning)?,
            backlog: VecDeque::new(),
        })
    }

    /// Receives what waits on one side, up to a batch. Must be called until it is pending, as it asks for being woken only then.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        side: Side,
        into: &mut Received,
    ) -> Poll<io::Result<()>> {
        let socket = match side {
            Side::UnderWay => &self.io,
            Side::Beginning => &self.beginning,
        };
        loop {
            ready!(socket.poll_recv_ready(cx))?;
            let received = socket.try_io(Interest::READABLE, || {
                into.fill(socket)?;
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
