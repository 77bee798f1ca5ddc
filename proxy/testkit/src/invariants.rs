//! What no run may break, checked on everything the core sends.
//!
//! - At most one final response other than 2xx goes upstream for one transaction, and none after
//!   a 2xx. (RFC 3261 §16.7: a 2xx may follow, and may be several.) Without the magic cookie in its
//!   branch, a transaction is not told apart here.
//! - No CANCEL goes to a branch that has sent no provisional response.
//! - A final response other than 2xx to an INVITE of ours is acknowledged as often as it comes, not
//!   more; an ACK that nothing was answered for is never sent.
//! - A forwarded request has the headers that came, byte for byte and in their order, but for those
//!   that a proxy changes ([`CHANGED`]). Only where no plan edits headers.
//! - Every response goes to whom its Via names.
//! - Nothing sent fails to parse.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use sigbox_wire::{HeaderId, Index, Limits, Message, Method};

/// The caller's branch, and the method.
type ServerTransaction = (Vec<u8>, Vec<u8>);

/// The status, and the bytes.
type FinalResponse = (u16, Vec<u8>);

/// Headers that a proxy adds to, takes from, or rewrites.
const CHANGED: [HeaderId; 7] = [
    HeaderId::Via,
    HeaderId::RecordRoute,
    HeaderId::Route,
    HeaderId::MaxForwards,
    HeaderId::MaxBreadth,
    HeaderId::From,
    HeaderId::To,
];

/// The branches of client transactions of the proxy.
const STATEFUL: &[u8] = b"z9hG4bKsb";

/// What has been seen so far of one core. Peers are expected not to use a branch twice.
#[derive(Debug, Default)]
pub struct Invariants {
    /// No plan edits headers.
    pub(crate) is_exact: bool,
    /// The headers of requests that came, by Call-ID and CSeq, without those in [`CHANGED`].
    received: HashMap<(Vec<u8>, Vec<u8>), Vec<u8>>,
    /// Final responses other than 2xx by branch, less the ACKs for them.
    unacknowledged: HashMap<Vec<u8>, u32>,
    finals: HashMap<ServerTransaction, FinalResponse>,
    /// Branches of ours that heard a provisional response.
    provisional: HashSet<Vec<u8>>,
}

impl Invariants {
    /// The core receives this.
    pub fn on_received(&mut self, bytes: &[u8]) {
        let mut index = Index::default();
        if index.parse(bytes, &Limits::default()).is_err() {
            return;
        }
        let message = Message::new(bytes, &index);
        if message.is_request() {
            self.received.insert(name(message), kept(message));
        } else if message.status() >= 300
            && let Ok(cseq) = message.cseq()
            && cseq.method == Method::Invite
            && let Some(branch) = message.via().ok().and_then(|via| via.branch())
        {
            *self.unacknowledged.entry(branch.to_vec()).or_default() += 1;
        }
        if (100..200).contains(&message.status())
            && let Some(branch) = message.via().ok().and_then(|via| via.branch())
        {
            self.provisional.insert(branch.to_vec());
        }
    }

    /// The core sends this. Panics when it breaks a rule.
    pub fn on_sent(&mut self, to: SocketAddr, bytes: &[u8]) {
        let shown = String::from_utf8_lossy(bytes);
        let mut index = Index::default();
        if let Err(fault) = index.parse(bytes, &Limits::default()) {
            panic!("the core sent what does not parse ({fault}):\n{shown}");
        }
        let message = Message::new(bytes, &index);
        let (via, cseq) = match (message.via(), message.cseq()) {
            (Ok(via), Ok(cseq)) => (via, cseq),
            // What is refused goes back as it came.
            _ if message.status() == 400 => return,
            parts => panic!("the core sent what does not parse ({parts:?}):\n{shown}"),
        };
        let branch = via.branch().unwrap_or_default();
        if message.is_request() {
            if message.method() == Method::Cancel {
                assert!(
                    self.provisional.contains(branch),
                    "a CANCEL to {to} before any provisional response:\n{shown}"
                );
            } else if message.method() == Method::Ack && branch.starts_with(STATEFUL) {
                let finals = self.unacknowledged.get_mut(branch);
                let left = finals.and_then(|finals| Some((finals.checked_sub(1)?, finals)));
                let Some((left, finals)) = left else {
                    panic!("an ACK for which nothing was answered:\n{shown}");
                };
                *finals = left;
            } else if self.is_exact
                && let Some(came) = self.received.get(&name(message))
            {
                assert!(*came == kept(message), "headers were changed:\n{shown}");
            }
            return;
        }
        let status = message.status();
        if status < 200 {
            return;
        }
        let method = cseq.method.as_bytes().to_vec();
        if method == b"CANCEL" {
            return;
        }
        if !is_unique(branch) {
            return;
        }
        let transaction = (branch.to_vec(), method);
        if let Some((first, text)) = self.finals.get(&transaction) {
            let repeated = text == bytes;
            let another_2xx = (200..300).contains(&status);
            assert!(
                repeated || another_2xx,
                "a second final response after {first}:\n{shown}"
            );
            return;
        }
        self.finals.insert(transaction, (status, bytes.to_vec()));
    }
}

/// Call-ID and CSeq.
fn name(message: Message<'_>) -> (Vec<u8>, Vec<u8>) {
    let cseq = message.header(HeaderId::CSeq);
    let cseq = cseq.map_or(&b""[..], |header| header.value);
    (message.call_id().to_vec(), cseq.to_vec())
}

/// The header lines that nobody on the way may touch.
fn kept(message: Message<'_>) -> Vec<u8> {
    let lines = message
        .headers()
        .filter(|header| !CHANGED.contains(&header.id));
    lines
        .flat_map(|header| &message.raw()[header.line])
        .copied()
        .collect()
}

/// Whether a branch has the magic cookie of RFC 3261 §8.1.1.7, which promises that it is.
fn is_unique(branch: &[u8]) -> bool {
    let cookie = b"z9hG4bK";
    branch
        .get(..cookie.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(cookie))
}
