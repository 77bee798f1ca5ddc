//! A core, what has gone in and come out of it, and what must hold of that.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{
    Action, BranchToken, Condition, ConnectionId, Core, Counters, FallbackCause, Flow, Gauge,
    Input, Instant, Listener, ListenerId, Output, Outputs, Plan, Rule, Settings, Ticket, Token,
    Transport,
};
use sigbox_testkit::{Invariants, Request, plans, response_to};
use sigbox_wire::{Index, Limits, Message, Method};

const PROXY: &str = "192.0.2.1:5060";

/// Phones that call: the transport, the address.
const CALLERS: [(Transport, &str); 4] = [
    (Transport::Udp, "192.0.2.10:5060"),
    (Transport::Udp, "192.0.2.11:40000"),
    (Transport::Tcp, "192.0.2.12:50001"),
    (Transport::Udp, "192.0.2.20:5060"),
];

/// As long as anything may take: 128 branches in a row, each for as long as a decider may say.
const LONGEST: Duration = Duration::from_secs(128 * 1_200);

/// More timers than this in one span do not end.
const TIMERS: usize = 50_000;

/// The largest payload of a UDP datagram over IPv4.
const DATAGRAM: usize = 65_507;

/// How a message comes in.
#[derive(Clone, Copy)]
pub(crate) struct Incoming {
    pub(crate) flow: Flow,
    pub(crate) is_excess: bool,
}

/// A message that the core sent.
pub(crate) struct Sent {
    pub(crate) flow: Flow,
    pub(crate) bytes: Vec<u8>,
}

/// A request of a caller.
struct Called {
    request: Request,
    incoming: Incoming,
    /// It opened a transaction.
    is_kept: bool,
    /// The first final response and when it came.
    answer: Option<(Instant, String)>,
}

pub(crate) struct World {
    core: Core,
    counters: Arc<Counters>,
    now: Instant,
    out: Outputs,
    invariants: Invariants,
    called: Vec<Called>,
    numbers: u32,
    /// Requests that went on to somebody who may answer.
    forwarded: Vec<Sent>,
    /// Everything that was sent.
    sent: Vec<Sent>,
    queries: Vec<Token>,
    withdrawn: HashSet<Token>,
    lookups: Vec<Ticket>,
    branches: Vec<BranchToken>,
    /// Which request a branch of a caller's belongs to, and where its responses go.
    callers: HashMap<Vec<u8>, (Option<usize>, IpAddr)>,
    /// Branches of ACKs, which nobody answers.
    acks: HashSet<Vec<u8>>,
}

impl World {
    pub(crate) const CALL_ID: &str = "n1@192.0.2.10";
    pub(crate) const FROM_TAG: &str = "a-n1";
    pub(crate) const BODY: &str = "v=0\r\n";

    pub(crate) fn new(settings: Settings) -> Self {
        let counters = Arc::new(Counters::default());
        let settings = Arc::new(listening(settings));
        Self {
            core: Core::new(settings, 0, [42; 16], 1_790_000_000_000, counters.clone()),
            counters,
            now: Instant::ZERO,
            out: Outputs::new(),
            invariants: Invariants::default(),
            called: Vec::new(),
            numbers: 0,
            forwarded: Vec::new(),
            sent: Vec::new(),
            queries: Vec::new(),
            withdrawn: HashSet::new(),
            lookups: Vec::new(),
            branches: Vec::new(),
            callers: HashMap::new(),
            acks: HashSet::new(),
        }
    }

    /// A world that asks about everything and has a last resort.
    pub(crate) fn asking() -> Self {
        let mut settings = Settings {
            aliases: vec!["sip.example.com".into()],
            ..Settings::default()
        };
        settings.rules.fallback = vec![Rule {
            name: "last".into(),
            condition: Condition::default(),
            action: Action::Decide(Arc::new(plans::reject(480))),
        }];
        Self::new(settings)
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.core.settings().clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.called.len()
    }

    pub(crate) fn last_request(&self) -> Option<&Request> {
        self.called.last().map(|called| &called.request)
    }

    pub(crate) fn forwarded(&self) -> &[Sent] {
        &self.forwarded
    }

    pub(crate) fn sent(&self) -> impl Iterator<Item = &[u8]> {
        self.sent.iter().map(|sent| &sent.bytes[..])
    }

    pub(crate) fn queries(&self) -> &[Token] {
        &self.queries
    }

    pub(crate) fn lookups(&self) -> &[Ticket] {
        &self.lookups
    }

    pub(crate) fn branches(&self) -> &[BranchToken] {
        &self.branches
    }

    /// What makes the next request unlike all others.
    pub(crate) fn new_number(&mut self) -> String {
        self.numbers += 1;
        format!("n{}", self.numbers)
    }

    /// The way messages of a caller come.
    pub(crate) fn caller(&self, number: usize) -> Incoming {
        let (transport, peer) = CALLERS[number];
        let is_stream = transport.is_reliable();
        Incoming {
            flow: Flow {
                transport,
                listener: ListenerId(u16::from(is_stream)),
                connection: is_stream.then_some(ConnectionId(number as u64)),
                peer: peer.parse().unwrap(),
            },
            is_excess: false,
        }
    }

    /// The way messages come from where one was sent.
    pub(crate) fn callee(&self, flow: Flow) -> Incoming {
        let connection = flow.transport.is_reliable().then_some(ConnectionId(99));
        Incoming {
            flow: Flow { connection, ..flow },
            is_excess: false,
        }
    }

    /// A call that a decider is asked about.
    pub(crate) fn ask(&mut self) {
        let incoming = self.caller(0);
        let number = self.new_number();
        let uri = "sip:+4930123@example.com";
        let mut request = Request::new("INVITE", uri, incoming.flow.peer, &number);
        request.body = Self::BODY.into();
        self.send(request, incoming);
    }

    /// A caller sends a new request, whose branch no other has.
    pub(crate) fn send(&mut self, request: Request, incoming: Incoming) {
        let branch = request.branch.clone().into_bytes();
        let ip = incoming.flow.peer.ip();
        self.callers.insert(branch, (Some(self.called.len()), ip));
        let text = request.text();
        self.called.push(Called {
            request,
            incoming,
            is_kept: false,
            answer: None,
        });
        let before = self.core.len();
        self.receive(incoming, text.as_bytes());
        if let Some(called) = self.called.last_mut() {
            called.is_kept = self.core.len() > before;
        }
    }

    /// A caller sends its request again, if whoever kept it must still know it: a later copy is a
    /// new request, and what is refused for now is told a new time to wait.
    pub(crate) fn send_again(&mut self, number: usize) {
        let called = &self.called[number];
        let is_known = called.answer.as_ref().is_none_or(|(at, answer)| {
            self.now.since(*at) < Duration::from_secs(4) && !answer.contains("\r\nRetry-After:")
        });
        if called.is_kept && is_known && !called.incoming.flow.transport.is_reliable() {
            let text = called.request.text();
            self.receive(called.incoming, text.as_bytes());
        }
    }

    pub(crate) fn cancel(&mut self, number: usize) {
        let called = &self.called[number];
        let cancel = called.request.hop_by_hop("CANCEL", None).text();
        self.receive(called.incoming, cancel.as_bytes());
    }

    /// A caller acknowledges the final response it has.
    pub(crate) fn acknowledge(&mut self, number: usize) {
        let called = &self.called[number];
        let ack = match &called.answer {
            _ if called.request.method != "INVITE" => return,
            Some((_, answer)) if answer.starts_with("SIP/2.0 2") => {
                let request = &called.request;
                let ack = request.in_dialog("ACK", answer, request.cseq);
                self.acks.insert(ack.branch.clone().into_bytes());
                ack.text()
            }
            Some((_, answer)) => called.request.hop_by_hop("ACK", Some(answer)).text(),
            None => return,
        };
        self.receive(self.called[number].incoming, ack.as_bytes());
    }

    /// A caller sends another request in the dialog it has.
    pub(crate) fn go_on(&mut self, number: usize, method: &str) {
        let called = &self.called[number];
        let Some((_, answer)) = &called.answer else {
            return;
        };
        let cseq = self.numbers + 100;
        let mut request = called.request.in_dialog(method, answer, cseq);
        let incoming = called.incoming;
        request.branch = format!("z9hG4bK-{}", self.new_number());
        self.send(request, incoming);
    }

    /// Bytes arrive.
    pub(crate) fn receive(&mut self, incoming: Incoming, bytes: &[u8]) {
        self.invariants.on_received(bytes);
        let flow = incoming.flow;
        self.input(if incoming.is_excess {
            Input::Excess { flow, bytes }
        } else {
            Input::Message { flow, bytes }
        });
    }

    /// `original` arrives as `bytes`. Not if that gives it the branch of another message, or makes a
    /// request of a response: there are no promises to peers that use a branch twice.
    pub(crate) fn receive_mutated(&mut self, incoming: Incoming, original: &[u8], bytes: &[u8]) {
        let (was_request, own) = branches_of(original);
        let (is_request, mutated) = branches_of(bytes);
        let is_another = |branch: &Vec<u8>| !own.contains(branch) && self.is_taken(branch);
        if is_request && !was_request || mutated.iter().any(is_another) {
            return;
        }
        let first = mutated.into_iter().next();
        if let Some(first) = first.filter(|branch| !branch.is_empty()) {
            let ip = incoming.flow.peer.ip();
            self.callers.entry(first).or_insert((None, ip));
        }
        self.receive(incoming, bytes);
    }

    fn is_taken(&self, branch: &[u8]) -> bool {
        let is_same = |other: &Vec<u8>| other.eq_ignore_ascii_case(branch);
        self.callers.keys().any(is_same) || self.acks.iter().any(is_same)
    }

    pub(crate) fn decide(&mut self, token: Token, answer: Result<Plan, FallbackCause>) {
        self.input(Input::Decision { token, answer });
    }

    pub(crate) fn reload(&mut self, settings: Settings) {
        self.input(Input::Reload(Arc::new(listening(settings))));
    }

    /// Everybody who has an INVITE and has not answered refuses it; whether there was anybody.
    pub(crate) fn refuse_all(&mut self) -> bool {
        let forwarded = std::mem::take(&mut self.forwarded);
        for Sent { flow, bytes } in &forwarded {
            let request = String::from_utf8_lossy(bytes);
            let refusal = response_to(&request, 503, "busy", flow.peer);
            self.receive(self.callee(*flow), refusal.as_bytes());
        }
        !forwarded.is_empty()
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.core.handle(self.now, input, &mut self.out);
        self.drain();
    }

    /// The shell may wake the core early.
    pub(crate) fn wake(&mut self) {
        self.core.handle_timeout(self.now, &mut self.out);
        self.drain();
    }

    /// Time passes.
    pub(crate) fn advance(&mut self, span: Duration) {
        let until = self.now + span;
        let mut timers = 0;
        while let Some(next) = self.core.next_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.wake();
            timers += 1;
            assert!(timers < TIMERS, "timers without end");
        }
        self.now = until;
    }

    /// What holds between any two steps.
    pub(crate) fn check(&self) {
        let gauge = |gauge| self.counters.gauge(gauge) as usize;
        let (live, all) = (self.core.live(), self.core.len());
        assert!(live <= all);
        assert_eq!(gauge(Gauge::Transactions), live);
        assert_eq!(gauge(Gauge::Lingering), all - live);
        let is_open = |token: &&Token| self.core.suspended(self.now, **token).is_some();
        let open = self.queries.iter().filter(is_open).count();
        assert_eq!(gauge(Gauge::Suspended), open, "of {:?}", self.queries);
        assert!(self.core.next_timeout().is_some() || self.core.is_empty());
    }

    /// Time passes until every timer has run out; then nothing is left, and nothing can be woken.
    pub(crate) fn end(&mut self) {
        let from = self.now;
        while !self.core.is_empty() {
            self.advance(Duration::from_secs(600));
            self.check();
            assert!(self.now.since(from) < LONGEST, "transactions are left");
        }
        self.check();
        assert_eq!(self.core.next_timeout(), None);
        let sent = self.sent.len();
        for token in self.queries.clone() {
            self.decide(token, Ok(plans::serial(&["sip:192.0.2.20"])));
        }
        for branch in self.branches.clone() {
            self.input(Input::SendFailed { branch });
        }
        assert_eq!(
            self.sent.len(),
            sent,
            "an answer that nobody waits for was sent on"
        );
        assert!(self.core.is_empty());
    }

    fn drain(&mut self) {
        let mut out = std::mem::take(&mut self.out);
        let mut items = out.take();
        for output in items.drain(..) {
            match output {
                Output::Send {
                    flow,
                    bytes,
                    branch,
                } => {
                    let bytes = out.bytes(&bytes);
                    self.invariants.on_sent(flow.peer, bytes);
                    self.branches.extend(branch);
                    self.on_sent(flow, bytes);
                }
                Output::Query { token } => {
                    let asked = self.core.suspended(self.now, token);
                    let asked = asked.expect("a query is about something");
                    let settings = self.core.settings();
                    assert!(asked.attempt <= settings.decision.max_attempts.max(1));
                    assert!(asked.request.validate().is_ok());
                    assert!(!self.queries.contains(&token), "asked twice");
                    self.queries.push(token);
                }
                Output::CancelQuery { token, call_id, .. } => {
                    assert!(self.queries.contains(&token), "withdrawn but not asked");
                    assert!(self.withdrawn.insert(token), "withdrawn twice");
                    assert!(self.core.suspended(self.now, token).is_none());
                    assert!(!out.bytes(&call_id).is_empty());
                }
                Output::Lookup { ticket, name } => {
                    assert!(!out.bytes(&name).is_empty());
                    self.lookups.push(ticket);
                }
                Output::Ban { reason, .. } => assert!(!reason.is_empty()),
                Output::Decided(decided) => {
                    assert!(!out.bytes(&decided.call_id).is_empty());
                    assert!(!out.bytes(&decided.request_uri).is_empty());
                    assert!(!out.bytes(&decided.method).is_empty());
                }
                Output::Gateway(change) => assert_ne!(change.from, change.to),
                Output::Finished(finished) => {
                    assert!(!out.bytes(&finished.call_id).is_empty());
                    assert!(!out.bytes(&finished.method).is_empty());
                }
            }
        }
        out.recycle(items);
        self.out = out;
    }

    fn on_sent(&mut self, flow: Flow, bytes: &[u8]) {
        assert!(bytes.len() <= DATAGRAM, "{} bytes", bytes.len());
        let settings = self.core.settings();
        let listener = &settings.listeners[usize::from(flow.listener.0)];
        assert_eq!(listener.transport, flow.transport);
        let mut index = Index::default();
        index.parse(bytes, &Limits::default()).unwrap();
        let message = Message::new(bytes, &index);
        let branch = message.via().ok().and_then(|via| via.branch());
        if message.is_request() {
            let ip = flow.peer.ip();
            assert!(!ip.is_multicast() && !ip.is_unspecified() && ip != Ipv4Addr::BROADCAST);
            assert!(
                !settings.owns_address(flow.transport, flow.peer),
                "sent to itself"
            );
            assert_ne!(message.max_forwards(), Ok(None));
            if message.method() != Method::Ack {
                self.forwarded.push(Sent {
                    flow,
                    bytes: bytes.to_vec(),
                });
            }
        } else if let Some(branch) = branch {
            assert!(!self.acks.contains(branch), "an ACK was answered");
            let (number, ip) = self.callers.get(branch).copied().unzip();
            assert!(ip.is_none_or(|ip| ip == flow.peer.ip()), "to {flow}");
            if let Some(number) = number.flatten()
                && let called = &mut self.called[number]
                && message.status() >= 200
                && message.method().as_bytes() == called.request.method.as_bytes()
            {
                let text = || String::from_utf8_lossy(bytes).into_owned();
                called.answer.get_or_insert_with(|| (self.now, text()));
            }
        }
        self.sent.push(Sent {
            flow,
            bytes: bytes.to_vec(),
        });
    }
}

/// The settings with a socket for datagrams and one for streams.
fn listening(mut settings: Settings) -> Settings {
    let address = PROXY.parse().unwrap();
    settings.listeners = [Transport::Udp, Transport::Tcp]
        .map(|transport| Listener::new(transport, address, None))
        .into();
    settings
}

/// Whether a message is a request, and the branches of its Vias, those that can be read.
fn branches_of(bytes: &[u8]) -> (bool, Vec<Vec<u8>>) {
    let mut index = Index::default();
    // What is refused is answered too.
    let _ = index.parse(bytes, &Limits::default());
    let message = Message::new(bytes, &index);
    let vias = message.vias().filter_map(Result::ok);
    let branches = vias.map(|via| via.branch().unwrap_or_default().to_vec());
    (message.is_request(), branches.collect())
}
