//! Suspension: asking, waiting, being answered, falling back.

use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::is_emergency;

use crate::clock::Instant;
use crate::consult::{Consulted, Local};
use crate::context::{Context, Decision, Phase};
use crate::counters::Counter;
use crate::env::Env;
use crate::final_headers;
use crate::forward::write_line;
use crate::io::{Class, Decided, FallbackCause, Outcome, Output};
use crate::key::Token;
use crate::plan::{Plan, Redirect, Reject};
use crate::rules::Ask;
use crate::secret::Fingerprint;
use crate::settings::{Redirects, Role};

impl Context {
    /// A request outside a dialog: what the local rules said first, then a decider.
    pub(crate) fn decide(
        &mut self,
        env: &mut Env<'_>,
        class: Class,
        request: Fingerprint,
        consulted: Consulted,
    ) {
        self.decision = Some(Box::new(Decision {
            id: env.new_id(),
            request,
            tenant: env.settings.tenant.clone(),
            class,
            attempt: 0,
            asked_at: env.now,
            answered: false,
            tried: Vec::new(),
            fallback: None,
        }));
        match consulted {
            Consulted::Decide(Local {
                plan,
                rule,
                is_remembered,
            }) => {
                let (counter, outcome) = if is_remembered {
                    (Counter::DecidedRemembered, Outcome::Remembered(None))
                } else {
                    (Counter::DecidedByRule, Outcome::Rule)
                };
                env.count(counter);
                self.record(env, outcome, plan.action(), Some(&rule));
                self.carry_out(env, plan);
            }
            Consulted::Ask(ask) => self.ask(env, &ask),
            _ if env.settings.decision.ask.contains(&class) => self.ask(env, &Ask::default()),
            _ => self.fall_back(env, FallbackCause::Pass),
        }
    }

    fn ask(&mut self, env: &mut Env<'_>, ask: &Ask) {
        let Some(decision) = &mut self.decision else {
            return;
        };
        if let Some(tenant) = &ask.tenant {
            decision.tenant = tenant.clone();
        }
        let request = decision.request;
        decision.attempt += 1;
        decision.asked_at = env.now;
        decision.answered = false;
        let attempt = decision.attempt;
        let limit = env.settings.limits.suspended;
        let reserve = if is_emergency(self.request.view().request_uri()) {
            limit / 4
        } else {
            0
        };
        if env.suspended.len() >= limit + reserve {
            return self.fall_back(env, FallbackCause::Capacity);
        }
        env.suspended.add(request);
        let latest = env.now + env.settings.decision.max_wait;
        let budget = ask.budget.unwrap_or(env.settings.decision.budget);
        self.phase = Phase::Deciding {
            deadline: (env.now + budget).min(latest),
            latest,
        };
        env.count(Counter::Queries);
        env.out.push(Output::Query {
            token: Token {
                key: env.key,
                attempt,
            },
        });
    }

    /// Asks once more, with what was tried, if the plan wants it and the limit allows.
    pub(crate) fn ask_again(&mut self, env: &mut Env<'_>) -> bool {
        // After a 6xx there is no new branch (RFC 3261 §16.7 step 5), unless the plan says so.
        let best = self.best.as_ref().map_or(0, |best| best.status);
        let moved = env.settings.redirects == Redirects::Ask && !self.moved.is_empty();
        let wanted = self.routes().is_some_and(|plan| {
            (plan.requery || moved) && (best < 600 || plan.failover.includes(best))
        });
        let attempts = self
            .decision
            .as_ref()
            .map_or(0, |decision| decision.attempt);
        if !wanted || self.cancelled || attempts >= env.settings.decision.max_attempts {
            return false;
        }
        let tried = self.attempted(env.now);
        self.moved.clear();
        let Some(decision) = &mut self.decision else {
            return false;
        };
        decision.tried.extend(tried);
        self.group_start = self.branches.len();
        let tenant = decision.tenant.clone();
        self.ask(
            env,
            &Ask {
                tenant: Some(tenant),
                budget: None,
            },
        );
        true
    }

    /// The final answer to a query, or why there is none.
    pub(crate) fn on_decision(
        &mut self,
        env: &mut Env<'_>,
        attempt: u8,
        answer: Result<Plan, FallbackCause>,
    ) {
        let Some(decision) = &mut self.decision else {
            return;
        };
        if !matches!(self.phase, Phase::Deciding { .. }) || decision.attempt != attempt {
            let duplicate = decision.answered && decision.attempt == attempt;
            env.count(if duplicate {
                Counter::AnswerDuplicate
            } else {
                Counter::AnswerLate
            });
            return;
        }
        match answer {
            Ok(Plan::Pass) => self.fall_back(env, FallbackCause::Pass),
            Err(cause) => self.fall_back(env, cause),
            Ok(plan) => {
                decision.answered = true;
                self.resume(env);
                env.count(Counter::Decided);
                self.record(env, Outcome::Decided, plan.action(), None);
                self.carry_out(env, Arc::new(plan));
            }
        }
    }

    /// The decider wants more time.
    pub(crate) fn on_extend(&mut self, env: &mut Env<'_>, attempt: u8, by: Duration) {
        let current = self.decision.as_ref().map(|decision| decision.attempt);
        match &mut self.phase {
            Phase::Deciding { deadline, latest } if current == Some(attempt) => {
                env.count(Counter::Extensions);
                *deadline = (env.now + by).min(*latest).max(*deadline);
            }
            _ => env.count(Counter::AnswerLate),
        }
    }

    /// The decision timer.
    pub(crate) fn decision_timeout(&mut self, env: &mut Env<'_>) {
        if let Phase::Deciding { deadline, .. } = self.phase
            && deadline <= env.now
        {
            self.fall_back(env, FallbackCause::Timeout);
        }
    }

    /// Nobody decided: the fallback rules do.
    fn fall_back(&mut self, env: &mut Env<'_>, cause: FallbackCause) {
        self.resume(env);
        env.count(FALLBACK_COUNTERS[cause.index()]);
        let tenant = match &self.decision {
            Some(decision) => decision.tenant.clone(),
            None => env.settings.tenant.clone(),
        };
        let local = env.consult_fallback(self.message(), &self.flow, cause, &tenant);
        let is_remembered = local.as_ref().is_some_and(|local| local.is_remembered);
        let (counter, outcome) = if is_remembered {
            (Counter::DecidedRemembered, Outcome::Remembered(Some(cause)))
        } else {
            (Counter::DecidedFallback, Outcome::Fallback(cause))
        };
        env.count(counter);
        match local {
            Some(Local { plan, rule, .. }) => {
                self.record(env, outcome, plan.action(), Some(&rule));
                if env.settings.explain_fallback
                    && let Some(decision) = &mut self.decision
                {
                    decision.fallback = Some(cause);
                }
                self.carry_out(env, plan);
            }
            None if self.best.is_some() => {
                // Asked again after its routes failed: what they said is a better answer.
                self.record(env, Outcome::Fallback(cause), "none", None);
                self.send_best(env);
            }
            None => {
                self.record(env, Outcome::Fallback(cause), "none", None);
                env.count(Counter::RejectNoRoute);
                let mut extra = Vec::new();
                if env.settings.explain_fallback {
                    explain(cause, &mut extra);
                }
                self.answer(env, 503, None, &extra);
            }
        }
    }

    /// Takes the transaction out of suspension.
    pub(crate) fn resume(&mut self, env: &mut Env<'_>) {
        if let (Phase::Deciding { .. }, Some(decision)) = (self.phase, &self.decision) {
            env.suspended.remove(decision.request);
            self.phase = Phase::Forwarding;
        }
    }

    /// The caller gave up while a decider was thinking.
    pub(crate) fn withdraw_query(&mut self, env: &mut Env<'_>) {
        let Phase::Deciding { .. } = self.phase else {
            return;
        };
        self.resume(env);
        env.count(Counter::DecidedCancelled);
        self.record(env, Outcome::Cancelled, "none", None);
        let Some(decision) = &self.decision else {
            return;
        };
        let call_id = env
            .out
            .text(|out| out.extend_from_slice(self.request.view().call_id()));
        env.out.push(Output::CancelQuery {
            token: Token {
                key: env.key,
                attempt: decision.attempt,
            },
            id: decision.id,
            tenant: decision.tenant.clone(),
            class: decision.class,
            call_id,
        });
    }

    /// What was decided is the target set (RFC 3261 §16.5).
    fn carry_out(&mut self, env: &mut Env<'_>, plan: Arc<Plan>) {
        self.plan = Some(plan.clone());
        self.next_route = 0;
        match &*plan {
            Plan::Route(_) if env.settings.role == Role::RedirectServer => {
                self.expand_gateways(env, true);
                let redirect = self.routes().map(|routes| self.as_redirect(routes));
                let Some(redirect) = redirect.filter(|redirect| !redirect.contacts.is_empty())
                else {
                    let status = self.best.as_ref().map_or(480, |best| best.status);
                    return self.answer(env, status, None, b"");
                };
                self.redirect(env, &redirect);
            }
            Plan::Route(_) => {
                self.phase = Phase::Forwarding;
                self.advance(env);
            }
            Plan::Reject(reject) => self.reject(env, reject),
            Plan::Redirect(redirect) => self.redirect(env, redirect),
            Plan::Pass => self.fall_back(env, FallbackCause::Pass),
        }
    }

    fn reject(&mut self, env: &mut Env<'_>, reject: &Reject) {
        let mut extra = final_headers::of_reject(reject, env.secret);
        self.explain_fallback(&mut extra);
        self.answer(env, reject.status, reject.reason.as_deref(), &extra);
    }

    fn redirect(&mut self, env: &mut Env<'_>, redirect: &Redirect) {
        let mut extra = final_headers::of_redirect(redirect, None);
        self.explain_fallback(&mut extra);
        self.answer(env, redirect.status, redirect.reason.as_deref(), &extra);
    }

    fn explain_fallback(&self, extra: &mut Vec<u8>) {
        if let Some(cause) = self
            .decision
            .as_ref()
            .and_then(|decision| decision.fallback)
        {
            explain(cause, extra);
        }
    }

    fn record(
        &self,
        env: &mut Env<'_>,
        outcome: Outcome,
        action: &'static str,
        rule: Option<&Arc<str>>,
    ) {
        let Some(decision) = &self.decision else {
            return;
        };
        if !env.settings.records.decisions {
            return;
        }
        let request = self.request.view();
        let method = env
            .out
            .text(|out| out.extend_from_slice(request.method().as_bytes()));
        let call_id = env.out.text(|out| out.extend_from_slice(request.call_id()));
        let request_uri = env
            .out
            .text(|out| out.extend_from_slice(request.request_uri()));
        let token = Token {
            key: env.key,
            attempt: decision.attempt,
        };
        env.out.push(Output::Decided(Box::new(Decided {
            token: (decision.attempt > 0).then_some(token),
            id: decision.id,
            tenant: decision.tenant.clone(),
            class: decision.class,
            attempt: decision.attempt,
            outcome,
            action,
            rule: rule.cloned(),
            took: env.now - decision.asked_at,
            method,
            call_id,
            request_uri,
        })));
    }

    /// How much of the budget is left.
    pub(crate) fn budget_left(&self, now: Instant) -> Option<Duration> {
        match self.phase {
            Phase::Deciding { deadline, .. } => Some(deadline - now),
            Phase::Forwarding | Phase::Done => None,
        }
    }
}

/// By [`FallbackCause::index`].
const FALLBACK_COUNTERS: [Counter; FallbackCause::ALL.len()] = [
    Counter::FallbackTimeout,
    Counter::FallbackNoResponders,
    Counter::FallbackDisconnected,
    Counter::FallbackCongested,
    Counter::FallbackCircuitOpen,
    Counter::FallbackInvalid,
    Counter::FallbackServiceError,
    Counter::FallbackCapacity,
    Counter::FallbackPass,
];

fn explain(cause: FallbackCause, extra: &mut Vec<u8>) {
    write_line(extra, "X-Sigbox-Fallback", cause.label());
}
