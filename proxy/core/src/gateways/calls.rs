//! Calls that were answered, of gateways whose calls are counted until their end.
//!
//! One entry per dialog, kept only for sets that have a limit or choose by calls. A BYE that comes by ends it; every
//! other request of the dialog shows that the call is up, and it counts that much longer. One of which nothing is heard
//! for [`SetDefinition::max_call`](super::SetDefinition) ends by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sigbox_wire::Message;

use super::Gateway;
use crate::clock::Instant;
use crate::secret::{Parts, Secret};

/// The dialogs of one core.
#[derive(Default)]
pub(crate) struct Calls {
    held: BTreeMap<u64, Held>,
    /// When each ends by itself.
    due: BTreeSet<(Instant, u64)>,
}

/// One of a gateway's calls, until it is dropped.
struct Held {
    gateway: Arc<Gateway>,
    until: Instant,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gateway.standing.release_call();
    }
}

/// 64 bits that stand for the dialog of `message`: its Call-ID and both tags, whoever sent it.
pub(crate) fn dialog_of(secret: &Secret, message: Message<'_>) -> Option<u64> {
    let (from, to) = (message.from().ok()?, message.to().ok()?);
    let mut tags = [from.tag()?, to.tag()?];
    tags.sort_unstable();
    let mut parts = Parts::default();
    parts.add(b"dialog");
    parts.add(message.call_id());
    tags.iter().for_each(|tag| parts.add(tag));
    Some(secret.fingerprint(&parts).0 as u64)
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// A call was answered; `false` when there are `limit` already.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        dialog: u64,
        gateway: &Arc<Gateway>,
        limit: usize,
    ) -> bool {
        if self.held.contains_key(&dialog) {
            return true;
        }
        if self.held.len() >= limit {
            return false;
        }
        // It is there already: the limit was seen to when it was sent.
        gateway.standing.take_call(0);
        let until = now + gateway.terms.set.max_call;
        self.due.insert((until, dialog));
        let gateway = gateway.clone();
        self.held.insert(dialog, Held { gateway, until });
        true
    }

    /// A request of the dialog came by.
    pub(crate) fn go_on(&mut self, now: Instant, dialog: u64) {
        if let Some(held) = self.held.get_mut(&dialog) {
            self.due.remove(&(held.until, dialog));
            held.until = now + held.gateway.terms.set.max_call;
            self.due.insert((held.until, dialog));
        }
    }

    /// Its BYE came by.
    pub(crate) fn end(&mut self, dialog: u64) {
        if let Some(held) = self.held.remove(&dialog) {
            self.due.remove(&(held.until, dialog));
        }
    }

    /// When the next ends by itself.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(until, _)| *until)
    }

    /// Ends one whose time is over at `now`; `false` when there is none.
    pub(crate) fn expire_one(&mut self, now: Instant) -> bool {
        match self.due.first() {
            Some((until, dialog)) if *until <= now => {
                let dialog = *dialog;
                self.end(dialog);
                true
            }
            _ => false,
        }
    }
}
