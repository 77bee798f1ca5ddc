//! What a decider answers.
//!
//! [`Decision::parse`] is the way in: bytes of a NATS reply to a checked decision, or an [`Invalid`](crate::Invalid)
//! that says what is wrong and where. Nothing is applied from a document that is wrong in one place.

mod fold;
mod header_edits;
mod limits;
mod parse;
mod route;
mod status;
mod usual;
mod validate;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

pub use header_edits::{HeaderEdits, NameAddr};
pub use limits::Limits;
pub use route::{Contact, Route, Routing};
pub use status::{RetryAfter, StatusMatch};

use crate::VERSION;
use crate::invalid::InvalidReason;
use crate::read;

/// A decision: what to do with one suspended request.
///
/// An rtjson document as Kamailio's module takes it is a decision: it names no action and has routes. A document that
/// names its action has the fields of that action only: one of another action is refused rather than ignored. Unknown
/// fields are ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Decision")]
#[serde(default)]
pub struct Decision {
    /// Version of this document, `<major>.<minor>`. Absent is `1.0`.
    #[schemars(regex(pattern = r"^1(\.[0-9]+)?$"), example = "1.0")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What to do. Absent is `route`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// For `route`: whether the routes are tried one after the other (`serial`, the default) or at once (`parallel`).
    /// When the routes carry a `group`, the groups say it and this field has no effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
    /// For `route`: where the request goes, in order of preference. At least one; at most 32 unless the proxy is
    /// configured otherwise.
    #[serde(
        deserialize_with = "read::objects",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub routes: Vec<Route>,
    /// For `route`: final statuses that move on to the next route, like `408` or `"5xx"`. Absent: every final but
    /// 2xx and 6xx. Empty: none. A call the caller has cancelled never moves on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover: Option<Vec<StatusMatch>>,
    /// For `route`: ask again, with `tried`, when every route has failed.
    #[serde(
        deserialize_with = "read::or_default",
        skip_serializing_if = "is_false"
    )]
    pub requery: bool,
    /// For `reject`: SIP status, 400 to 699, required. For `redirect`: 300 to 399, absent is 302.
    #[schemars(range(min = 300, max = 699))]
    #[serde(
        deserialize_with = "read::status",
        skip_serializing_if = "Option::is_none"
    )]
    pub status: Option<u16>,
    /// For `reject` and `redirect`: reason phrase. Absent is the usual one of the status.
    #[schemars(regex(pattern = NO_CONTROLS))]
    #[serde(
        deserialize_with = "read::text_or_unset",
        skip_serializing_if = "Option::is_none"
    )]
    pub reason: Option<String>,
    /// For `reject` and `redirect`: headers of the response; only `set` and `extra`.
    #[serde(
        deserialize_with = "read::object_or_default",
        skip_serializing_if = "HeaderEdits::is_empty"
    )]
    pub headers: HeaderEdits,
    /// For `reject`: when to try again, in milliseconds; sent as Retry-After in whole seconds, rounded up. A range
    /// is drawn from for each call, so that callers do not come back all at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<RetryAfter>,
    /// For `redirect`: where the caller should go. At least one; at most 32 unless the proxy is configured otherwise.
    #[serde(
        deserialize_with = "read::objects",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub contacts: Vec<Contact>,
    /// For `extend`: how much longer to wait, in milliseconds from now; the proxy has a bound of its own.
    #[schemars(range(min = 1, max = 600_000))]
    #[serde(
        deserialize_with = "read::whole",
        skip_serializing_if = "Option::is_none"
    )]
    pub extend_ms: Option<u64>,
    /// Why, in words for people: shown in events, logs and ladders, never sent to the caller.
    #[serde(
        deserialize_with = "read::or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub reasons: Vec<String>,
    /// The decision may be used again for requests with the same key when no decider answers.
    #[serde(
        deserialize_with = "read::optional_object",
        skip_serializing_if = "Option::is_none"
    )]
    pub cache: Option<CacheHint>,
}

impl Decision {
    /// Status of a redirect that names none (RFC 3261 §21.3.3).
    pub const DEFAULT_REDIRECT_STATUS: u16 = 302;

    /// A decision with this action, and nothing else but the version.
    pub fn new(action: Action) -> Self {
        Self {
            version: Some(VERSION.to_owned()),
            action: Some(action),
            ..Self::default()
        }
    }

    /// What to do: the action, or [`Action::Route`] when the document names none, as rtjson documents do.
    pub fn verb(&self) -> Action {
        self.action.unwrap_or(Action::Route)
    }

    /// A decision that ends the query. Only [`Action::Extend`] does not.
    pub fn is_final(&self) -> bool {
        self.verb() != Action::Extend
    }

    /// The routes in the order they are tried. Those in one inner list are tried at once; the next list is tried
    /// when all of them have failed.
    pub fn route_groups(&self) -> Vec<Vec<&Route>> {
        if self.routes.iter().any(|route| route.group.is_some()) {
            let mut groups = std::collections::BTreeMap::<u16, Vec<&Route>>::new();
            for route in &self.routes {
                groups
                    .entry(route.group.unwrap_or(0))
                    .or_default()
                    .push(route);
            }
            groups.into_values().collect()
        } else if self.routing == Some(Routing::Parallel) && !self.routes.is_empty() {
            vec![self.routes.iter().collect()]
        } else {
            self.routes.iter().map(|route| vec![route]).collect()
        }
    }

    /// Whether a final response with this status moves on to the next group of routes.
    pub fn fails_over(&self, status: u16) -> bool {
        match &self.failover {
            None => (300..600).contains(&status),
            Some(list) => list.iter().any(|entry| entry.matches(status)),
        }
    }
}

/// What to do with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Action {
    /// Forward it to `routes`.
    Route,
    /// Answer it with `status`; no fallback.
    Reject,
    /// Answer it with `contacts` (3xx).
    Redirect,
    /// Leave it to local rules.
    Pass,
    /// Not decided yet: wait `extend_ms` longer.
    Extend,
}

impl Action {
    /// Every action.
    pub const ALL: &[Self] = &[
        Self::Route,
        Self::Reject,
        Self::Redirect,
        Self::Pass,
        Self::Extend,
    ];

    /// The action with this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.as_str() == name)
    }

    /// The name in documents and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Reject => "reject",
            Self::Redirect => "redirect",
            Self::Pass => "pass",
            Self::Extend => "extend",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| {
            read::refuse(
                InvalidReason::UnknownAction,
                format_args!("{name:?} is none of route, reject, redirect, pass, extend"),
            )
        })
    }
}

/// Under which key, and for how long, a decision may be used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheHint {
    /// Requests with the same key are routed alike.
    #[schemars(length(min = 1, max = 256), example = "de|+4930")]
    #[serde(deserialize_with = "read::or_default")]
    pub key: String,
    /// How long, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    #[serde(deserialize_with = "read::required_whole")]
    pub ttl_ms: u64,
}

/// Text that stays on its line: no control character but a tab.
pub(crate) const NO_CONTROLS: &str = r"^[^\u0000-\u0008\u000a-\u001f\u007f]*$";

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves_on(failover: Option<Vec<StatusMatch>>) -> Vec<u16> {
        let decision = Decision {
            failover,
            ..Decision::new(Action::Route)
        };
        let finals = [
            200, 299, 300, 302, 399, 400, 408, 480, 486, 500, 503, 599, 600, 699,
        ];
        finals
            .into_iter()
            .filter(|&status| decision.fails_over(status))
            .collect()
    }

    #[test]
    fn every_final_but_2xx_and_6xx_moves_on_by_default() {
        assert_eq!(
            moves_on(None),
            [300, 302, 399, 400, 408, 480, 486, 500, 503, 599]
        );
    }

    #[test]
    fn a_list_says_all_that_moves_on() {
        assert_eq!(moves_on(Some(Vec::new())), [0_u16; 0]);
        assert_eq!(
            moves_on(Some(vec![
                StatusMatch::Exact(408),
                StatusMatch::Class(5),
                StatusMatch::Class(6)
            ])),
            [408, 500, 503, 599, 600, 699]
        );
    }

    #[test]
    fn only_extend_leaves_the_query_open() {
        for &action in Action::ALL {
            assert_eq!(Decision::new(action).is_final(), action != Action::Extend);
        }
        assert!(Decision::default().is_final(), "no action is route");
    }
}
