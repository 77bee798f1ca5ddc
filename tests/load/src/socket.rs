//! UDP on loopback, many datagrams per system call.

use std::array;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, sendto, setsockopt,
};
use smallvec::SmallVec;
use socket2::{Domain, Protocol, Socket, Type};

use crate::outbox::Outbox;

/// Datagrams per system call. More would save nothing any more, and every receiving call touches the headers of all.
const BATCH: usize = 16;
/// Bytes kept of one datagram; a longer one is no answer to what this tool sends.
const DATAGRAM: usize = 4_096;
/// Asked of the kernel for both directions; it may grant less.
const BUFFER: usize = 8 << 20;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum LoopbackError {
    /// Anything but 127.0.0.0/8. This tool makes load for one's own machine only.
    #[error("{0} is not a loopback address (127.0.0.0/8)")]
    NotLoopback(Ipv4Addr),
    /// The system said no.
    #[error("{0}: {1}")]
    Io(SocketAddrV4, #[source] io::Error),
}

/// A bound UDP socket on 127.0.0.0/8.
#[derive(Debug)]
pub struct LoopbackSocket {
    socket: Socket,
    address: SocketAddrV4,
}

impl LoopbackSocket {
    /// Binds to `address`; port 0 lets the system choose.
    pub fn bind(address: SocketAddrV4) -> Result<Self, LoopbackError> {
        require_loopback(address)?;
        let failed = |error| LoopbackError::Io(address, error);
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).map_err(failed)?;
        // Buffers are a wish: the kernel cuts it to its limit, unless it comes from root.
        let _ = socket.set_send_buffer_size(BUFFER);
        if setsockopt(&socket, RcvBufForce, &BUFFER).is_err() {
            let _ = socket.set_recv_buffer_size(BUFFER);
        }
        socket.bind(&address.into()).map_err(failed)?;
        let bound = socket.local_addr().map_err(failed)?;
        Ok(Self {
            socket,
            address: bound.as_socket_ipv4().unwrap_or(address),
        })
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }
}

impl AsFd for LoopbackSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket with the memory for its batches, which does not leave its thread.
#[derive(Debug)]
pub(crate) struct Batches<'s> {
    socket: &'s LoopbackSocket,
    // One set per direction: receiving writes addresses to where the headers point, and sending points them elsewhere.
    incoming: MultiHeaders<SockaddrIn>,
    outgoing: MultiHeaders<SockaddrIn>,
    buffer: Vec<u8>,
}

impl<'s> Batches<'s> {
    /// For that socket.
    pub(crate) fn of(socket: &'s LoopbackSocket) -> Self {
        Self {
            socket,
            incoming: MultiHeaders::preallocate(BATCH, None),
            outgoing: MultiHeaders::preallocate(BATCH, None),
            buffer: vec![0; BATCH * DATAGRAM],
        }
    }

    /// Hands at most one batch of waiting datagrams to `take`, without waiting. Returns whether there may be more.
    pub(crate) fn receive(
        &mut self,
        mut take: impl FnMut(SocketAddrV4, &[u8]),
    ) -> io::Result<bool> {
        let mut received: SmallVec<[(usize, SocketAddrV4); BATCH]> = SmallVec::new();
        {
            let mut chunks = self.buffer.chunks_exact_mut(DATAGRAM);
            let mut slices: [_; BATCH] =
                array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
            let fd = self.socket.socket.as_raw_fd();
            match recvmmsg(
                fd,
                &mut self.incoming,
                slices.iter_mut(),
                MsgFlags::MSG_DONTWAIT,
                None,
            ) {
                Ok(messages) => received.extend(messages.map(|message| {
                    let from = message.address.map(SocketAddrV4::from);
                    let nobody = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
                    (message.bytes, from.unwrap_or(nobody))
                })),
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(false),
                Err(errno) => return Err(errno.into()),
            }
        }
        for ((length, from), chunk) in received.iter().zip(self.buffer.chunks_exact(DATAGRAM)) {
            take(*from, chunk.get(..*length).unwrap_or(chunk));
        }
        Ok(received.len() == BATCH)
    }

    /// Sends everything in `outbox`, waiting for the kernel's buffer when it must, and empties it. Datagrams for other
    /// addresses than loopback are refused.
    pub(crate) fn send(&mut self, outbox: &mut Outbox) -> io::Result<()> {
        let fd = self.socket.socket.as_raw_fd();
        let flags = MsgFlags::empty();
        let mut waiting = outbox.datagrams();
        // One alone is cheaper without the headers of many.
        if waiting.len() == 1
            && let Some((to, bytes)) = waiting.next()
        {
            require_loopback(to).map_err(io::Error::other)?;
            let to = SockaddrIn::from(to);
            while let Err(errno) = sendto(fd, bytes, &to, flags) {
                if errno != Errno::EINTR {
                    return Err(errno.into());
                }
            }
        }
        while waiting.len() > 0 {
            let mut slices: SmallVec<[[IoSlice<'_>; 1]; BATCH]> = SmallVec::new();
            let mut addresses: SmallVec<[Option<SockaddrIn>; BATCH]> = SmallVec::new();
            for (to, bytes) in waiting.by_ref().take(BATCH) {
                require_loopback(to).map_err(io::Error::other)?;
                slices.push([IoSlice::new(bytes)]);
                addresses.push(Some(SockaddrIn::from(to)));
            }
            let mut sent = 0;
            while sent < slices.len() {
                let (slices, addresses) = (slices[sent..].iter(), &addresses[sent..]);
                match sendmmsg(fd, &mut self.outgoing, slices, addresses, [], flags) {
                    Ok(now) => sent += now.count().max(1),
                    Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        drop(waiting);
        outbox.clear();
        Ok(())
    }
}

/// How many datagrams found these sockets full, by proc(5): `/proc/net/udp` names the local address and, last, the drops.
pub(crate) fn lost(sockets: &[LoopbackSocket]) -> io::Result<u64> {
    let table = std::fs::read_to_string("/proc/net/udp")?;
    let addresses: Vec<String> = sockets
        .iter()
        .map(|socket| {
            let ip = u32::from_ne_bytes(socket.address.ip().octets());
            format!("{ip:08X}:{:04X}", socket.address.port())
        })
        .collect();
    let of_ours = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let local = words.nth(1)?;
        addresses.iter().find(|address| *address == local)?;
        words.last()?.parse::<u64>().ok()
    };
    Ok(table.lines().filter_map(of_ours).sum())
}

/// Refuses what is not 127.0.0.0/8.
pub(crate) fn require_loopback(address: SocketAddrV4) -> Result<(), LoopbackError> {
    if address.ip().is_loopback() {
        Ok(())
    } else {
        Err(LoopbackError::NotLoopback(*address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_travel_in_batches_and_in_order() {
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let (from, to) = (
            LoopbackSocket::bind(any).unwrap(),
            LoopbackSocket::bind(any).unwrap(),
        );
        let (mut a, mut b) = (Batches::of(&from), Batches::of(&to));
        let mut outbox = Outbox::default();
        for number in 0..150_u8 {
            outbox.push(to.address(), |out| {
                out.extend(std::iter::repeat_n(number, usize::from(number)))
            });
        }
        a.send(&mut outbox).unwrap();
        assert!(outbox.is_empty());
        let mut lengths = Vec::new();
        while b
            .receive(|source, bytes| {
                assert_eq!(source, from.address());
                assert!(bytes.iter().all(|byte| usize::from(*byte) == bytes.len()));
                lengths.push(bytes.len());
            })
            .unwrap()
        {}
        assert_eq!(lengths, (0..150).collect::<Vec<_>>());
    }

    #[test]
    fn datagrams_for_a_full_socket_are_counted() {
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let (from, to) = (
            LoopbackSocket::bind(any).unwrap(),
            LoopbackSocket::bind(any).unwrap(),
        );
        to.socket.set_recv_buffer_size(4_096).unwrap();
        let mut outbox = Outbox::default();
        for _ in 0..100 {
            outbox.push(to.address(), |out| out.resize(out.len() + 1_000, b'x'));
        }
        Batches::of(&from).send(&mut outbox).unwrap();
        let mut received = 0;
        let mut batches = Batches::of(&to);
        while batches.receive(|_, _| received += 1).unwrap() {}
        assert!(received < 100);
        assert_eq!(lost(&[from, to]).unwrap(), 100 - received);
    }

    #[test]
    fn other_addresses_are_refused() {
        let other = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 5060);
        assert!(matches!(
            LoopbackSocket::bind(other),
            Err(LoopbackError::NotLoopback(_))
        ));
        let socket = LoopbackSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut outbox = Outbox::default();
        outbox.push(other, |out| out.push(0));
        assert!(
            Batches::of(&socket)
                .send(&mut outbox)
                .unwrap_err()
                .to_string()
                .contains("192.0.2.1")
        );
    }
}
