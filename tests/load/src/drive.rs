//! Runs a party over real sockets.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::clock::Moment;
use crate::outbox::Outbox;
use crate::socket::{Batches, LoopbackSocket};

/// How soon a stop is noticed by a party that has nothing to do.
const LOOK_UP: Duration = Duration::from_millis(50);
/// Batches read from one socket before timers are looked at again.
const BATCHES: usize = 4;

/// A side of the calls, without I/O. `outboxes` has one entry per socket, in the order of the sockets; datagrams leave
/// when the method returns.
pub trait Party {
    /// A datagram came in on the socket with this index.
    fn receive(
        &mut self,
        now: Moment,
        socket: usize,
        from: SocketAddrV4,
        bytes: &[u8],
        outboxes: &mut [Outbox],
    );
    /// [`Party::next`] has passed.
    fn expire(&mut self, now: Moment, outboxes: &mut [Outbox]);
    /// When something is due.
    fn next(&self) -> Option<Moment>;
    /// Whether it is over.
    fn is_done(&self, now: Moment) -> bool;
}

/// Ends a run from another thread, or from a signal handler.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the run soon.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been asked for.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs `party` until it is done or stopped. The thread sleeps whenever nothing is due and nothing has come in.
pub fn drive(party: &mut impl Party, sockets: &[LoopbackSocket], stop: &Stop) -> io::Result<()> {
    // The default of 50 us would be added to every latency.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000))?;
    let mut batches: Vec<Batches<'_>> = sockets.iter().map(Batches::of).collect();
    let mut outboxes: Vec<Outbox> = sockets.iter().map(|_| Outbox::default()).collect();
    loop {
        let now = Moment::now();
        if party.next().is_some_and(|due| due <= now) {
            party.expire(now, &mut outboxes);
            flush(&mut batches, &mut outboxes)?;
        }
        if party.is_done(now) || stop.is_stopped() {
            return Ok(());
        }
        let pause = party
            .next()
            .map_or(LOOK_UP, |due| due.since(Moment::now()).min(LOOK_UP));
        let mut readable: smallvec::SmallVec<[bool; 16]> = smallvec::SmallVec::new();
        {
            let mut fds: smallvec::SmallVec<[PollFd<'_>; 16]> = sockets
                .iter()
                .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
                .collect();
            match ppoll(&mut fds, Some(TimeSpec::from_duration(pause)), None) {
                Ok(_) => readable.extend(fds.iter().map(|fd| fd.any().unwrap_or(false))),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
        }
        for (index, _) in readable
            .iter()
            .enumerate()
            .filter(|(_, readable)| **readable)
        {
            for _ in 0..BATCHES {
                let now = Moment::now();
                let more = batches[index]
                    .receive(|from, bytes| party.receive(now, index, from, bytes, &mut outboxes))?;
                flush(&mut batches, &mut outboxes)?;
                if !more {
                    break;
                }
            }
        }
    }
}

fn flush(batches: &mut [Batches<'_>], outboxes: &mut [Outbox]) -> io::Result<()> {
    for (socket, outbox) in batches.iter_mut().zip(outboxes) {
        if !outbox.is_empty() {
            socket.send(outbox)?;
        }
    }
    Ok(())
}
