//! A core alone, for what the simulated world's own checks would not let through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{
    Core, Counters, Flow, Input, Instant, Listener, ListenerId, Output, Outputs, Plan, Settings,
    Transport,
};

use crate::world::*;

/// A core and the time.
pub(crate) struct Bare {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) counters: Arc<Counters>,
}

impl Bare {
    pub(crate) fn new(settings: Settings, listen: &str) -> Self {
        let settings = Settings {
            listeners: vec![Listener::new(Transport::Udp, listen.parse().unwrap(), None)],
            ..settings
        };
        let counters = Arc::new(Counters::default());
        Self {
            core: Core::new(Arc::new(settings), 0, [42; 16], 0, counters.clone()),
            now: Instant::ZERO,
            counters,
        }
    }

    fn sent(out: &mut Outputs) -> Vec<(SocketAddr, String)> {
        let items = out.take();
        items
            .iter()
            .filter_map(|output| match output {
                Output::Send { flow, bytes, .. } => Some((
                    flow.peer,
                    String::from_utf8_lossy(out.bytes(bytes)).into_owned(),
                )),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn receive(&mut self, peer: SocketAddr, text: &str) -> Vec<(SocketAddr, String)> {
        let flow = Flow {
            transport: Transport::Udp,
            listener: ListenerId(0),
            connection: None,
            peer,
        };
        let bytes = text.as_bytes();
        let mut out = Outputs::new();
        self.core
            .handle(self.now, Input::Message { flow, bytes }, &mut out);
        Self::sent(&mut out)
    }

    pub(crate) fn run_for(&mut self, span: Duration) -> Vec<(SocketAddr, String)> {
        let until = self.now + span;
        let mut all = Vec::new();
        while let Some(next) = self.core.next_timeout().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            let mut out = Outputs::new();
            self.core.handle_timeout(self.now, &mut out);
            all.extend(Self::sent(&mut out));
        }
        self.now = until;
        all
    }
}

/// Settings by which one rule decides everything at once.
pub(crate) fn ruled(plan: Plan) -> Settings {
    let mut settings = falling_back_to(plan);
    settings.decision.ask = Vec::new();
    settings
}
