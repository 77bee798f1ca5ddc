//! Requests that a limit or a rule turns away, without a transaction.

use crate::consult::Consulted;
use crate::core::Core;
use crate::counters::Counter;
use crate::final_headers;
use crate::io::Outputs;
use crate::key::TransactionKey;
use crate::limits::{Over, RateLimit};
use crate::request::Arrival;

impl Core {
    /// Turns a request away that is over a limit that holds for all; whether it was.
    pub(crate) fn is_over_always(&mut self, arrival: Arrival<'_>, out: &mut Outputs) -> bool {
        let (mut env, _) = self.env(arrival.now, NOBODY, out);
        let Some(limit) = env.over_always(arrival.request, arrival.flow) else {
            return false;
        };
        self.turn_away(arrival, &limit, out);
        true
    }

    /// What the local rules say about a new request; `None` when it has been turned away.
    pub(crate) fn consult(&mut self, arrival: Arrival<'_>, out: &mut Outputs) -> Option<Consulted> {
        let (mut env, _) = self.env(arrival.now, NOBODY, out);
        match env.consult(arrival.request, arrival.flow) {
            Consulted::Over(limit) => {
                self.turn_away(arrival, &limit, out);
                None
            }
            Consulted::Banned => {
                self.counters().add(Counter::DropBanned);
                None
            }
            consulted => Some(consulted),
        }
    }

    fn turn_away(&mut self, arrival: Arrival<'_>, limit: &RateLimit, out: &mut Outputs) {
        self.counters().add(match limit.over {
            Over::Drop => Counter::DropLimit,
            Over::Reject(_) | Over::Redirect(_) => Counter::RejectLimit,
        });
        match &limit.over {
            Over::Drop => {}
            Over::Reject(reject) => {
                let (env, _) = self.env(arrival.now, NOBODY, out);
                let extra = final_headers::of_reject(reject, env.secret);
                let reason = reject.reason.as_deref();
                self.refuse_with(arrival, reject.status, reason, &extra, out);
            }
            Over::Redirect(redirect) => {
                let uri = arrival.request.uri().ok();
                let user = uri.and_then(|uri| uri.user);
                let extra = final_headers::of_redirect(redirect, user);
                let reason = redirect.reason.as_deref();
                self.refuse_with(arrival, redirect.status, reason, &extra, out);
            }
        }
    }
}

/// There is no transaction.
const NOBODY: TransactionKey = TransactionKey {
    generation: 0,
    slot: 0,
};
