//! When a rule applies.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use regex::bytes::Regex;
use sigbox_wire::Host;

use super::facts::{Address, Facts};
use crate::flow::ListenerId;
use crate::io::FallbackCause;
use crate::schedule::Schedule;

/// When a rule applies: every part that is not empty must hold; within a part one entry is enough,
/// but for headers and `not`, all of which must.
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
    /// The URI of From.
    pub from: UriMatch,
    /// The URI of To.
    pub to: UriMatch,
    /// Headers, all of which must match.
    pub headers: Vec<HeaderMatch>,
    /// Hours, one of which it must be.
    pub schedules: Vec<Arc<Schedule>>,
    /// In fallback rules: why nobody decided.
    pub causes: Vec<FallbackCause>,
    /// Conditions of which one must hold.
    pub any: Vec<Condition>,
    /// Conditions of which none may hold.
    pub not: Vec<Condition>,
}

/// The parts of a [`Condition`], in the order in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// `cause`
    Cause,
    /// `method`
    Method,
    /// `source`
    Source,
    /// `listener`
    Listener,
    /// `user`, `user_prefix`, `user_regex`
    User,
    /// `domain`
    Domain,
    /// `from_user` and its kin
    FromUser,
    /// `from_domain` and its kin
    FromDomain,
    /// `from`
    From,
    /// `to_user` and its kin
    ToUser,
    /// `to_domain` and its kin
    ToDomain,
    /// `to`
    To,
    /// The header at that position of [`Condition::headers`].
    Header(usize),
    /// `schedule` and `time`
    Schedule,
    /// `any`
    Any,
    /// The table at that position of [`Condition::not`], which held.
    Not(usize),
}

impl Part {
    /// The key of the configuration file.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Method => "method",
            Self::Source => "source",
            Self::Listener => "listener",
            Self::User => "user",
            Self::Domain => "domain",
            Self::FromUser => "from_user",
            Self::FromDomain => "from_domain",
            Self::From => "from",
            Self::ToUser => "to_user",
            Self::ToDomain => "to_domain",
            Self::To => "to",
            Self::Header(_) => "header",
            Self::Schedule => "schedule",
            Self::Any => "any",
            Self::Not(_) => "not",
        }
    }
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

impl fmt::Display for TextMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => f.write_str(exact),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

/// One way to match a host, in any case.
#[derive(Clone, Debug)]
pub enum DomainMatch {
    /// The whole host; `*.example.com` matches every name below.
    Name(Box<str>),
    /// Its beginning, lower case.
    Prefix(Box<str>),
    /// Anywhere in it, unless anchored; made to ignore case.
    Regex(Regex),
}

impl DomainMatch {
    fn matches(&self, host: Option<Host<'_>>) -> bool {
        let text = |matches: &dyn Fn(&[u8]) -> bool| match host {
            None => false,
            Some(Host::Name(name)) => matches(name),
            Some(host) => host
                .ip()
                .is_some_and(|ip| matches(ip.to_string().as_bytes())),
        };
        match self {
            Self::Name(domain) => domain_matches(domain, host),
            Self::Prefix(prefix) => text(&|name| {
                let start = name.get(..prefix.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
            }),
            Self::Regex(regex) => text(&|name| regex.is_match(name)),
        }
    }
}

impl fmt::Display for DomainMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Regex(regex) => write!(f, "/{regex}/"),
        }
    }
}

/// What the URI of From or To must look like: every list that is not empty must hold, by one entry.
#[derive(Clone, Debug, Default)]
pub struct UriMatch {
    /// Its user part, as written.
    pub users: Vec<TextMatch>,
    /// Its host.
    pub domains: Vec<DomainMatch>,
    /// The whole of it.
    pub whole: Vec<Regex>,
}

impl UriMatch {
    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.domains.is_empty() && self.whole.is_empty()
    }

    fn unmet(&self, address: Option<&Address<'_>>, parts: [Part; 3]) -> Option<Part> {
        if self.is_empty() {
            return None;
        }
        let [user, domain, whole] = parts;
        let Some(Address { text, uri }) = address else {
            return Some(whole);
        };
        if !one_of(&self.users, |wanted| {
            wanted.matches(uri.user.unwrap_or_default())
        }) {
            return Some(user);
        }
        if !one_of(&self.domains, |wanted| wanted.matches(uri.host)) {
            return Some(domain);
        }
        (!one_of(&self.whole, |wanted| wanted.is_match(text))).then_some(whole)
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

impl HeaderMatch {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        let mut values = facts.request.named(self.name.as_bytes());
        match &self.value {
            None => values.next().is_some(),
            Some(wanted) => values.any(|header| wanted.matches(header.value)),
        }
    }
}

impl Condition {
    /// Whether every part holds for this request.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.unmet(facts).is_none()
    }

    /// The first part that does not hold.
    pub fn unmet(&self, facts: &Facts<'_>) -> Option<Part> {
        if !one_of(&self.causes, |wanted| Some(*wanted) == facts.cause) {
            return Some(Part::Cause);
        }
        let method = facts.request.method();
        if !one_of(&self.methods, |wanted| {
            method.as_bytes() == wanted.as_bytes()
        }) {
            return Some(Part::Method);
        }
        if !one_of(&self.sources, |net| net.contains(&facts.source())) {
            return Some(Part::Source);
        }
        if !one_of(&self.listeners, |id| *id == facts.flow.listener) {
            return Some(Part::Listener);
        }
        if let Some(part) = self.unmet_uri(facts) {
            return Some(part);
        }
        if !self.from.is_empty() {
            let parts = [Part::FromUser, Part::FromDomain, Part::From];
            if let Some(part) = self.from.unmet(facts.from(), parts) {
                return Some(part);
            }
        }
        if !self.to.is_empty() {
            let parts = [Part::ToUser, Part::ToDomain, Part::To];
            if let Some(part) = self.to.unmet(facts.to(), parts) {
                return Some(part);
            }
        }
        let mut headers = self.headers.iter();
        if let Some(at) = headers.position(|header| !header.holds(facts)) {
            return Some(Part::Header(at));
        }
        if !one_of(&self.schedules, |hours| hours.is_open(facts.unix_s)) {
            return Some(Part::Schedule);
        }
        if !one_of(&self.any, |inner| inner.holds(facts)) {
            return Some(Part::Any);
        }
        let mut not = self.not.iter();
        not.position(|inner| inner.holds(facts)).map(Part::Not)
    }

    fn unmet_uri(&self, facts: &Facts<'_>) -> Option<Part> {
        if self.users.is_empty() && self.domains.is_empty() {
            return None;
        }
        let Some(uri) = facts.uri() else {
            return Some(Part::User);
        };
        if !one_of(&self.users, |user| {
            user.matches(uri.user.unwrap_or_default())
        }) {
            return Some(Part::User);
        }
        (!one_of(&self.domains, |domain| domain_matches(domain, uri.host))).then_some(Part::Domain)
    }

    /// With other hours where `instead` has some.
    pub(super) fn reschedule(&mut self, instead: &dyn Fn(&Arc<Schedule>) -> Option<Arc<Schedule>>) {
        for schedule in &mut self.schedules {
            if let Some(other) = instead(schedule) {
                *schedule = other;
            }
        }
        let inner = self.any.iter_mut().chain(&mut self.not);
        inner.for_each(|condition| condition.reschedule(instead));
    }

    /// Whether it holds for every request.
    pub fn is_empty(&self) -> bool {
        self.causes.is_empty()
            && self.methods.is_empty()
            && self.sources.is_empty()
            && self.listeners.is_empty()
            && self.users.is_empty()
            && self.domains.is_empty()
            && self.from.is_empty()
            && self.to.is_empty()
            && self.headers.is_empty()
            && self.schedules.is_empty()
            && self.any.is_empty()
            && self.not.is_empty()
    }
}

fn one_of<T>(entries: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    entries.is_empty() || entries.iter().any(holds)
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
        Some(host) => host
            .ip()
            .is_some_and(|ip| domain.trim_matches(['[', ']']).parse::<IpAddr>() == Ok(ip)),
    }
}
