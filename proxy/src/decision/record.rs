//! What is told about decisions and transactions, on `<prefix>.v1.event.*`.

use std::ops::Range;

use sigbox_contracts::event::{
    AuditEvent, Branch, CancelledEvent, Cause, DecisionEvent, Event, GatewayEvent, GatewayReason,
    GatewayState, NodeEvent, NodeState, Outcome, TransactionEvent,
};
use sigbox_contracts::{Class, Data, VERSION};
use sigbox_core::{Decided, FallbackCause, Finished, GatewayChange, Outputs, Settings, Token, Why};
use uuid::Uuid;

use crate::api::Record;
use crate::tables::Active;

/// What an answer said besides the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The query it answers.
    pub token: Token,
    /// `<service name>/<version>`, when the decider says so.
    pub decider: Option<String>,
    /// Why, in the decider's words.
    pub reasons: Vec<String>,
    /// What was wrong with it.
    pub detail: Option<String>,
}

/// Makes events of what the core reports.
#[derive(Clone, Debug)]
pub struct Recorder {
    node: String,
}

impl Recorder {
    /// For the proxy of that name.
    pub fn new(node: impl Into<String>) -> Self {
        Self { node: node.into() }
    }

    /// How a query was decided. `answered` is the answer that is being carried out, if one is; `at`
    /// is in Unix milliseconds.
    pub fn decision(
        &self,
        decided: &Decided,
        out: &Outputs,
        answered: Option<&Answered>,
        at: f64,
    ) -> Event {
        let answered = answered.filter(|answered| Some(answered.token) == decided.token);
        let (outcome, cause) = match decided.outcome {
            sigbox_core::Outcome::Decided => (Outcome::Decided, None),
            sigbox_core::Outcome::Rule => (Outcome::Fallback, Some(Cause::Rule)),
            sigbox_core::Outcome::Fallback(cause) => {
                (Outcome::Fallback, Some(contract_cause(cause)))
            }
            sigbox_core::Outcome::Remembered(cause) => (
                Outcome::Cached,
                Some(cause.map_or(Cause::Rule, contract_cause)),
            ),
            sigbox_core::Outcome::Cancelled => (Outcome::Cancelled, None),
        };
        let rule = || decided.rule.as_deref().map(str::to_owned);
        let known = ["route", "reject", "redirect", "pass"].contains(&decided.action);
        Event::Decision(Box::new(DecisionEvent {
            version: VERSION.to_owned(),
            id: decided.id.to_string(),
            node: self.node.clone(),
            tenant: decided.tenant.to_string(),
            class: contract_class(decided.class),
            call_id: text(out, &decided.call_id),
            method: text(out, &decided.method),
            request_uri: text(out, &decided.request_uri),
            attempt: decided.attempt.into(),
            outcome,
            action: known.then(|| decided.action.to_owned()),
            cause,
            detail: answered
                .and_then(|answered| answered.detail.clone())
                .or_else(rule),
            decider: answered.and_then(|answered| answered.decider.clone()),
            reasons: answered
                .map(|answered| answered.reasons.clone())
                .unwrap_or_default(),
            took_ms: decided.took.as_secs_f64() * 1_000.0,
            at,
        }))
    }

    /// How a transaction ended.
    pub fn transaction(&self, finished: &Finished, out: &Outputs, at: f64) -> Event {
        let branches = finished.branches.iter().map(|tried| Branch {
            uri: tried.uri.to_string(),
            target: tried.target.to_string(),
            status: if tried.status == 0 { 487 } else { tried.status },
            took_ms: tried.took.as_secs_f64() * 1_000.0,
            gateway: tried
                .gateway
                .as_ref()
                .map(|gateway| format!("{}/{}", gateway.set(), gateway.id())),
        });
        Event::Transaction(TransactionEvent {
            version: VERSION.to_owned(),
            id: Some(finished.id.to_string()),
            node: self.node.clone(),
            tenant: finished.tenant.to_string(),
            call_id: text(out, &finished.call_id),
            method: text(out, &finished.method),
            status: finished.status,
            at,
            branches: branches.collect(),
        })
    }

    /// What the node itself does now.
    pub fn node(&self, state: NodeState, settings: &Settings, at: f64) -> Event {
        let listen = settings.listeners.iter();
        Event::Node(NodeEvent {
            version: VERSION.to_owned(),
            node: self.node.clone(),
            tenant: settings.tenant.to_string(),
            state,
            software: Some(env!("CARGO_PKG_VERSION").to_owned()),
            listen: listen
                .map(|l| format!("{}:{}", l.transport, l.address))
                .collect(),
            at,
        })
    }

    /// A gateway's state changed.
    pub fn gateway(&self, change: &GatewayChange, tenant: &str, at: f64) -> Event {
        let gateway = &change.gateway;
        Event::Gateway(Box::new(GatewayEvent {
            version: VERSION.to_owned(),
            node: self.node.clone(),
            tenant: tenant.to_owned(),
            set: gateway.set().to_string(),
            gateway: gateway.id().to_owned(),
            uri: gateway.uri().text().to_owned(),
            state: contract_state(change.to),
            previous: contract_state(change.from),
            reason: contract_reason(change.why),
            status: change.why.status(),
            probe: change.by_probe,
            at,
        }))
    }

    /// The audit log got an entry.
    pub fn audit(&self, record: &Record, tenant: &str) -> Event {
        Event::Audit(Box::new(AuditEvent {
            version: VERSION.to_owned(),
            node: self.node.clone(),
            tenant: tenant.to_owned(),
            by: record.by.clone(),
            what: record.what.clone(),
            outcome: record.outcome.clone(),
            table: record.table.clone(),
            revision: record.revision,
            at: record.at_ms as f64,
        }))
    }

    /// Another version of a table counts.
    pub fn data(&self, active: &Active, at: f64) -> Data {
        let version = active.version.as_ref();
        Data {
            version: VERSION.to_owned(),
            node: self.node.clone(),
            table: active.table.to_string(),
            active: version.map(|version| version.number),
            sha256: version.map(|version| version.sha256.to_string()),
            rows: version.map(|version| version.rows),
            revision: active.revision,
            at,
        }
    }

    /// A query that nobody waits for any more.
    pub fn cancelled(
        &self,
        id: Uuid,
        tenant: &str,
        class: sigbox_core::Class,
        call_id: &[u8],
        at: f64,
    ) -> Event {
        Event::Cancelled(CancelledEvent {
            version: VERSION.to_owned(),
            id: id.to_string(),
            node: self.node.clone(),
            tenant: tenant.to_owned(),
            class: contract_class(class),
            call_id: String::from_utf8_lossy(call_id).into_owned(),
            at,
        })
    }
}

fn text(out: &Outputs, range: &Range<usize>) -> String {
    String::from_utf8_lossy(out.bytes(range)).into_owned()
}

fn contract_state(state: sigbox_core::GatewayState) -> GatewayState {
    match state {
        sigbox_core::GatewayState::Active => GatewayState::Active,
        sigbox_core::GatewayState::Trying => GatewayState::Trying,
        sigbox_core::GatewayState::Inactive => GatewayState::Inactive,
        sigbox_core::GatewayState::Disabled => GatewayState::Disabled,
    }
}

fn contract_reason(why: Why) -> GatewayReason {
    match why {
        Why::Answered => GatewayReason::Answered,
        Why::Timeout => GatewayReason::Timeout,
        Why::Status(_) => GatewayReason::Status,
        Why::Unreachable => GatewayReason::Unreachable,
        Why::Unresolved => GatewayReason::Unresolved,
        Why::Recovered => GatewayReason::Recovered,
        Why::Operator => GatewayReason::Operator,
    }
}

fn contract_class(class: sigbox_core::Class) -> Class {
    // The slugs are the same by contract; a test walks through them.
    Class::parse(class.slug()).unwrap_or(Class::Other)
}

fn contract_cause(cause: FallbackCause) -> Cause {
    match cause {
        FallbackCause::Timeout => Cause::Timeout,
        FallbackCause::NoResponders => Cause::NoResponders,
        FallbackCause::Disconnected => Cause::Disconnected,
        FallbackCause::Congested => Cause::Congested,
        FallbackCause::CircuitOpen => Cause::CircuitOpen,
        FallbackCause::Invalid => Cause::Invalid,
        FallbackCause::ServiceError => Cause::ServiceError,
        FallbackCause::Capacity => Cause::Capacity,
        FallbackCause::Pass => Cause::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_contracts() {
        for class in sigbox_core::Class::ALL {
            assert_eq!(contract_class(class).as_str(), class.slug());
        }
        for cause in FallbackCause::ALL {
            assert_eq!(contract_cause(cause).as_str(), cause.label());
        }
        for state in sigbox_core::GatewayState::ALL {
            let named = serde_json::to_value(contract_state(state)).unwrap();
            assert_eq!(named, state.name());
        }
        for why in [
            Why::Answered,
            Why::Timeout,
            Why::Status(503),
            Why::Unreachable,
            Why::Unresolved,
            Why::Recovered,
            Why::Operator,
        ] {
            let named = serde_json::to_value(contract_reason(why)).unwrap();
            assert_eq!(named, why.label());
        }
    }

    #[test]
    fn an_answer_to_another_query_is_not_shown() {
        let token = |attempt| Token {
            key: sigbox_core::TransactionKey::from_bits(7),
            attempt,
        };
        let decided = Decided {
            token: Some(token(2)),
            id: Uuid::nil(),
            tenant: "default".into(),
            class: sigbox_core::Class::Invite,
            attempt: 2,
            outcome: sigbox_core::Outcome::Fallback(FallbackCause::Timeout),
            action: "none",
            rule: None,
            took: std::time::Duration::from_micros(200_500),
            method: 0..0,
            call_id: 0..0,
            request_uri: 0..0,
        };
        let answered = Answered {
            token: token(1),
            decider: Some("lcr/1.0.0".to_owned()),
            reasons: Vec::new(),
            detail: None,
        };
        let event =
            Recorder::new("edge-1").decision(&decided, &Outputs::new(), Some(&answered), 1.0);
        let Event::Decision(event) = event else {
            panic!("{event:?}")
        };
        assert_eq!(event.decider, None);
        assert_eq!(event.action, None);
        assert_eq!(event.cause, Some(Cause::Timeout));
        assert!((event.took_ms - 200.5).abs() < 1e-9);
    }
}
