//! Routing data that local rules look requests up in. The shell has it; the core asks.

use std::fmt;
use std::sync::Arc;

use crate::plan::Plan;
use crate::request_key::{KeyText, RequestPart};
use crate::rules::Facts;

/// Tables of one moment. Whoever holds a pointer to them sees all of one release and nothing of another.
pub trait RoutingTables: fmt::Debug + Send + Sync {
    /// What the row of `table` for `key` says; in tables of prefixes the row with the longest that `key` begins with.
    /// `user` is the user part of the Request-URI.
    fn find(&self, table: &str, key: &str, user: &str) -> TableAnswer;
}

/// What a table says.
#[derive(Clone, Debug, PartialEq)]
pub enum TableAnswer {
    /// Do this.
    Plan(Arc<Plan>),
    /// There is no such table, or none of its versions counts.
    NoTable,
    /// It has no row for the key.
    NoRow,
    /// The row says nothing about routing, or something that cannot be carried out.
    NoRoute,
}

impl TableAnswer {
    /// In words, for an explanation.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Plan(_) => "found",
            Self::NoTable => "no such table",
            Self::NoRow => "no row",
            Self::NoRoute => "the row routes nothing",
        }
    }
}

/// Which table a rule looks into, and for what.
#[derive(Clone, Debug, PartialEq)]
pub struct TableLookup {
    /// The table.
    pub table: Arc<str>,
    /// The part of the request that is looked up.
    pub key: RequestPart,
}

impl TableLookup {
    /// What is looked up for a request; `None` when it has no such part, or that is no text.
    pub(crate) fn key(&self, facts: &Facts<'_>) -> Option<KeyText> {
        let mut key = KeyText::new();
        let is_there = self.key.append(facts, &mut key);
        (is_there && std::str::from_utf8(&key).is_ok()).then_some(key)
    }

    /// What `tables` say about a request.
    pub(crate) fn answer(
        &self,
        tables: Option<&Arc<dyn RoutingTables>>,
        facts: &Facts<'_>,
    ) -> TableAnswer {
        let Some(tables) = tables else {
            return TableAnswer::NoTable;
        };
        let key = self.key(facts);
        let Some(key) = key.as_deref().and_then(|key| std::str::from_utf8(key).ok()) else {
            return TableAnswer::NoRow;
        };
        let user = facts.uri().and_then(|uri| uri.user).unwrap_or_default();
        let user = std::str::from_utf8(user).unwrap_or_default();
        tables.find(&self.table, key, user)
    }
}
