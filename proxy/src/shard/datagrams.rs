//! Many datagrams in one system call (`recvmmsg(2)`, `sendmmsg(2)`).

use std::array;
use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use tokio::net::UdpSocket;

/// Datagrams per system call.
pub(super) const BATCH: usize = 16;

/// The longest datagram there is (RFC 768 over IPv4; IPv6 adds 20 bytes that nobody sends).
const LONGEST: usize = 65_535;

thread_local! {
    // What the system fills in and reads. It points into itself and so cannot move to another thread, while a shard's
    // future must be able to, as far as its type goes; so it stays with the thread instead.
    static INCOMING: RefCell<MultiHeaders<SockaddrStorage>> =
        RefCell::new(MultiHeaders::preallocate(BATCH, None));
    static OUTGOING: RefCell<MultiHeaders<SockaddrStorage>> =
        RefCell::new(MultiHeaders::preallocate(BATCH, None));
}

/// Memory for what one call receives.
#[derive(Debug, Default)]
pub(super) struct Received {
    buffer: Box<[u8]>,
    /// How long each is, and who sent it.
    from: Vec<(usize, Option<SocketAddr>)>,
}

impl Received {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; BATCH * LONGEST].into_boxed_slice(),
            from: Vec::with_capacity(BATCH),
        }
    }

    /// Receives what waits at `socket`, up to [`BATCH`] datagrams.
    ///
    /// # Errors
    /// `WouldBlock` when nothing waits; whatever else the system says.
    pub(super) fn fill(&mut self, socket: &UdpSocket) -> io::Result<()> {
        let Self { buffer, from } = self;
        from.clear();
        INCOMING.with_borrow_mut(|headers| {
            let mut chunks = buffer.chunks_exact_mut(LONGEST);
            let mut slices: [_; BATCH] =
                array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
            let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
            let messages = recvmmsg(fd, headers, slices.iter_mut(), flags, None)?;
            from.extend(messages.map(|message| {
                let peer = message.address.as_ref().and_then(address);
                (message.bytes, peer)
            }));
            Ok(())
        })
    }

    /// Whether nothing came.
    pub(super) fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// Whether there may be more where these came from.
    pub(super) fn is_full(&self) -> bool {
        self.from.len() == BATCH
    }

    /// The datagrams in order, and who sent them.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let chunks = self.buffer.chunks_exact(LONGEST);
        let received = self.from.iter().zip(chunks);
        received.filter_map(|((length, from), chunk)| Some(((*from)?, chunk.get(..*length)?)))
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    storage
        .as_sockaddr_in6()
        .map(|v6| SocketAddr::V6((*v6).into()))
}

/// Sends the first [`BATCH`] of `datagrams` in order; says how many the system took, at least one.
///
/// # Errors
/// Why the first was not taken. `WouldBlock` when there is no room.
pub(super) fn send(socket: &UdpSocket, datagrams: &[(SocketAddr, &[u8])]) -> io::Result<usize> {
    let mut slices = [[IoSlice::new(&[])]; BATCH];
    let mut to = [None; BATCH];
    let count = datagrams.len().min(BATCH);
    for (at, (peer, bytes)) in datagrams.iter().take(BATCH).enumerate() {
        slices[at] = [IoSlice::new(bytes)];
        to[at] = Some(SockaddrStorage::from(*peer));
    }
    OUTGOING.with_borrow_mut(|headers| {
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_DONTWAIT);
        let sent = sendmmsg(fd, headers, &slices[..count], &to[..count], [], flags);
        sent.map(Iterator::count).map_err(Errno::into)
    })
}
