//! What responses do to a call.

use super::call::{Cancel, Phase};
use super::tally::Failure;
use super::{Caller, Scenario, Timer, socket_of};
use crate::clock::Moment;
use crate::message::{Message, value};
use crate::outbox::Outbox;

impl Caller {
    /// A response to INVITE, REGISTER or OPTIONS.
    pub(super) fn first_response(
        &mut self,
        now: Moment,
        status: u16,
        message: &Message<'_>,
        outboxes: &mut [Outbox],
    ) {
        let slot = message.key.slot;
        let key = self.key(slot);
        let call = &mut self.calls[slot as usize];
        let latency = now.since(call.due);
        let is_waiting = matches!(call.phase, Phase::Calling | Phase::Proceeding);
        match status {
            100..200 if is_waiting => {
                call.phase = Phase::Proceeding;
                if status == 180 && !std::mem::replace(&mut call.has_rung, true) {
                    self.tally.to_180.record(latency);
                }
                if call.cancel == Cancel::Wanted {
                    self.cancel(now, slot, outboxes);
                }
            }
            // A 100 says nothing about the call, and so nothing about its order.
            101..200 if call.is_answered => self.tally.reordered(call),
            100..200 => {}
            _ if self.settings.scenario != Scenario::Invite => {
                if is_waiting {
                    self.tally.request.record(latency);
                    self.settle(now, slot, status, (200..300).contains(&status));
                } else {
                    self.tally.seen_again(call);
                }
            }
            200..300 if is_waiting => {
                call.is_answered = true;
                self.tally.to_200.record(latency);
                if call.dialog.learn(message).is_err() {
                    return self.fail(now, slot, Failure::NoDialog);
                }
                self.acknowledge(slot, outboxes);
                let expected = self.settings.expect.is_none_or(|expect| expect == status);
                if !expected {
                    return self.fail(now, slot, Failure::Status("INVITE", status));
                }
                self.calls[slot as usize].phase = Phase::Up;
                if self.settings.hold.is_zero() {
                    self.hang_up(now, now, slot, outboxes);
                } else {
                    self.set(now, self.settings.hold, Timer::HangUp, slot);
                }
            }
            200..300 if !call.is_answered => self.tally.stray += 1,
            200..300 if value(message.to) == call.dialog.to() => {
                self.tally.seen_again(call);
                self.acknowledge(slot, outboxes);
            }
            // Another branch of a fork was answered too. A caller would end that dialog; this one counts it.
            200..300 => self.tally.second_answers += 1,
            _ => {
                let (number, socket) = (call.number, socket_of(call, outboxes));
                outboxes[socket].push(self.settings.target, |out| {
                    self.requests[socket].refusal_ack(&key.text(), number, value(message.to), out);
                });
                if !is_waiting {
                    return self.tally.seen_again(call);
                }
                self.tally.to_refusal.record(latency);
                let is_cancelled = call.cancel != Cancel::None && status == 487;
                call.is_terminated = is_cancelled;
                if is_cancelled && call.cancel == Cancel::Confirmed {
                    self.tally.endings.cancelled += 1;
                }
                let expected = self.settings.expect == Some(status);
                if status == 503 && message.has_retry_after && !expected {
                    self.tally.refused(&mut self.calls[slot as usize]);
                    return self.over(now, slot);
                }
                self.settle(now, slot, status, is_cancelled);
            }
        }
    }

    /// The final response that ends a call: `is_good` unless the settings name another.
    fn settle(&mut self, now: Moment, slot: u32, status: u16, is_good: bool) {
        if self
            .settings
            .expect
            .map_or(is_good, |expect| expect == status)
        {
            self.complete(now, slot);
        } else {
            let method = self.settings.scenario.method().name();
            self.fail(now, slot, Failure::Status(method, status));
        }
    }

    fn acknowledge(&mut self, slot: u32, outboxes: &mut [Outbox]) {
        let call = &self.calls[slot as usize];
        let socket = socket_of(call, outboxes);
        if let Some(hop) = call.dialog.next_hop() {
            outboxes[socket].push(hop, |out| {
                self.requests[socket].ack(&self.key(slot).text(), &call.dialog, out)
            });
        }
    }

    /// A response to BYE.
    pub(super) fn bye_response(&mut self, now: Moment, status: u16, slot: u32) {
        let call = &self.calls[slot as usize];
        if call.phase != Phase::Leaving || status < 200 {
            return;
        }
        if status < 300 {
            self.tally.bye.record(now.since(call.bye_due));
            self.tally.endings.ended += 1;
            self.complete(now, slot);
        } else {
            self.fail(now, slot, Failure::Status("BYE", status));
        }
    }

    /// A response to CANCEL.
    pub(super) fn cancel_response(&mut self, status: u16, slot: u32) {
        let call = &mut self.calls[slot as usize];
        if call.cancel != Cancel::Sent || status < 200 {
            return;
        }
        if status >= 300 {
            call.cancel = Cancel::Rejected;
            return;
        }
        call.cancel = Cancel::Confirmed;
        if call.is_terminated {
            self.tally.endings.cancelled += 1;
        }
    }
}
