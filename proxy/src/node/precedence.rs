//! Which of the sockets of one port a datagram goes to: a small program that runs in the kernel.
//!
//! Every shard has two sockets for each listener. One gets the requests by which something may begin, told by the first
//! bytes of their methods; the other all that belongs to what is under way. A flood of new requests then fills a
//! receive buffer of its own, and what there is no room for costs the process nothing. The program is classic BPF,
//! which needs no privilege (`SO_ATTACH_REUSEPORT_CBPF`, socket(7)).

use std::io;
use std::net::{SocketAddr, UdpSocket};

use nix::libc::{
    BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_H, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_MISC, BPF_MOD,
    BPF_MUL, BPF_RET, BPF_RSH, BPF_TAX, BPF_W, BPF_X, SKF_NET_OFF, sock_filter, sock_fprog,
};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};

/// How requests begin that may begin something: INVITE, REGISTER, OPTIONS, SUBSCRIBE, MESSAGE, PUBLISH, REFER.
const BEGINNINGS: [&[u8; 4]; 7] = [
    b"INVI", b"REGI", b"OPTI", b"SUBS", b"MESS", b"PUBL", b"REFE",
];

/// An odd number whose multiples differ in all their bits.
const SPREAD: u32 = 0x9E37_79B1;

/// Has the kernel sort what comes to the port of `socket` at `address`, where `2 * shards` sockets were bound in the order
/// of shards: first those for what is under way, then those for what begins.
///
/// # Errors
/// What the system says. Then it spreads datagrams over all of them, and nothing has precedence in the kernel.
pub(super) fn sort(socket: &UdpSocket, address: SocketAddr, shards: usize) -> io::Result<()> {
    let mut code = program(address.is_ipv6(), u32::try_from(shards).unwrap_or(1));
    let program = sock_fprog {
        len: u16::try_from(code.len()).unwrap_or_default(),
        filter: code.as_mut_ptr(),
    };
    Ok(setsockopt(socket, AttachReusePortCbpf, &program)?)
}

/// The datagram's bytes start at 0; a datagram that is too short for a load goes to socket 0.
fn program(is_ipv6: bool, shards: u32) -> Vec<sock_filter> {
    let load = |size: u32, at: u32| step(BPF_LD | size | BPF_ABS, at);
    let mut code = vec![load(BPF_W, 0)];
    let under_way = to_shard(is_ipv6, shards, 0);
    // `jt` counts the steps that are skipped: the other comparisons and the way of what is under way.
    let skipped = BEGINNINGS.len() + under_way.len();
    code.extend(BEGINNINGS.iter().enumerate().map(|(at, beginning)| {
        let jt = u8::try_from(skipped - at - 1).unwrap_or_default();
        sock_filter {
            jt,
            ..step(BPF_JMP | BPF_JEQ | BPF_K, u32::from_be_bytes(**beginning))
        }
    }));
    code.extend(under_way);
    code.extend(to_shard(is_ipv6, shards, shards));
    code
}

/// Ends with the socket of the sender's shard, counted from `first`.
fn to_shard(is_ipv6: bool, shards: u32, first: u32) -> Vec<sock_filter> {
    if shards == 1 {
        return vec![step(BPF_RET | BPF_K, first)];
    }
    // The last four bytes of the source address, and behind the header, if that has no options, the source port.
    let (address, port) = if is_ipv6 { (20, 40) } else { (12, 20) };
    let header = |at: u32| (SKF_NET_OFF as u32).wrapping_add(at);
    vec![
        step(BPF_LD | BPF_W | BPF_ABS, header(address)),
        step(BPF_MISC | BPF_TAX, 0),
        step(BPF_LD | BPF_H | BPF_ABS, header(port)),
        step(BPF_ALU | BPF_ADD | BPF_X, 0),
        step(BPF_ALU | BPF_MUL | BPF_K, SPREAD),
        step(BPF_ALU | BPF_RSH | BPF_K, 16),
        step(BPF_ALU | BPF_MOD | BPF_K, shards),
        step(BPF_ALU | BPF_ADD | BPF_K, first),
        step(BPF_RET | BPF_A, 0),
    ]
}

fn step(code: u32, k: u32) -> sock_filter {
    sock_filter {
        // Every code fits, linux/filter.h.
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}
