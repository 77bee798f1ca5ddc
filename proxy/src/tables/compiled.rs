use std::collections::BTreeSet;
use std::sync::Arc;

use sigbox_contracts::{Decision, Invalid, InvalidReason};
use sigbox_core::Plan;
use sigbox_tables::file::Digest;
use sigbox_tables::{Fields, Kind, Table, decision_of, known_fields};

use super::{gateways, schedules};
use crate::config::Config;
use crate::decision::{Parsed, PlanContext, plan_of};

/// One version of a table, with what its rows mean to this node.
#[derive(Debug)]
pub struct Compiled {
    /// The version's number.
    pub version: u64,
    /// The version's name.
    pub sha256: Digest,
    /// The rows.
    pub table: Arc<Table>,
    /// By [`sigbox_tables::Row::value_number`]; empty for kinds whose rows route nothing.
    plans: Vec<Meaning>,
    routes: bool,
}

/// What rows with one value do.
#[derive(Debug)]
enum Meaning {
    /// Nothing: they are for deciders.
    Attributes,
    /// Always the same.
    Plan(Arc<Plan>),
    /// Depends on the request: see [`is_template`].
    Template(Box<Decision>),
    /// What was right when it was pushed is not now, as a gateway set that is gone.
    Wrong(Box<str>),
}

/// What a row says about a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// This.
    Plan(Arc<Plan>),
    /// Nothing: it has attributes only.
    Attributes,
    /// Something that cannot be carried out.
    Wrong(Box<str>),
}

impl Compiled {
    /// Reads what every distinct row means.
    pub fn new(version: u64, sha256: Digest, table: Arc<Table>, config: &Config) -> Self {
        let mean = |value| {
            let row: Fields = serde_json::from_slice(value).unwrap_or_default();
            meaning(&row, config)
        };
        let plans: Vec<_> = match table.kind().routes() {
            true => table.distinct_values().map(mean).collect(),
            false => Vec::new(),
        };
        let routes = plans
            .iter()
            .any(|plan| !matches!(plan, Meaning::Attributes));
        Self {
            version,
            sha256,
            table,
            plans,
            routes,
        }
    }

    /// Whether a row says something about routing.
    pub fn routes(&self) -> bool {
        self.routes
    }

    /// What the row with this value number does to a request whose looked-up number is `number` and whose user part is
    /// `user`.
    pub fn found(&self, value_number: usize, number: &str, user: &str, config: &Config) -> Found {
        match self.plans.get(value_number) {
            None | Some(Meaning::Attributes) => Found::Attributes,
            Some(Meaning::Plan(plan)) => Found::Plan(plan.clone()),
            Some(Meaning::Wrong(why)) => Found::Wrong(why.clone()),
            Some(Meaning::Template(decision)) => {
                match planned(&filled(decision, number, user), config) {
                    Ok(plan) => Found::Plan(Arc::new(plan)),
                    Err(wrong) => Found::Wrong(wrong.detail.into()),
                }
            }
        }
    }

    /// Whether a row leads to one of these gateway sets.
    pub(super) fn leads_to(&self, sets: &BTreeSet<Box<str>>) -> bool {
        let is_one = |set: Option<&str>| set.is_some_and(|set| sets.contains(set));
        self.plans.iter().any(|meaning| match meaning {
            Meaning::Plan(plan) => match &**plan {
                Plan::Route(plan) => {
                    (plan.routes().iter()).any(|route| is_one(route.gateways.as_deref()))
                }
                _ => false,
            },
            Meaning::Template(decision) => {
                (decision.routes.iter()).any(|route| is_one(route.gateways.as_deref()))
            }
            Meaning::Attributes | Meaning::Wrong(_) => false,
        })
    }

    /// The same rows for a node that runs with `config`.
    pub(super) fn again(&self, config: &Config) -> Self {
        Self::new(self.version, self.sha256, self.table.clone(), config)
    }

    /// Rows that mean something which cannot be carried out, by value number.
    pub fn wrong(&self) -> impl Iterator<Item = (usize, &str)> {
        self.plans
            .iter()
            .enumerate()
            .filter_map(|(number, meaning)| match meaning {
                Meaning::Wrong(why) => Some((number, &**why)),
                _ => None,
            })
    }
}

/// What is found out by looking at every distinct row.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// What rows mean that could not be carried out just now; some of it, each once.
    pub(super) problems: BTreeSet<Box<str>>,
    /// Whether a row says something about routing.
    pub(super) routes: bool,
    /// Fields with a meaning to sigbox.
    pub(super) known: BTreeSet<String>,
    /// The others; some, if rows have very many.
    pub(super) unknown: BTreeSet<String>,
}

/// Problems and fields that are remembered.
const PROBLEMS: usize = 5;
const FIELDS: usize = 100;

/// Looks at the rows of `table` for a node that runs with `config`.
pub(super) fn survey(table: &Table, config: &Config) -> Survey {
    let kind = table.kind();
    let fields: BTreeSet<_> = known_fields(kind).collect();
    let mut survey = Survey::default();
    // No field means anything, or each was looked at by itself.
    if matches!(kind, Kind::Kv | Kind::Schedules) {
        return survey;
    }
    let mut before = Vec::new();
    for value in table.distinct_values() {
        let row: Fields = serde_json::from_slice(value).unwrap_or_default();
        // Most rows have the fields of the one before.
        if !row.keys().eq(&before) {
            for field in row.keys() {
                let seen = match fields.contains(field.as_str()) {
                    true => &mut survey.known,
                    false => &mut survey.unknown,
                };
                if seen.len() < FIELDS {
                    seen.insert(field.clone());
                }
            }
            before = row.keys().cloned().collect();
        }
        if !kind.routes() || survey.problems.len() == PROBLEMS {
            continue;
        }
        match meaning(&row, config) {
            Meaning::Attributes => {}
            Meaning::Plan(_) | Meaning::Template(_) => survey.routes = true,
            Meaning::Wrong(why) => {
                survey.routes = true;
                survey.problems.insert(why);
            }
        }
    }
    survey
}

/// Whether what a row says about routing could be carried out by a node that runs with `config`: a JSON pointer and a
/// sentence when it could not.
pub(super) fn check(kind: Kind, row: &Fields, config: &Config) -> Result<(), (String, String)> {
    match kind {
        Kind::Prefixes | Kind::Numbers => {}
        // Any id: it is no part of what is checked.
        Kind::Gateways => return gateways::definition("id", row, config).map(drop),
        Kind::Schedules => return schedules::definition("name", row).map(drop),
        Kind::Users | Kind::Kv => return Ok(()),
    }
    let read = decision_of(row, &config.exchange.limits());
    match read.map_err(|invalid| (invalid.pointer, invalid.detail))? {
        None => Ok(()),
        Some(decision) => match planned(&sample(&decision), config) {
            // The set may come with the same release: it is a warning.
            Err(wrong) if wrong.reason == InvalidReason::UnknownGateways => Ok(()),
            Err(wrong) if row.contains_key("routes") => Err((wrong.pointer, wrong.detail)),
            // The route was made of the row's own fields.
            Err(wrong) => Err((wrong.pointer.replacen("/routes/0", "", 1), wrong.detail)),
            Ok(_) => Ok(()),
        },
    }
}

fn meaning(row: &Fields, config: &Config) -> Meaning {
    match decision_of(row, &config.exchange.limits()) {
        Ok(None) => Meaning::Attributes,
        Err(invalid) => Meaning::Wrong(invalid.to_string().into()),
        Ok(Some(decision)) => match planned(&sample(&decision), config) {
            Err(wrong) => Meaning::Wrong(wrong.detail.into()),
            Ok(_) if is_template(&decision) => Meaning::Template(Box::new(decision)),
            Ok(plan) => Meaning::Plan(Arc::new(plan)),
        },
    }
}

fn planned(decision: &Decision, config: &Config) -> Result<Plan, Invalid> {
    let context = PlanContext {
        settings: &config.settings,
        max_routes: config.exchange.max_routes,
    };
    match plan_of(decision, &context) {
        Ok(Parsed::Final(Plan::Pass) | Parsed::Extend(_)) => Err(Invalid::new(
            InvalidReason::UnknownAction,
            "/action",
            "a row can route, reject or redirect",
        )),
        Ok(Parsed::Final(plan)) => Ok(plan),
        Err(invalid) => Err(invalid),
    }
}

/// The number that was looked up, and the user part of the Request-URI, in the URIs of a row.
const PLACES: [&str; 2] = ["{number}", "{user}"];

fn is_template(decision: &Decision) -> bool {
    let has_place = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        PLACES.iter().any(|place| text.contains(place))
    };
    decision
        .routes
        .iter()
        .any(|route| has_place(&route.uri) || has_place(&route.dst_uri))
        || decision
            .contacts
            .iter()
            .any(|contact| PLACES.iter().any(|place| contact.uri.contains(place)))
}

/// As for some number; what is right for one is right for all.
fn sample(decision: &Decision) -> Decision {
    match is_template(decision) {
        true => filled(decision, "0", "0"),
        false => decision.clone(),
    }
}

fn filled(decision: &Decision, number: &str, user: &str) -> Decision {
    let [number_place, user_place] = PLACES;
    let fill = |text: &mut String| {
        if text.contains('{') {
            *text = text.replace(number_place, number).replace(user_place, user);
        }
    };
    let mut filled = decision.clone();
    for route in &mut filled.routes {
        route
            .uri
            .iter_mut()
            .chain(&mut route.dst_uri)
            .for_each(fill);
    }
    filled
        .contacts
        .iter_mut()
        .for_each(|contact| fill(&mut contact.uri));
    filled
}
