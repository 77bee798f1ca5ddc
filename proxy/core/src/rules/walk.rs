//! The one way through a list of rules.

use std::sync::Arc;
use std::time::Duration;

use super::condition::Part;
use super::facts::Facts;
use super::{Action, Ask, Cached, Rule};
use crate::limits::RateLimit;
use crate::plan::Plan;
use crate::routing_tables::{TableAnswer, TableLookup};

/// What a walk depends on besides the request.
pub(crate) trait Gate {
    /// Whether one more request fits under `limit`.
    fn passes(&mut self, limit: &RateLimit, facts: &Facts<'_>) -> bool;

    /// The decision that still holds for a request with the same key.
    fn cached(&mut self, cached: &Cached, facts: &Facts<'_>) -> Option<Arc<Plan>>;

    /// What a table says about the request.
    fn table(&mut self, lookup: &TableLookup, facts: &Facts<'_>) -> TableAnswer;
}

/// Who is told what happens at each rule.
pub(crate) trait Watch {
    /// One thing that was found out about `rule`, at `position` of its list.
    fn saw(&mut self, position: usize, rule: &Rule, step: Step<'_>);
}

/// Nobody watches.
impl Watch for () {
    fn saw(&mut self, _: usize, _: &Rule, _: Step<'_>) {}
}

/// What is found out about a rule.
pub(crate) enum Step<'s> {
    /// This part of its condition does not hold.
    Unmet(Part),
    /// There is room under its limit.
    Passed(&'s RateLimit),
    /// Its limit is reached.
    Over(&'s RateLimit),
    /// Nothing is remembered for this key.
    Missed(&'s Cached),
    /// The table has nothing to say.
    NotFound(&'s TableLookup, TableAnswer),
    /// It leaves the request to the next.
    Passes,
    /// It decides.
    Decides,
}

/// What a list of rules says.
#[derive(Clone, Debug)]
pub enum Found<'r> {
    /// No rule decides.
    Nothing,
    /// This limit of the rule is reached.
    Over(&'r Rule, &'r Arc<RateLimit>),
    /// The rule asks.
    Ask(&'r Rule, &'r Ask),
    /// The rule decides; `true` when a decider had said so before.
    Decide(&'r Rule, Arc<Plan>, bool),
    /// The rule bans the source.
    Ban(&'r Rule, Duration),
}

/// The first of `rules` that decides about the request.
pub(crate) fn walk<'r>(
    rules: &'r [Rule],
    facts: &Facts<'_>,
    gate: &mut impl Gate,
    watch: &mut impl Watch,
) -> Found<'r> {
    for (position, rule) in rules.iter().enumerate() {
        if let Some(part) = rule.condition.unmet(facts) {
            watch.saw(position, rule, Step::Unmet(part));
            continue;
        }
        if let Some(limit) = rule.action.limit() {
            if !gate.passes(limit, facts) {
                watch.saw(position, rule, Step::Over(limit));
                return Found::Over(rule, limit);
            }
            watch.saw(position, rule, Step::Passed(limit));
        }
        let found = match rule.action.unlimited() {
            Action::Decide(plan) if **plan == Plan::Pass => {
                watch.saw(position, rule, Step::Passes);
                continue;
            }
            Action::Decide(plan) => Found::Decide(rule, plan.clone(), false),
            Action::Cached(cached) => match gate.cached(cached, facts) {
                Some(plan) => Found::Decide(rule, plan, true),
                None => {
                    watch.saw(position, rule, Step::Missed(cached));
                    continue;
                }
            },
            Action::Table(lookup) => match gate.table(lookup, facts) {
                TableAnswer::Plan(plan) => Found::Decide(rule, plan, false),
                nothing => {
                    watch.saw(position, rule, Step::NotFound(lookup, nothing));
                    continue;
                }
            },
            Action::Ask(ask) => Found::Ask(rule, ask),
            Action::Ban(span) => Found::Ban(rule, *span),
            // `unlimited` has looked behind it.
            Action::Limited(..) => continue,
        };
        watch.saw(position, rule, Step::Decides);
        return found;
    }
    Found::Nothing
}
