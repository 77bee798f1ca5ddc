//! The query subjects of a shard, each with its circuit breaker and its limit of open queries.

use std::sync::Arc;

use async_nats::Subject;
use sigbox_contracts::Prefix;
use sigbox_core::{Class, FallbackCause, Instant};
use tracing::{info, warn};
use uuid::Uuid;

use super::breaker::{Breaker, Permit, Verdict};
use super::pending::Open;
use super::trouble::{Failure, Trouble};
use super::window::Window;
use crate::config;
use crate::metrics::{BreakerState, Metrics};

/// How many more than the limit may be out: one read may hold so many calls that are let in together.
const BURST: u32 = 32;

/// What is known about one query subject.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) subject: Subject,
    tenant: Arc<str>,
    class: Class,
    breaker: Breaker,
    window: Window,
    /// What the log says about its deciders.
    trouble: Trouble,
    /// How the last query failed; empty when none did so far.
    why: String,
    /// Queries that were answered with a decision.
    answered: u64,
    /// Queries that were answered with an error, with what is none, or not in time.
    failed: u64,
}

/// How the deciders of one query subject have answered one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectState {
    /// The subject.
    pub subject: String,
    /// Its tenant.
    pub tenant: Arc<str>,
    /// Its class.
    pub class: &'static str,
    /// The circuit breaker.
    pub breaker: BreakerState,
    /// How many queries may be out at once.
    pub limit: u32,
    /// How many are.
    pub open: u32,
    /// How many were answered with a decision.
    pub answered: u64,
    /// How many were answered with an error, with what is no decision, or not in time.
    pub failed: u64,
    /// How the last one failed that did; empty when none has.
    pub last_failure: String,
}

/// Every subject that was ever asked on; tenants are configured, so there are few.
#[derive(Debug)]
pub(super) struct Subjects {
    shard: u8,
    prefix: Prefix,
    breaker: config::Breaker,
    /// Whether the windows limit anything.
    adaptive: bool,
    tenants: Vec<Arc<str>>,
    /// [`Class::ALL`] for each tenant in turn.
    asked: Vec<Asked>,
    metrics: Arc<Metrics>,
}

impl Subjects {
    pub(super) fn new(
        shard: u8,
        prefix: Prefix,
        breaker: config::Breaker,
        adaptive: bool,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            shard,
            prefix,
            breaker,
            adaptive,
            tenants: Vec::new(),
            asked: Vec::new(),
            metrics,
        }
    }

    /// The position of the subject for a tenant's class; made when it is asked for first.
    pub(super) fn position(&mut self, tenant: &Arc<str>, class: Class) -> u16 {
        let known = self.tenants.iter().position(|known| known == tenant);
        let row = known.unwrap_or_else(|| self.add(tenant));
        u16::try_from(row * Class::ALL.len() + class as usize).unwrap_or_default()
    }

    fn add(&mut self, tenant: &Arc<str>) -> usize {
        let (prefix, breaker) = (&self.prefix, self.breaker);
        self.asked.extend(Class::ALL.into_iter().map(|class| Asked {
            subject: format!("{prefix}.v1.query.{tenant}.{}", class.slug()).into(),
            tenant: tenant.clone(),
            class,
            breaker: Breaker::new(breaker),
            window: Window::new(),
            trouble: Trouble::none(),
            why: String::new(),
            answered: 0,
            failed: 0,
        }));
        for class in Class::ALL {
            let limit = Window::new().limit();
            self.metrics.subject_added(tenant, class.slug(), limit);
        }
        self.tenants.push(tenant.clone());
        self.tenants.len() - 1
    }

    pub(super) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    pub(super) fn subject(&self, position: u16) -> Subject {
        self.asked[usize::from(position)].subject.clone()
    }

    /// Leave to ask; about an emergency call, as long as the circuit is closed.
    ///
    /// # Errors
    /// Why not: the circuit is open, or as many queries are out as deciders answer in time.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        position: u16,
        is_emergency: bool,
    ) -> Result<Permit, FallbackCause> {
        let window = &mut self.asked[usize::from(position)].window;
        let is_full = window.room() == 0 && window.excess() >= BURST;
        if self.adaptive && is_full && !is_emergency {
            return Err(FallbackCause::Congested);
        }
        let permit = self.step(position, |breaker| breaker.admit(now));
        let permit = permit.ok_or(FallbackCause::CircuitOpen)?;
        self.asked[usize::from(position)].window.opened();
        Ok(permit)
    }

    /// All that were asked.
    pub(super) fn states(&self) -> Vec<SubjectState> {
        let used = |asked: &&Asked| asked.answered + asked.failed > 0 || asked.window.open() > 0;
        let state = |asked: &Asked| SubjectState {
            subject: asked.subject.to_string(),
            tenant: asked.tenant.clone(),
            class: asked.class.slug(),
            breaker: asked.breaker.state(),
            limit: asked.window.limit(),
            open: asked.window.open(),
            answered: asked.answered,
            failed: asked.failed,
            last_failure: asked.why.clone(),
        };
        self.asked.iter().filter(used).map(state).collect()
    }

    /// How many more queries may go out at once.
    pub(super) fn room(&mut self, position: u16) -> usize {
        let asked = &mut self.asked[usize::from(position)];
        // An open circuit answers at once.
        if !self.adaptive || asked.breaker.state() != BreakerState::Closed {
            return usize::MAX;
        }
        asked.window.room() as usize
    }

    /// What came of a query.
    pub(super) fn settle(&mut self, now: Instant, open: &Open, verdict: Verdict) {
        self.step(open.subject, |breaker| {
            breaker.settle(now, open.permit, verdict);
        });
        let asked = &mut self.asked[usize::from(open.subject)];
        match verdict {
            Verdict::Answered => asked.answered += 1,
            Verdict::Failed => asked.failed += 1,
            Verdict::Unknown => {}
        }
        if open.is_extended {
            return;
        }
        if verdict == Verdict::Unknown {
            return asked.window.closed();
        }
        let before = asked.window.limit();
        asked.window.answered(now, open.sent, open.due);
        let by = i64::from(asked.window.limit()) - i64::from(before);
        if by != 0 {
            self.metrics
                .query_limit_changed(&asked.tenant, asked.class.slug(), by);
        }
    }

    /// A decider asked for more time: it lives, and how long it takes says nothing about others.
    pub(super) fn extended(&mut self, position: u16) {
        self.asked[usize::from(position)].window.closed();
    }

    /// Notes that the deciders answered, or how the query about decision `id` failed.
    pub(super) fn note(
        &mut self,
        now: Instant,
        position: u16,
        id: Uuid,
        failure: Option<Failure<'_>>,
    ) {
        let asked = &mut self.asked[usize::from(position)];
        if let Some(failure) = &failure {
            asked.why = failure.why();
        }
        if !asked.trouble.note(now, failure.as_ref()) {
            return;
        }
        let (shard, tenant, class) = (self.shard, &*asked.tenant, asked.class.slug());
        let subject = &asked.subject;
        match failure {
            None => info!(shard, tenant, class, "deciders answer again"),
            Some(Failure::NoResponders) => warn!(
                shard, tenant, class, %id,
                "no decider listens on {subject}; local rules decide"
            ),
            Some(Failure::Timeout) => warn!(
                shard, tenant, class, %id,
                "no decider on {subject} answers in time; local rules decide"
            ),
            Some(Failure::ServiceError(error)) => warn!(
                shard, tenant, class, %id, error,
                "deciders answer with errors; local rules decide"
            ),
            Some(Failure::Invalid(refusal)) => warn!(
                shard, tenant, class, %id, reason = refusal.reason.label(), detail = %refusal,
                "decisions are refused; local rules decide"
            ),
        }
    }

    /// Uses `breaker` from now on; circuits keep their state when nothing changed.
    pub(super) fn set_breaker(&mut self, breaker: config::Breaker) {
        if breaker == self.breaker {
            return;
        }
        self.breaker = breaker;
        for position in 0..self.asked.len() {
            let position = u16::try_from(position).unwrap_or_default();
            self.step(position, |old| *old = old.renewed(breaker));
        }
    }

    /// Whether fewer queries are out at once when answers come late.
    pub(super) fn set_adaptive(&mut self, adaptive: bool) {
        self.adaptive = adaptive;
    }

    fn step<T>(&mut self, position: u16, step: impl FnOnce(&mut Breaker) -> T) -> T {
        let asked = &mut self.asked[usize::from(position)];
        let from = asked.breaker.state();
        let result = step(&mut asked.breaker);
        let to = asked.breaker.state();
        if from != to {
            let (shard, tenant, class) = (self.shard, &*asked.tenant, asked.class.slug());
            self.metrics.breaker_changed(tenant, class, from, to);
            match to {
                BreakerState::Open => {
                    let open_ms = u64::try_from(self.breaker.open.as_millis()).unwrap_or(u64::MAX);
                    let why = &*asked.why;
                    warn!(
                        shard,
                        tenant, class, why, open_ms, "circuit breaker open: local rules decide"
                    );
                }
                BreakerState::HalfOpen => {
                    info!(
                        shard,
                        tenant, class, "circuit breaker half open: trying the deciders again"
                    );
                }
                BreakerState::Closed => {
                    info!(
                        shard,
                        tenant, class, "circuit breaker closed: deciders are asked again"
                    );
                }
            }
        }
        result
    }
}
