//! A tail as bytes: what it says and nothing in between. Read by the process that wrote it only.

use std::net::{IpAddr, SocketAddr};

use super::{Kind, Tail};
use crate::flow::{ConnectionId, Flow, ListenerId, Transport};

/// The ACKs of branches that failed: index, flow, text.
#[derive(Clone, Copy)]
pub(super) struct Acks<'a> {
    count: u8,
    rest: &'a [u8],
}

/// In the first byte of a flow, above the transport.
const V6: u8 = 8;
const CONNECTED: u8 = 16;

/// Bytes of a flow, at most.
const FLOW: usize = 1 + 2 + 8 + 16 + 2;
/// Bytes of the length of a text.
const LENGTH: usize = 4;

/// How many bytes [`write`] writes, at most.
pub(super) fn longest<'a>(kept: &[u8], acks: impl Iterator<Item = (u8, Flow, &'a [u8])>) -> usize {
    let own = 1 + 4 + FLOW + LENGTH + kept.len() + 1;
    own + acks
        .map(|(_, _, text)| 1 + FLOW + LENGTH + text.len())
        .sum::<usize>()
}

/// Writes a tail.
pub(super) fn write<'a>(
    kind: Kind,
    cseq: u32,
    upstream: &Flow,
    kept: &[u8],
    acks: impl Iterator<Item = (u8, Flow, &'a [u8])>,
    out: &mut Vec<u8>,
) {
    out.push(match kind {
        Kind::Accepted => 0,
        Kind::Confirmed => 1,
        Kind::NonInvite => 2,
    });
    out.extend_from_slice(&cseq.to_ne_bytes());
    write_flow(upstream, out);
    write_text(kept, out);
    let count = out.len();
    out.push(0);
    for (index, flow, text) in acks {
        out.push(index);
        write_flow(&flow, out);
        write_text(text, out);
        // There are at most 128 branches.
        out[count] += 1;
    }
}

/// Reads a tail from the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Option<Tail<'_>> {
    let mut reader = Reader(bytes);
    let kind = match reader.byte()? {
        0 => Kind::Accepted,
        1 => Kind::Confirmed,
        _ => Kind::NonInvite,
    };
    let cseq = u32::from_ne_bytes(reader.array()?);
    let upstream = reader.flow()?;
    let kept = reader.text()?;
    let count = reader.byte()?;
    let acks = Acks {
        count,
        rest: reader.0,
    };
    Some(Tail {
        kind,
        cseq,
        upstream,
        kept,
        acks,
    })
}

fn write_flow(flow: &Flow, out: &mut Vec<u8>) {
    let mut head = flow.transport as u8;
    if flow.peer.is_ipv6() {
        head |= V6;
    }
    if flow.connection.is_some() {
        head |= CONNECTED;
    }
    out.push(head);
    out.extend_from_slice(&flow.listener.0.to_ne_bytes());
    if let Some(ConnectionId(connection)) = flow.connection {
        out.extend_from_slice(&connection.to_ne_bytes());
    }
    match flow.peer.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&flow.peer.port().to_ne_bytes());
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_ne_bytes());
    out.extend_from_slice(text);
}

impl<'a> Iterator for Acks<'a> {
    type Item = (u8, Flow, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = Reader(self.rest);
        self.count = self.count.checked_sub(1)?;
        let ack = (reader.byte()?, reader.flow()?, reader.text()?);
        self.rest = reader.0;
        Some(ack)
    }
}

/// Takes from the start of what is left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_ne_bytes(self.array()?) as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }

    fn flow(&mut self) -> Option<Flow> {
        let head = self.byte()?;
        let listener = ListenerId(u16::from_ne_bytes(self.array()?));
        let connection = match head & CONNECTED {
            0 => None,
            _ => Some(ConnectionId(u64::from_ne_bytes(self.array()?))),
        };
        let ip = match head & V6 {
            0 => IpAddr::from(self.array::<4>()?),
            _ => IpAddr::from(self.array::<16>()?),
        };
        Some(Flow {
            transport: *Transport::ALL.get(usize::from(head & (V6 - 1)))?,
            listener,
            connection,
            peer: SocketAddr::new(ip, u16::from_ne_bytes(self.array()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(transport: Transport, connection: Option<u64>, peer: &str) -> Flow {
        Flow {
            transport,
            listener: ListenerId(0xfffe),
            connection: connection.map(ConnectionId),
            peer: peer.parse().unwrap(),
        }
    }

    #[test]
    fn every_part_reads_back() {
        let flows = [
            flow(Transport::Udp, None, "192.0.2.1:5060"),
            flow(Transport::Wss, Some(u64::MAX), "[2001:db8::1]:65535"),
            flow(Transport::Tls, Some(0), "255.255.255.255:1"),
            flow(Transport::Udp, None, "[::]:0"),
        ];
        let texts = [&b""[..], b"SIP/2.0 200 OK\r\n\r\n", &[7; 70_000]];
        for (number, upstream) in flows.iter().enumerate() {
            for kind in [Kind::Accepted, Kind::Confirmed, Kind::NonInvite] {
                for kept in texts {
                    let acks = || (0..number).map(|at| (at as u8 * 127, flows[at], texts[at % 3]));
                    let mut out = Vec::new();
                    write(kind, 0x8000_0001, upstream, kept, acks(), &mut out);
                    assert!(out.len() <= longest(kept, acks()));
                    out.extend_from_slice(b"the next record");

                    let tail = read(&out).unwrap();
                    assert_eq!(tail.kind, kind);
                    assert_eq!(tail.cseq, 0x8000_0001);
                    assert_eq!(tail.upstream, *upstream);
                    assert_eq!(tail.kept, kept);
                    assert!(tail.acks.eq(acks()));
                }
            }
        }
    }

    #[test]
    fn an_answered_call_takes_19_bytes() {
        let mut out = Vec::new();
        let upstream = flow(Transport::Udp, None, "192.0.2.1:5060");
        write(
            Kind::Accepted,
            1,
            &upstream,
            b"",
            std::iter::empty(),
            &mut out,
        );
        assert_eq!(out.len(), 19);
    }
}
