//! Runs of callers, of the called, or of both.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::answerer::{Answerer, AnswererSettings};
use crate::behaviour::Listener;
use crate::both::Both;
use crate::caller::{Caller, CallerSettings};
use crate::clock::Moment;
use crate::cost::CpuTime;
use crate::drive::{Stop, drive};
use crate::limits::{Limits, Plan};
use crate::report::Report;
use crate::schedule::GRID;
use crate::socket::{LoopbackSocket, lost, require_loopback};

/// From the start of a run to its first call.
const LEAD: Duration = Duration::from_millis(20);

/// Bound sockets of a caller.
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
}

/// Everything that takes part in a run, on one thread.
#[derive(Debug)]
pub struct Load {
    callers: Vec<Calling>,
    answering: Option<Answering>,
}

impl Load {
    /// Callers, each with an index of its own, and the called.
    pub fn new(callers: Vec<Calling>, answering: Option<Answering>) -> Result<Self> {
        ensure!(
            callers.len() <= Limits::CALLERS,
            "at most {} callers",
            Limits::CALLERS
        );
        Plan::together(callers.iter().map(|caller| caller.settings.plan))?;
        Ok(Self { callers, answering })
    }

    /// Places the calls and waits for their end; with nobody who calls, answers until it is stopped.
    pub fn run(self, stop: &Stop) -> Result<Report> {
        let before = CpuTime::of_this_thread()?;
        let start = Moment::now().after(LEAD).round_up(GRID);
        let mut sockets = Vec::new();
        let mut both = Both {
            callers: Vec::new(),
            answerer: None,
        };
        for calling in self.callers {
            let locals: Vec<_> = calling
                .sockets
                .iter()
                .map(LoopbackSocket::address)
                .collect();
            let caller = Caller::new(calling.settings, &locals, start);
            both.callers.push((caller, locals.len()));
            sockets.extend(calling.sockets);
        }
        if let Some(answering) = self.answering {
            both.answerer = Some(Answerer::new(answering.settings, &answering.listeners));
            sockets.extend(answering.sockets);
        }
        drive(&mut both, &sockets, stop)?;
        let now = Moment::now();
        let callers = both.callers.into_iter();
        let mut report = Report::of(
            callers.map(|(caller, _)| caller.finish(now)),
            both.answerer.map(Answerer::finish),
        );
        report.lost_here = lost(&sockets)?;
        report.cost = CpuTime::of_this_thread()?.cost_since(before, report.calls());
        Ok(report)
    }
}
