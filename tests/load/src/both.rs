//! Both sides of the calls as one party.

use std::net::SocketAddrV4;

use crate::answerer::Answerer;
use crate::caller::Caller;
use crate::clock::Moment;
use crate::drive::Party;
use crate::outbox::Outbox;

/// The callers and the called, on one thread: what comes in for both at once costs one wake-up. The first sockets are
/// the callers', the others the called's. It is over when the calls are.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) caller: Caller,
    pub(crate) answerer: Answerer,
    /// How many sockets the callers have.
    pub(crate) callers_sockets: usize,
}

impl Party for Both {
    fn receive(
        &mut self,
        now: Moment,
        socket: usize,
        from: SocketAddrV4,
        bytes: &[u8],
        outboxes: &mut [Outbox],
    ) {
        let (callers, called) = outboxes.split_at_mut(self.callers_sockets);
        match socket.checked_sub(callers.len()) {
            None => self.caller.receive(now, socket, from, bytes, callers),
            Some(socket) => self.answerer.receive(now, socket, from, bytes, called),
        }
    }

    fn expire(&mut self, now: Moment, outboxes: &mut [Outbox]) {
        let (callers, called) = outboxes.split_at_mut(self.callers_sockets);
        self.caller.expire(now, callers);
        self.answerer.expire(now, called);
    }

    fn next(&self) -> Option<Moment> {
        let due = [self.caller.next(), self.answerer.next()];
        due.into_iter().flatten().min()
    }

    fn is_done(&self, now: Moment) -> bool {
        self.caller.is_done(now)
    }
}
