//! Both sides of the calls as one party.

use std::net::SocketAddrV4;

use crate::answerer::Answerer;
use crate::caller::Caller;
use crate::clock::Moment;
use crate::drive::Party;
use crate::outbox::Outbox;

/// Callers and, if there is one, the called side, on one thread: what comes in for several at once costs one wake-up.
#[derive(Debug)]
pub(crate) struct Both {
    /// Callers with the number of their sockets, in the order of the sockets.
    pub(crate) callers: Vec<(Caller, usize)>,
    /// It has the sockets after those of the callers.
    pub(crate) answerer: Option<Answerer>,
}

impl Both {
    /// Each party with its sockets.
    fn for_each(
        &mut self,
        mut outboxes: &mut [Outbox],
        mut act: impl FnMut(&mut dyn Party, &mut [Outbox]),
    ) {
        for (caller, sockets) in &mut self.callers {
            let (own, others) = outboxes.split_at_mut(*sockets);
            act(caller, own);
            outboxes = others;
        }
        if let Some(answerer) = &mut self.answerer {
            act(answerer, outboxes);
        }
    }
}

impl Party for Both {
    fn receive(
        &mut self,
        now: Moment,
        mut socket: usize,
        from: SocketAddrV4,
        bytes: &[u8],
        outboxes: &mut [Outbox],
    ) {
        let mut is_taken = false;
        self.for_each(outboxes, |party, own| {
            if is_taken {
                return;
            }
            if socket < own.len() {
                is_taken = true;
                party.receive(now, socket, from, bytes, own);
            } else {
                socket -= own.len();
            }
        });
    }

    fn expire(&mut self, now: Moment, outboxes: &mut [Outbox]) {
        self.for_each(outboxes, |party, own| party.expire(now, own));
    }

    fn next(&self) -> Option<Moment> {
        let callers = self.callers.iter().map(|(caller, _)| caller.next());
        let answerer = self.answerer.iter().map(Answerer::next);
        callers.chain(answerer).flatten().min()
    }

    /// Over when all calls are; with nobody who calls, never.
    fn is_done(&self, now: Moment) -> bool {
        !self.callers.is_empty() && self.callers.iter().all(|(caller, _)| caller.is_done(now))
    }
}
