//! Runs of either side, or of both.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::answerer::{Answerer, AnswererSettings};
use crate::behaviour::Listener;
use crate::both::Both;
use crate::caller::{Caller, CallerSettings};
use crate::clock::Moment;
use crate::cost::CpuTime;
use crate::drive::{Stop, drive};
use crate::limits::Limits;
use crate::report::Report;
use crate::schedule::GRID;
use crate::socket::{LoopbackSocket, require_loopback};

/// From the start of a run to its first call.
const LEAD: Duration = Duration::from_millis(20);

/// Bound sockets of callers.
#[derive(Debug)]
pub struct Calling {
    settings: CallerSettings,
    sockets: Vec<LoopbackSocket>,
}

impl Calling {
    /// Binds `sockets` sockets of 127.0.0.1, which calls take in turns.
    pub fn bind(settings: CallerSettings, sockets: usize) -> Result<Self> {
        require_loopback(settings.target)?;
        ensure!(
            (1..=Limits::SOCKETS).contains(&sockets),
            "1 to {} sockets",
            Limits::SOCKETS
        );
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let sockets = (0..sockets)
            .map(|_| LoopbackSocket::bind(any))
            .collect::<Result<_, _>>()?;
        Ok(Self { settings, sockets })
    }

    /// Places the calls and waits for their end.
    pub fn run(self, stop: &Stop) -> Result<Report> {
        let before = CpuTime::of_this_thread()?;
        let (mut caller, sockets) = self.start();
        drive(&mut caller, &sockets, stop).context("the calling side")?;
        let caller = caller.finish(Moment::now());
        let cost = CpuTime::of_this_thread()?.cost_since(before, caller.calls.started);
        Ok(Report::of(Some(caller), None, cost))
    }

    fn start(self) -> (Caller, Vec<LoopbackSocket>) {
        let locals: Vec<_> = self.sockets.iter().map(LoopbackSocket::address).collect();
        let start = Moment::now().after(LEAD).round_up(GRID);
        (Caller::new(self.settings, &locals, start), self.sockets)
    }
}

/// Bound sockets of called parties.
#[derive(Debug)]
pub struct Answering {
    settings: AnswererSettings,
    listeners: Vec<Listener>,
    sockets: Vec<LoopbackSocket>,
}

impl Answering {
    /// Binds the listeners.
    pub fn bind(settings: AnswererSettings, listeners: &[Listener]) -> Result<Self> {
        ensure!(
            (1..=Limits::SOCKETS).contains(&listeners.len()),
            "1 to {} listeners",
            Limits::SOCKETS
        );
        let sockets = listeners
            .iter()
            .map(|listener| LoopbackSocket::bind(listener.address));
        let sockets = sockets.collect::<Result<Vec<_>, _>>()?;
        let listeners = listeners
            .iter()
            .zip(&sockets)
            .map(|(listener, socket)| Listener {
                address: socket.address(),
                ..*listener
            });
        Ok(Self {
            settings,
            listeners: listeners.collect(),
            sockets,
        })
    }

    /// The listeners, with the ports that the system chose.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Answers until it is stopped.
    pub fn run(self, stop: &Stop) -> Result<Report> {
        let before = CpuTime::of_this_thread()?;
        let mut answerer = Answerer::new(self.settings, &self.listeners);
        drive(&mut answerer, &self.sockets, stop).context("the called side")?;
        let called = answerer.finish();
        let cost = CpuTime::of_this_thread()?.cost_since(before, called.invites + called.requests);
        Ok(Report::of(None, Some(called), cost))
    }
}

/// Both sides, on one thread.
#[derive(Debug)]
pub struct Pair {
    /// The calling side.
    pub calling: Calling,
    /// The called side.
    pub answering: Answering,
}

impl Pair {
    /// Places the calls, and stops answering when they are over.
    pub fn run(self, stop: &Stop) -> Result<Report> {
        let before = CpuTime::of_this_thread()?;
        let (caller, mut sockets) = self.calling.start();
        let mut both = Both {
            caller,
            answerer: Answerer::new(self.answering.settings, &self.answering.listeners),
            callers_sockets: sockets.len(),
        };
        sockets.extend(self.answering.sockets);
        drive(&mut both, &sockets, stop)?;
        let caller = both.caller.finish(Moment::now());
        let cost = CpuTime::of_this_thread()?.cost_since(before, caller.calls.started);
        Ok(Report::of(
            Some(caller),
            Some(both.answerer.finish()),
            cost,
        ))
    }
}
