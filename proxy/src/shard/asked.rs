//! What others have a shard do that is not SIP: show what is under way, tell of what happened elsewhere in the node.

use super::{Announcement, Look, Shard};
use crate::bus::unix_ms;

/// Transactions of one call that are shown.
const MOST_SEEN: usize = 100;

impl Shard {
    /// Shows somebody what they want to see.
    pub(super) fn look(&mut self, look: Look) {
        // Nobody may be waiting any more.
        match look {
            Look::Call(call_id, answer) => {
                let seen = self.core.underway(self.clock.now(), &call_id, MOST_SEEN);
                let _ = answer.send(seen);
            }
            Look::Deciders(answer) => drop(answer.send(self.bus.subject_states())),
        }
    }

    /// Tells others what did not happen on a shard.
    pub(super) fn announce(&mut self, what: &Announcement) {
        match what {
            Announcement::Audit(record) if self.events.audit => {
                let tenant = self.core.settings().tenant.clone();
                let event = self.recorder.audit(record, &tenant);
                self.bus.announce(&event, &tenant);
            }
            Announcement::Data(active) if self.events.data => {
                let data = self.recorder.data(active, unix_ms());
                self.bus.announce_data(&data);
            }
            Announcement::Audit(_) | Announcement::Data(_) => {}
        }
    }
}
