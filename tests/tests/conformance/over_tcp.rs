//! The messages in a byte stream: cut out of it by the framer, and handed to a core as from a TCP connection.
//!
//! There is no TCP listener yet, so this is as far as it goes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use sigbox_core::{
    Action, Condition, ConnectionId, Core, Counter, Counters, Failover, Flow, Input, Instant,
    Listener, ListenerId, Output, Outputs, Plan, Route, RoutePlan, Rule, Rules, Settings, Target,
    Transport,
};
use sigbox_wire::{Frame, Framer, Limits};

use crate::forwarded::{self, Parts};
use crate::messages::{Case, bytes, compare};

/// RFC 3261 §16.3 step 1, §16.6 step 1, §18.2.2, §18.3
#[test]
fn p1_rfc_4475_and_rfc_5118_in_a_stream() -> Result<()> {
    compare(|case| &case.tcp, outcome)
}

fn proxy() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5060))
}

fn phone() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 20], 5060))
}

/// The caller's connection.
fn upstream() -> Flow {
    Flow {
        transport: Transport::Tcp,
        listener: ListenerId(0),
        connection: Some(ConnectionId(1)),
        peer: SocketAddr::from(([198, 51, 100, 7], 41_000)),
    }
}

fn outcome(case: &Case) -> Result<String> {
    let stream = case.text(proxy(), phone())?;
    let whole = frames(&stream, stream.len())?;
    for chunk in [1, 7, 100] {
        ensure!(
            frames(&stream, chunk)? == whole,
            "other frames when {chunk} bytes come at a time"
        );
    }
    let (messages, end) = whole;
    let mut outcomes = Vec::new();
    for message in &messages {
        outcomes.push(of_message(message)?);
    }
    outcomes.extend(end);
    Ok(outcomes.join("; "))
}

/// The messages in a stream that arrives so many bytes at a time, and what becomes of the connection if it does not just
/// go on.
fn frames(stream: &[u8], chunk: usize) -> Result<(Vec<Vec<u8>>, Option<String>)> {
    let mut framer = Framer::new(&Limits::default());
    let (mut buffered, mut messages) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(chunk) {
        buffered.extend_from_slice(bytes);
        loop {
            match framer.next_frame(&buffered) {
                Ok(Frame::Incomplete) => break,
                Ok(Frame::Message(length)) => messages.push(buffered.drain(..length).collect()),
                Ok(Frame::Ping(length) | Frame::Crlf(length) | Frame::Stray(length)) => {
                    buffered.drain(..length);
                }
                Err(fault) => {
                    return Ok((messages, Some(format!("closed {}", fault.reason.label()))));
                }
            }
        }
    }
    let waits = !buffered.is_empty();
    Ok((messages, waits.then(|| "waits".to_owned())))
}

/// What a core does with a message from the caller's connection.
fn of_message(message: &[u8]) -> Result<String> {
    let mut world = World::new()?;
    let mut sent = world.handle(upstream(), message);
    sent.retain(|(_, bytes)| !bytes.starts_with(b"SIP/2.0 100 "));
    match &sent[..] {
        [] => Ok(format!("dropped {}", world.only("messages_dropped")?)),
        [(flow, answer)] if *flow == upstream() => {
            let status = Parts::of(answer)?.status().context("a status")?;
            Ok(format!("{status} {}", world.only("requests_rejected")?))
        }
        [(flow, got)] if flow.peer == phone() => {
            forwarded::check(message, got, proxy(), upstream().peer.ip())?;
            let answered = world.handle(*flow, &Parts::of(got)?.answer());
            let [(flow, answer)] = &answered[..] else {
                bail!("the answer went nowhere");
            };
            ensure!(*flow == upstream(), "the answer went to {flow}");
            forwarded::check_answer(message, answer)?;
            Ok("forwarded".to_owned())
        }
        _ => bail!("{} messages were sent", sent.len()),
    }
}

/// RFC 5658: in by TCP and out by UDP is by two sockets.
#[test]
fn a_request_that_leaves_by_another_transport_is_recorded_for_both() -> Result<()> {
    let mut world = World::new()?;
    let sent = world.handle(upstream(), &bytes("RFC 4475 §3.3.15", "sdp01")?);
    let (_, got) = sent.last().context("it was forwarded")?;
    let parts = Parts::of(got)?;
    let recorded: Vec<_> = parts
        .named("record-route")
        .map(String::from_utf8_lossy)
        .collect();
    let expected = ["", ";transport=tcp"]
        .map(|transport| format!("Record-Route: <sip:{}{transport};lr>", proxy()));
    assert_eq!(recorded, expected);
    Ok(())
}

/// A core with a socket for each transport and a rule that routes whatever may be routed to a phone.
struct World {
    core: Core,
    counters: Arc<Counters>,
}

impl World {
    fn new() -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let core = Core::new(Arc::new(settings()?), 0, [42; 16], 0, counters.clone());
        Ok(Self { core, counters })
    }

    /// What is sent because of a message.
    fn handle(&mut self, flow: Flow, bytes: &[u8]) -> Vec<(Flow, Vec<u8>)> {
        let mut out = Outputs::new();
        self.core
            .handle(Instant::ZERO, Input::Message { flow, bytes }, &mut out);
        let items = out.take();
        let sends = items.iter().filter_map(|output| match output {
            Output::Send { flow, bytes, .. } => Some((*flow, out.bytes(bytes).to_vec())),
            _ => None,
        });
        sends.collect()
    }

    /// The one counter of a family that moved, by one.
    fn only(&self, family: &str) -> Result<&'static str> {
        let all = Counter::ALL
            .iter()
            .filter(|counter| counter.family() == family);
        let moved: BTreeMap<_, _> = all
            .filter_map(|counter| Some((counter.label()?.1, self.counters.count(*counter))))
            .filter(|(_, count)| *count > 0)
            .collect();
        match moved.iter().collect::<Vec<_>>()[..] {
            [(reason, 1)] => Ok(*reason),
            _ => bail!("not one counter moved by one, but {moved:?}"),
        }
    }
}

fn settings() -> Result<Settings> {
    let route = Route {
        next_hop: Some(Target::parse(&format!("sip:{}", phone()))?),
        ..Route::default()
    };
    let plan = Plan::Route(RoutePlan::new(vec![route], Failover::default(), false)?);
    let rule = Rule {
        name: "all".into(),
        condition: Condition::default(),
        action: Action::Decide(Arc::new(plan)),
    };
    let listeners = [Transport::Tcp, Transport::Udp];
    Ok(Settings {
        listeners: listeners
            .map(|transport| Listener::new(transport, proxy(), None))
            .into(),
        rules: Rules {
            before: vec![rule],
            fallback: Vec::new(),
        },
        ..Settings::default()
    })
}
