//! The simulation: a clock that jumps, and everything around one core.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{
    BranchToken, Core, Counter, Counters, FallbackCause, Flow, Input, Instant, Listener,
    ListenerId, Output, Outputs, Plan, Settings, Suspended, Ticket, Token, Transport,
};

use crate::decider::{Asked, Verdict};
use crate::invariants::Invariants;
use crate::network::{Network, Partition};
use crate::phone::{Callee, Script};

/// Where the simulated proxy listens.
const PROXY: &str = "192.0.2.1:5060";

type DeciderFn = Box<dyn FnMut(Suspended<'_>, &Asked) -> Verdict>;

/// A core and its world.
pub struct Sim {
    /// The core.
    pub core: Core,
    /// What the network does.
    pub network: Network,
    /// When which phone is out of reach.
    pub partitions: Vec<Partition>,
    /// Every query so far.
    pub asked: Vec<Asked>,
    /// Tokens of withdrawn queries.
    pub withdrawn: Vec<Token>,
    /// Who was banned, for how long and by what. Nothing keeps them from sending here.
    pub banned: Vec<(IpAddr, Duration, String)>,
    /// Addresses that sending to fails for.
    pub unreachable: Vec<SocketAddr>,
    /// Changes of gateways' states: `12000 carriers/gw1 active>trying timeout`, with the milliseconds since the start.
    pub changes: Vec<String>,
    /// Host names.
    pub names: HashMap<String, Vec<IpAddr>>,
    now: Instant,
    counters: Arc<Counters>,
    queue: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
    decider: DeciderFn,
    callees: HashMap<SocketAddr, Callee>,
    seen: HashMap<SocketAddr, Vec<Seen>>,
    invariants: Invariants,
}

/// A message that reached a phone.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When, in milliseconds since the start.
    pub at_ms: u64,
    /// The message.
    pub text: String,
}

impl Seen {
    /// Its status; 0 for a request.
    pub fn status(&self) -> u16 {
        let status = self
            .text
            .strip_prefix("SIP/2.0 ")
            .and_then(|rest| rest.get(..3));
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// `INVITE`, or the status: what one would write beside an arrow.
    pub fn label(&self) -> String {
        match self.status() {
            0 => self.text.split(' ').next().unwrap_or_default().into(),
            status => status.to_string(),
        }
    }
}

enum Event {
    ToProxy(SocketAddr, String),
    ToPhone(SocketAddr, String),
    PhoneSends(SocketAddr, String),
    Answer(Token, Result<Plan, FallbackCause>),
    Extend(Token, Duration),
    Looked(Ticket, Vec<IpAddr>),
    SendFailed(BranchToken),
}

impl Sim {
    /// A world with a decider. The settings' listeners are replaced by the simulated one.
    pub fn new(
        mut settings: Settings,
        decider: impl FnMut(Suspended<'_>, &Asked) -> Verdict + 'static,
    ) -> Self {
        let address = PROXY.parse().unwrap();
        settings.listeners = vec![Listener::new(Transport::Udp, address, None)];
        let counters = Arc::new(Counters::default());
        let core = Core::new(
            Arc::new(settings),
            0,
            [42; 16],
            1_790_000_000_000,
            counters.clone(),
        );
        Self {
            core,
            network: Network::default(),
            partitions: Vec::new(),
            asked: Vec::new(),
            withdrawn: Vec::new(),
            banned: Vec::new(),
            unreachable: Vec::new(),
            changes: Vec::new(),
            names: HashMap::new(),
            now: Instant::ZERO,
            counters,
            queue: BTreeMap::new(),
            scheduled: 0,
            decider: Box::new(decider),
            callees: HashMap::new(),
            seen: HashMap::new(),
            invariants: Invariants::default(),
        }
    }

    /// A world whose decider always gives the same plan, at once.
    pub fn always(settings: Settings, plan: Plan) -> Self {
        Self::new(settings, move |_, _| {
            Verdict::After(Duration::ZERO, Ok(plan.clone()))
        })
    }

    /// No plan edits headers here: what is forwarded must be what came.
    pub fn expect_exact_headers(&mut self) {
        self.invariants.is_exact = true;
    }

    /// Puts a phone that plays `script` at `address`.
    pub fn callee(&mut self, address: &str, script: Script) -> SocketAddr {
        let address = address.parse().unwrap();
        self.callees.insert(address, Callee::new(address, script));
        address
    }

    /// Sends from `from` to the proxy.
    pub fn send(&mut self, from: SocketAddr, text: impl Into<String>) {
        let text = text.into();
        if self.is_parted(from) {
            return;
        }
        for delay in self.network.fates() {
            self.schedule(delay, Event::ToProxy(from, text.clone()));
        }
    }

    /// Gives the core something that does not come from the network.
    pub fn input(&mut self, input: Input<'_>) {
        let mut out = Outputs::new();
        self.core.handle(self.now, input, &mut out);
        self.drain(&mut out);
    }

    /// Has the core take over new settings, with the listeners it has.
    pub fn reload(&mut self, mut settings: Settings) {
        settings.listeners = self.core.settings().listeners.clone();
        self.input(Input::Reload(Arc::new(settings)));
    }

    /// Lets that much time pass.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            let event = self.queue.keys().next().map(|key| key.0);
            let timer = self.core.next_timeout();
            let next = match (event, timer) {
                (Some(event), Some(timer)) => event.min(timer),
                (event, timer) => match event.or(timer) {
                    Some(next) => next,
                    None => break,
                },
            };
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            if timer.is_some_and(|timer| timer <= self.now) {
                let mut out = Outputs::new();
                self.core.handle_timeout(self.now, &mut out);
                self.drain(&mut out);
            }
            while let Some(entry) = self.queue.first_entry()
                && entry.key().0 <= self.now
            {
                let event = entry.remove();
                self.happen(event);
            }
        }
        self.now = until;
    }

    /// Runs until every timer of every transaction is over, and sees that none is left.
    pub fn run_to_end(&mut self) {
        self.run_for(Duration::from_secs(600));
        assert_eq!(self.core.len(), 0, "transactions are left");
    }

    /// Everything that reached `phone`, in order.
    pub fn seen(&self, phone: SocketAddr) -> &[Seen] {
        self.seen.get(&phone).map_or(&[], Vec::as_slice)
    }

    /// What reached `phone`, in a word each.
    pub fn labels(&self, phone: SocketAddr) -> Vec<String> {
        self.seen(phone).iter().map(Seen::label).collect()
    }

    /// The first message at `phone` with that label.
    pub fn first(&self, phone: SocketAddr, label: &str) -> &Seen {
        self.seen(phone)
            .iter()
            .find(|seen| seen.label() == label)
            .unwrap_or_else(|| panic!("{phone} has seen no {label}, only {:?}", self.labels(phone)))
    }

    /// A counter's value.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counters.count(counter)
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    fn is_parted(&self, phone: SocketAddr) -> bool {
        let now_ms = self.now.as_millis();
        let mut partitions = self.partitions.iter();
        partitions.any(|partition| partition.parts(phone, now_ms))
    }

    fn schedule(&mut self, delay: Duration, event: Event) {
        self.scheduled += 1;
        self.queue.insert((self.now + delay, self.scheduled), event);
    }

    fn happen(&mut self, event: Event) {
        let mut out = Outputs::new();
        match event {
            Event::ToProxy(peer, text) => {
                self.invariants.on_received(text.as_bytes());
                let flow = Flow {
                    transport: Transport::Udp,
                    listener: ListenerId(0),
                    connection: None,
                    peer,
                };
                let input = Input::Message {
                    flow,
                    bytes: text.as_bytes(),
                };
                self.core.handle(self.now, input, &mut out);
            }
            Event::ToPhone(phone, text) => {
                let at_ms = self.now.as_millis();
                self.seen.entry(phone).or_default().push(Seen {
                    at_ms,
                    text: text.clone(),
                });
                if let Some(callee) = self.callees.get_mut(&phone) {
                    for (delay, reply) in callee.on_message(&text) {
                        self.schedule(delay, Event::PhoneSends(phone, reply));
                    }
                }
            }
            Event::PhoneSends(phone, text) => {
                if self
                    .callees
                    .get_mut(&phone)
                    .is_none_or(|callee| callee.may_send(&text))
                {
                    self.send(phone, text);
                }
            }
            Event::Answer(token, answer) => {
                self.core
                    .handle(self.now, Input::Decision { token, answer }, &mut out);
            }
            Event::Extend(token, by) => {
                self.core
                    .handle(self.now, Input::Extend { token, by }, &mut out);
            }
            Event::Looked(ticket, addresses) => {
                let input = Input::Looked {
                    ticket,
                    addresses: &addresses,
                };
                self.core.handle(self.now, input, &mut out);
            }
            Event::SendFailed(branch) => {
                self.core
                    .handle(self.now, Input::SendFailed { branch }, &mut out);
            }
        }
        self.drain(&mut out);
    }

    fn drain(&mut self, out: &mut Outputs) {
        for output in out.take() {
            match output {
                Output::Send {
                    flow,
                    bytes,
                    branch,
                } => {
                    let text = String::from_utf8_lossy(out.bytes(&bytes)).into_owned();
                    self.invariants.on_sent(flow.peer, out.bytes(&bytes));
                    if self.unreachable.contains(&flow.peer) {
                        if let Some(branch) = branch {
                            self.schedule(Duration::ZERO, Event::SendFailed(branch));
                        }
                        continue;
                    }
                    if self.is_parted(flow.peer) {
                        continue;
                    }
                    for delay in self.network.fates() {
                        self.schedule(delay, Event::ToPhone(flow.peer, text.clone()));
                    }
                }
                Output::Query { token } => self.ask(token),
                Output::CancelQuery { token, .. } => self.withdrawn.push(token),
                Output::Lookup { ticket, name } => {
                    let name = String::from_utf8_lossy(out.bytes(&name)).into_owned();
                    let addresses = self.names.get(&name).cloned().unwrap_or_default();
                    self.schedule(Duration::from_millis(5), Event::Looked(ticket, addresses));
                }
                Output::Ban {
                    source,
                    span,
                    reason,
                } => self.banned.push((source, span, reason.to_string())),
                Output::Gateway(change) => self.changes.push(format!(
                    "{} {}/{} {}>{} {}",
                    change.at.as_millis(),
                    change.gateway.set(),
                    change.gateway.id(),
                    change.from.name(),
                    change.to.name(),
                    change.why.label(),
                )),
                Output::Decided(_) | Output::Finished(_) => {}
            }
        }
    }

    fn ask(&mut self, token: Token) {
        let mut earlier = self.asked.iter().rev().map(|asked| asked.token);
        let earlier = earlier.find(|earlier| earlier.key == token.key);
        let both_open = earlier.is_some_and(|one| self.core.suspended(self.now, one).is_some());
        assert!(!both_open, "two queries are open for one transaction (D16)");
        let suspended = self
            .core
            .suspended(self.now, token)
            .expect("a query is about something");
        let asked = Asked {
            token,
            at_ms: self.now.as_millis(),
            attempt: suspended.attempt,
            method: String::from_utf8_lossy(suspended.request.method().as_bytes()).into_owned(),
            uri: String::from_utf8_lossy(suspended.request.request_uri()).into_owned(),
            budget: suspended.budget,
            tried: suspended.tried.iter().map(|tried| tried.status).collect(),
            contacts: suspended
                .tried
                .iter()
                .flat_map(|tried| tried.contacts.iter().map(|uri| uri.to_string()))
                .collect(),
            tenant: suspended.tenant.to_string(),
        };
        let verdict = (self.decider)(suspended, &asked);
        self.asked.push(asked);
        match verdict {
            Verdict::Silent => {}
            Verdict::After(delay, answer) => self.schedule(delay, Event::Answer(token, answer)),
            Verdict::Extend(delay, more, answer) => {
                self.schedule(delay, Event::Extend(token, more + Duration::from_millis(1)));
                self.schedule(delay + more, Event::Answer(token, answer));
            }
        }
    }
}
