//! Why a request would be treated as it would: what people ask for, and what they are told.
//!
//! The way through limits and rules is the core's own ([`sigbox_core::Settings::explain`]); here a request is made of what
//! was asked, and what was found is put into words.

mod request;

use serde::{Deserialize, Serialize};
use sigbox_core::{
    Class, Explained, FallbackCause, Found, HoursSeen, Instant, LimitSeen, Moment, Plan, Rule,
    RuleSeen, Seen, Settings, Suspended,
};
use sigbox_wire::is_emergency;

pub use request::{Simulated, SimulatedRequest, Unusable};

use crate::bans::Bans;
use crate::bus::{SimulatedAnswer, simulate};
use crate::config::Config;
use crate::describe;

/// What would become of a request, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What was asked about.
    pub request: Asked,
    /// The source is banned: nothing below happens.
    pub banned: bool,
    /// The request is inside a dialog: it follows its route set, and no limit and no rule is asked.
    pub in_dialog: bool,
    /// It is an emergency call: limits do not hold for it.
    pub emergency: bool,
    /// The limits that hold without a rule, up to the first that is reached.
    pub limits: Vec<LimitState>,
    /// Every `[[rule]]`, in order.
    pub rules: Vec<RuleState>,
    /// What comes of it.
    pub verdict: Verdict,
    /// What the `[[fallback]]` rules say, when nobody decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<FallbackState>,
    /// What a decider said; only when one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decider: Option<DeciderSaid>,
}

/// The request as it was understood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The Request-URI.
    pub request_uri: String,
    /// The URI of From.
    pub from: String,
    /// The URI of To.
    pub to: String,
    /// `192.0.2.1:5060`
    pub source: String,
    /// `udp:192.0.2.2:5060`
    pub listener: String,
    /// The class of a query about it.
    pub class: String,
    /// The time it was held against schedules for, as RFC 3339 has it.
    pub at: String,
}

/// A limit as it stands for the request; nothing was counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitState {
    /// Its name.
    pub name: String,
    /// What the request is counted by.
    pub key: String,
    /// Whether it is over.
    pub over: bool,
    /// Which share of requests is over just now, 0 to 1.
    pub share: f64,
    /// It does not hold for emergency calls.
    pub exempt: bool,
}

/// How far a rule got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleState {
    /// Its name.
    pub name: String,
    /// What must hold, in words.
    pub when: String,
    /// What it does, in words.
    pub action: String,
    /// `unmet`, `passes`, `missed`, `not_found`, `over`, `decides` or `not_reached`.
    pub result: String,
    /// The first condition that does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What the request has there; the key that nothing is remembered for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The limit before its action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitState>,
    /// The schedules that its condition names, `any` and `not` included; empty when it was not reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<HoursState>,
}

/// A schedule at the time that was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoursState {
    /// Its name; `time` for hours that are written in the rule.
    pub name: String,
    /// Whether it is open.
    pub open: bool,
    /// The holiday it is closed for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holiday: Option<String>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `ask`, `route`, `reject`, `redirect`, `drop`, `ban`, `fallback` or `relay`.
    pub action: String,
    /// The rule or limit that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The status of a response made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// It in words.
    pub text: String,
}

/// What happens when nobody decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FallbackState {
    /// Why nobody does.
    pub cause: String,
    /// Every `[[fallback]]`, in order.
    pub rules: Vec<RuleState>,
    /// What comes of it.
    pub verdict: Verdict,
}

/// What a decider answered to a query in mode `simulate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeciderSaid {
    /// Where it was asked.
    pub subject: String,
    /// `<name>/<version>`, when it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its reasons.
    pub reasons: Vec<String>,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// What comes of it; absent when there was no decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// More about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What `settings` do with a request at `now`, when nobody is asked.
pub fn explain_parsed(
    simulated: &Simulated,
    settings: &Settings,
    bans: &Bans,
    now: Instant,
) -> Explanation {
    let message = simulated.message();
    let moment = Moment {
        now,
        // Each shard has its own, and none of them is asked.
        lag: std::time::Duration::ZERO,
    };
    let facts = simulated.facts(None);
    let mut explained = settings.explain(&facts, moment);
    let class = simulated.class();
    let in_dialog = simulated.is_in_dialog();
    if in_dialog {
        // Nothing of that is asked.
        explained.limits.clear();
        for rule in &mut explained.rules {
            rule.result = Seen::NotReached;
            rule.limit = None;
            rule.hours.clear();
        }
    }
    let mut verdict = match (&explained.over, in_dialog) {
        (_, true) => Verdict::new("relay", "is inside a dialog: follows its route set"),
        (Some(limit), _) => Verdict::over(limit),
        (None, _) => Verdict::before(&explained, settings, class),
    };
    let banned = bans.holds(simulated.flow().peer.ip(), now);
    if banned {
        verdict = Verdict::new("drop", "comes from a source that is banned: dropped");
    }
    let cause = simulated.cause().unwrap_or(match verdict.action.as_str() {
        "ask" => FallbackCause::Timeout,
        _ => FallbackCause::Pass,
    });
    let undecided = ["ask", "fallback"].contains(&verdict.action.as_str());
    let fallback = undecided.then(|| fallback(simulated, settings, now, cause));
    Explanation {
        request: simulated.asked(settings),
        banned,
        in_dialog,
        emergency: is_emergency(message.request_uri()),
        limits: explained.limits.iter().map(LimitState::of).collect(),
        rules: states(&settings.rules.before, &explained.rules),
        verdict,
        fallback,
        decider: None,
    }
}

/// What the fallback rules say for this cause.
pub fn fallback(
    simulated: &Simulated,
    settings: &Settings,
    now: Instant,
    cause: FallbackCause,
) -> FallbackState {
    let facts = simulated.facts(Some(cause));
    let moment = Moment {
        now,
        lag: std::time::Duration::ZERO,
    };
    let before = settings.explain(&simulated.facts(None), moment);
    let tenant = match before.found {
        Found::Ask(_, ask) => ask.tenant.as_ref().unwrap_or(&settings.tenant),
        _ => &settings.tenant,
    };
    let explained = settings.explain_fallback(&facts, moment, tenant);
    let verdict = match &explained.found {
        Found::Decide(rule, plan, is_remembered) => Verdict::plan(plan, Some(rule), *is_remembered),
        _ => Verdict {
            status: Some(503),
            ..Verdict::new("reject", "no fallback rule matches: reject with 503")
        },
    };
    FallbackState {
        cause: cause.label().to_owned(),
        rules: states(&settings.rules.fallback, &explained.rules),
        verdict,
    }
}

impl Verdict {
    fn new(action: &str, text: impl Into<String>) -> Self {
        Self {
            action: action.to_owned(),
            by: None,
            status: None,
            text: text.into(),
        }
    }

    fn over(limit: &sigbox_core::RateLimit) -> Self {
        use sigbox_core::Over;
        let text = format!(
            "over the limit {}: {}",
            limit.name,
            describe::over(&limit.over)
        );
        Self {
            by: Some(limit.name.to_string()),
            status: match &limit.over {
                Over::Reject(reject) => Some(reject.status),
                Over::Redirect(redirect) => Some(redirect.status),
                Over::Drop => None,
            },
            ..Self::new(limit.over.label(), text)
        }
    }

    fn before(explained: &Explained<'_>, settings: &Settings, class: Class) -> Self {
        match &explained.found {
            Found::Over(_, limit) => Self::over(limit),
            Found::Decide(rule, plan, is_remembered) => {
                Self::plan(plan, Some(rule), *is_remembered)
            }
            Found::Ask(rule, ask) => {
                let action = sigbox_core::Action::Ask((*ask).clone());
                Self {
                    by: Some(rule.name.to_string()),
                    ..Self::new("ask", describe::action(&action))
                }
            }
            Found::Ban(rule, span) => Self {
                by: Some(rule.name.to_string()),
                ..Self::new(
                    "ban",
                    format!("drop, and ban the source for {} s", span.as_secs()),
                )
            },
            Found::Nothing if settings.decision.ask.contains(&class) => {
                Self::new("ask", format!("no rule decides: ask {}", settings.tenant))
            }
            Found::Nothing => Self::new(
                "fallback",
                format!(
                    "no rule decides, and nobody is asked about {}",
                    class.slug()
                ),
            ),
        }
    }

    /// What a plan does.
    pub fn plan(plan: &Plan, rule: Option<&Rule>, is_remembered: bool) -> Self {
        let mut text = describe::plan(plan);
        if is_remembered {
            text += ", as was decided before";
        }
        Self {
            by: rule.map(|rule| rule.name.to_string()),
            status: match plan {
                Plan::Reject(reject) => Some(reject.status),
                Plan::Redirect(redirect) => Some(redirect.status),
                Plan::Route(_) | Plan::Pass => None,
            },
            ..Self::new(plan.action(), text)
        }
    }
}

/// Asks a decider about a request that the rules ask about.
pub async fn ask(simulated: &Simulated, config: &Config, now: Instant) -> SimulatedAnswer {
    let settings = &config.settings;
    let moment = Moment {
        now,
        lag: std::time::Duration::ZERO,
    };
    let (tenant, budget) = match settings.explain(&simulated.facts(None), moment).found {
        Found::Ask(_, ask) => (ask.tenant.as_ref(), ask.budget),
        _ => (None, None),
    };
    let mut drawn = [0; 10];
    // Without random numbers two that ask at once may hear each other's answers.
    let _ = getrandom::fill(&mut drawn);
    let unix_ms = simulated.unix_ms();
    let id = uuid::Builder::from_unix_timestamp_millis(unix_ms, &drawn).into_uuid();
    let suspended = Suspended {
        request: simulated.message(),
        flow: *simulated.flow(),
        id,
        tenant: tenant.unwrap_or(&settings.tenant),
        class: simulated.class(),
        attempt: 1,
        budget: budget.unwrap_or(settings.decision.budget),
        tried: &[],
    };
    let local = &settings.listeners[usize::from(simulated.flow().listener.0)];
    simulate(config, &suspended, local, id.as_u64_pair().1).await
}

impl DeciderSaid {
    /// In words.
    pub fn of(answer: SimulatedAnswer) -> Self {
        let (verdict, failed) = match &answer.plan {
            Ok(plan) => (Some(Verdict::plan(plan, None, false)), None),
            Err((cause, detail)) => (None, Some((cause.label().to_owned(), detail.clone()))),
        };
        let (cause, detail) = failed.unzip();
        Self {
            subject: answer.subject,
            name: answer.decider,
            reasons: answer.reasons,
            took_ms: answer.took.as_secs_f64() * 1_000.0,
            verdict,
            cause,
            detail: detail.flatten(),
        }
    }
}

impl LimitState {
    fn of(seen: &LimitSeen) -> Self {
        Self {
            name: seen.name.to_string(),
            key: seen.key.clone(),
            over: seen.fill.is_over && !seen.is_exempt,
            share: seen.fill.share,
            exempt: seen.is_exempt,
        }
    }
}

impl HoursState {
    fn of(seen: &HoursSeen) -> Self {
        Self {
            name: seen.name.to_string(),
            open: seen.is_open,
            holiday: seen.holiday.clone(),
        }
    }
}

impl std::fmt::Display for HoursState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seen = HoursSeen {
            name: self.name.as_str().into(),
            is_open: self.open,
            holiday: self.holiday.clone(),
        };
        seen.fmt(f)
    }
}

fn states(rules: &[Rule], seen: &[RuleSeen]) -> Vec<RuleState> {
    let pairs = rules.iter().zip(seen);
    pairs
        .map(|(rule, seen)| {
            let (result, condition, found) = match &seen.result {
                Seen::NotReached => ("not_reached", None, None),
                Seen::Unmet { part, found } => {
                    let part = part.key().to_owned();
                    ("unmet", Some(part), Some(found.clone()))
                }
                Seen::Passes => ("passes", None, None),
                Seen::Missed { key } => ("missed", None, key.clone()),
                Seen::NotFound { key, why } => {
                    let key = key.as_deref().unwrap_or("nothing");
                    ("not_found", None, Some(format!("{key}: {why}")))
                }
                Seen::Over => ("over", None, None),
                Seen::Decides => ("decides", None, None),
            };
            RuleState {
                name: rule.name.to_string(),
                when: describe::conditions(&rule.condition),
                action: describe::action(&rule.action),
                result: result.to_owned(),
                condition,
                found,
                limit: seen.limit.as_ref().map(LimitState::of),
                schedules: seen.hours.iter().map(HoursState::of).collect(),
            }
        })
        .collect()
}
