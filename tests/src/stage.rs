//! A nats-server, a decider and a proxy that found each other.

use anyhow::Result;

use crate::decider::{Answer, FakeDecider, Query};
use crate::nats::NatsServer;
use crate::phone::Phone;
use crate::sigbox::{Setup, Sigbox};

/// What most tests play on. When nobody decides, calls are refused with 480.
#[derive(Debug)]
pub struct Stage {
    /// The decider.
    pub decider: FakeDecider,
    /// The proxy, connected.
    pub sigbox: Sigbox,
    /// The server between them.
    pub nats: NatsServer,
}

impl Stage {
    /// A decider that says nothing by itself and has more time than any test has patience: only
    /// [`FakeDecider::answer`], or something else that happens, ends the waiting.
    pub fn silent() -> Result<Self> {
        Self::with(|setup| setup.budget_ms(60_000), |_| Answer::Silence)
    }

    /// A decider that routes every call to one phone.
    pub fn routing_to(phone: &Phone) -> Result<Self> {
        Self::routing_with(phone, |setup| setup)
    }

    /// As [`Stage::routing_to`], with changes to the configuration.
    pub fn routing_with(phone: &Phone, configure: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let answer = Answer::route_to(&phone.hop());
        Self::with(configure, move |_| answer.clone())
    }

    /// A decider that gives every call the same answer.
    pub fn always(answer: Answer) -> Result<Self> {
        Self::with(|setup| setup, move |_| answer.clone())
    }

    /// A decider of the test's own, and changes to the configuration.
    pub fn with(
        configure: impl FnOnce(Setup) -> Setup,
        decide: impl FnMut(&Query) -> Answer + Send + 'static,
    ) -> Result<Self> {
        let nats = NatsServer::start()?;
        let decider = FakeDecider::start(&nats.url(), decide)?;
        let sigbox = configure(Setup::new(&nats.url()))
            .fall_back_to_status(480)
            .start_connected()?;
        Ok(Self {
            decider,
            sigbox,
            nats,
        })
    }
}
