//! `[[rule]]` and `[[fallback]]`.

use std::ops::Range;
use std::sync::Arc;

use sigbox_contracts::Slug;
use sigbox_core::{Action, Ask, DecisionSettings, GatewaySet, Plan, Rule, Rules};
use toml::de::DeValue;

use super::condition;
use super::diagnostic::Diagnostic;
use super::keys;
use super::reader::Section;
use super::suggest::{any_of, closest};
use super::value::Value;
use super::{Listen, decide};
use crate::decision::PlanContext;

/// What rules are read against.
pub(super) struct Around<'a> {
    pub(super) listen: &'a [Listen],
    pub(super) limits: &'a sigbox_contracts::Limits,
    pub(super) plans: PlanContext<'a>,
    pub(super) decision: &'a DecisionSettings,
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
    let asks = |rule: &Rule| matches!(rule.action, Action::Ask(_));
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
    let Some(value) = root.value(which.key()) else {
        return Vec::new();
    };
    let DeValue::Array(items) = value.value.get_ref() else {
        value.fault::<()>(
            format!("`{}` must be a list of tables", which.key()),
            "one table",
            Some(format!("write `[[{}]]` with two brackets", which.key())),
        );
        return Vec::new();
    };
    let mut rules = Vec::new();
    let mut catch_all: Option<(String, Range<usize>)> = None;
    for (number, item) in items.iter().enumerate() {
        let key = which.key().to_owned();
        let section = Section::of(
            "rule",
            Value {
                key,
                value: item,
                faults: root.faults,
            },
        );
        let at = item.span();
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
        } else if condition::is_empty(&rule.condition) && !passes(&rule) {
            catch_all = Some((rule.name.to_string(), at));
        }
        rules.push(rule);
    }
    rules
}

fn passes(rule: &Rule) -> bool {
    matches!(&rule.action, Action::Decide(plan) if **plan == Plan::Pass)
}

fn one(section: &Section<'_>, which: Which, number: usize, around: &Around<'_>) -> Option<Rule> {
    let name = section
        .read("name", |value| value.text().map(Arc::<str>::from))
        .unwrap_or_else(|| format!("{}-{number}", which.key()).into());
    let condition = condition::read(section, around.listen);
    if which == Which::Before
        && let Some(cause) = section.value("cause")
    {
        return cause.fault(
            "`cause` has no meaning before anyone was asked".to_owned(),
            "only in `[[fallback]]`",
            None,
        );
    }
    let action = action(section, which, around)?;
    Some(Rule {
        name,
        condition,
        action,
    })
}

fn action(section: &Section<'_>, which: Which, around: &Around<'_>) -> Option<Action> {
    let verbs: &[&str] = match which {
        Which::Before => &["ask", "route", "gateways", "reject", "redirect", "pass"],
        Which::Fallback => &["route", "gateways", "reject", "redirect", "pass"],
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
    if value.text()? == "ask" && which == Which::Fallback {
        let help = "a fallback is what happens when asking has failed";
        return value.fault(
            "a `[[fallback]]` cannot ask".to_owned(),
            "only in `[[rule]]`",
            Some(help.to_owned()),
        );
    }
    let verbs: Vec<_> = verbs.iter().map(|verb| (*verb, *verb)).collect();
    match value.choice(&verbs)? {
        "ask" => ask(section, around),
        _ => decided(section, around),
    }
}

fn ask(section: &Section<'_>, around: &Around<'_>) -> Option<Action> {
    section.refuse_unknown(&[]);
    let wanted = "a slug";
    let help = "letters a to z, digits, `_` and `-`: it becomes part of a NATS subject";
    let tenant = section.read("tenant", |value| {
        value.parsed(wanted, Some(help), |text| {
            Slug::new(text).map_err(|error| error.to_string())
        })
    });
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
    Some(Action::Ask(Ask {
        tenant: tenant.map(|slug| slug.as_str().into()),
        budget,
    }))
}

fn decided(section: &Section<'_>, around: &Around<'_>) -> Option<Action> {
    // The rest of the table is the decision; `action` belongs to both.
    let not_decision: Vec<_> = keys::of("rule")
        .map(|key| key.name)
        .filter(|name| !matches!(*name, "action" | "tenant" | "budget_ms" | "set"))
        .collect();
    let mut sound = true;
    for key in ["tenant", "budget_ms"] {
        if let Some(value) = section.value(key) {
            sound = false;
            value.fault::<()>(
                format!("`{key}` only has a meaning with `action = \"ask\"`"),
                "has no effect here",
                None,
            );
        }
    }
    let not_decision: Vec<_> = not_decision
        .into_iter()
        .chain(["tenant", "budget_ms", "set"])
        .collect();
    let plan = match gateway_set(section, around)? {
        Some(set) => decide::plan_to_gateways(section, set, &not_decision, around)?,
        None => decide::plan(section, &not_decision, around.limits, &around.plans)?,
    };
    if plan == Plan::Pass {
        section.faults.push(
            Diagnostic::warning(
                section.value("action").map(|value| value.span()),
                "a rule that passes has no effect",
            )
            .label("the next rule is tried"),
        );
    }
    sound.then(|| Action::Decide(Arc::new(plan)))
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
