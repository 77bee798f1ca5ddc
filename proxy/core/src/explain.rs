//! Why a request would be treated as it would: the way through limits and rules, without going it.
//!
//! It is the way that calls go, [`walk`] with a gate that looks at limits and does not count, and
//! somebody who writes down what is found out about each rule.

mod found;

use std::sync::Arc;

use sigbox_wire::is_emergency;

pub use found::HoursSeen;

use crate::limits::{Fill, Moment, RateLimit};
use crate::plan::Plan;
use crate::routing_tables::{TableAnswer, TableLookup};
use crate::rules::{Cached, Facts, Found, Gate, Part, Rule, Step, Watch, walk};
use crate::settings::Settings;

/// What would become of a request, and why.
#[derive(Debug)]
pub struct Explained<'s> {
    /// The limits that hold without a rule, up to the first that is reached.
    pub limits: Vec<LimitSeen>,
    /// The first of them that is reached.
    pub over: Option<&'s Arc<RateLimit>>,
    /// Every rule of the list, in order.
    pub rules: Vec<RuleSeen>,
    /// What the list says; [`Found::Nothing`] when a limit is reached before it.
    pub found: Found<'s>,
}

/// A limit as it stands for one request.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitSeen {
    /// Its name.
    pub name: Arc<str>,
    /// The key of the request, its parts separated by spaces.
    pub key: String,
    /// How full it is.
    pub fill: Fill,
    /// It does not hold for this request: an emergency call.
    pub is_exempt: bool,
}

/// What was found out about one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSeen {
    /// Its name.
    pub name: Arc<str>,
    /// The limit before its action, if its condition holds.
    pub limit: Option<LimitSeen>,
    /// The schedules that its condition names, wherever in it; empty when the rule was not reached.
    pub hours: Vec<HoursSeen>,
    /// How far it got.
    pub result: Seen,
}

/// How far a rule got.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A rule before it decides.
    NotReached,
    /// This part of its condition does not hold.
    Unmet {
        /// The part.
        part: Part,
        /// What the request has there.
        found: String,
    },
    /// It leaves the request to the next.
    Passes,
    /// Nothing is remembered for this key; `None` when the request has none.
    Missed {
        /// The key.
        key: Option<String>,
    },
    /// The table has nothing to say about this key, and why; no key when the request has none.
    NotFound {
        /// The key.
        key: Option<String>,
        /// `no row`, say.
        why: &'static str,
    },
    /// Its limit is reached.
    Over,
    /// It decides.
    Decides,
}

impl Settings {
    /// What the limits and the rules before asking would do with a request outside a dialog.
    pub fn explain(&self, facts: &Facts<'_>, moment: Moment) -> Explained<'_> {
        let mut gate = self.look(facts, moment, &self.tenant);
        let mut limits = Vec::new();
        let over = self.rate_limits.always().find(|limit| {
            let passes = gate.passes(limit, facts);
            limits.push(gate.seen(limit, facts));
            !passes
        });
        let rules = &self.rules.before;
        let mut seen = Written::new(rules, facts, &gate);
        let found = match over {
            Some(_) => Found::Nothing,
            None => walk(rules, facts, &mut gate.again(), &mut seen),
        };
        let rules = seen.rules;
        Explained {
            limits,
            over,
            rules,
            found,
        }
    }

    /// What the fallback rules would do, for the cause that `facts` has.
    pub fn explain_fallback(
        &self,
        facts: &Facts<'_>,
        moment: Moment,
        tenant: &str,
    ) -> Explained<'_> {
        let gate = self.look(facts, moment, tenant);
        let rules = &self.rules.fallback;
        let mut seen = Written::new(rules, facts, &gate);
        let found = walk(rules, facts, &mut gate.again(), &mut seen);
        let rules = seen.rules;
        Explained {
            limits: Vec::new(),
            over: None,
            rules,
            found,
        }
    }

    fn look<'g>(&'g self, facts: &Facts<'_>, moment: Moment, tenant: &'g str) -> Look<'g> {
        Look {
            settings: self,
            moment,
            tenant,
            is_emergency: is_emergency(facts.request.request_uri()),
        }
    }
}

/// The gate of whoever only asks.
struct Look<'g> {
    settings: &'g Settings,
    moment: Moment,
    tenant: &'g str,
    is_emergency: bool,
}

impl Look<'_> {
    fn again(&self) -> Self {
        Self { ..*self }
    }

    fn seen(&self, limit: &RateLimit, facts: &Facts<'_>) -> LimitSeen {
        let key = String::from_utf8_lossy(&limit.key_of(facts)).into_owned();
        LimitSeen {
            name: limit.name.clone(),
            key: key.trim_end_matches('\n').replace('\n', " "),
            fill: limit.look(facts, self.moment),
            is_exempt: self.is_emergency,
        }
    }
}

impl Gate for Look<'_> {
    fn passes(&mut self, limit: &RateLimit, facts: &Facts<'_>) -> bool {
        self.is_emergency || !limit.look(facts, self.moment).is_over
    }

    fn cached(&mut self, cached: &Cached, facts: &Facts<'_>) -> Option<Arc<Plan>> {
        let tenant = cached.tenant.as_deref().unwrap_or(self.tenant);
        let key = cached.key.key(facts)?;
        self.settings.cache.get(self.moment.now, tenant, &key)
    }

    fn table(&mut self, lookup: &TableLookup, facts: &Facts<'_>) -> TableAnswer {
        lookup.answer(self.settings.tables.as_ref(), facts)
    }
}

/// Whoever writes down what is found out.
struct Written<'w, 'f> {
    rules: Vec<RuleSeen>,
    facts: &'w Facts<'f>,
    look: &'w Look<'w>,
}

impl<'w, 'f> Written<'w, 'f> {
    fn new(rules: &[Rule], facts: &'w Facts<'f>, look: &'w Look<'w>) -> Self {
        let rules = rules.iter().map(|rule| RuleSeen {
            name: rule.name.clone(),
            limit: None,
            hours: Vec::new(),
            result: Seen::NotReached,
        });
        Self {
            rules: rules.collect(),
            facts,
            look,
        }
    }
}

impl Watch for Written<'_, '_> {
    fn saw(&mut self, position: usize, rule: &Rule, step: Step<'_>) {
        let Some(seen) = self.rules.get_mut(position) else {
            return;
        };
        if seen.hours.is_empty() {
            seen.hours = HoursSeen::of(&rule.condition, self.facts.unix_s);
        }
        if let Step::Passed(limit) | Step::Over(limit) = step {
            seen.limit = Some(self.look.seen(limit, self.facts));
        }
        seen.result = match step {
            // What comes after the limit says more.
            Step::Passed(_) => return,
            Step::Over(_) => Seen::Over,
            Step::Unmet(part) => Seen::Unmet {
                part,
                found: found::found(&rule.condition, part, self.facts),
            },
            Step::Missed(cached) => Seen::Missed {
                key: cached
                    .key
                    .key(self.facts)
                    .map(|key| String::from_utf8_lossy(&key).into_owned()),
            },
            Step::NotFound(lookup, answer) => Seen::NotFound {
                key: lookup
                    .key(self.facts)
                    .map(|key| String::from_utf8_lossy(&key).into_owned()),
                why: answer.reason(),
            },
            Step::Passes => Seen::Passes,
            Step::Decides => Seen::Decides,
        };
    }
}
