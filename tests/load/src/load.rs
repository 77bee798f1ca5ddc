//! Runs of either side, or of both.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::answerer::{Answerer, AnswererSettings};
use crate::behaviour::Listener;
use crate::caller::{Caller, CallerSettings};
use crate::clock::Moment;
use crate::cost::CpuTime;
use crate::drive::{Stop, drive};
use crate::limits::Limits;
use crate::report::{AnswererReport, CallerReport, Report};
use crate::socket::{LoopbackSocket, require_loopback};

/// From the start of a thread to its first call.
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
    pub fn run(self, stop: &Stop) -> Result<CallerReport> {
        let before = CpuTime::of_this_thread()?;
        let locals: Vec<_> = self.sockets.iter().map(LoopbackSocket::address).collect();
        let mut caller = Caller::new(self.settings, &locals, Moment::now().after(LEAD));
        drive(&mut caller, &self.sockets, stop).context("the calling side")?;
        let mut report = caller.finish(Moment::now());
        report.cost = CpuTime::of_this_thread()?.cost_since(before, report.calls.started);
        Ok(report)
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
    pub fn run(self, stop: &Stop) -> Result<AnswererReport> {
        let before = CpuTime::of_this_thread()?;
        let mut answerer = Answerer::new(self.settings, &self.listeners);
        drive(&mut answerer, &self.sockets, stop).context("the called side")?;
        let mut report = answerer.finish();
        report.cost =
            CpuTime::of_this_thread()?.cost_since(before, report.invites + report.requests);
        Ok(report)
    }
}

/// Both sides, a thread each.
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
        let called = Stop::default();
        let answering = {
            let called = called.clone();
            let answering = self.answering;
            thread::Builder::new()
                .name("answerer".to_owned())
                .spawn(move || answering.run(&called))?
        };
        let caller = self.calling.run(stop);
        called.stop();
        let answerer = answering
            .join()
            .map_err(|_| io::Error::other("the called side panicked"))??;
        Ok(Report::of(Some(caller?), Some(answerer)))
    }
}
