use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use sigbox_contracts::decision::{CacheHint, Contact, RetryAfter, StatusMatch};
use sigbox_contracts::{Action, Decision, Invalid, Limits, Routing};

use crate::target::{Target, millis_up};

/// A decision in the making. Methods that belong to another action are not forbidden by the type, so that the arms of
/// a `match` have one type; a decision that mixes actions is refused before it is sent, and the log says why.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an answer does nothing until the handler returns it"]
pub struct Answer {
    decision: Decision,
}

/// Sends the request on: to the first target, and to the next one when it fails. Targets with a [`Target::group`] are
/// tried together within their group.
///
/// ```
/// # use sigbox_decider::prelude::*;
/// let answer = route([to("sip:192.0.2.20").timeout(secs(5)), to("sip:192.0.2.21")]).because("prefix +49");
/// let same = route(["sip:192.0.2.20", "sip:192.0.2.21"]);
/// ```
pub fn route<T: Into<Target>>(targets: impl IntoIterator<Item = T>) -> Answer {
    Answer::of(Decision {
        routes: targets
            .into_iter()
            .map(|target| target.into().into_route())
            .collect(),
        ..Decision::new(Action::Route)
    })
}

/// [`route`] that says `serial` in the document even where the proxy would assume it.
pub fn serial<T: Into<Target>>(targets: impl IntoIterator<Item = T>) -> Answer {
    route(targets).routing(Routing::Serial)
}

/// Sends the request to all targets at once; the first to answer gets the call and the others are cancelled.
pub fn parallel<T: Into<Target>>(targets: impl IntoIterator<Item = T>) -> Answer {
    route(targets).routing(Routing::Parallel)
}

/// Refuses the request with `status`, 400 to 699. This is a decision: local rules are not asked.
pub fn reject(status: u16) -> Answer {
    Answer::of(Decision {
        status: Some(status),
        ..Decision::new(Action::Reject)
    })
}

/// Sends the caller elsewhere, with 302 unless [`Answer::status`] says otherwise.
///
/// ```
/// # use sigbox_decider::prelude::*;
/// let answer = redirect(["sip:bob@voicemail.example.net"]).status(301);
/// ```
pub fn redirect<C: IntoContact>(contacts: impl IntoIterator<Item = C>) -> Answer {
    Answer::of(Decision {
        contacts: contacts
            .into_iter()
            .map(IntoContact::into_contact)
            .collect(),
        ..Decision::new(Action::Redirect)
    })
}

/// Leaves it to the proxy's local rules.
pub fn pass() -> Answer {
    Answer::of(Decision::new(Action::Pass))
}

impl Answer {
    fn of(decision: Decision) -> Self {
        Self { decision }
    }

    /// Reads a document that comes from somewhere else, like an rtjson document from an existing HTTP service.
    ///
    /// # Errors
    /// [`Invalid`] with the reason and a JSON pointer. A handler may return it as its error: the proxy then falls back.
    pub fn parse(document: &[u8]) -> Result<Self, Invalid> {
        Decision::parse(document, &Limits::default()).map(Self::of)
    }

    /// Says why. Reasons are for people: they appear in the proxy's decision events and call ladders, and are never
    /// sent to the caller.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.decision.reasons.push(reason.into());
        self
    }

    /// For [`route`]: which final responses move on to the next target: statuses (`[408, 480]`) or
    /// [`StatusMatch`]es. Unless called: all but 2xx and 6xx. An empty list: none.
    pub fn failover<S: IntoStatusMatch>(mut self, on: impl IntoIterator<Item = S>) -> Self {
        self.decision.failover = Some(on.into_iter().map(S::into_status_match).collect());
        self
    }

    /// For [`route`]: ask again, with what was [tried](crate::Call::tried), when every target has failed.
    pub fn requery(mut self) -> Self {
        self.decision.requery = true;
        self
    }

    /// For [`route`]: requests with the same `key` may get this answer again, for `ttl`, when no decider answers.
    pub fn cache(mut self, key: impl Into<String>, ttl: Duration) -> Self {
        self.decision.cache = Some(CacheHint {
            key: key.into(),
            ttl_ms: millis_up(ttl),
        });
        self
    }

    /// For [`reject`] and [`redirect`]: another status.
    pub fn status(mut self, status: u16) -> Self {
        self.decision.status = Some(status);
        self
    }

    /// For [`reject`] and [`redirect`]: the reason phrase, instead of the usual one of the status.
    pub fn reason(mut self, phrase: impl Into<String>) -> Self {
        self.decision.reason = Some(phrase.into());
        self
    }

    /// For [`reject`] and [`redirect`]: a header of the response. Headers of a forwarded request are set per target,
    /// with [`Target::header`].
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.decision.headers.set.insert(name.into(), value.into());
        self
    }

    /// For [`reject`]: Retry-After. A range (`secs(30)..secs(90)`) is drawn from for each call, so that callers do not
    /// come back all at once.
    pub fn retry_after(mut self, after: impl IntoRetryAfter) -> Self {
        self.decision.retry_after_ms = Some(after.into_retry_after());
        self
    }

    fn routing(mut self, routing: Routing) -> Self {
        self.decision.routing = Some(routing);
        self
    }
}

impl From<Answer> for Decision {
    fn from(answer: Answer) -> Self {
        answer.decision
    }
}

impl From<Decision> for Answer {
    fn from(decision: Decision) -> Self {
        Self::of(decision)
    }
}

/// What [`redirect`] takes: a URI or a [`Contact`].
pub trait IntoContact {
    /// The contact.
    fn into_contact(self) -> Contact;
}

impl IntoContact for Contact {
    fn into_contact(self) -> Contact {
        self
    }
}

impl IntoContact for &str {
    fn into_contact(self) -> Contact {
        self.to_owned().into_contact()
    }
}

impl IntoContact for String {
    fn into_contact(self) -> Contact {
        Contact {
            uri: self,
            ..Contact::default()
        }
    }
}

/// What [`Answer::failover`] takes: a status or a [`StatusMatch`].
pub trait IntoStatusMatch {
    /// The statuses meant.
    fn into_status_match(self) -> StatusMatch;
}

impl IntoStatusMatch for u16 {
    fn into_status_match(self) -> StatusMatch {
        StatusMatch::Exact(self)
    }
}

impl IntoStatusMatch for StatusMatch {
    fn into_status_match(self) -> StatusMatch {
        self
    }
}

/// What [`Answer::retry_after`] takes: a duration or a range of them.
pub trait IntoRetryAfter {
    /// The time or range.
    fn into_retry_after(self) -> RetryAfter;
}

impl IntoRetryAfter for Duration {
    fn into_retry_after(self) -> RetryAfter {
        RetryAfter::Fixed(millis_up(self))
    }
}

impl IntoRetryAfter for Range<Duration> {
    fn into_retry_after(self) -> RetryAfter {
        RetryAfter::Range {
            min: millis_up(self.start),
            max: millis_up(self.end),
        }
    }
}

impl IntoRetryAfter for RangeInclusive<Duration> {
    fn into_retry_after(self) -> RetryAfter {
        let (min, max) = self.into_inner();
        (min..max).into_retry_after()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::prelude::{contact, millis, secs, to};

    fn document(answer: Answer) -> Value {
        let decision = Decision::from(answer);
        decision.validate(&Limits::default()).unwrap();
        serde_json::to_value(decision).unwrap()
    }

    #[test]
    fn every_builder_writes_its_document() {
        assert_eq!(
            document(
                route([to("sip:192.0.2.20").timeout(secs(5)), to("sip:192.0.2.21")])
                    .failover([StatusMatch::Exact(408), StatusMatch::Class(5)])
                    .requery()
                    .cache("de|+4930", secs(60))
                    .because("prefix +49")
                    .because("cheapest first")
            ),
            json!({"version": "1.0", "action": "route",
                "routes": [{"dst_uri": "sip:192.0.2.20", "fr_timer": 5000}, {"dst_uri": "sip:192.0.2.21"}],
                "failover": [408, "5xx"], "requery": true, "reasons": ["prefix +49", "cheapest first"],
                "cache": {"key": "de|+4930", "ttl_ms": 60000}})
        );
        assert_eq!(document(serial(["sip:192.0.2.20"]))["routing"], "serial");
        assert_eq!(
            document(parallel(["sip:192.0.2.20".to_owned()]))["routing"],
            "parallel"
        );
        assert_eq!(
            document(route(["sip:192.0.2.20"]).failover([408, 480]))["failover"],
            json!([408, 480])
        );
        assert_eq!(
            document(
                reject(503)
                    .reason("Later")
                    .retry_after(secs(30)..=secs(90))
                    .header("X-Why", "load")
            ),
            json!({"version": "1.0", "action": "reject", "status": 503, "reason": "Later",
                "retry_after_ms": {"min": 30000, "max": 90000}, "headers": {"set": {"X-Why": "load"}}})
        );
        assert_eq!(
            document(reject(503).retry_after(millis(1500)))["retry_after_ms"],
            1500
        );
        assert_eq!(
            document(redirect([contact("sip:bob@192.0.2.9", 0.5)]).status(301)),
            json!({"version": "1.0", "action": "redirect", "status": 301,
                "contacts": [{"uri": "sip:bob@192.0.2.9", "q": 0.5}]})
        );
        assert_eq!(
            document(redirect(["sip:bob@192.0.2.9"]))["contacts"][0]["uri"],
            "sip:bob@192.0.2.9"
        );
        assert_eq!(
            document(pass()),
            json!({"version": "1.0", "action": "pass"})
        );
    }

    #[test]
    fn an_rtjson_document_from_elsewhere_is_an_answer() {
        let answer = Answer::parse(br#"{"Routing":"serial","Routes":[{"URI":"sip:a@192.0.2.1"}]}"#);
        assert_eq!(
            document(answer.unwrap())["routes"][0]["uri"],
            "sip:a@192.0.2.1"
        );
        let refused = Answer::parse(b"{\"routes\":[]}").unwrap_err();
        assert_eq!(refused.reason.label(), "no_routes");
    }
}
