//! Binding the SIP sockets.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tracing::{debug, warn};

use super::precedence;
use crate::config::{Listen, Runtime};
use crate::shard::Sockets;

/// Why a socket cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has the port.
    #[error(
        "cannot listen on {transport}:{address}: the port is taken; is another sigbox or SIP server running there?"
    )]
    Taken {
        /// The transport.
        transport: &'static str,
        /// The configured address.
        address: SocketAddr,
    },
    /// The system refuses for another reason.
    #[error("cannot listen on {transport}:{address}: {source}{}", hint(source))]
    Refused {
        /// The transport.
        transport: &'static str,
        /// The configured address.
        address: SocketAddr,
        /// What it says.
        source: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => " (ports under 1024 need CAP_NET_BIND_SERVICE)",
        io::ErrorKind::AddrNotAvailable => " (no interface of this host has that address)",
        _ => "",
    }
}

/// Every socket of a node.
#[derive(Debug)]
pub(super) struct Bound {
    /// For each shard the sockets of each listener, in order.
    pub(super) sockets: Vec<Vec<Sockets>>,
    /// What each listener is bound to, with the port it really has.
    pub(super) addresses: Vec<SocketAddr>,
}

/// Binds the sockets of every listener and shard. The system spreads datagrams over the shards by their source, and these
/// pass on what belongs to another.
pub(super) fn bind(listen: &[Listen], runtime: &Runtime) -> Result<Bound, BindError> {
    let mut bound = Bound {
        sockets: (0..runtime.shards)
            .map(|_| Vec::with_capacity(listen.len()))
            .collect(),
        addresses: Vec::with_capacity(listen.len()),
    };
    for listener in listen {
        let transport = listener.transport.name();
        let mut address = listener.address;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken {
                transport,
                address: listener.address,
            },
            _ => BindError::Refused {
                transport,
                address: listener.address,
                source,
            },
        };
        // Sockets that share a port would share it with another sigbox too, each getting some of the other's messages.
        // The first one does not share, and so finds out whether the port is free, until it is ours.
        let first = open(address, false, runtime).map_err(failed)?;
        address = first.local_addr().map_err(failed)?;
        SockRef::from(&first).set_reuse_port(true).map_err(failed)?;
        let others = |count: usize| {
            let each = (0..count).map(|_| open(address, true, runtime));
            each.collect::<io::Result<Vec<_>>>().map_err(failed)
        };
        let mut under_way = vec![first];
        under_way.extend(others(runtime.shards - 1)?);
        let beginning = others(runtime.shards)?;
        if let Err(error) = precedence::sort(&under_way[0], address, runtime.shards) {
            warn!(%address, %error, "the system does not sort datagrams; under a flood, calls under way lose some too");
        }
        let pairs = under_way.into_iter().zip(beginning);
        for (sockets, (under_way, beginning)) in bound.sockets.iter_mut().zip(pairs) {
            sockets.push(Sockets {
                under_way,
                beginning,
            });
        }
        bound.addresses.push(address);
    }
    Ok(bound)
}

fn open(address: SocketAddr, shared: bool, runtime: &Runtime) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        // An IPv4 listener on the same port is a listener of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // A buffer that is too small is no reason not to take calls, but one to say so.
    check_buffer("receive", address, runtime.udp_receive_buffer, || {
        socket.set_recv_buffer_size(runtime.udp_receive_buffer)?;
        socket.recv_buffer_size()
    });
    check_buffer("send", address, runtime.udp_send_buffer, || {
        socket.set_send_buffer_size(runtime.udp_send_buffer)?;
        socket.send_buffer_size()
    });
    Ok(socket.into())
}

fn check_buffer(
    which: &'static str,
    address: SocketAddr,
    asked: usize,
    set: impl FnOnce() -> io::Result<usize>,
) {
    match set() {
        // The system counts its own bookkeeping and doubles what it is asked for.
        Ok(got) if got / 2 >= asked => debug!(which, %address, bytes = got / 2, "socket buffer"),
        Ok(got) => warn!(
            which, %address, asked, got = got / 2,
            "the system gives a smaller socket buffer; raise net.core.{}mem_max",
            if which == "send" { 'w' } else { 'r' },
        ),
        Err(error) => warn!(which, %address, %error, "the socket buffer keeps its size"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sigbox_core::Transport;

    use super::*;

    fn runtime(shards: usize) -> Runtime {
        Runtime {
            shards,
            drain: Duration::ZERO,
            shard_queue: 1,
            udp_receive_buffer: 65_536,
            udp_send_buffer: 65_536,
            watch: false,
        }
    }

    fn listen(address: SocketAddr) -> [Listen; 1] {
        [Listen {
            transport: Transport::Udp,
            address,
            advertise: None,
        }]
    }

    fn loopback() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    #[test]
    fn every_shard_has_a_socket_on_the_same_port() {
        let bound = bind(&listen(loopback()), &runtime(3)).unwrap();
        assert_ne!(bound.addresses[0].port(), 0);
        assert_eq!(bound.sockets.len(), 3);
        for sockets in &bound.sockets {
            for socket in [&sockets[0].under_way, &sockets[0].beginning] {
                assert_eq!(socket.local_addr().unwrap(), bound.addresses[0]);
            }
        }
    }

    /// Which sockets of the port a datagram from somewhere arrives at: shard, and whether it is that for beginnings.
    fn arrivals(bound: &Bound, text: &str, senders: usize) -> Vec<(usize, bool)> {
        for _ in 0..senders {
            let sender = UdpSocket::bind((bound.addresses[0].ip(), 0)).unwrap();
            sender.send_to(text.as_bytes(), bound.addresses[0]).unwrap();
        }
        let mut arrived = Vec::new();
        for (shard, sockets) in bound.sockets.iter().enumerate() {
            for (is_beginning, socket) in [
                (false, &sockets[0].under_way),
                (true, &sockets[0].beginning),
            ] {
                // On loopback a datagram is there when it was sent.
                while socket.recv(&mut [0; 100]).is_ok() {
                    arrived.push((shard, is_beginning));
                }
            }
        }
        assert_eq!(arrived.len(), senders, "{text}");
        arrived
    }

    #[test]
    fn what_begins_and_what_is_under_way_arrive_at_different_sockets() {
        let loopback_6 = (std::net::Ipv6Addr::LOCALHOST, 0).into();
        for (address, shards) in [(loopback(), 1), (loopback(), 3), (loopback_6, 2)] {
            let bound = bind(&listen(address), &runtime(shards)).unwrap();
            for (text, begins) in [
                ("INVITE sip:a@b SIP/2.0\r\n", true),
                ("REGISTER sip:b SIP/2.0\r\n", true),
                ("REFER sip:a@b SIP/2.0\r\n", true),
                ("INFO sip:a@b SIP/2.0\r\n", false),
                ("BYE sip:a@b SIP/2.0\r\n", false),
                ("SIP/2.0 200 OK\r\n", false),
                ("\r\n", false),
                ("", false),
            ] {
                let arrived = arrivals(&bound, text, 64);
                assert!(arrived.iter().all(|(_, is)| *is == begins), "{text}");
                if text.len() >= 4 {
                    let used = |shard| arrived.iter().any(|(at, _)| *at == shard);
                    assert!((0..shards).all(used), "all shards get some");
                }
            }
        }
    }

    #[test]
    fn a_port_that_is_taken_is_an_error_even_when_it_could_be_shared() {
        let first = bind(&listen(loopback()), &runtime(2)).unwrap();
        for shards in [1, 2] {
            let error = bind(&listen(first.addresses[0]), &runtime(shards)).unwrap_err();
            assert!(matches!(error, BindError::Taken { .. }), "{error}");
        }
    }

    #[test]
    fn a_foreign_address_is_explained() {
        let error = bind(&listen(([192, 0, 2, 1], 0).into()), &runtime(1)).unwrap_err();
        assert!(
            error.to_string().contains("no interface of this host"),
            "{error}"
        );
    }
}
