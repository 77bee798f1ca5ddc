//! D18: fifty thousand suspended calls time out within a second.

use std::sync::Arc;

use sigbox_core::{
    Core, Counter, Counters, Flow, Input, Instant, Listener, ListenerId, Output, Outputs, Transport,
};
use sigbox_testkit::{Request, plans};

use crate::world::*;

const CALLS: u64 = 50_000;
/// The last of them comes that long after the first.
const SPREAD_MS: u64 = 1_000;

/// A core whose fallback rules route to Bob, and everything it puts out.
struct Alone {
    core: Core,
    counters: Arc<Counters>,
    out: Outputs,
}

impl Alone {
    fn new() -> Self {
        let mut settings = falling_back_to(plans::serial(&[TO_BOB]));
        settings.listeners = vec![Listener::new(
            Transport::Udp,
            ([192, 0, 2, 1], 5060).into(),
            None,
        )];
        settings.limits.suspended = 100_000;
        settings.decision.budget = secs(2);
        let counters = Arc::new(Counters::default());
        Self {
            core: Core::new(Arc::new(settings), 0, [7; 16], 0, counters.clone()),
            counters,
            out: Outputs::new(),
        }
    }

    fn call(&mut self, now: Instant, number: u64) {
        let call = number.to_string();
        let invite = Request::new("INVITE", "sip:+4930@example.com", alice(), &call);
        let flow = Flow {
            transport: Transport::Udp,
            listener: ListenerId(0),
            connection: None,
            peer: alice(),
        };
        let bytes = invite.text().into_bytes();
        let input = Input::Message {
            flow,
            bytes: &bytes,
        };
        self.core.handle(now, input, &mut self.out);
    }

    /// How many INVITEs go to Bob in this step, and how many queries go out.
    fn put_out(&mut self) -> (u64, u64) {
        let (mut invites, mut queries) = (0, 0);
        let outputs = self.out.take();
        for output in &outputs {
            match output {
                Output::Send { flow, bytes, .. } if flow.peer != alice() => {
                    invites += u64::from(self.out.bytes(bytes).starts_with(b"INVITE "));
                }
                Output::Query { .. } => queries += 1,
                _ => {}
            }
        }
        self.out.recycle(outputs);
        (invites, queries)
    }
}

#[test]
fn d18_each_falls_back_and_nobody_waits_for_the_others() {
    let mut alone = Alone::new();
    let mut asked = 0;
    for number in 0..CALLS {
        alone.call(
            Instant::from_micros(number * SPREAD_MS * 1_000 / CALLS),
            number,
        );
        asked += alone.put_out().1;
    }
    assert_eq!(asked, CALLS);
    // Each is due when its own budget is over: a step takes those of its millisecond, not all.
    let (mut sent, mut most) = (0, 0);
    for now_ms in SPREAD_MS..=SPREAD_MS + 2_100 {
        alone
            .core
            .handle_timeout(Instant::from_micros(now_ms * 1_000), &mut alone.out);
        let (invites, queries) = alone.put_out();
        assert_eq!(queries, 0);
        if now_ms < 2_000 {
            assert_eq!(sent + invites, 0, "before the first budget is over");
        }
        if sent < CALLS {
            most = most.max(invites);
        }
        sent += invites;
    }
    assert_eq!(alone.counters.count(Counter::FallbackTimeout), CALLS);
    assert_eq!(alone.counters.count(Counter::RequestsForwarded), CALLS);
    assert!(most <= CALLS / 50, "{most} in one step");
    assert_eq!(alone.core.len() as u64, CALLS);
}
