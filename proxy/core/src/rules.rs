//! Local rules: data that decides before anyone is asked, and when nobody answered.
//!
//! Rules are tried in order and the first whose every condition holds decides. There is no
//! scripting: what a rule cannot say belongs in a decider.
//!
//! There is one way through a list, [`walk`]: calls go it with a gate that counts against limits, and
//! [`explain`](crate::explain) goes it with one that only looks, and writes down what it sees.

mod condition;
mod facts;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use sigbox_wire::{HeaderId, Message, Method};

use crate::limits::RateLimit;
use crate::plan::Plan;
use crate::request_key::KeyTemplate;
use crate::routing_tables::TableLookup;
use crate::schedule::Schedule;

pub use condition::{Condition, DomainMatch, HeaderMatch, Part, TextMatch, UriMatch};
pub use facts::Facts;
pub use walk::Found;
pub(crate) use walk::{Gate, Step, Watch, walk};

/// Both lists.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Before asking.
    pub before: Vec<Rule>,
    /// When nobody decided.
    pub fallback: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Shown in records and logs.
    pub name: Arc<str>,
    /// When it applies.
    pub condition: Condition,
    /// What it does.
    pub action: Action,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Ask a decider. Only before asking.
    Ask(Ask),
    /// Decide here; [`Plan::Pass`] goes on to the next rule.
    Decide(Arc<Plan>),
    /// Do what a decider said last about a request with the same key, if that still holds; else the
    /// next rule is tried.
    Cached(Cached),
    /// Do what a pushed table says; else the next rule is tried.
    Table(TableLookup),
    /// Drop the request without an answer, and everything else from its source for a while. Only
    /// before asking.
    Ban(Duration),
    /// Do the other, unless the limit is reached: then what the limit says. Only before asking.
    Limited(Arc<RateLimit>, Box<Action>),
}

/// How to ask.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// Whose deciders; `None` is the configured tenant.
    pub tenant: Option<Arc<str>>,
    /// How long they have; `None` is the configured budget.
    pub budget: Option<Duration>,
}

/// Which decision to use again.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    /// Whose decider it was; `None` is the tenant that was asked, or would be.
    pub tenant: Option<Arc<str>>,
    /// The key by which the decider declared it.
    pub key: KeyTemplate,
}

impl Action {
    /// What is done once no limit stands before it.
    pub fn unlimited(&self) -> &Self {
        match self {
            Self::Limited(_, then) => then.unlimited(),
            other => other,
        }
    }

    /// The limit before it.
    pub fn limit(&self) -> Option<&Arc<RateLimit>> {
        match self {
            Self::Limited(limit, _) => Some(limit),
            _ => None,
        }
    }
}

impl Rules {
    /// The same rules with other hours where `instead` has some.
    pub fn rescheduled(&self, instead: &dyn Fn(&Arc<Schedule>) -> Option<Arc<Schedule>>) -> Self {
        let mut rules = self.clone();
        for rule in rules.before.iter_mut().chain(&mut rules.fallback) {
            rule.condition.reschedule(instead);
        }
        rules
    }

    /// Whether every request needs the deciders of the configured tenant: no rule decides one before
    /// they are asked, or asks others, or routes one when nobody decided.
    pub fn need_deciders(&self) -> bool {
        let goes_on = |plan: &Plan| !matches!(plan, Plan::Route(_) | Plan::Redirect(_));
        let mut before = self.before.iter().map(|rule| rule.action.unlimited());
        let mut fallback = self.fallback.iter().map(|rule| rule.action.unlimited());
        before.all(|action| match action {
            Action::Ask(ask) => ask.tenant.is_none(),
            Action::Decide(plan) => **plan == Plan::Pass,
            // Whoever is banned needs nobody.
            Action::Cached(_) | Action::Table(_) => false,
            Action::Ban(_) | Action::Limited(..) => true,
        }) && fallback.all(|action| match action {
            Action::Decide(plan) => goes_on(plan),
            Action::Cached(_) | Action::Table(_) => false,
            Action::Ask(_) | Action::Ban(_) | Action::Limited(..) => true,
        })
    }
}

/// Whether a method can be suspended at all: never ACK, CANCEL, BYE, PRACK, UPDATE or INFO.
pub(crate) fn may_be_asked(request: Message<'_>) -> bool {
    !matches!(
        request.method(),
        Method::Ack | Method::Cancel | Method::Bye | Method::Prack | Method::Update | Method::Info
    ) && request.has(HeaderId::To)
}
