//! Reading what came back on the inbox.

use std::time::Duration;

use async_nats::{HeaderName, Message, StatusCode};
use sigbox_contracts::decision::CacheHint;
use sigbox_contracts::{Decision, Invalid, Limits, header};
use sigbox_core::Plan;

use super::trouble::Failure;
use crate::decision::{Parsed, PlanContext, plan_of};

const DECIDER: HeaderName = HeaderName::from_static(header::DECIDER);
const SERVICE_ERROR: HeaderName = HeaderName::from_static(header::SERVICE_ERROR);
const SERVICE_ERROR_CODE: HeaderName = HeaderName::from_static(header::SERVICE_ERROR_CODE);

/// What an answer says.
#[derive(Debug)]
pub(super) enum Said {
    /// What to do.
    Plan(Plan),
    /// Nothing yet.
    Extend(Duration),
    /// Nobody listens on the subject.
    NoResponders,
    /// An error of the decider: code and text.
    ServiceError(String),
    /// Something that is no decision.
    Invalid(Invalid),
}

impl Said {
    /// How the deciders failed, if they did.
    pub(super) fn failure(&self) -> Option<Failure<'_>> {
        match self {
            Self::Plan(_) | Self::Extend(_) => None,
            Self::NoResponders => Some(Failure::NoResponders),
            Self::ServiceError(error) => Some(Failure::ServiceError(error)),
            Self::Invalid(refusal) => Some(Failure::Invalid(refusal)),
        }
    }
}

/// A message that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) said: Said,
    /// The decider's reasons.
    pub(super) reasons: Vec<String>,
    /// That it may be used again.
    pub(super) cache: Option<CacheHint>,
}

impl From<Said> for Read {
    fn from(said: Said) -> Self {
        Self {
            said,
            reasons: Vec::new(),
            cache: None,
        }
    }
}

/// Reads a message.
pub(super) fn read(message: &Message, limits: &Limits, context: &PlanContext<'_>) -> Read {
    if message.status == Some(StatusCode::NO_RESPONDERS) && message.payload.is_empty() {
        return Said::NoResponders.into();
    }
    if let Some(code) = value(message, SERVICE_ERROR_CODE) {
        let text = value(message, SERVICE_ERROR).unwrap_or_default();
        let shown = text
            .chars()
            .filter(|c| !c.is_control())
            .take(Invalid::MAX_DETAIL);
        let code = code.chars().filter(char::is_ascii_digit).take(5);
        let error: String = code.chain([' ']).chain(shown).collect();
        return Said::ServiceError(error.trim_end().to_owned()).into();
    }
    let mut decision = match Decision::parse(&message.payload, limits) {
        Ok(decision) => decision,
        Err(invalid) => return Said::Invalid(invalid).into(),
    };
    let reasons = std::mem::take(&mut decision.reasons);
    let cache = decision.cache.take();
    let said = match plan_of(&decision, context) {
        Ok(Parsed::Final(plan)) => Said::Plan(plan),
        Ok(Parsed::Extend(by)) => Said::Extend(by),
        Err(invalid) => Said::Invalid(invalid),
    };
    Read {
        said,
        reasons,
        cache,
    }
}

/// `<service name>/<version>` of the decider, when it says so.
pub(super) fn decider(message: &Message) -> Option<String> {
    let name = value(message, DECIDER)?;
    Some(name.chars().filter(|c| !c.is_control()).take(128).collect())
}

fn value(message: &Message, name: HeaderName) -> Option<&str> {
    let headers = message.headers.as_ref()?;
    headers.get(name).map(|value| value.as_str())
}
