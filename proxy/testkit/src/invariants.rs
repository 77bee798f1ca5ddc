//! What no run may break, checked on everything the core sends.
//!
//! - At most one final response other than 2xx goes upstream for one transaction, and none after
//!   a 2xx. (RFC 3261 §16.7: a 2xx may follow, and may be several.)
//! - No CANCEL goes to a branch that has sent no provisional response.
//! - Every response goes to whom its Via names.
//! - Nothing sent fails to parse.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use sigbox_wire::{Index, Limits, Message, Method};

/// The caller's branch, and the method.
type ServerTransaction = (Vec<u8>, Vec<u8>);

/// The status, and the bytes.
type FinalResponse = (u16, Vec<u8>);

/// What has been seen so far.
#[derive(Default)]
pub(crate) struct Invariants {
    finals: HashMap<ServerTransaction, FinalResponse>,
    /// Branches of ours that heard a provisional response.
    provisional: HashSet<Vec<u8>>,
}

impl Invariants {
    /// The core receives this.
    pub(crate) fn on_received(&mut self, bytes: &[u8]) {
        let mut index = Index::default();
        if index.parse(bytes, &Limits::default()).is_err() {
            return;
        }
        let message = Message::new(bytes, &index);
        if (100..200).contains(&message.status())
            && let Some(branch) = message.via().ok().and_then(|via| via.branch())
        {
            self.provisional.insert(branch.to_vec());
        }
    }

    /// The core sends this.
    pub(crate) fn on_sent(&mut self, to: SocketAddr, bytes: &[u8]) {
        let shown = String::from_utf8_lossy(bytes);
        let mut index = Index::default();
        if let Err(fault) = index.parse(bytes, &Limits::default()) {
            panic!("the core sent what does not parse ({fault}):\n{shown}");
        }
        let message = Message::new(bytes, &index);
        let branch = message.via().unwrap().branch().unwrap_or_default().to_vec();
        if message.is_request() {
            if message.method() == Method::Cancel {
                assert!(
                    self.provisional.contains(&branch),
                    "a CANCEL to {to} before any provisional response:\n{shown}"
                );
            }
            return;
        }
        let status = message.status();
        if status < 200 {
            return;
        }
        let method = message.cseq().unwrap().method.as_bytes().to_vec();
        if method == b"CANCEL" {
            return;
        }
        if let Some((first, text)) = self.finals.get(&(branch.clone(), method.clone())) {
            let repeated = text == bytes;
            let another_2xx = (200..300).contains(&status);
            assert!(
                repeated || another_2xx,
                "a second final response after {first}:\n{shown}"
            );
            return;
        }
        self.finals
            .insert((branch, method), (status, bytes.to_vec()));
    }
}
