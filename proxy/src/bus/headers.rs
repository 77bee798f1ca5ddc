//! The NATS headers of a query.

use std::time::{Duration, SystemTime};

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use sigbox_contracts::header;
use sigbox_core::Suspended;
use uuid::Uuid;

const ID: HeaderName = HeaderName::from_static(header::ID);
const ATTEMPT: HeaderName = HeaderName::from_static(header::ATTEMPT);
const BUDGET_MS: HeaderName = HeaderName::from_static(header::BUDGET_MS);
const DEADLINE: HeaderName = HeaderName::from_static(header::DEADLINE);
const MODE: HeaderName = HeaderName::from_static(header::MODE);
const TRACEPARENT: HeaderName = HeaderName::from_static(header::TRACEPARENT);

/// Makes the headers of queries.
#[derive(Clone, Debug)]
pub struct QueryHeaders {
    attempt: u8,
    budget: Duration,
    /// Those of the last query; empty where the next one has others. A copy of it is hashed only
    /// where something is put in.
    template: HeaderMap,
}

impl QueryHeaders {
    /// Those of every query that is a transaction's `attempt`th and has `budget`.
    pub fn new(attempt: u8, budget: Duration) -> Self {
        let mut template = HeaderMap::new();
        for name in [ID, DEADLINE, TRACEPARENT] {
            template.insert(name, HeaderValue::new());
        }
        template.insert(ATTEMPT, HeaderValue::from(u32::from(attempt)));
        template.insert(BUDGET_MS, millis(budget));
        template.insert(MODE, header::Mode::Live.as_str());
        Self {
            attempt,
            budget,
            template,
        }
    }

    /// The headers of the query about `suspended` that is published at `now`.
    pub fn of(&mut self, suspended: &Suspended<'_>, now: SystemTime) -> HeaderMap {
        let Suspended {
            id,
            attempt,
            budget,
            ..
        } = *suspended;
        if (attempt, budget) != (self.attempt, self.budget) {
            *self = Self::new(attempt, budget);
        }
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let mut text = Uuid::encode_buffer();
        let mut headers = self.template.clone();
        headers.insert(ID, &*id.hyphenated().encode_lower(&mut text));
        headers.insert(DEADLINE, millis(since_epoch + budget));
        headers.insert(TRACEPARENT, traceparent(id, attempt));
        headers
    }

    /// Those of a query that nobody's call waits for.
    pub fn simulated(suspended: &Suspended<'_>, now: SystemTime) -> HeaderMap {
        let mut headers = Self::new(suspended.attempt, suspended.budget).of(suspended, now);
        headers.insert(MODE, header::Mode::Simulate.as_str());
        headers
    }
}

fn millis(span: Duration) -> HeaderValue {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).into()
}

/// W3C trace context: the decision is the trace, the attempt one span of it.
fn traceparent(id: Uuid, attempt: u8) -> String {
    let (high, low) = id.as_u64_pair();
    // The low half of a UUID has its variant bits set, so that a span is never all zeros.
    let span = low ^ high.rotate_left(1) ^ u64::from(attempt);
    let span = Uuid::from_u64_pair(if span == 0 { low } else { span }, 0);
    let mut text = Uuid::encode_buffer();
    let mut traceparent = String::with_capacity("00-".len() + 32 + 1 + 16 + "-01".len());
    traceparent.push_str("00-");
    traceparent.push_str(id.simple().encode_lower(&mut text));
    traceparent.push('-');
    traceparent.push_str(&span.simple().encode_lower(&mut text)[..16]);
    traceparent.push_str("-01");
    traceparent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_a_decision_and_a_span_an_attempt() {
        let id = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001);
        let first = traceparent(id, 1);
        assert_eq!(
            first,
            "00-01990000000070008000000000000001-833200000000e000-01"
        );
        assert_eq!(traceparent(id, 2).len(), first.len());
        assert_ne!(traceparent(id, 2), first);
    }
}
