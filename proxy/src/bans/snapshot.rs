//! Who is banned, as it is looked up for each datagram.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use sigbox_core::Instant;

use super::Ban;

/// Bans by network, and which lengths of prefixes there are.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    until: HashMap<IpNet, Instant, ahash::RandomState>,
    /// Without doubles; one look-up each.
    v4: Vec<u8>,
    v6: Vec<u8>,
}

impl Snapshot {
    pub(super) fn of<'b>(bans: impl Iterator<Item = &'b Ban>) -> Self {
        let mut snapshot = Self::default();
        for ban in bans {
            let lengths = match ban.source {
                IpNet::V4(_) => &mut snapshot.v4,
                IpNet::V6(_) => &mut snapshot.v6,
            };
            if !lengths.contains(&ban.source.prefix_len()) {
                lengths.push(ban.source.prefix_len());
            }
            snapshot.until.insert(ban.source, ban.until);
        }
        snapshot
    }

    pub(super) fn holds(&self, source: IpAddr, now: Instant) -> bool {
        let lengths = if source.is_ipv4() { &self.v4 } else { &self.v6 };
        lengths.iter().any(|length| {
            let net = IpNet::new(source, *length).map(|net| net.trunc());
            let until = net.ok().and_then(|net| self.until.get(&net));
            until.is_some_and(|until| *until > now)
        })
    }
}
