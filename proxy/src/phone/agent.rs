//! A scripted user agent, and what runs one on a socket.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::endpoint::{Endpoint, Incoming};

/// What an agent wants sent, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    messages: Vec<(Vec<u8>, SocketAddr)>,
}

impl Outbox {
    /// Adds a datagram.
    pub fn send(&mut self, bytes: Vec<u8>, to: SocketAddr) {
        self.messages.push((bytes, to));
    }

    /// Takes everything out.
    pub fn take(&mut self) -> Vec<(Vec<u8>, SocketAddr)> {
        std::mem::take(&mut self.messages)
    }
}

/// A phone without its socket and clock: messages and times go in, messages come out.
pub trait Agent {
    /// A SIP message arrived.
    fn message(&mut self, now: Instant, incoming: &Incoming, out: &mut Outbox);
    /// The time of [`Agent::wake`] has come.
    fn timer(&mut self, now: Instant, out: &mut Outbox);
    /// When to call [`Agent::timer`].
    fn wake(&self) -> Option<Instant>;
    /// Whether the script has ended.
    fn is_over(&self) -> bool;
}

/// Runs `agent` on `endpoint` until its script has ended.
///
/// # Errors
/// When the socket cannot send or receive.
pub async fn run(endpoint: &mut Endpoint, agent: &mut impl Agent) -> io::Result<()> {
    let mut out = Outbox::default();
    loop {
        // What is due at the start is sent before anything is waited for.
        agent.timer(Instant::now(), &mut out);
        for (bytes, to) in out.take() {
            endpoint.send(&bytes, to).await?;
        }
        if agent.is_over() {
            return Ok(());
        }
        let wake = agent.wake();
        let alarm = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            incoming = endpoint.receive() => agent.message(Instant::now(), &incoming?, &mut out),
            () = alarm => {}
        }
        for (bytes, to) in out.take() {
            endpoint.send(&bytes, to).await?;
        }
    }
}
