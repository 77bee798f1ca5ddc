//! A decider that is a closure.

use std::time::Duration;

use sigbox_core::{FallbackCause, Plan, Token};

/// One query, as the core put it out.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its token.
    pub token: Token,
    /// When, in milliseconds since the start.
    pub at_ms: u64,
    /// 1 for the first of a transaction.
    pub attempt: u8,
    /// The request's method.
    pub method: String,
    /// The Request-URI.
    pub uri: String,
    /// How long the decider has.
    pub budget: Duration,
    /// Statuses of the branches tried before.
    pub tried: Vec<u16>,
    /// The contacts that they named.
    pub contacts: Vec<String>,
    /// The tenant asked.
    pub tenant: String,
}

/// What the decider does with a query.
pub enum Verdict {
    /// Nothing at all.
    Silent,
    /// Answers after that long.
    After(Duration, Result<Plan, FallbackCause>),
    /// Asks for more time after that long, then answers that much later.
    Extend(Duration, Duration, Result<Plan, FallbackCause>),
}

/// Plans in a word.
pub mod plans {
    use std::time::Duration;

    use sigbox_core::{
        Failover, HeaderEdits, Plan, Redirect, RedirectContact, Reject, Route, RoutePlan, Target,
    };

    /// A route to `next_hop` in a group, that keeps the Request-URI.
    pub fn route(next_hop: &str, group: u16) -> Route {
        Route {
            next_hop: Some(Target::parse(next_hop).unwrap()),
            group,
            ..Route::default()
        }
    }

    /// The same with its own timers.
    pub fn timed(next_hop: &str, group: u16, fr: u64, fr_inv: u64) -> Route {
        Route {
            fr_timer: Some(Duration::from_millis(fr)),
            fr_inv_timer: Some(Duration::from_millis(fr_inv)),
            ..route(next_hop, group)
        }
    }

    /// Routes tried one after the other.
    pub fn serial(next_hops: &[&str]) -> Plan {
        let routes = next_hops
            .iter()
            .enumerate()
            .map(|(group, hop)| route(hop, group as u16));
        plan(routes.collect())
    }

    /// Routes tried at once.
    pub fn parallel(next_hops: &[&str]) -> Plan {
        plan(next_hops.iter().map(|hop| route(hop, 0)).collect())
    }

    /// Any routes, with the default failover.
    pub fn plan(routes: Vec<Route>) -> Plan {
        Plan::Route(RoutePlan::new(routes, Failover::default(), false).unwrap())
    }

    /// A rejection.
    pub fn reject(status: u16) -> Plan {
        Plan::Reject(Reject {
            status,
            reason: None,
            headers: HeaderEdits::new(),
            retry_after: None,
        })
    }

    /// A redirection.
    pub fn redirect(status: u16, contacts: &[&str]) -> Plan {
        let contacts = contacts.iter().map(|uri| RedirectContact {
            uri: Target::parse(uri).unwrap(),
            q: None,
            expires: None,
        });
        let headers = HeaderEdits::new();
        Plan::Redirect(Redirect {
            status,
            reason: None,
            headers,
            contacts: contacts.collect(),
        })
    }
}
