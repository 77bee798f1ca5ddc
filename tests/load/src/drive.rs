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
use smallvec::SmallVec;

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
///
/// With `coalesce` it also sleeps that long when something has come in, so that one wake-up takes more: cheaper for it
/// and for whoever sends to it, and every latency grows by up to that much per step.
pub fn drive(
    party: &mut impl Party,
    sockets: &[LoopbackSocket],
    stop: &Stop,
    coalesce: Duration,
) -> io::Result<()> {
    // The default of 50 us would be added to every latency.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1_000))?;
    let mut batches: Vec<Batches<'_>> = sockets.iter().map(Batches::of).collect();
    let mut outboxes: Vec<Outbox> = sockets.iter().map(|_| Outbox::default()).collect();
    let mut ready: SmallVec<[usize; 64]> = SmallVec::new();
    loop {
        let now = Moment::now();
        if party.next().is_some_and(|due| due <= now) {
            party.expire(now, &mut outboxes);
            flush(&mut batches, &mut outboxes)?;
        }
        if party.is_done(now) || stop.is_stopped() {
            return Ok(());
        }
        let due = party.next().map_or(LOOK_UP, |due| due.since(Moment::now()));
        ready.clear();
        if coalesce.is_zero() {
            wait(sockets, due.min(LOOK_UP), &mut ready)?;
        } else {
            wait(&[], due.min(coalesce), &mut ready)?;
            ready.extend(0..sockets.len());
        }
        for &index in &ready {
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

/// Sleeps until a datagram is there or the time is up; `ready` gets the indices of sockets to read.
fn wait(
    sockets: &[LoopbackSocket],
    pause: Duration,
    ready: &mut SmallVec<[usize; 64]>,
) -> io::Result<()> {
    let mut fds: SmallVec<[PollFd<'_>; 64]> = sockets
        .iter()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
        .collect();
    match ppoll(&mut fds, Some(TimeSpec::from_duration(pause)), None) {
        Ok(_) => {
            let events = fds.iter().map(|fd| fd.any().unwrap_or(false));
            ready.extend(
                events
                    .enumerate()
                    .filter_map(|(index, any)| any.then_some(index)),
            );
            Ok(())
        }
        Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
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
