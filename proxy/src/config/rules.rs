//! `[[rule]]` and `[[fallback]]`.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use sigbox_core::{
    Action, Ask, Cached, DecisionSettings, GatewaySet, KeyTemplate, Plan, RateLimit, RateLimits,
    RequestPart, Rule, Rules, Schedule, TableLookup,
};
use sigbox_tables::Manifest;

use super::condition;
use super::diagnostic::Diagnostic;
use super::keys;
use super::reader::Section;
use super::suggest::{any_of, closest};
use super::{Listen, decide, pushed, sections, tables};
use crate::decision::PlanContext;

/// What rules are read against.
pub(super) struct Around<'a> {
    pub(super) listen: &'a [Listen],
    pub(super) limits: &'a sigbox_contracts::Limits,
    pub(super) plans: PlanContext<'a>,
    pub(super) decision: &'a DecisionSettings,
    pub(super) retry_after: (Duration, Duration),
    pub(super) schedules: &'a [Arc<Schedule>],
    /// Every `[[schedule]]` that has a name, sound or not.
    pub(super) schedule_names: &'a [String],
    /// Every `[[limit]]` that has a name, sound or not.
    pub(super) limit_names: &'a [String],
    pub(super) rate_limits: &'a RateLimits,
    /// The tables of the data folder, when somebody looks into it.
    pub(super) pushed: Option<&'a Manifest>,
}

/// Which of the two lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Before,
    Fallback,
}

impl Which {
    const fn key(self) -> &'static str {
        match self {
            Self::Before => "rule",
            Self::Fallback => "fallback",
        }
    }
}

/// Both lists.
pub(super) fn read(root: &Section<'_>, around: &Around<'_>) -> Rules {
    let rules = Rules {
        before: list(root, Which::Before, around),
        fallback: list(root, Which::Fallback, around),
    };
    let asks = |rule: &Rule| matches!(rule.action.unlimited(), Action::Ask(_));
    let ever_asks = !around.decision.ask.is_empty() || rules.before.iter().any(asks);
    if ever_asks && root.value("fallback").is_none() {
        root.faults.push(
            Diagnostic::warning(
                None,
                "there is no `[[fallback]]`: callers get 503 when nobody decides in time",
            )
            .help("add one at the end, such as\n\n    [[fallback]]\n    action = \"route\"\n    routes = [{ dst_uri = \"sip:192.0.2.9:5060\" }]"),
        );
    }
    rules
}

fn list(root: &Section<'_>, which: Which, around: &Around<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    let mut catch_all: Option<(String, Range<usize>)> = None;
    let tables = tables::of(root, which.key(), "rule");
    for (number, (section, at)) in tables.into_iter().enumerate() {
        let Some(rule) = one(&section, which, number + 1, around) else {
            continue;
        };
        if let Some((name, first)) = &catch_all {
            root.faults.push(
                Diagnostic::warning(
                    Some(at.clone()),
                    format!(
                        "`{}` is never reached: `{name}` before it matches everything",
                        rule.name
                    ),
                )
                .label("never reached")
                .related(first.clone(), "has no condition")
                .help("move it up, or give the other one a condition"),
            );
        } else if rule.condition.is_empty() && !may_go_on(&rule) {
            catch_all = Some((rule.name.to_string(), at));
        }
        rules.push(rule);
    }
    rules
}

/// Whether the next rule may be tried although this one applies.
fn may_go_on(rule: &Rule) -> bool {
    match rule.action.unlimited() {
        Action::Decide(plan) => **plan == Plan::Pass,
        Action::Cached(_) | Action::Table(_) => true,
        Action::Ask(_) | Action::Ban(_) | Action::Limited(..) => false,
    }
}

fn one(section: &Section<'_>, which: Which, number: usize, around: &Around<'_>) -> Option<Rule> {
    let name = section
        .read("name", |value| value.text().map(Arc::<str>::from))
        .unwrap_or_else(|| format!("{}-{number}", which.key()).into());
    let condition = condition::read(
        section,
        condition::Known {
            listen: around.listen,
            schedules: around.schedules,
            schedule_names: around.schedule_names,
            is_fallback: which == Which::Fallback,
        },
    );
    let limit = limit(section, which, around);
    let action = action(section, which, around)?;
    let action = match limit {
        Some(limit) => Action::Limited(limit?, Box::new(action)),
        None => action,
    };
    Some(Rule {
        name,
        condition,
        action,
    })
}

/// The limit before the action; `None` in `Some` when there is no such limit, which was reported.
fn limit(
    section: &Section<'_>,
    which: Which,
    around: &Around<'_>,
) -> Option<Option<Arc<RateLimit>>> {
    let value = section.value("limit")?;
    if which == Which::Fallback {
        return Some(value.fault(
            "a `[[fallback]]` has no `limit`".to_owned(),
            "only in `[[rule]]`",
            Some("what is too much is turned away before anyone is asked".to_owned()),
        ));
    }
    let text = value.text()?;
    let found = around.rate_limits.named(text).cloned();
    if found.is_none() && around.limit_names.iter().any(|name| name == text) {
        return Some(None);
    }
    Some(found.or_else(|| {
        let names = || around.rate_limits.all.iter().map(|limit| &*limit.name);
        let help = match closest(text, names()) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => "write a `[[limit]]` of that name".to_owned(),
        };
        value.fault(
            format!("there is no limit `{text}`"),
            "not known",
            Some(help),
        )
    }))
}

/// Keys that only some verbs have.
const ONLY_WITH: [(&str, &[&str]); 6] = [
    ("table", &["table"]),
    ("lookup", &["table"]),
    ("tenant", &["ask", "cached"]),
    ("budget_ms", &["ask"]),
    ("key", &["cached"]),
    ("seconds", &["ban"]),
];

fn action(section: &Section<'_>, which: Which, around: &Around<'_>) -> Option<Action> {
    let verbs: &[&str] = match which {
        Which::Before => &[
            "ask", "route", "gateways", "reject", "redirect", "table", "cached", "ban", "pass",
        ],
        Which::Fallback => &[
            "route", "gateways", "reject", "redirect", "table", "cached", "pass",
        ],
    };
    let Some(value) = section.value("action") else {
        if section.value("routes").is_some() {
            return decided(section, around);
        }
        let at = section.span.map(|(start, end)| start..end);
        section.faults.push(
            Diagnostic::error(at, "this rule does not say what to do")
                .label("no `action`")
                .help(format!("action = {}", any_of(verbs.iter().copied()))),
        );
        return None;
    };
    let asked = value.text()?;
    if ["ask", "ban"].contains(&asked) && which == Which::Fallback {
        let help = match asked {
            "ask" => "a fallback is what happens when asking has failed",
            _ => "whoever is to be banned is banned before anyone is asked",
        };
        return value.fault(
            format!("a `[[fallback]]` cannot {asked}"),
            "only in `[[rule]]`",
            Some(help.to_owned()),
        );
    }
    let verbs: Vec<_> = verbs.iter().map(|verb| (*verb, *verb)).collect();
    let verb = value.choice(&verbs)?;
    let is_sound = has_only_its_own(section, verb);
    let action = match verb {
        "ask" => ask(section, around),
        "cached" => cached(section),
        "table" => table(section, around),
        "ban" => {
            section.refuse_unknown(&["identity"]);
            section.duration("seconds").map(Action::Ban)
        }
        _ => decided(section, around),
    };
    action.filter(|_| is_sound)
}

/// Refuses what only has a meaning with other verbs.
fn has_only_its_own(section: &Section<'_>, verb: &str) -> bool {
    let mut sound = true;
    for (key, verbs) in ONLY_WITH {
        if let Some(value) = section.value(key)
            && !verbs.contains(&verb)
        {
            sound = false;
            let verbs = verbs.iter().map(|verb| format!("`action = \"{verb}\"`"));
            let verbs = verbs.collect::<Vec<_>>().join(" or ");
            value.fault::<()>(
                format!("`{key}` only has a meaning with {verbs}"),
                "has no effect here",
                None,
            );
        }
    }
    sound
}

fn tenant(section: &Section<'_>) -> Option<Arc<str>> {
    let tenant = section.read("tenant", sections::slug)?;
    Some(tenant.as_str().into())
}

fn table(section: &Section<'_>, around: &Around<'_>) -> Option<Action> {
    section.refuse_unknown(&["identity"]);
    let Some(value) = section.value("table") else {
        let at = section.value("action").map(|value| value.span());
        section.faults.push(
            Diagnostic::error(at, "`action = \"table\"` needs a `table`")
                .label("which one?")
                .help("table = \"NAME\", as it is pushed to `/api/v1/tables/NAME`"),
        );
        return None;
    };
    let key = section.read("lookup", |value| {
        let help = "such as \"user\", \"from_user\", \"to_user\" or \"header:X-Number\"";
        value.parsed("a part of a request", Some(help), |text| {
            RequestPart::parse(text).ok_or_else(|| "not a part of a request".to_owned())
        })
    });
    let at = value.span();
    let table = sections::slug(value)?;
    if let Some(pushed) = around.pushed
        && let Some(lack) = pushed::lack(table.as_str(), at, pushed)
    {
        section.faults.push(lack);
    }
    Some(Action::Table(TableLookup {
        table: table.as_str().into(),
        key: key?,
    }))
}

fn cached(section: &Section<'_>) -> Option<Action> {
    section.refuse_unknown(&["identity"]);
    let Some(value) = section.value("key") else {
        let at = section.value("action").map(|value| value.span());
        section.faults.push(
            Diagnostic::error(at, "`cached` needs a `key`")
                .label("which decision?")
                .help(
                    "the key that deciders give in `cache`, such as key = \"{from_user}|{user}\"",
                ),
        );
        return None;
    };
    let help = "parts of a request in braces, such as \"{from_user}|{user}\" or \"de|{domain}\"";
    Some(Action::Cached(Cached {
        tenant: tenant(section),
        key: value.parsed("a key", Some(help), KeyTemplate::parse)?,
    }))
}

fn ask(section: &Section<'_>, around: &Around<'_>) -> Option<Action> {
    section.refuse_unknown(&["identity"]);
    let tenant = tenant(section);
    let budget = section.duration("budget_ms");
    if let (Some(budget), Some(value)) = (budget, section.value("budget_ms"))
        && budget > around.decision.max_wait
    {
        let label = format!("longer than {} ms", around.decision.max_wait.as_millis());
        return value.fault(
            "`budget_ms` is longer than `decision.max_wait_ms`".to_owned(),
            &label,
            None,
        );
    }
    Some(Action::Ask(Ask { tenant, budget }))
}

fn decided(section: &Section<'_>, around: &Around<'_>) -> Option<Action> {
    if section.value("action").is_none() && !has_only_its_own(section, "route") {
        return None;
    }
    // The rest of the table is the decision; `action` belongs to both.
    let not_decision: Vec<_> = keys::of("rule")
        .map(|key| key.name)
        .filter(|name| *name != "action")
        .chain(["identity"])
        .collect();
    let plan = match gateway_set(section, around)? {
        Some(set) => decide::plan_to_gateways(section, set, &not_decision, around)?,
        None => decide::plan(section, &not_decision, around.limits, &around.plans)?,
    };
    if plan == Plan::Pass && section.value("limit").is_none() {
        section.faults.push(
            Diagnostic::warning(
                section.value("action").map(|value| value.span()),
                "a rule that passes has no effect",
            )
            .label("the next rule is tried"),
        );
    }
    Some(Action::Decide(Arc::new(plan)))
}

/// The set of `action = "gateways"`; `None` when it is missing or unknown, or stands beside another action.
fn gateway_set<'a>(section: &Section<'a>, around: &Around<'_>) -> Option<Option<&'a str>> {
    let action = section.value("action").and_then(|value| value.text());
    let value = section.value("set");
    match (action, value) {
        (Some("gateways"), Some(value)) => {
            let set = value.text()?;
            let sets = &around.plans.settings.gateways;
            if sets.set(set).is_some() {
                return Some(Some(set));
            }
            let names = || sets.iter().map(GatewaySet::name);
            let help = match closest(set, names()) {
                Some(close) => format!("did you mean `{close}`?"),
                None if sets.is_empty() => "there is no `[[gateways]]`".to_owned(),
                None => format!("known: {}", any_of(names())),
            };
            value.fault(
                format!("there is no gateway set `{set}`"),
                "not a `name` of `[[gateways]]`",
                Some(help),
            )
        }
        (Some("gateways"), None) => {
            let at = section.value("action").map(|value| value.span());
            section.faults.push(
                Diagnostic::error(at, "`action = \"gateways\"` needs a `set`")
                    .label("which gateways?")
                    .help("set = \"NAME\", the `name` of a `[[gateways]]`"),
            );
            None
        }
        (_, Some(value)) => value.fault(
            "`set` only has a meaning with `action = \"gateways\"`".to_owned(),
            "has no effect here",
            None,
        ),
        (_, None) => Some(None),
    }
}
