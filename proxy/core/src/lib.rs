//! The sans-IO SIP proxy: transactions, suspension, forking, local rules.
//!
//! One function in, outputs out: [`Core::handle`] takes the time and what happened,
//! [`Core::handle_timeout`] the time alone, and both append what is to be done to [`Outputs`]. The
//! core reads no clock, opens no socket, and knows neither NATS nor JSON, so that the same code
//! runs under real sockets and under a virtual clock.

mod again;
mod branch;
mod breadth;
mod cancel;
mod challenges;
mod clock;
mod consult;
mod context;
mod core;
mod counters;
mod decide;
mod display_name;
mod env;
mod explain;
mod final_headers;
mod flow;
mod forward;
mod gateways;
mod header_edits;
mod io;
mod key;
mod limits;
mod parties;
mod plan;
mod plan_cache;
mod redirects;
mod relay;
mod request;
mod request_key;
mod respond;
mod route_headers;
mod routing_tables;
mod rules;
mod schedule;
mod secret;
mod segments;
mod servers;
mod settings;
mod slots;
mod stateless;
mod store;
mod tail;
mod transaction;
mod turn_away;
mod underway;
mod waiting;
mod wheel;

pub use branch::shard_of_branch;

pub use self::core::{Core, Suspended};
pub use clock::Instant;
pub use counters::{Counter, Counters, Gauge};
pub use explain::{Explained, HoursSeen, LimitSeen, RuleSeen, Seen};
pub use flow::{ConnectionId, Flow, ListenerId, Transport};
pub use gateways::{
    Algorithm, Failure, Gateway, GatewayChange, GatewayDefinition, GatewayError, GatewayRef,
    GatewaySet, GatewaySets, GatewayState, GatewayStep, HashOn, LastFailure, MAX_GATEWAYS,
    MAX_SETS, Probing, SetDefinition, Skip, Why,
};
pub use header_edits::{HeaderEdits, Party};
pub use io::{Class, Decided, FallbackCause, Finished, Input, Outcome, Output, Outputs, Tried};
pub use key::{BranchToken, Ticket, Token, TransactionKey};
pub use limits::{
    Algorithm as LimitAlgorithm, AlgorithmError, BanAfter, Fill, Moment, Over, RateLimit,
    RateLimits,
};
pub use plan::{
    Failover, Hop, HopHost, MAX_REASON_BYTES, MAX_ROUTES, Plan, PlanError, Redirect,
    RedirectContact, Reject, Route, RoutePlan, RouteSet, StatusMatch, Target,
};
pub use plan_cache::PlanCache;
pub use request_key::{KeyTemplate, RequestPart};
pub use routing_tables::{RoutingTables, TableAnswer, TableLookup};
pub use rules::{
    Action, Ask, Cached, Condition, DomainMatch, Facts, Found, HeaderMatch, Part, Rule, Rules,
    TextMatch, UriMatch,
};
pub use schedule::{Dated, Days, Exception, HoursError, Schedule, Span, Weekly};
pub use settings::{
    DecisionSettings, Limits, Listener, Records, Redirects, Role, Settings, Timers,
};
pub use underway::{BranchUnderway, Underway};
