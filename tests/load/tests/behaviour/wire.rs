//! A network of one caller and one called side under a virtual clock.

use std::net::SocketAddrV4;
use std::time::Duration;

use sigbox_load::{
    Answerer, AnswererReport, AnswererSettings, Behaviour, Caller, CallerReport, CallerSettings,
    Listener, Moment, Outbox, Party, Plan, Scenario,
};

/// What the network does with a datagram.
pub(crate) enum Fate {
    Deliver,
    Lose,
    Delay(Duration),
    /// Something else arrives in its place, from and at other addresses.
    Become(SocketAddrV4, SocketAddrV4, Vec<u8>),
}

/// A datagram that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Since the start.
    pub(crate) at: Duration,
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) bytes: Vec<u8>,
}

impl Sent {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// `INVITE`, or `180 INVITE`.
    pub(crate) fn kind(&self) -> String {
        let text = self.text();
        let cseq = self.line("CSeq: ");
        let method = cseq.rsplit(' ').next().unwrap_or_default();
        match text.strip_prefix("SIP/2.0 ") {
            Some(rest) => format!("{} {method}", &rest[..3]),
            None => text.split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// What follows `prefix` on the first line that begins with it.
    pub(crate) fn line(&self, prefix: &str) -> String {
        let text = self.text();
        let line = text.lines().find_map(|line| line.strip_prefix(prefix));
        line.unwrap_or_default().to_owned()
    }
}

const LATENCY: Duration = Duration::from_millis(1);

pub(crate) fn address(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new([127, 0, 0, 1].into(), port)
}

/// Address of the caller.
pub(crate) const CALLER: u16 = 40_000;
/// Address of the first called party; further ones follow.
pub(crate) const CALLED: u16 = 5_080;

/// One call of the caller to the first called party, with everything at its default.
pub(crate) fn one_call() -> CallerSettings {
    calls(1_000, 0.001)
}

/// Many of them.
pub(crate) fn calls(rate: u32, seconds: f64) -> CallerSettings {
    CallerSettings {
        index: 0,
        scenario: Scenario::Invite,
        target: address(CALLED),
        uri: "sip:+4930####@127.0.0.1:5080".to_owned(),
        plan: Plan::new(rate, seconds).unwrap(),
        after: Duration::ZERO,
        grid: Duration::from_micros(500),
        t1: Duration::from_millis(500),
        hold: Duration::ZERO,
        cancel_after: None,
        rings: false,
        expect: None,
        wait: Duration::from_secs(60),
    }
}

pub(crate) struct Wire {
    start: Moment,
    now: Moment,
    caller: Caller,
    answerer: Answerer,
    called: Vec<SocketAddrV4>,
    on_the_way: Vec<(Moment, SocketAddrV4, SocketAddrV4, Vec<u8>)>,
    pub(crate) log: Vec<Sent>,
}

impl Wire {
    pub(crate) fn new(
        settings: CallerSettings,
        behaviours: &[Behaviour],
        drop_percent: u32,
    ) -> Self {
        let start = Moment::from_nanos(1_000_000_000);
        let listeners: Vec<_> = (CALLED..)
            .zip(behaviours)
            .map(|(port, behaviour)| Listener {
                address: address(port),
                behaviour: *behaviour,
            })
            .collect();
        let answering = AnswererSettings {
            t1: settings.t1,
            drop_percent,
        };
        Self {
            start,
            now: start,
            caller: Caller::new(settings, &[address(CALLER)], start),
            answerer: Answerer::new(answering, &listeners),
            called: listeners.iter().map(|listener| listener.address).collect(),
            on_the_way: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Nothing is done for so long, as when the machine stalls.
    pub(crate) fn stall(&mut self, pause: Duration) {
        self.now = self.now.after(pause);
    }

    /// Runs until the caller is done.
    pub(crate) fn run(mut self, mut fate: impl FnMut(&Sent) -> Fate) -> Ran {
        while !self.caller.is_done(self.now) {
            let mut called = self
                .called
                .iter()
                .map(|_| Outbox::default())
                .collect::<Vec<_>>();
            let mut calling = [Outbox::default()];
            self.caller.expire(self.now, &mut calling);
            self.answerer.expire(self.now, &mut called);
            self.on_the_way.sort_by_key(|(due, ..)| *due);
            while self
                .on_the_way
                .first()
                .is_some_and(|(due, ..)| *due <= self.now)
            {
                let (_, from, to, bytes) = self.on_the_way.remove(0);
                if to == address(CALLER) {
                    self.caller.receive(self.now, 0, from, &bytes, &mut calling);
                } else if let Some(index) = self.called.iter().position(|address| *address == to) {
                    self.answerer
                        .receive(self.now, index, from, &bytes, &mut called);
                }
            }
            let sources = [address(CALLER)].into_iter().chain(self.called.clone());
            for (from, outbox) in sources.zip(calling.iter().chain(&called)) {
                for (to, bytes) in outbox.datagrams() {
                    let sent = Sent {
                        at: self.now.since(self.start),
                        from,
                        to,
                        bytes: bytes.to_vec(),
                    };
                    let soon = self.now.after(LATENCY);
                    match fate(&sent) {
                        Fate::Deliver => self.on_the_way.push((soon, from, to, bytes.to_vec())),
                        Fate::Lose => {}
                        Fate::Delay(delay) => {
                            self.on_the_way
                                .push((soon.after(delay), from, to, bytes.to_vec()))
                        }
                        Fate::Become(from, to, bytes) => {
                            self.on_the_way.push((soon, from, to, bytes))
                        }
                    }
                    self.log.push(sent);
                }
            }
            let next = [self.caller.next(), self.answerer.next()];
            let next = next
                .into_iter()
                .flatten()
                .chain(self.on_the_way.iter().map(|(due, ..)| *due));
            self.now = next
                .min()
                .expect("a caller that is not done waits for something")
                .max(self.now);
        }
        Ran {
            caller: self.caller.finish(self.now),
            called: self.answerer.finish(),
            log: self.log,
        }
    }
}

/// A run that is over.
pub(crate) struct Ran {
    pub(crate) caller: CallerReport,
    pub(crate) called: AnswererReport,
    pub(crate) log: Vec<Sent>,
}

impl Ran {
    /// When messages of a kind were sent, in milliseconds.
    pub(crate) fn times(&self, kind: &str) -> Vec<u128> {
        self.of_kind(kind).map(|sent| sent.at.as_millis()).collect()
    }

    /// Messages of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Sent> {
        self.log.iter().filter(move |sent| sent.kind() == kind)
    }
}
