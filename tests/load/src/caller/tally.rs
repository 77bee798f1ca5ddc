//! Counting what a caller sees.

use std::collections::BTreeMap;
use std::time::Duration;

use super::call::Call;
use crate::latency::Latency;
use crate::message::Method;
use crate::report::{CallerLatencies, Calls, Endings};

/// Counters and latencies of a caller.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// When the last call began, from the first on.
    pub(super) arrived: Duration,
    pub(crate) calls: Calls,
    pub(crate) endings: Endings,
    failures: BTreeMap<Failure, u64>,
    responses: BTreeMap<(&'static str, u16), u64>,
    sent_again: BTreeMap<&'static str, u64>,
    pub(crate) seen_again: u64,
    pub(crate) second_answers: u64,
    pub(crate) stray: u64,
    pub(crate) foreign: u64,
    pub(crate) to_180: Latency,
    pub(crate) to_200: Latency,
    pub(crate) to_refusal: Latency,
    pub(crate) bye: Latency,
    pub(crate) request: Latency,
    pub(crate) lag: Latency,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// A request got no final response within 64*T1.
    Timeout(&'static str),
    /// A request got another final response than it should.
    Status(&'static str, u16),
    /// The 200 had no usable Contact or Record-Route.
    NoDialog,
}

impl Tally {
    /// A response came.
    pub(crate) fn response(&mut self, method: Method, status: u16) {
        *self.responses.entry((method.name(), status)).or_default() += 1;
    }

    /// A request of this call was sent again.
    pub(crate) fn sent_again(&mut self, call: &mut Call, method: Method) {
        *self.sent_again.entry(method.name()).or_default() += 1;
        self.repeated(call);
    }

    /// A final response of this call came again.
    pub(crate) fn seen_again(&mut self, call: &mut Call) {
        self.seen_again += 1;
        self.repeated(call);
    }

    /// 180 came after 200.
    pub(crate) fn reordered(&mut self, call: &mut Call) {
        if !call.is_reordered {
            self.calls.reordered += 1;
            if !call.is_repeated && !call.is_failed {
                self.calls.disturbed += 1;
            }
            call.is_reordered = true;
        }
    }

    /// The call failed.
    pub(crate) fn failed(&mut self, call: &mut Call, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
        self.calls.failed += 1;
        self.lost(call);
    }

    /// The call was refused with 503 and Retry-After.
    pub(crate) fn refused(&mut self, call: &mut Call) {
        self.calls.refused += 1;
        self.lost(call);
    }

    /// The call is still open at the end.
    pub(crate) fn unfinished(&mut self, call: &mut Call) {
        self.calls.unfinished += 1;
        self.lost(call);
    }

    /// A call could not be started.
    pub(crate) fn not_started(&mut self) {
        self.calls.not_started += 1;
        self.calls.disturbed += 1;
        self.calls.lost_or_repeated += 1;
    }

    fn lost(&mut self, call: &mut Call) {
        self.lost_or_repeated(call);
        call.is_failed = true;
    }

    fn repeated(&mut self, call: &mut Call) {
        self.lost_or_repeated(call);
        call.is_repeated = true;
    }

    fn lost_or_repeated(&mut self, call: &Call) {
        if !call.is_repeated && !call.is_failed {
            self.calls.lost_or_repeated += 1;
            if !call.is_reordered {
                self.calls.disturbed += 1;
            }
        }
    }

    /// Latencies for the report.
    pub(crate) fn latencies(&self) -> CallerLatencies {
        CallerLatencies {
            invite_to_180: self.to_180.quantiles(),
            invite_to_200: self.to_200.quantiles(),
            invite_to_refusal: self.to_refusal.quantiles(),
            bye: self.bye.quantiles(),
            request: self.request.quantiles(),
            generator_lag: self.lag.quantiles(),
        }
    }

    /// Failures for the report.
    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        let text = |failure: &Failure| match failure {
            Failure::Timeout(method) => format!("{method} timeout"),
            Failure::Status(method, status) => format!("{method} {status}"),
            Failure::NoDialog => "no dialog".to_owned(),
        };
        self.failures
            .iter()
            .map(|(failure, count)| (text(failure), *count))
            .collect()
    }

    /// Responses for the report.
    pub(crate) fn responses(&self) -> BTreeMap<String, u64> {
        let text = |(method, status): &(&str, u16)| format!("{method} {status}");
        self.responses
            .iter()
            .map(|(response, count)| (text(response), *count))
            .collect()
    }

    /// Retransmissions for the report.
    pub(crate) fn retransmissions(&self) -> BTreeMap<&'static str, u64> {
        self.sent_again.clone()
    }
}
