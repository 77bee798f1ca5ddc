//! What limits and local rules say about a request outside a dialog, before there is a transaction for
//! it: whoever is refused here costs no more than the answer.

use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::{Message, is_emergency};

use crate::counters::{Counter, Counters};
use crate::env::Env;
use crate::flow::Flow;
use crate::io::{FallbackCause, Output};
use crate::limits::{Moment, RateLimit};
use crate::plan::Plan;
use crate::plan_cache::PlanCache;
use crate::routing_tables::{RoutingTables, TableAnswer, TableLookup};
use crate::rules::{Ask, Cached, Facts, Found, Gate, walk};
use crate::secret::Secret;

/// What they say.
#[derive(Debug)]
pub(crate) enum Consulted {
    /// Nothing: what is usual happens.
    Nothing,
    /// Ask so.
    Ask(Ask),
    /// Decide so.
    Decide(Local),
    /// This limit is reached.
    Over(Arc<RateLimit>),
    /// Forget the request: its source is banned from now on.
    Banned,
}

/// A decision of a local rule.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) plan: Arc<Plan>,
    /// The rule's name.
    pub(crate) rule: Arc<str>,
    /// A decider had said so before.
    pub(crate) is_remembered: bool,
}

impl Env<'_> {
    /// The limits that hold for every request.
    pub(crate) fn over_always(
        &mut self,
        request: Message<'_>,
        flow: &Flow,
    ) -> Option<Arc<RateLimit>> {
        let settings = self.settings;
        let mut always = settings.rate_limits.always().peekable();
        always.peek()?;
        let facts = Facts::new(request, flow, None, self.unix_s());
        let mut gate = self.gate(request, &settings.tenant);
        let over = always.find(|limit| !gate.passes(limit, &facts))?;
        self.strike(over, &facts);
        Some(over.clone())
    }

    /// The rules before asking.
    pub(crate) fn consult(&mut self, request: Message<'_>, flow: &Flow) -> Consulted {
        let settings = self.settings;
        if settings.rules.before.is_empty() {
            return Consulted::Nothing;
        }
        let facts = Facts::new(request, flow, None, self.unix_s());
        let mut gate = self.gate(request, &settings.tenant);
        match walk(&settings.rules.before, &facts, &mut gate, &mut ()) {
            Found::Nothing => Consulted::Nothing,
            Found::Ask(_, ask) => Consulted::Ask(ask.clone()),
            Found::Decide(rule, plan, is_remembered) => Consulted::Decide(Local {
                plan,
                rule: rule.name.clone(),
                is_remembered,
            }),
            Found::Over(_, limit) => {
                self.strike(limit, &facts);
                Consulted::Over(limit.clone())
            }
            Found::Ban(rule, span) => {
                self.ban(&facts, span, &rule.name);
                Consulted::Banned
            }
        }
    }

    /// The rules for when nobody decided.
    pub(crate) fn consult_fallback(
        &mut self,
        request: Message<'_>,
        flow: &Flow,
        cause: FallbackCause,
        tenant: &str,
    ) -> Option<Local> {
        let settings = self.settings;
        let facts = Facts::new(request, flow, Some(cause), self.unix_s());
        let mut gate = self.gate(request, tenant);
        match walk(&settings.rules.fallback, &facts, &mut gate, &mut ()) {
            Found::Decide(rule, plan, is_remembered) => Some(Local {
                plan,
                rule: rule.name.clone(),
                is_remembered,
            }),
            // Nothing else may stand there.
            Found::Nothing | Found::Ask(..) | Found::Over(..) | Found::Ban(..) => None,
        }
    }

    fn gate<'g>(&'g mut self, request: Message<'_>, tenant: &'g str) -> Live<'g> {
        Live {
            moment: Moment {
                now: self.now,
                lag: self.lag,
            },
            is_emergency: is_emergency(request.request_uri()),
            tenant,
            cache: &self.settings.cache,
            tables: self.settings.tables.as_ref(),
            secret: self.secret,
            counters: self.counters,
        }
    }

    fn strike(&mut self, limit: &RateLimit, facts: &Facts<'_>) {
        if let Some(span) = limit.strike(facts, self.now) {
            self.ban(facts, span, &limit.name);
        }
    }

    fn ban(&mut self, facts: &Facts<'_>, span: Duration, reason: &Arc<str>) {
        self.out.push(Output::Ban {
            source: facts.source(),
            span,
            reason: reason.clone(),
        });
    }
}

/// The gate of calls: what passes it is counted.
struct Live<'g> {
    moment: Moment,
    is_emergency: bool,
    tenant: &'g str,
    cache: &'g PlanCache,
    tables: Option<&'g Arc<dyn RoutingTables>>,
    secret: &'g mut Secret,
    counters: &'g Counters,
}

impl Gate for Live<'_> {
    fn passes(&mut self, limit: &RateLimit, facts: &Facts<'_>) -> bool {
        // Who needs help can call.
        self.is_emergency || limit.take(facts, self.moment, || self.secret.draw())
    }

    fn cached(&mut self, cached: &Cached, facts: &Facts<'_>) -> Option<Arc<Plan>> {
        let tenant = cached.tenant.as_deref().unwrap_or(self.tenant);
        let key = cached.key.key(facts);
        let plan = key.and_then(|key| self.cache.get(self.moment.now, tenant, &key));
        self.counters.add(match plan {
            Some(_) => Counter::CacheHit,
            None => Counter::CacheMiss,
        });
        plan
    }

    fn table(&mut self, lookup: &TableLookup, facts: &Facts<'_>) -> TableAnswer {
        let answer = lookup.answer(self.tables, facts);
        self.counters.add(match answer {
            TableAnswer::Plan(_) => Counter::TableHit,
            TableAnswer::NoRow => Counter::TableNoRow,
            TableAnswer::NoRoute => Counter::TableNoRoute,
            TableAnswer::NoTable => Counter::TableAbsent,
        });
        answer
    }
}
