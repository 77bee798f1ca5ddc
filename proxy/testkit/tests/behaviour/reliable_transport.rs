//! Timers where the transport does not lose anything (RFC 3261 §17): nothing is sent twice, and what lingers over UDP is
//! gone at once.

use std::sync::Arc;

use sigbox_core::{
    ConnectionId, Core, Counters, Flow, Input, Instant, Listener, ListenerId, Output, Outputs,
    Settings, Transport,
};
use sigbox_testkit::{Request, plans, response_to};

use crate::world::*;

/// A core that listens on TCP, decided by its rules, and what it has sent.
struct Reliable {
    core: Core,
    out: Outputs,
    now_ms: u64,
    sent: Vec<(u64, String)>,
}

impl Reliable {
    fn new(plan: sigbox_core::Plan) -> Self {
        let mut settings = Settings {
            listeners: vec![Listener::new(
                Transport::Tcp,
                ([192, 0, 2, 1], 5060).into(),
                None,
            )],
            ..falling_back_to(plan)
        };
        settings.decision.ask.clear();
        let counters = Arc::new(Counters::default());
        Self {
            core: Core::new(Arc::new(settings), 0, [7; 16], 0, counters),
            out: Outputs::new(),
            now_ms: 0,
            sent: Vec::new(),
        }
    }

    fn receive(&mut self, text: &str) {
        let flow = Flow {
            transport: Transport::Tcp,
            listener: ListenerId(0),
            connection: Some(ConnectionId(1)),
            peer: alice(),
        };
        let now = Instant::from_micros(self.now_ms * 1_000);
        let bytes = text.as_bytes();
        self.core
            .handle(now, Input::Message { flow, bytes }, &mut self.out);
        self.collect();
    }

    fn run_until(&mut self, until_ms: u64) {
        while self.now_ms < until_ms {
            self.now_ms += 1;
            let now = Instant::from_micros(self.now_ms * 1_000);
            self.core.handle_timeout(now, &mut self.out);
            self.collect();
        }
    }

    fn collect(&mut self) {
        let outputs = self.out.take();
        for output in &outputs {
            if let Output::Send { bytes, .. } = output {
                let text = String::from_utf8_lossy(self.out.bytes(bytes)).into_owned();
                self.sent.push((self.now_ms, text));
            }
        }
        self.out.recycle(outputs);
    }

    /// When what was sent, in a word each.
    fn labels(&self) -> Vec<(u64, String)> {
        let word = |text: &str| match text.strip_prefix("SIP/2.0 ") {
            Some(rest) => rest[..3].to_owned(),
            None => text.split(' ').next().unwrap_or_default().to_owned(),
        };
        self.sent
            .iter()
            .map(|(at, text)| (*at, word(text)))
            .collect()
    }
}

fn to_bob() -> sigbox_core::Plan {
    plans::serial(&["sip:192.0.2.20;transport=tcp"])
}

fn over_tcp(method: &str) -> Request {
    let mut request = Request::new(method, "sip:bob@example.com", alice(), "c1");
    request.sent_by = format!("SIP/2.0/TCP {}", alice());
    request
}

fn expect(labels: &[(u64, &str)], seen: &Reliable) {
    let labels: Vec<_> = labels
        .iter()
        .map(|(at, label)| (*at, (*label).to_owned()))
        .collect();
    assert_eq!(seen.labels(), labels);
}

#[test]
fn a_request_is_sent_once_and_times_out_as_over_udp() {
    let mut reliable = Reliable::new(to_bob());
    reliable.receive(&over_tcp("INVITE").text());
    reliable.run_until(40_000);
    // Timer B, and neither Timer A nor, until Timer H ends it, Timer G.
    expect(&[(0, "100"), (0, "INVITE"), (32_000, "408")], &reliable);
    reliable.run_until(70_000);
    assert_eq!(reliable.core.len(), 0);

    let mut reliable = Reliable::new(to_bob());
    reliable.receive(&over_tcp("MESSAGE").text());
    reliable.run_until(40_000);
    // The late 100 comes over any transport (RFC 4320 §4.1).
    expect(&[(0, "MESSAGE"), (3_500, "100")], &reliable);
    assert_eq!(reliable.core.len(), 0);
}

#[test]
fn what_is_over_does_not_linger() {
    for method in ["INVITE", "MESSAGE"] {
        let mut reliable = Reliable::new(to_bob());
        let request = over_tcp(method);
        reliable.receive(&request.text());
        let forwarded = reliable.sent.last().unwrap().1.clone();
        reliable.run_until(10);
        reliable.receive(&response_to(&forwarded, 486, "b", BOB.parse().unwrap()));
        let answer = reliable.sent.last().unwrap().1.clone();
        if method == "INVITE" {
            reliable.run_until(20);
            reliable.receive(&request.hop_by_hop("ACK", Some(&answer)).text());
        }
        reliable.run_until(30);
        // Timers D, I, J and K are zero (RFC 3261 table 4).
        assert_eq!(reliable.core.len(), 0, "{method}");
    }
}
