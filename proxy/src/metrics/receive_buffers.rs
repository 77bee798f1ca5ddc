//! What the kernel dropped because a socket's receive buffer was full, from `/proc/net/udp` (proc_net(5)).

use std::fs;
use std::io;
use std::net::UdpSocket;

use rustix::fs::fstat;

/// The tables of the network namespace; IPv6 sockets have one of their own.
const TABLES: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];

/// The columns of a line, counted from 0.
const INODE: usize = 9;
const DROPS: usize = 12;

/// Sockets of two kinds, by their inodes.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffers {
    under_way: Vec<u64>,
    beginning: Vec<u64>,
}

/// Datagrams dropped since the sockets were opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drops {
    pub(super) under_way: u64,
    pub(super) beginning: u64,
}

impl ReceiveBuffers {
    /// Counts what this socket for messages of what is under way, and this one for what begins, drop from now on.
    ///
    /// # Errors
    /// What the system says when asked about them.
    pub(crate) fn watch(&mut self, under_way: &UdpSocket, beginning: &UdpSocket) -> io::Result<()> {
        self.under_way.push(fstat(under_way)?.st_ino);
        self.beginning.push(fstat(beginning)?.st_ino);
        Ok(())
    }

    /// Zero when the system does not say.
    pub(super) fn drops(&self) -> Drops {
        let mut drops = Drops::default();
        for table in TABLES {
            self.add(&fs::read_to_string(table).unwrap_or_default(), &mut drops);
        }
        drops
    }

    fn add(&self, table: &str, drops: &mut Drops) {
        for line in table.lines().skip(1) {
            let mut columns = line.split_ascii_whitespace();
            let mut number = |skip| columns.nth(skip)?.parse::<u64>().ok();
            let (Some(inode), Some(count)) = (number(INODE), number(DROPS - INODE - 1)) else {
                continue;
            };
            if self.under_way.contains(&inode) {
                drops.under_way += count;
            } else if self.beginning.contains(&inode) {
                drops.beginning += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_into_a_receive_buffer_is_counted() {
        let [one, other] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let mut buffers = ReceiveBuffers::default();
        buffers.watch(&one, &other).unwrap();
        assert_eq!(buffers.drops(), Drops::default());
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        // The default buffer is far from this.
        for _ in 0..5_000 {
            sender
                .send_to(&[0; 1_000], other.local_addr().unwrap())
                .unwrap();
        }
        let drops = buffers.drops();
        assert!(drops.beginning > 0 && drops.under_way == 0, "{drops:?}");
    }
}
