//! Starting and stopping: what others are told, and when a shard may end.

use std::sync::atomic::Ordering;

use sigbox_contracts::event::NodeState;
use sigbox_core::{Input, Instant};

use super::{Control, Shard};
use crate::bus::unix_ms;

/// How far a shard is with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drain {
    /// It takes calls.
    No,
    /// It waits for its calls to end, until then at the latest.
    Until(Instant),
    /// It waits for the other shards.
    Done,
    /// It ends.
    Stopped,
}

impl Shard {
    pub(super) fn start_draining(&mut self) {
        if self.drain == Drain::No {
            self.drain = Drain::Until(self.clock.now() + self.drain_limit);
            self.announce_node(NodeState::Draining);
            self.feed(Input::Drain);
        }
    }

    /// When the shard may have to look again whether it is drained, though nothing happens.
    pub(super) fn drain_timeout(&self) -> Option<Instant> {
        let Drain::Until(limit) = self.drain else {
            return None;
        };
        let acks = self.core.expects_ack_until().unwrap_or(limit);
        Some(if self.core.live() > 0 {
            limit
        } else {
            limit.min(acks)
        })
    }

    /// The last shard to be drained stops them all.
    pub(super) fn check_drained(&mut self) {
        let Drain::Until(limit) = self.drain else {
            return;
        };
        let now = self.clock.now();
        let expects_ack = self.core.expects_ack_until().is_some_and(|at| now < at);
        if (self.core.live() > 0 || expects_ack) && now < limit {
            return;
        }
        self.drain = Drain::Done;
        if self.undrained.fetch_sub(1, Ordering::AcqRel) == 1 {
            for shard in &self.peers {
                // Those that ended early have nothing to stop.
                let _ = shard.control.send(Control::Stop);
            }
        }
    }

    /// The first shard speaks for the node.
    pub(super) fn announce_node(&mut self, state: NodeState) {
        if self.index == 0 && self.events.node {
            let settings = self.core.settings();
            let event = self.recorder.node(state, settings, unix_ms());
            let tenant = settings.tenant.clone();
            self.bus.announce(&event, &tenant);
        }
    }
}
