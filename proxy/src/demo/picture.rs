//! What came of a call, and what had to come of it, in the same words.

use std::fmt;

use super::cast::BUDGET;
use super::scenario::{Decision, Expected};

/// Status, phones and decision; two pictures are equal when the call went as it had to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// What the caller got: a status, or `nothing`.
    pub(super) caller: String,
    /// Who was called, in order of their names, with the final status each sent; 0 for none.
    pub(super) phones: Vec<(String, u16)>,
    /// Who decided.
    pub(super) decision: String,
}

impl Picture {
    pub(super) fn of(expected: &Expected) -> Self {
        let mut phones: Vec<_> = expected
            .phones
            .iter()
            .map(|(name, status)| ((*name).to_owned(), *status))
            .collect();
        phones.sort();
        let decision = match expected.decision {
            Decision::By(decider, action) => decided(decider, action),
            Decision::Late => fallback("timeout"),
            Decision::AtOnce(cause) => fallback(cause),
            Decision::Withdrawn => WITHDRAWN.to_owned(),
        };
        Self {
            caller: caller(Some(expected.status), expected.contact),
            phones,
            decision,
        }
    }
}

/// `200`, `302 to sip:...`, `nothing`
pub(super) fn caller(status: Option<u16>, contact: Option<&str>) -> String {
    match (status, contact) {
        (Some(status), Some(contact)) => format!("{status} to {contact}"),
        (Some(status), None) => status.to_string(),
        (None, _) => "nothing".to_owned(),
    }
}

/// A decision by a decider.
pub(super) fn decided(decider: &str, action: &str) -> String {
    format!("{action} by {decider}")
}

/// A decision by local rules.
pub(super) fn fallback(cause: &str) -> String {
    format!("local rules ({cause})")
}

/// The query was taken back.
pub(super) const WITHDRAWN: &str = "withdrawn";

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.caller)?;
        for (phone, status) in &self.phones {
            match status {
                0 => write!(f, ", {phone} silent")?,
                status => write!(f, ", {phone} {status}")?,
            }
        }
        write!(f, "; {}", self.decision)
    }
}

/// Why a decision came at the wrong time; `None` when the time was right.
///
/// Generous: a machine that builds something else meanwhile must not fail the demo.
pub(super) fn wrong_time(decision: Decision, took_ms: f64) -> Option<String> {
    let budget = BUDGET.as_secs_f64() * 1e3;
    match decision {
        Decision::Late if took_ms < budget * 0.95 => Some(format!(
            "the fallback came after {took_ms:.1} ms, before the {budget:.0} ms were over"
        )),
        Decision::AtOnce(_) if took_ms > budget / 2.0 => Some(format!(
            "the fallback came after {took_ms:.1} ms, not at once"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::ALL;

    #[test]
    fn every_call_has_a_picture_of_its_own_name() {
        for (position, scenario) in ALL.iter().enumerate() {
            assert!(
                ALL.iter()
                    .skip(position + 1)
                    .all(|other| other.name != scenario.name),
                "{}",
                scenario.name
            );
        }
        let pictures: Vec<String> = ALL
            .iter()
            .map(|scenario| Picture::of(&scenario.expected).to_string())
            .collect();
        insta::assert_snapshot!(pictures.join("\n"), @r"
        200, carrier-a 200; route by lcr-rust
        200, carrier-b 200; route by lcr-node
        200, carrier-b 200, carrier-full 503; route by lcr-rust
        200, carrier-a 200, carrier-dead silent; route by lcr-node
        200, desk 200, mobile 487; route by lcr-node
        403; reject by lcr-node
        302 to sip:alice@new-office.example; redirect by lcr-rust
        487; withdrawn
        200, voicemail 200; local rules (timeout)
        200, voicemail 200; local rules (no_responders)
        200, voicemail 200; local rules (disconnected)
        200, carrier-a 200; route by lcr-rust
        ");
    }

    #[test]
    fn a_late_fallback_must_be_late_and_a_prompt_one_prompt() {
        assert!(wrong_time(Decision::Late, 201.0).is_none());
        assert!(wrong_time(Decision::Late, 3.0).is_some());
        assert!(wrong_time(Decision::AtOnce("no_responders"), 0.4).is_none());
        assert!(wrong_time(Decision::AtOnce("no_responders"), 200.0).is_some());
    }
}
