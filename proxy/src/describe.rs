//! Rules and limits in words, for people: `sigbox check`, explanations.

use std::fmt::Write;

use sigbox_core::{Action, Condition, Over, Plan, RateLimit, TextMatch, UriMatch};

fn join<T: ToString>(parts: impl IntoIterator<Item = T>, between: &str) -> String {
    let parts: Vec<_> = parts.into_iter().map(|part| part.to_string()).collect();
    parts.join(between)
}

/// What must hold, in the order in which it is looked at.
pub fn conditions(condition: &Condition) -> String {
    let mut parts = Vec::new();
    let mut part = |name: &str, entries: Vec<String>| {
        if !entries.is_empty() {
            parts.push(format!("{name} {}", entries.join(" or ")));
        }
    };
    let causes = condition
        .causes
        .iter()
        .map(|cause| cause.label().to_owned());
    part("cause", causes.collect());
    part("method", texts(&condition.methods));
    part("source", texts(&condition.sources));
    let listeners = condition.listeners.iter().map(|id| (id.0 + 1).to_string());
    part("listener", listeners.collect());
    part("user", texts(&condition.users));
    part("domain", texts(&condition.domains));
    for (side, wanted) in [("from", &condition.from), ("to", &condition.to)] {
        let UriMatch {
            users,
            domains,
            whole,
        } = wanted;
        part(&format!("{side}_user"), texts(users));
        part(&format!("{side}_domain"), texts(domains));
        part(
            side,
            whole.iter().map(|regex| format!("/{regex}/")).collect(),
        );
    }
    for header in &condition.headers {
        let value = header.value.as_ref();
        let value = value.map_or_else(|| "present".to_owned(), TextMatch::to_string);
        part(&header.name, vec![value]);
    }
    let schedules = condition
        .schedules
        .iter()
        .map(|hours| hours.name.to_string());
    part("schedule", schedules.collect());
    let inner = |conditions: &[Condition]| -> Vec<String> {
        let inner = conditions.iter();
        inner
            .map(|inner| format!("({})", self::conditions(inner)))
            .collect()
    };
    part("any of", inner(&condition.any));
    for inner in inner(&condition.not) {
        part("not", vec![inner]);
    }
    if parts.is_empty() {
        "always".to_owned()
    } else {
        parts.join(", ")
    }
}

fn texts<T: ToString>(entries: &[T]) -> Vec<String> {
    entries.iter().map(T::to_string).collect()
}

/// What a rule does.
pub fn action(action: &Action) -> String {
    match action {
        Action::Ask(ask) => {
            let mut text = "ask".to_owned();
            if let Some(tenant) = &ask.tenant {
                // Writing into a String does not fail.
                let _ = write!(text, " {tenant}");
            }
            if let Some(budget) = ask.budget {
                let _ = write!(text, " for {} ms", budget.as_millis());
            }
            text
        }
        Action::Decide(plan) => self::plan(plan),
        Action::Cached(cached) => format!("what was decided last for {}", cached.key),
        Action::Table(lookup) => {
            format!("what the table {} says about {}", lookup.table, lookup.key)
        }
        Action::Ban(span) => format!("ban for {} s", span.as_secs()),
        Action::Limited(limit, then) => {
            format!("under the limit {}: {}", limit.name, self::action(then))
        }
    }
}

/// What a plan does.
pub fn plan(plan: &Plan) -> String {
    match plan {
        Plan::Route(plan) => {
            let to = plan.routes().iter().map(|route| {
                if let Some(set) = &route.gateways {
                    return format!("the gateways {set}");
                }
                let target = route.next_hop.as_ref().or(route.uri.as_ref());
                target
                    .map_or("its Request-URI", |target| target.text())
                    .to_owned()
            });
            format!("route to {}", join(to, ", "))
        }
        Plan::Reject(reject) => format!("reject with {}", reject.status),
        Plan::Redirect(redirect) => {
            let to = redirect.contacts.iter().map(|to| to.uri.text());
            format!("redirect to {}", join(to, ", "))
        }
        Plan::Pass => "pass".to_owned(),
    }
}

/// What becomes of a request over a limit.
pub fn over(over: &Over) -> String {
    match over {
        Over::Reject(reject) => format!("reject with {}", reject.status),
        Over::Redirect(redirect) => {
            let to = redirect.contacts.iter().map(|to| to.uri.text());
            format!("redirect to {}", join(to, ", "))
        }
        Over::Drop => "drop".to_owned(),
    }
}

/// A limit.
pub fn limit(limit: &RateLimit) -> String {
    let key = match limit.key.as_slice() {
        [] => "all requests together".to_owned(),
        parts => format!("by {}", join(parts, " and ")),
    };
    let when = if limit.always {
        ""
    } else {
        ", where a rule says"
    };
    let mut text = format!(
        "{}: {}, {key}{when} -> {}",
        limit.name,
        limit.algorithm.name(),
        over(&limit.over)
    );
    if let Some(ban) = limit.ban {
        let _ = write!(
            text,
            ", ban for {} s after {} within {} s",
            ban.ban.as_secs(),
            ban.requests,
            ban.within.as_secs()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn rules_and_limits_are_told_in_words() {
        let text = r#"
            [sip]
            listen = "udp:127.0.0.1:5060"
            [[limit]]
            name = "calls"
            key = ["source/24", "user"]
            rate = 5
            ban_after = 9
            [[limit]]
            name = "all"
            key = "global"
            algorithm = "tail_drop"
            count = 5
            apply = "all"
            action = "drop"
            [[schedule]]
            name = "office"
            weekly = "mon-fri 08:00-18:00"
            [[rule]]
            from_user_prefix = "+49"
            to_domain = "*.example.com"
            from = "^sips:"
            any = [{ method = "INVITE" }, { source = "192.0.2.1" }]
            not = { schedule = "office" }
            limit = "calls"
            action = "cached"
            key = "{user}"
            [[rule]]
            action = "ban"
            [[fallback]]
            action = "reject"
            status = 503
        "#;
        let config = Config::parse(Path::new("sigbox.toml"), text).unwrap();
        let settings = &config.settings;
        let limits: Vec<_> = settings
            .rate_limits
            .all
            .iter()
            .map(|all| limit(all))
            .collect();
        assert_eq!(
            limits,
            [
                "calls: token_bucket, by source/24 and user, where a rule says -> reject with 503, \
                 ban for 600 s after 9 within 60 s",
                "all: tail_drop, all requests together -> drop",
            ]
        );
        let rules = settings.rules.before.iter();
        let rules: Vec<_> = rules
            .map(|rule| format!("{}: {}", conditions(&rule.condition), action(&rule.action)))
            .collect();
        assert_eq!(
            rules,
            [
                "from_user +49*, from /^sips:/, to_domain *.example.com, any of (method INVITE) or \
                 (source 192.0.2.1/32), not (schedule office): under the limit calls: what was decided \
                 last for {user}",
                "always: ban for 3600 s",
            ]
        );
    }
}
