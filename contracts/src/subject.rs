//! NATS subjects. Only configured names enter one, never text from a SIP message.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Queue group of every decider: one query reaches one of them.
pub const QUEUE_GROUP: &str = "deciders";

/// Why a name cannot be part of a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// Longer than [`Slug::MAX_LEN`].
    #[error("is longer than {} characters", Slug::MAX_LEN)]
    TooLong,
    /// A character that NATS or the subject layout gives a meaning to, or an upper-case letter.
    #[error("contains {0:?}; only a-z, 0-9, _ and - may be used")]
    Character(char),
}

/// One token of a subject, chosen in configuration: a tenant, a canary's name. `[a-z0-9_-]+`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(String);

impl Slug {
    /// Longest slug, in characters.
    pub const MAX_LEN: usize = 63;

    /// Checks `text`.
    pub fn new(text: impl Into<String>) -> Result<Self, SubjectError> {
        let text = text.into();
        check_token(&text)?;
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Slug {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        Self::new(text)
    }
}

fn check_token(text: &str) -> Result<(), SubjectError> {
    if text.is_empty() {
        return Err(SubjectError::Empty);
    }
    if let Some(c) = text
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
    {
        return Err(SubjectError::Character(c));
    }
    if text.len() > Slug::MAX_LEN {
        return Err(SubjectError::TooLong);
    }
    Ok(())
}

/// First part of every subject: one or more slugs joined by dots. `sigbox` unless configured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix(String);

impl Default for Prefix {
    fn default() -> Self {
        Self("sigbox".to_owned())
    }
}

impl Prefix {
    /// Checks `text`, for example `sigbox` or `acme.voice`.
    pub fn new(text: impl Into<String>) -> Result<Self, SubjectError> {
        let text = text.into();
        text.split('.').try_for_each(check_token)?;
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where queries go: `<prefix>.v1.query.<tenant>.<class>`.
    pub fn query(&self, tenant: &Slug, class: Class) -> String {
        format!("{self}.v1.query.{tenant}.{class}")
    }

    /// What a decider subscribes to, in the queue group [`QUEUE_GROUP`]; `None` is every tenant.
    pub fn query_subscription(&self, tenant: Option<&Slug>, class: Class) -> String {
        format!("{self}.v1.query.{}.{class}", token_or_any(tenant))
    }

    /// Where copies of queries go: `<prefix>.v1.shadow.<tenant>.<class>`. Its own subject, because on the query
    /// subject the first reply wins.
    pub fn shadow(&self, tenant: &Slug, class: Class) -> String {
        format!("{self}.v1.shadow.{tenant}.{class}")
    }

    /// Where queries go that were picked for a decider under trial:
    /// `<prefix>.v1.canary.<name>.<tenant>.<class>`.
    pub fn canary(&self, name: &Slug, tenant: &Slug, class: Class) -> String {
        format!("{self}.v1.canary.{name}.{tenant}.{class}")
    }

    /// Where the proxy announces: `<prefix>.v1.event.<kind>.<tenant>`.
    pub fn event(&self, kind: EventKind, tenant: &Slug) -> String {
        format!("{self}.v1.event.{kind}.{tenant}")
    }

    /// Where the proxy announces a table's new active version: `<prefix>.v1.data.<table>`.
    pub fn data(&self, table: &Slug) -> String {
        format!("{self}.v1.data.{table}")
    }

    /// Where nodes of one name hear of each other: `<prefix>.v1.node.<name>`.
    pub fn node(&self, name: &Slug) -> String {
        format!("{self}.v1.node.{name}")
    }

    /// What a listener subscribes to for one kind of event; `None` is every tenant.
    pub fn event_subscription(&self, kind: EventKind, tenant: Option<&Slug>) -> String {
        format!("{self}.v1.event.{kind}.{}", token_or_any(tenant))
    }
}

fn token_or_any(tenant: Option<&Slug>) -> &str {
    tenant.map_or("*", Slug::as_str)
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Prefix {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        Self::new(text)
    }
}

/// What is asked about; the last token of a query subject. Requests inside a dialog, ACK and CANCEL have no class:
/// they never go to a decider.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Class {
    /// INVITE outside a dialog.
    Invite,
    /// REGISTER.
    Register,
    /// MESSAGE.
    Message,
    /// SUBSCRIBE outside a dialog.
    Subscribe,
    /// PUBLISH.
    Publish,
    /// OPTIONS to somebody else.
    Options,
    /// REFER outside a dialog.
    Refer,
    /// Any other method outside a dialog.
    Other,
    /// Not a SIP request: the digest secret of a user.
    Credentials,
}

impl Class {
    /// Every class.
    pub const ALL: &[Self] = &[
        Self::Invite,
        Self::Register,
        Self::Message,
        Self::Subscribe,
        Self::Publish,
        Self::Options,
        Self::Refer,
        Self::Other,
        Self::Credentials,
    ];

    /// The subject token, also a metrics label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Register => "register",
            Self::Message => "message",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Options => "options",
            Self::Refer => "refer",
            Self::Other => "other",
            Self::Credentials => "credentials",
        }
    }

    /// The class with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|class| class.as_str() == text)
    }

    /// The class of a request outside a dialog. Method names are case-sensitive (RFC 3261 §7.1).
    pub fn of_method(method: &str) -> Self {
        match method {
            "INVITE" => Self::Invite,
            "REGISTER" => Self::Register,
            "MESSAGE" => Self::Message,
            "SUBSCRIBE" => Self::Subscribe,
            "PUBLISH" => Self::Publish,
            "OPTIONS" => Self::Options,
            "REFER" => Self::Refer,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened; the token before the tenant in an event subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A query was decided, fell back or was withdrawn.
    Decision,
    /// A query was withdrawn because the caller gave up.
    Cancelled,
    /// A transaction ended.
    Transaction,
    /// A proxy started, drains or stopped.
    Node,
    /// A gateway's state changed.
    Gateway,
    /// Somebody changed something over the HTTP API, or was refused.
    Audit,
}

impl EventKind {
    /// The subject token and the value of the document's `event` field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Cancelled => "cancelled",
            Self::Transaction => "transaction",
            Self::Node => "node",
            Self::Gateway => "gateway",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_the_documented_layout() {
        let prefix = Prefix::default();
        let tenant = Slug::new("default").unwrap();
        assert_eq!(
            prefix.query(&tenant, Class::Invite),
            "sigbox.v1.query.default.invite"
        );
        assert_eq!(
            prefix.query_subscription(None, Class::Message),
            "sigbox.v1.query.*.message"
        );
        assert_eq!(
            prefix.query_subscription(Some(&tenant), Class::Other),
            "sigbox.v1.query.default.other"
        );
        assert_eq!(
            prefix.shadow(&tenant, Class::Invite),
            "sigbox.v1.shadow.default.invite"
        );
        assert_eq!(
            prefix.canary(&Slug::new("v2").unwrap(), &tenant, Class::Invite),
            "sigbox.v1.canary.v2.default.invite"
        );
        assert_eq!(
            prefix.event(EventKind::Cancelled, &tenant),
            "sigbox.v1.event.cancelled.default"
        );
        assert_eq!(
            prefix.event_subscription(EventKind::Decision, None),
            "sigbox.v1.event.decision.*"
        );
        assert_eq!(
            prefix.data(&Slug::new("rates").unwrap()),
            "sigbox.v1.data.rates"
        );
        assert_eq!(
            prefix.node(&Slug::new("edge-1").unwrap()),
            "sigbox.v1.node.edge-1"
        );
    }

    #[test]
    fn only_slugs_enter_a_subject() {
        for bad in [
            "",
            "a.b",
            "*",
            ">",
            "a b",
            "Ä",
            "Upper",
            "a\r\nPUB x",
            "$SRV",
        ] {
            assert!(Slug::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Slug::new("a".repeat(64)), Err(SubjectError::TooLong));
        assert!(Slug::new("a_b-9").is_ok());
        assert_eq!(Prefix::new("acme.voice").unwrap().as_str(), "acme.voice");
        for bad in [
            "",
            ".",
            "acme.",
            ".acme",
            "acme..voice",
            "acme.*",
            "acme voice",
        ] {
            assert!(Prefix::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn classes_read_back_and_serialise_as_their_token() {
        for &class in Class::ALL {
            assert_eq!(Class::parse(class.as_str()), Some(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
        assert_eq!(Class::of_method("INVITE"), Class::Invite);
        assert_eq!(
            Class::of_method("invite"),
            Class::Other,
            "methods are case-sensitive"
        );
        assert_eq!(Class::of_method("INFO"), Class::Other);
    }
}
