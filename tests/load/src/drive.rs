//! Runs a party over real sockets.

use std::io;
use std::net::SocketAddrV4;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use crate::clock::Moment;
use crate::outbox::Outbox;
use crate::socket::{Batches, LoopbackSocket};

/// How soon a stop is noticed when there is nothing to do.
const LOOK_UP: Duration = Duration::from_millis(50);
/// The alarm among the indices of sockets.
const ALARM: u64 = u64::MAX;
/// Batches read from one socket before anything is sent, about what its buffer holds: a generator that cannot keep up is
/// to call late, which it counts, rather than lose what the proxy answered.
const BATCHES: usize = 512;
const NO_TIME: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

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
    /// [`Party::next`] has passed. It is called again when that has not done everything.
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
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000))?;
    let readable = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut alarm = Alarm::new()?;
    epoll::add(
        &readable,
        &alarm.timer,
        epoll::EventData::new_u64(ALARM),
        epoll::EventFlags::IN,
    )?;
    for (index, socket) in sockets.iter().enumerate() {
        let index = epoll::EventData::new_u64(index as u64);
        let news = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&readable, socket, index, news)?;
    }
    let mut events: Vec<epoll::Event> = Vec::with_capacity(sockets.len() + 1);
    let mut batches: Vec<Batches<'_>> = sockets.iter().map(Batches::of).collect();
    let mut outboxes: Vec<Outbox> = sockets.iter().map(|_| Outbox::default()).collect();
    // Sockets with datagrams, in the order in which they got them.
    let mut waiting: Vec<usize> = (0..sockets.len()).collect();
    let mut now = Moment::now();
    loop {
        if party.next().is_some_and(|due| due <= now) {
            party.expire(now, &mut outboxes);
        }
        flush(&mut batches, &mut outboxes)?;
        if party.is_done(now) || stop.is_stopped() {
            return Ok(());
        }
        let next = party.next();
        let patience = if waiting.is_empty() && next.is_none_or(|due| due > now) {
            alarm.set(now, next)?;
            None
        } else {
            Some(&NO_TIME)
        };
        events.clear();
        match epoll::wait(&readable, spare_capacity(&mut events), patience) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for index in events.iter().map(|event| event.data.u64()) {
            let index = index as usize;
            if index < sockets.len() && !waiting.contains(&index) {
                waiting.push(index);
            }
        }
        // What has come in and what is due leaves together: one look at the clock, one system call per socket.
        now = Moment::now();
        let mut failed = None;
        waiting.retain(|index| {
            for _ in 0..BATCHES {
                let take =
                    |from, bytes: &[u8]| party.receive(now, *index, from, bytes, &mut outboxes);
                match batches[*index].receive(take) {
                    Ok(true) => {}
                    Ok(false) => return false,
                    Err(error) => {
                        failed = Some(error);
                        return false;
                    }
                }
            }
            true
        });
        if let Some(error) = failed {
            return Err(error);
        }
    }
}

/// A timer that wakes the thread: epoll's own has a resolution of 1 ms.
#[derive(Debug)]
struct Alarm {
    timer: OwnedFd,
    due: Option<Moment>,
}

impl Alarm {
    fn new() -> io::Result<Self> {
        Ok(Self {
            timer: timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?,
            due: None,
        })
    }

    /// Rings at `due`, and not much later than [`LOOK_UP`] from now in any case.
    fn set(&mut self, now: Moment, due: Option<Moment>) -> io::Result<()> {
        let latest = now.after(LOOK_UP);
        let due = due.map_or(latest, |due| due.min(latest));
        // One that rings within the time is good enough; setting costs a system call.
        if self.due.is_none_or(|set| set <= now || set > due) {
            let setting = Itimerspec {
                it_interval: timespec(Duration::ZERO),
                it_value: timespec(Duration::from_nanos(due.as_nanos())),
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &setting)?;
            self.due = Some(due);
        }
        Ok(())
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
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
