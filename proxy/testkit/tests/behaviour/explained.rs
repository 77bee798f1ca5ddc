//! What is explained is what happens: random rules, limits and requests, explained first and sent then.

use std::sync::Arc;

use ipnet::IpNet;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use sigbox_core::{
    Action, Cached, Condition, DomainMatch, Explained, Facts, FallbackCause, Flow, Found,
    HeaderMatch, KeyTemplate, LimitAlgorithm, ListenerId, Moment, Over, Plan, PlanCache, RateLimit,
    RateLimits, RequestPart, Rule, RuleSeen, Schedule, Seen, Settings, TextMatch, Transport,
    UriMatch,
};
use sigbox_testkit::{Request, Sim, field, plans};
use sigbox_wire::{Index, Message};

use crate::world::*;

const USERS: [&str; 3] = ["alice", "bob", "+4930123"];
const HOSTS: [&str; 3] = ["example.com", "a.example.com", "192.0.2.20"];
const METHODS: [&str; 3] = ["INVITE", "MESSAGE", "OPTIONS"];
const AGENTS: [&str; 2] = ["Phone", "friendly-scanner"];
const SOURCES: [&str; 3] = ["192.0.2.10:5060", "192.0.2.66:5060", "198.51.100.1:5060"];
const NETS: [&str; 3] = ["192.0.2.0/24", "192.0.2.64/26", "0.0.0.0/0"];

fn pick<T: Clone + std::fmt::Debug + 'static>(from: &[T]) -> impl Strategy<Value = T> + use<T> {
    proptest::sample::select(from.to_vec())
}

fn maybe<T: std::fmt::Debug>(
    one: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Vec<T>> {
    let one = one.boxed();
    let count = prop_oneof![3 => Just(0_usize), 1 => Just(1)];
    count.prop_flat_map(move |count| proptest::collection::vec(one.clone(), count))
}

fn text() -> impl Strategy<Value = TextMatch> {
    prop_oneof![
        pick(&USERS).prop_map(|user| TextMatch::Exact(user.into())),
        pick(&["a", "+49", "b"]).prop_map(|start| TextMatch::Prefix(start.into())),
        pick(&["^.l", "3$"])
            .prop_map(|pattern| { TextMatch::Regex(regex::bytes::Regex::new(pattern).unwrap()) }),
    ]
}

fn uri() -> impl Strategy<Value = UriMatch> {
    let domain = prop_oneof![
        pick(&["example.com", "*.example.com"]).prop_map(|name| DomainMatch::Name(name.into())),
        pick(&["a.", "192."]).prop_map(|start| DomainMatch::Prefix(start.into())),
    ];
    let whole =
        pick(&["^sip:a", "com$"]).prop_map(|pattern| regex::bytes::Regex::new(pattern).unwrap());
    (maybe(text()), maybe(domain), maybe(whole)).prop_map(|(users, domains, whole)| UriMatch {
        users,
        domains,
        whole,
    })
}

fn hours() -> impl Strategy<Value = Arc<Schedule>> {
    pick(&["mon-fri 08:00-18:00", "sat,sun 00:00-24:00"]).prop_map(|weekly| {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Arc::new(Schedule::weekly(
            weekly,
            zone,
            vec![weekly.parse().unwrap()],
        ))
    })
}

fn flat() -> impl Strategy<Value = Condition> {
    let header = pick(&AGENTS).prop_map(|agent| HeaderMatch {
        name: "User-Agent".into(),
        value: Some(TextMatch::Exact(agent.into())),
    });
    let domain = pick(&["example.com", "*.example.com"]);
    let addressed = (maybe(text()), maybe(domain), uri(), uri());
    let came = (maybe(pick(&METHODS)), maybe(pick(&NETS)), maybe(header));
    let when = (maybe(hours()), maybe(pick(&FallbackCause::ALL)));
    (addressed, came, when).prop_map(
        |((users, domains, from, to), (methods, nets, headers), (schedules, causes))| Condition {
            methods: methods.into_iter().map(Into::into).collect(),
            sources: nets
                .iter()
                .map(|net| net.parse::<IpNet>().unwrap())
                .collect(),
            users,
            domains: domains.into_iter().map(Into::into).collect(),
            from,
            to,
            headers,
            schedules,
            causes,
            ..Condition::default()
        },
    )
}

fn condition(is_fallback: bool) -> impl Strategy<Value = Condition> {
    (flat(), maybe(flat()), maybe(flat())).prop_map(move |(mut condition, mut any, mut not)| {
        let inner = any.iter_mut().chain(&mut not);
        for condition in inner.chain([&mut condition]) {
            if !is_fallback {
                condition.causes.clear();
            }
        }
        Condition {
            any,
            not,
            ..condition
        }
    })
}

/// A limit of two requests.
fn limit() -> impl Strategy<Value = Arc<RateLimit>> {
    let key = pick(&["source", "user", "from_domain", "header:User-Agent"]);
    let Plan::Reject(refusal) = plans::reject(486) else {
        panic!("not a refusal")
    };
    (
        key,
        prop_oneof![Just(Over::Drop), Just(Over::Reject(refusal))],
    )
        .prop_map(|(key, over)| {
            let two = LimitAlgorithm::token_bucket(0.001, 2).unwrap();
            let key = vec![RequestPart::parse(key).unwrap()];
            Arc::new(RateLimit::new("two", key, two, over, 64, [3; 16]))
        })
}

fn action(is_fallback: bool) -> impl Strategy<Value = Action> {
    let key = KeyTemplate::parse("{from_user}|{user}").unwrap();
    let plain = prop_oneof![
        3 => (400_u16..480).prop_map(|status| Action::Decide(Arc::new(plans::reject(status)))),
        1 => Just(Action::Decide(Arc::new(Plan::Pass))),
        1 => Just(Action::Cached(Cached { tenant: None, key })),
        1 => if is_fallback {
            Just(Action::Decide(Arc::new(Plan::Pass))).boxed()
        } else {
            prop_oneof![Just(Action::Ask(Default::default())), Just(Action::Ban(secs(60)))].boxed()
        },
    ];
    (plain, maybe(limit())).prop_map(move |(action, limit)| match limit.first() {
        Some(limit) if !is_fallback => Action::Limited(limit.clone(), Box::new(action)),
        _ => action,
    })
}

fn rules(is_fallback: bool) -> impl Strategy<Value = Vec<Rule>> {
    let rule = (condition(is_fallback), action(is_fallback));
    proptest::collection::vec(rule, 0..6).prop_map(|rules| {
        let named = rules.into_iter().enumerate();
        named
            .map(|(at, (condition, action))| Rule {
                name: format!("r{at}").into(),
                condition,
                action,
            })
            .collect()
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    (rules(false), rules(true), maybe(limit())).prop_map(|(before, fallback, always)| {
        let mut settings = Settings::default();
        settings.rules.before = before;
        settings.rules.fallback = fallback;
        settings.cache = Arc::new(PlanCache::new(16, [9; 16]));
        let cached = Arc::new(plans::reject(499));
        let far = sigbox_core::Instant::from_micros(u64::MAX);
        let now = sigbox_core::Instant::ZERO;
        settings
            .cache
            .put(now, "default", b"alice|+4930123", cached, far);
        settings.rate_limits = RateLimits {
            all: always
                .into_iter()
                .map(|limit| {
                    let LimitAlgorithm::TokenBucket(_) = limit.algorithm else {
                        panic!("{limit:?}")
                    };
                    Arc::new(
                        RateLimit::new(
                            "always",
                            limit.key.clone(),
                            limit.algorithm.clone(),
                            limit.over.clone(),
                            64,
                            [4; 16],
                        )
                        .always(true),
                    )
                })
                .collect(),
        };
        settings
    })
}

type Parts = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

fn request() -> impl Strategy<Value = Parts> {
    (
        pick(&METHODS),
        pick(&USERS),
        pick(&HOSTS),
        pick(&USERS),
        pick(&AGENTS),
        pick(&SOURCES),
    )
}

/// What the caller would see: a status, 0 for silence; 1 when a decider is asked.
fn expected(
    explained: &Explained<'_>,
    settings: &Settings,
    facts: &Facts<'_>,
    moment: Moment,
) -> u16 {
    let over = |over: &Over| match over {
        Over::Reject(reject) => reject.status,
        Over::Redirect(redirect) => redirect.status,
        Over::Drop => 0,
    };
    let status = |plan: &Plan| match plan {
        Plan::Reject(reject) => reject.status,
        other => panic!("{other:?}"),
    };
    if let Some(limit) = explained.over {
        return over(&limit.over);
    }
    match &explained.found {
        Found::Over(_, limit) => over(&limit.over),
        Found::Ban(..) => 0,
        Found::Decide(_, plan, _) => status(plan),
        Found::Ask(..) | Found::Nothing => {
            match settings.explain_fallback(facts, moment, "default").found {
                Found::Decide(_, plan, _) => status(&plan),
                _ => 503,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn what_is_explained_is_what_happens(
        settings in settings(),
        requests in proptest::collection::vec(request(), 1..12),
    ) {
        let mut sim = failing(settings, FallbackCause::Timeout);
        for (n, (method, user, host, from, agent, source)) in requests.into_iter().enumerate() {
            let source = source.parse().unwrap();
            let mut request = Request::new(method, &format!("sip:{user}@{host}"), source, &n.to_string());
            request.from = format!("<sip:{from}@{host}>;tag=x");
            let text = request.with(&format!("User-Agent: {agent}")).text();
            let mut index = Index::default();
            let settings = sim.core.settings().clone();
            index.parse(text.as_bytes(), &settings.limits.wire).unwrap();
            let flow = Flow {
                transport: Transport::Udp,
                listener: ListenerId(0),
                connection: None,
                peer: source,
            };
            // A millisecond is how long it takes to arrive.
            let moment = Moment { now: sim.now() + ms(1), lag: ms(0) };
            let unix_s = (1_790_000_000_000 + moment.now.as_millis()) / 1_000;
            let unix_s = i64::try_from(unix_s).unwrap();
            let message = Message::new(text.as_bytes(), &index);
            let facts = Facts::new(message, &flow, None, unix_s);
            let fallen = Facts::new(message, &flow, Some(FallbackCause::Timeout), unix_s);
            let explained = settings.explain(&facts, moment);
            // Looking changes nothing.
            let again = settings.explain(&facts, moment);
            prop_assert_eq!(&explained.rules, &again.rules);
            let expected = expected(&explained, &settings, &fallen, moment);
            let is_ban = matches!(explained.found, Found::Ban(..));
            check_order(&explained);

            let (seen, bans) = (sim.seen(source).len(), sim.banned.len());
            sim.send(source, text.clone());
            sim.run_for(ms(100));
            // What was refused before is repeated until it is acknowledged.
            let call_id = field(&text, "Call-ID");
            let own = sim.seen(source)[seen..]
                .iter()
                .filter(|seen| field(&seen.text, "Call-ID") == call_id);
            let last = own.map(|seen| seen.status()).next_back().unwrap_or(0);
            prop_assert_eq!(last, expected, "{} {:#?}", text, explained);
            prop_assert_eq!(sim.banned.len() > bans, is_ban);
        }
    }
}

/// One rule decides at most, and nothing is reached after it.
fn check_order(explained: &Explained<'_>) {
    let ends = |seen: &Seen| matches!(seen, Seen::Decides | Seen::Over);
    let end = explained.rules.iter().position(|rule| ends(&rule.result));
    for (at, rule) in explained.rules.iter().enumerate() {
        let is_after = explained.over.is_some() || end.is_some_and(|end| at > end);
        assert_eq!(rule.result == Seen::NotReached, is_after, "{explained:#?}");
    }
}

#[test]
fn what_is_explained_says_what_was_found() {
    let mut settings = Settings::default();
    let rule = |name: &str, condition| Rule {
        name: name.into(),
        condition,
        action: Action::Decide(Arc::new(plans::reject(403))),
    };
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let night = Schedule::weekly("night", zone, vec!["mon-sun 22:00-06:00".parse().unwrap()]);
    settings.rules.before = vec![
        rule(
            "method",
            Condition {
                methods: vec!["MESSAGE".into()],
                ..Condition::default()
            },
        ),
        rule(
            "source",
            Condition {
                sources: vec!["10.0.0.0/8".parse().unwrap()],
                ..Condition::default()
            },
        ),
        rule(
            "header",
            Condition {
                headers: vec![HeaderMatch {
                    name: "X-Trunk".into(),
                    value: None,
                }],
                ..Condition::default()
            },
        ),
        rule(
            "night",
            Condition {
                schedules: vec![Arc::new(night)],
                ..Condition::default()
            },
        ),
        rule("all", Condition::default()),
        rule("after", Condition::default()),
    ];
    assert_eq!(
        found(settings),
        [
            "method: INVITE",
            "source: 192.0.2.10",
            "header: X-Trunk: absent",
            "schedule: night is closed",
            "Decides",
            "NotReached",
        ]
    );
}

/// What is found out about each rule when Alice calls on a Monday afternoon.
fn found(settings: Settings) -> Vec<String> {
    let words = seen(settings).into_iter().map(|rule| match rule.result {
        Seen::Unmet { part, found } => format!("{}: {found}", part.key()),
        other => format!("{other:?}"),
    });
    words.collect()
}

fn seen(settings: Settings) -> Vec<RuleSeen> {
    let sim: Sim = silent(settings);
    let text = invite().text();
    let mut index = Index::default();
    index
        .parse(text.as_bytes(), &sim.core.settings().limits.wire)
        .unwrap();
    let flow = Flow {
        transport: Transport::Udp,
        listener: ListenerId(0),
        connection: None,
        peer: alice(),
    };
    let facts = Facts::new(
        Message::new(text.as_bytes(), &index),
        &flow,
        None,
        1_790_000_000,
    );
    let moment = Moment {
        now: sim.now(),
        lag: ms(0),
    };
    sim.core.settings().explain(&facts, moment).rules
}

#[test]
fn hours_are_named_wherever_a_condition_has_them() {
    let schedule = |name: &str, weekly: &str| {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Arc::new(Schedule::weekly(name, zone, vec![weekly.parse().unwrap()]))
    };
    let mut night = Schedule::clone(&schedule("night", "mon-sun 22:00-06:00"));
    night.holidays = vec![("Autumn".into(), "09-21".parse().unwrap())];
    let in_hours = |hours: Arc<Schedule>| Condition {
        schedules: vec![hours],
        ..Condition::default()
    };
    let (day, night) = (
        in_hours(schedule("day", "mon-sun 06:00-22:00")),
        in_hours(Arc::new(night)),
    );
    let invited = Condition {
        methods: vec!["INVITE".into()],
        ..day.clone()
    };
    let any = |any: &[&Condition]| Condition {
        any: any.iter().map(|condition| (*condition).clone()).collect(),
        ..Condition::default()
    };
    let not = |not: &[&Condition]| Condition {
        not: not.iter().map(|condition| (*condition).clone()).collect(),
        ..Condition::default()
    };
    let conditions = [
        not(&[&night, &invited]),
        any(&[&night, &not(&[&day])]),
        not(&[&not(&[&night])]),
        not(&[&any(&[&night, &day])]),
        not(&[&night]),
    ];
    let rule = |condition| Rule {
        name: "hours".into(),
        condition,
        action: Action::Decide(Arc::new(plans::reject(403))),
    };
    let settings = || {
        let mut settings = Settings::default();
        settings.rules.before = conditions.clone().map(rule).into();
        settings
    };
    assert_eq!(
        found(settings()),
        [
            "not: the one at 2 holds: method is \"INVITE\", day is open",
            "any: none of them holds: night is closed: Autumn, the one at 1 holds: day is open",
            "not: the one at 1 holds: night is closed: Autumn",
            "not: the one at 1 holds: day is open",
            "Decides",
        ]
    );
    // The one that matches names it too.
    let seen = seen(settings());
    let hours: Vec<_> = seen[4].hours.iter().map(ToString::to_string).collect();
    assert_eq!(hours, ["night is closed: Autumn"]);
    let hours: Vec<_> = seen[3].hours.iter().map(ToString::to_string).collect();
    assert_eq!(hours, ["night is closed: Autumn", "day is open"]);
}
