//! A phone's socket: every message that passes is recorded.

use std::io;
use std::net::SocketAddr;

use sigbox_wire::{Index, Limits, Message, Method};
use tokio::net::UdpSocket;

use super::trace::{Direction, PhoneId, Trace};

/// A received SIP message.
#[derive(Debug)]
pub struct Incoming {
    raw: Vec<u8>,
    index: Index,
    /// Where it came from.
    pub from: SocketAddr,
}

impl Incoming {
    /// Reads a datagram; `None` when it is no SIP message, or a request that cannot be answered.
    pub fn parse(raw: Vec<u8>, from: SocketAddr) -> Option<Self> {
        let mut index = Index::default();
        index.parse(&raw, &Limits::default()).ok()?;
        let incoming = Self { raw, index, from };
        let message = incoming.message();
        let needs_answer = message.is_request() && message.method() != Method::Ack;
        (!needs_answer || message.answerable()).then_some(incoming)
    }

    /// The message.
    pub fn message(&self) -> Message<'_> {
        Message::new(&self.raw, &self.index)
    }
}

/// A UDP socket that belongs to a phone.
#[derive(Debug)]
pub struct Endpoint {
    socket: UdpSocket,
    address: SocketAddr,
    phone: PhoneId,
    trace: Trace,
    buffer: Vec<u8>,
}

impl Endpoint {
    /// Binds `address` (port 0 takes a free one) and joins the trace under `name`. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(name: &str, address: SocketAddr, trace: &Trace) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let socket = UdpSocket::from_std(socket)?;
        let phone = trace.join(name, address);
        Ok(Self {
            socket,
            address,
            phone,
            trace: trace.clone(),
            buffer: vec![0; 65_535],
        })
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// When the socket refuses it.
    pub async fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        // Recorded first: on loopback the receiver may be faster than the return from the call.
        self.trace.record(self.phone, Direction::Sent, to, bytes);
        self.socket.send_to(bytes, to).await.map(|_| ())
    }

    /// The next SIP message; what is not one is recorded and skipped.
    ///
    /// # Errors
    /// When the socket fails.
    pub async fn receive(&mut self) -> io::Result<Incoming> {
        loop {
            let (length, from) = self.socket.recv_from(&mut self.buffer).await?;
            let bytes = self.buffer.get(..length).unwrap_or_default();
            self.trace
                .record(self.phone, Direction::Received, from, bytes);
            if let Some(incoming) = Incoming::parse(bytes.to_vec(), from) {
                return Ok(incoming);
            }
        }
    }
}
