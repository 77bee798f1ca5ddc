//! Between a suspended request and JSON: the query that leaves, the plan an answer is read into, and
//! the events that tell what happened.
//!
//! `sigbox-core` knows no JSON. What a decider answers is parsed here into its own
//! [`sigbox_core::Plan`], wholly or not at all: a document that is wrong in one place is an
//! [`Invalid`](sigbox_contracts::Invalid) and leads to the fallback.

mod json;
mod plan;
mod query;
mod record;
mod uri;

pub(crate) use plan::leads_here;
pub use plan::{Parsed, PlanContext, plan_of};
pub use query::{QueryError, QueryOptions, write_query};
pub use record::{Answered, Recorder};
