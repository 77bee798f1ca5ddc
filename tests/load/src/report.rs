//! What a run found, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cost::Cost;
use crate::latency::Quantiles;

/// Version of the JSON. Fields are added without notice, and never change their meaning under one version.
pub(crate) const VERSION: u32 = 2;

/// All sides that took part in a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Version of this document, 2.
    pub version: u32,
    /// The callers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<CallerReport>,
    /// Those who called beside them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<CallerReport>,
    /// The called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answerer: Option<AnswererReport>,
    /// Datagrams that found a socket of the generator full. With any, the generator was too slow.
    pub lost_here: u64,
    /// Processor time of the generator.
    pub cost: Cost,
}

impl Report {
    /// Of callers and called.
    pub(crate) fn of(
        mut callers: impl Iterator<Item = CallerReport>,
        answerer: Option<AnswererReport>,
    ) -> Self {
        Self {
            version: VERSION,
            caller: callers.next(),
            beside: callers.collect(),
            answerer,
            ..Self::default()
        }
    }

    fn callers(&self) -> impl Iterator<Item = &CallerReport> {
        self.caller.iter().chain(&self.beside)
    }

    /// Whether every planned call was completed.
    pub fn is_complete(&self) -> bool {
        self.callers()
            .all(|caller| caller.calls.completed == caller.calls.planned)
    }

    /// How many calls the run had.
    pub(crate) fn calls(&self) -> u64 {
        let called = self.answerer.as_ref();
        match &self.caller {
            Some(_) => self.callers().map(|caller| caller.calls.started).sum(),
            None => called.map_or(0, |called| called.invites + called.requests),
        }
    }
}

/// What became of the calls. Each call that was started is completed, refused, failed or unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Settled before the run.
    pub planned: u64,
    /// First request sent.
    pub started: u64,
    /// Ended as they should.
    pub completed: u64,
    /// Of these, as long as further calls arrived: what was done under the load, and not after it.
    pub completed_while_arriving: u64,
    /// Refused with 503 and Retry-After: by a server that does not take more at the moment, and says so.
    pub refused: u64,
    /// Ended in another way.
    pub failed: u64,
    /// Still open when the run ended.
    pub unfinished: u64,
    /// Not started, as too many were open.
    pub not_started: u64,
    /// Refused, failed, unfinished, not started, with a message sent twice or with 180 after 200: each call once.
    pub disturbed: u64,
    /// The same without those whose only fault is 180 after 200.
    pub lost_or_repeated: u64,
    /// Calls in which 180 came after 200.
    pub reordered: u64,
}

/// Requests that end calls. These are to succeed even when new calls are refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Endings {
    /// Calls in which BYE was sent.
    pub byes: u64,
    /// Of these, with 200 to the BYE.
    pub ended: u64,
    /// Calls in which CANCEL was sent.
    pub cancels: u64,
    /// Of these, with 200 to the CANCEL and 487 to the INVITE.
    pub cancelled: u64,
}

/// Latencies. All count from the time at which the first request of the call (for `bye`, the BYE) was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CallerLatencies {
    /// INVITE to the first 180.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_to_180: Option<Quantiles>,
    /// INVITE to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_to_200: Option<Quantiles>,
    /// INVITE to a final response from 300 up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_to_refusal: Option<Quantiles>,
    /// BYE to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bye: Option<Quantiles>,
    /// REGISTER or OPTIONS to its final response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Quantiles>,
    /// How late the generator itself was in sending the first request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator_lag: Option<Quantiles>,
}

/// The calling side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallerReport {
    /// `invite`, `register`, `options` or `response`.
    pub scenario: &'static str,
    /// Where requests outside of dialogs went.
    pub target: String,
    /// Calls per second.
    pub rate: u32,
    /// From the first arrival to the end, in seconds.
    pub took_s: f64,
    /// After how many seconds the last call began: more than was asked for when this tool could not keep up; 0 when not all
    /// began.
    pub arrived_s: f64,
    /// Calls.
    pub calls: Calls,
    /// BYE and CANCEL.
    pub endings: Endings,
    /// Why calls failed.
    pub failures: BTreeMap<String, u64>,
    /// Responses by the method of their CSeq and their status, such as `INVITE 180`; repeated ones included.
    pub responses: BTreeMap<String, u64>,
    /// Requests sent again, by method.
    pub retransmissions_sent: BTreeMap<&'static str, u64>,
    /// Final responses to INVITE that came again.
    pub retransmissions_seen: u64,
    /// Further 2xx of one INVITE, from another branch of a fork.
    pub second_answers: u64,
    /// Messages of calls that were over long ago.
    pub stray: u64,
    /// Datagrams that were not responses to our calls.
    pub foreign: u64,
    /// Latencies.
    pub latency: CallerLatencies,
}

/// Latencies that the called side sees, from the time at which the INVITE was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AnswererLatencies {
    /// INVITE to its arrival at the called party: one way through the proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_arrival: Option<Quantiles>,
    /// INVITE to the arrival of the ACK for its 200: the whole set-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<Quantiles>,
}

/// The called side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AnswererReport {
    /// Where it listened.
    pub listeners: Vec<String>,
    /// INVITEs that made a call, one per call and listener.
    pub invites: u64,
    /// Answered with 200 and acknowledged.
    pub established: u64,
    /// Ended by BYE.
    pub ended: u64,
    /// Ended by CANCEL.
    pub cancelled: u64,
    /// Refused and acknowledged.
    pub refused: u64,
    /// REGISTER and OPTIONS answered.
    pub requests: u64,
    /// Requests that came again, by method.
    pub retransmissions_seen: BTreeMap<&'static str, u64>,
    /// Final responses to INVITE sent again.
    pub retransmissions_sent: u64,
    /// Final responses that were never acknowledged.
    pub unacknowledged: u64,
    /// BYE before the ACK.
    pub bye_before_ack: u64,
    /// Dropped on purpose.
    pub dropped: u64,
    /// ACK, BYE and CANCEL for calls unknown here.
    pub stray: u64,
    /// Datagrams that were not requests of our calls.
    pub foreign: u64,
    /// Latencies.
    pub latency: AnswererLatencies,
}
