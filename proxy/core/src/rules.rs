//! Local rules: data that decides before anyone is asked, and when nobody answered.
//!
//! Rules are tried in order and the first whose every condition holds decides. There is no
//! scripting: what a rule cannot say belongs in a decider.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use regex::bytes::Regex;
use sigbox_wire::{HeaderId, Host, Message, Method};

use crate::flow::{Flow, ListenerId};
use crate::io::FallbackCause;
use crate::plan::Plan;

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
}

/// How to ask.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ask {
    /// Whose deciders; `None` is the configured tenant.
    pub tenant: Option<Arc<str>>,
    /// How long they have; `None` is the configured budget.
    pub budget: Option<Duration>,
}

/// When a rule applies: every part that is not empty must hold; within a part one entry is enough.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    /// Methods, case-sensitive as in SIP.
    pub methods: Vec<Box<str>>,
    /// Networks the request came from.
    pub sources: Vec<IpNet>,
    /// Sockets it came in by.
    pub listeners: Vec<ListenerId>,
    /// The user part of the Request-URI, as written; a tel URI's number.
    pub users: Vec<TextMatch>,
    /// The host of the Request-URI, lower case; `*.example.com` also matches every name below.
    pub domains: Vec<Box<str>>,
    /// Headers, all of which must match.
    pub headers: Vec<HeaderMatch>,
    /// In fallback rules: why nobody decided.
    pub causes: Vec<FallbackCause>,
}

/// One way to match a text.
#[derive(Clone, Debug)]
pub enum TextMatch {
    /// The whole text.
    Exact(Box<str>),
    /// Its beginning.
    Prefix(Box<str>),
    /// Anywhere in it, unless anchored. Linear in time.
    Regex(Regex),
}

impl TextMatch {
    /// Whether `text` matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == text,
            Self::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// A header that must be there, and what one of its values must look like.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// The name, in any case; the compact form is found too.
    pub name: Box<str>,
    /// `None` asks for presence alone.
    pub value: Option<TextMatch>,
}

impl Rules {
    /// The first rule of those before asking that applies.
    pub fn first_before(&self, request: Message<'_>, flow: &Flow) -> Option<&Rule> {
        first(&self.before, request, flow, None)
    }

    /// Whether every request needs the deciders of the configured tenant: no rule decides one before
    /// they are asked, or asks others, or routes one when nobody decided.
    pub fn need_deciders(&self) -> bool {
        let goes_on = |plan: &Plan| !matches!(plan, Plan::Route(_) | Plan::Redirect(_));
        let mut before = self.before.iter().map(|rule| &rule.action);
        let mut fallback = self.fallback.iter().map(|rule| &rule.action);
        before.all(|action| match action {
            Action::Ask(ask) => ask.tenant.is_none(),
            Action::Decide(plan) => **plan == Plan::Pass,
        }) && fallback.all(|action| match action {
            Action::Ask(_) => true,
            Action::Decide(plan) => goes_on(plan),
        })
    }

    /// The first fallback rule that applies.
    pub fn first_fallback(
        &self,
        request: Message<'_>,
        flow: &Flow,
        cause: FallbackCause,
    ) -> Option<&Rule> {
        first(&self.fallback, request, flow, Some(cause))
    }
}

fn first<'r>(
    rules: &'r [Rule],
    request: Message<'_>,
    flow: &Flow,
    cause: Option<FallbackCause>,
) -> Option<&'r Rule> {
    rules.iter().find(|rule| {
        !matches!(&rule.action, Action::Decide(plan) if **plan == Plan::Pass)
            && rule.condition.holds(request, flow, cause)
    })
}

impl Condition {
    /// Whether every part holds for this request.
    pub fn holds(&self, request: Message<'_>, flow: &Flow, cause: Option<FallbackCause>) -> bool {
        one_of(&self.causes, |wanted| Some(*wanted) == cause)
            && one_of(&self.methods, |method| {
                request.method().as_bytes() == method.as_bytes()
            })
            && one_of(&self.sources, |net| {
                net.contains(&canonical(flow.peer.ip()))
            })
            && one_of(&self.listeners, |listener| *listener == flow.listener)
            && (self.users.is_empty() && self.domains.is_empty() || self.uri_holds(request))
            && self.headers.iter().all(|header| header.holds(request))
    }

    fn uri_holds(&self, request: Message<'_>) -> bool {
        let Ok(uri) = request.uri() else { return false };
        one_of(&self.users, |user| {
            user.matches(uri.user.unwrap_or_default())
        }) && one_of(&self.domains, |domain| domain_matches(domain, uri.host))
    }
}

fn one_of<T>(entries: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    entries.is_empty() || entries.iter().any(holds)
}

/// An IPv4 address that came in through a dual-stack socket matches IPv4 networks.
fn canonical(ip: std::net::IpAddr) -> std::net::IpAddr {
    ip.to_canonical()
}

fn domain_matches(domain: &str, host: Option<Host<'_>>) -> bool {
    match host {
        None => false,
        Some(Host::Name(name)) => match domain.strip_prefix("*.") {
            Some(parent) => {
                let split = name.len().checked_sub(parent.len());
                split.is_some_and(|at| {
                    at > 1
                        && name[at - 1] == b'.'
                        && name[at..].eq_ignore_ascii_case(parent.as_bytes())
                })
            }
            None => name.eq_ignore_ascii_case(domain.as_bytes()),
        },
        Some(host) => host.ip().is_some_and(|ip| {
            domain.trim_matches(['[', ']']).parse::<std::net::IpAddr>() == Ok(ip)
        }),
    }
}

impl HeaderMatch {
    fn holds(&self, request: Message<'_>) -> bool {
        let mut values = request.named(self.name.as_bytes());
        match &self.value {
            None => values.next().is_some(),
            Some(wanted) => values.any(|header| wanted.matches(header.value)),
        }
    }
}

/// Whether a method can be suspended at all: never ACK, CANCEL, BYE, PRACK, UPDATE or INFO.
pub(crate) fn may_be_asked(request: Message<'_>) -> bool {
    !matches!(
        request.method(),
        Method::Ack | Method::Cancel | Method::Bye | Method::Prack | Method::Update | Method::Info
    ) && request.has(HeaderId::To)
}
