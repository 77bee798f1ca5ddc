//! CANCEL, both ways (RFC 3261 §9, §16.10), its Reason (RFC 3326), and the ACK of a failed branch (RFC 3261 §17.1.1.3).

use sigbox_wire::{HeaderId, Index, Message};

use crate::branch;
use crate::context::{Because, Cancel, Client, Context, Phase};
use crate::counters::Counter;
use crate::env::{Answer, Env, reply_flow};
use crate::flow::Flow;
use crate::forward::{write_line, write_via};
use crate::key::BranchToken;
use crate::transaction::{Act, ClientInvite, ClientNonInvite, ClientNonInviteEvent, Timed};

impl Context {
    /// The caller's CANCEL. It is answered 200 every time it comes; for anything but an INVITE
    /// without a final response it does nothing else (RFC 3261 §9.2).
    pub(crate) fn on_cancel(&mut self, env: &mut Env<'_>, cancel: Message<'_>, flow: &Flow) {
        let answer = Answer {
            status: 200,
            reason: None,
            fingerprint: self.fingerprint,
            extra: b"",
        };
        let upstream = reply_flow(cancel.via().ok().as_ref(), flow);
        env.reply(cancel, flow.peer, upstream, &answer);
        if !self.is_invite() || self.server.is_final() {
            return;
        }
        self.cancelled = true;
        self.cancel_reason = reason_lines(cancel);
        match self.phase {
            Phase::Deciding { .. } => {
                self.withdraw_query(env);
                self.answer(env, 487, None, b"");
            }
            Phase::Forwarding => {
                self.cancel_open_branches(env, Because::Caller);
                self.settle_group(env);
            }
            Phase::Done => {}
        }
    }

    /// Cancels every branch that has no final response yet. One that waits for its address is
    /// dropped; one that has heard nothing yet is cancelled with its first provisional response.
    pub(crate) fn cancel_open_branches(&mut self, env: &mut Env<'_>, because: Because) {
        for index in 0..self.branches.len() {
            if self.branches[index].is_open() {
                self.cancel_branch(env, index, because);
            }
        }
    }

    /// Cancels one branch. Of several causes the first counts.
    pub(crate) fn cancel_branch(&mut self, env: &mut Env<'_>, index: usize, because: Because) {
        let branch = &mut self.branches[index];
        match branch.cancel {
            Cancel::No => branch.because = because,
            Cancel::Wanted => {}
            Cancel::Sent(_) => return,
        }
        match &mut branch.client {
            Client::Resolving => {
                branch.client = Client::Unsent;
                self.conclude(index, 487, None);
            }
            Client::Invite(client) => match client.state {
                ClientInvite::Calling => branch.cancel = Cancel::Wanted,
                ClientInvite::Proceeding => {
                    // If the callee never answers, the branch is over after this (RFC 3261 §9.1).
                    client.deadline = Some(env.now + env.settings.timers.t1 * 64);
                    self.start_cancel(env, index);
                }
                // A branch that was given up turns out to ring.
                ClientInvite::Terminated => self.start_cancel(env, index),
                ClientInvite::Completed | ClientInvite::Accepted => {}
            },
            Client::NonInvite(_) | Client::Unsent => {}
        }
    }

    fn start_cancel(&mut self, env: &mut Env<'_>, index: usize) {
        let branch = &mut self.branches[index];
        let Some(flow) = branch.flow else { return };
        let (reliable, timers) = (flow.transport.is_reliable(), &env.settings.timers);
        branch.cancel = Cancel::Sent(Timed::new(
            ClientNonInvite::Trying,
            env.now,
            reliable,
            timers,
        ));
        self.send_cancel(env, index);
    }

    fn send_cancel(&self, env: &mut Env<'_>, index: usize) {
        let Some(flow) = self.branches[index].flow else {
            return;
        };
        let request = self.sent_form(env, index, &flow);
        let token = BranchToken {
            key: env.key,
            index: index as u8,
        };
        let (settings, secret, shard) = (env.settings, &*env.secret, env.shard);
        let offer = self.via_offer(index);
        let mut via = Vec::new();
        write_via(
            settings,
            &flow,
            |out| {
                branch::write(secret, shard, token, out);
                out.extend_from_slice(offer.as_bytes());
            },
            &mut via,
        );
        let mut reason = Vec::new();
        self.write_reason(index, &mut reason);
        env.send(flow, None, |out| {
            write_hop_by_hop("CANCEL", &request, &via, None, &reason, out)
        });
    }

    /// The caller's own Reason, or what ended the search for it here.
    fn write_reason(&self, index: usize, out: &mut Vec<u8>) {
        match self.branches[index].because {
            Because::Caller => out.extend_from_slice(&self.cancel_reason),
            Because::Status(status) => {
                let text = match status {
                    // Phones that read it do not count such a call as missed.
                    200..300 => "Call completed elsewhere",
                    status => sigbox_wire::reason_phrase(status),
                };
                write_line(
                    out,
                    "Reason",
                    &format!("SIP;cause={status};text=\"{text}\""),
                );
            }
        }
    }

    /// A response to our CANCEL: it only stops the retransmissions.
    pub(crate) fn on_cancel_response(&mut self, env: &Env<'_>, index: usize, status: u16) {
        let branch = &mut self.branches[index];
        let reliable = branch.flow.is_some_and(|flow| flow.transport.is_reliable());
        if let Cancel::Sent(cancel) = &mut branch.cancel
            && let Some((next, _)) = cancel.state.on(ClientNonInviteEvent::of(status))
        {
            cancel.enter(next, env.now, reliable, &env.settings.timers);
        }
    }

    /// Timers E, F and K of our CANCEL.
    pub(crate) fn cancel_timeout(&mut self, env: &mut Env<'_>, index: usize) {
        let branch = &mut self.branches[index];
        let reliable = branch.flow.is_some_and(|flow| flow.transport.is_reliable());
        let Cancel::Sent(cancel) = &mut branch.cancel else {
            return;
        };
        if cancel.deadline.is_some_and(|at| at <= env.now) {
            if let Some((next, _)) = cancel.state.on(ClientNonInviteEvent::Expire) {
                cancel.enter(next, env.now, reliable, &env.settings.timers);
            }
        } else if cancel.retransmit_at.is_some_and(|at| at <= env.now) {
            cancel.back_off(env.now);
            if let Some((_, Act::Resend)) = cancel.state.on(ClientNonInviteEvent::Retransmit) {
                env.count(Counter::RetransmissionSent);
                self.send_cancel(env, index);
            }
        }
    }

    /// Acknowledges a final response other than 2xx on a branch, and gives the ACK's bytes.
    pub(crate) fn acknowledge(
        &self,
        env: &mut Env<'_>,
        index: usize,
        response: Message<'_>,
    ) -> Option<(Flow, std::ops::Range<usize>)> {
        let flow = self.branches[index].flow?;
        let request = self.sent_form(env, index, &flow);
        let token = BranchToken {
            key: env.key,
            index: index as u8,
        };
        let (settings, secret, shard) = (env.settings, &*env.secret, env.shard);
        let offer = self.via_offer(index);
        let mut via = Vec::new();
        write_via(
            settings,
            &flow,
            |out| {
                branch::write(secret, shard, token, out);
                out.extend_from_slice(offer.as_bytes());
            },
            &mut via,
        );
        let to = response.header(HeaderId::To)?.value;
        let bytes = env.send(flow, None, |out| {
            write_hop_by_hop("ACK", &request, &via, Some(to), b"", out)
        });
        Some((flow, bytes))
    }

    /// The branch's request as it was sent.
    fn sent_form(&self, env: &mut Env<'_>, index: usize, flow: &Flow) -> Vec<u8> {
        self.edit(env, index, flow);
        let mut sent = Vec::new();
        env.splicer.finish(self.request.view().raw(), &mut sent);
        sent
    }
}

/// A request that lives on one hop only and repeats the one it belongs to: Request-URI, Route set,
/// From, Call-ID and CSeq number are the request's; To is the request's or the response's; the one
/// Via is ours (RFC 3261 §9.1, §17.1.1.3). `extra` are complete lines.
fn write_hop_by_hop(
    method: &str,
    request: &[u8],
    via: &[u8],
    to: Option<&[u8]>,
    extra: &[u8],
    out: &mut Vec<u8>,
) {
    // What was forwarded may be over the limits that what came in was within: it has our headers.
    let unlimited = sigbox_wire::Limits {
        message: usize::MAX,
        headers: usize::MAX,
        header: usize::MAX,
        vias: usize::MAX,
    };
    let mut index = Index::default();
    if index.parse(request, &unlimited).is_err() {
        return;
    }
    let request = Message::new(request, &index);
    let line = |out: &mut Vec<u8>, name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(request.request_uri());
    out.extend_from_slice(b" SIP/2.0\r\n");
    out.extend_from_slice(via);
    for header in request.headers() {
        match header.id {
            HeaderId::Route => line(out, "Route", header.value),
            HeaderId::From => line(out, "From", header.value),
            HeaderId::To => line(out, "To", to.unwrap_or(header.value)),
            HeaderId::CallId => line(out, "Call-ID", header.value),
            _ => {}
        }
    }
    if let Ok(cseq) = request.cseq() {
        line(out, "CSeq", format!("{} {method}", cseq.number).as_bytes());
    }
    out.extend_from_slice(extra);
    out.extend_from_slice(b"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
}

/// The Reason headers of a request, as far as they say it shortly.
fn reason_lines(request: Message<'_>) -> Box<[u8]> {
    const MOST: usize = 1_024;
    let lines = request.all(HeaderId::Reason);
    let lines: Vec<u8> = lines
        .flat_map(|header| &request.raw()[header.line])
        .copied()
        .collect();
    if lines.len() > MOST {
        return Box::default();
    }
    lines.into_boxed_slice()
}
