//! `[[limit]]`.

use std::sync::Arc;

use sigbox_core::{
    AlgorithmError, BanAfter, LimitAlgorithm, Over, Plan, RateLimit, RateLimits, Reject,
    RequestPart,
};

use super::diagnostic::Diagnostic;
use super::reader::Section;
use super::rules::Around;
use super::{decide, keys, tables};

/// Which keys say how much, by algorithm.
const MEASURES: [(&str, &[&str]); 4] = [
    ("token_bucket", &["rate", "burst"]),
    ("tail_drop", &["count", "interval_ms"]),
    ("random_early", &["rate", "burst", "low", "high"]),
    ("adaptive", &["lag_low_ms", "lag_high_ms"]),
];

/// All of them. Those that `running` has go on where they stand.
pub(super) fn read(
    root: &Section<'_>,
    around: &Around<'_>,
    running: Option<&RateLimits>,
) -> RateLimits {
    let mut limits: Vec<Arc<RateLimit>> = Vec::new();
    for (section, _) in tables::of(root, "limit", "limit") {
        let name = tables::name(&section, &limits, |other, name| &*other.name == name);
        let (algorithm, over) = (algorithm(&section), over(&section, around));
        let (key, ban) = (key(&section), ban(&section));
        let always = section.read("apply", |value| {
            value.choice(&[("rules", false), ("all", true)])
        });
        let buckets = section.number("buckets").unwrap_or_default();
        let (Some(name), Some(algorithm), Some(over)) = (name, algorithm, over) else {
            continue;
        };
        let is_adaptive = matches!(algorithm, LimitAlgorithm::Adaptive { .. });
        let key = if is_adaptive { Vec::new() } else { key };
        let limit = RateLimit::new(name, key, algorithm, over, buckets, seed())
            .always(always.unwrap_or_default())
            .banning(ban);
        let before = running.and_then(|running| running.named(&limit.name));
        limits.push(Arc::new(match before {
            Some(before) => limit.after(before),
            None => limit,
        }));
    }
    RateLimits { all: limits }
}

/// The key of a hash that nobody outside can guess. Without random numbers, which no running system
/// lacks, keys can be made to meet, and nothing worse.
pub(super) fn seed() -> [u8; 16] {
    let mut seed = [0; 16];
    let _ = getrandom::fill(&mut seed);
    seed
}

fn key(section: &Section<'_>) -> Vec<RequestPart> {
    let is_adaptive = section
        .value("algorithm")
        .is_some_and(|value| value.is_text("adaptive"));
    if let Some(value) = section.value("key")
        && is_adaptive
    {
        value.fault::<()>(
            "an adaptive limit has no `key`".to_owned(),
            "has no effect here",
            Some("it follows how far the shard is behind, which is the same for all".to_owned()),
        );
        return Vec::new();
    }
    let help = "\"source\", \"source/24\", \"listener\", \"method\", \"user\", \"domain\", \"from_user\", \
                \"from_domain\", \"to_user\", \"to_domain\", \"header:NAME\", or \"global\"";
    let parts = section.list("key", |value| {
        value.parsed("a part of a request", Some(help), |text| match text {
            "global" => Ok(None),
            _ => match RequestPart::parse(text) {
                Some(part) => Ok(Some(part)),
                None => Err("not a part of a request".to_owned()),
            },
        })
    });
    parts.into_iter().flatten().collect()
}

fn algorithm(section: &Section<'_>) -> Option<LimitAlgorithm> {
    let names = MEASURES.map(|(name, _)| (name, name));
    let name = section.read("algorithm", |value| value.choice(&names))?;
    let own = MEASURES.iter().find(|(other, _)| *other == name);
    let own = own.map_or(&[][..], |(_, own)| *own);
    let mut sound = true;
    // Each once, although two algorithms may have it.
    let mut others: Vec<(&str, &str)> = Vec::new();
    for (algorithm, keys) in MEASURES {
        for key in keys.iter().filter(|key| !own.contains(key)) {
            if !others.iter().any(|(other, _)| other == key) {
                others.push((key, algorithm));
            }
        }
    }
    for (key, first) in others {
        if let Some(value) = section.value(key) {
            sound = false;
            value.fault::<()>(
                format!("`{key}` has no meaning with the algorithm `{name}`"),
                "has no effect here",
                Some(format!("`{key}` belongs to `{first}`")),
            );
        }
    }
    let needed: &[&str] = match name {
        "tail_drop" => &["count"],
        "adaptive" => &[],
        _ => &["rate"],
    };
    for key in needed.iter().filter(|key| section.value(key).is_none()) {
        let at = section.span.map(|(start, end)| start..end);
        let message = format!("the algorithm `{name}` needs `{key}`");
        section
            .faults
            .push(Diagnostic::error(at, message).label(format!("no `{key}`")));
        sound = false;
    }
    if !sound {
        return None;
    }
    let rate = section.share("rate");
    // A second's worth, and at least one.
    let burst = section
        .number("burst")
        .unwrap_or(rate.ceil().clamp(1.0, 1e9) as u32);
    let built = match name {
        "token_bucket" => LimitAlgorithm::token_bucket(rate, burst),
        "tail_drop" => LimitAlgorithm::tail_drop(
            section.number("count").unwrap_or_default(),
            section.duration("interval_ms").unwrap_or_default(),
        ),
        "random_early" => {
            LimitAlgorithm::random_early(rate, burst, section.share("low"), section.share("high"))
        }
        _ => LimitAlgorithm::adaptive(
            section.duration("lag_low_ms").unwrap_or_default(),
            section.duration("lag_high_ms").unwrap_or_default(),
        ),
    };
    let refused = |error: AlgorithmError| {
        // What is out of its range has been reported with its place.
        let told = ["rate", "burst", "count", "interval_ms"];
        let key = match error {
            AlgorithmError::Thresholds if name == "adaptive" => "lag_low_ms",
            AlgorithmError::Thresholds => "low",
            _ => return told.iter().any(|key| section.value(key).is_some()),
        };
        let at = section
            .value(key)
            .map(|value| value.span())
            .or_else(|| section.span.map(|(start, end)| start..end));
        section
            .faults
            .push(Diagnostic::error(at, error.to_string()).label("not less"));
        true
    };
    built.map_err(refused).ok()
}

fn over(section: &Section<'_>, around: &Around<'_>) -> Option<Over> {
    let verbs = ["reject", "redirect", "drop"].map(|verb| (verb, verb));
    let verb = section.read("action", |value| value.choice(&verbs))?;
    let own: Vec<_> = keys::of("limit").map(|key| key.name).collect();
    if verb == "drop" {
        section.refuse_unknown(&[]);
        return Some(Over::Drop);
    }
    let is_bare = !section.entries().any(|(key, ..)| !own.contains(&key));
    if verb == "reject" && is_bare {
        return Some(Over::Reject(Reject {
            status: 503,
            reason: None,
            headers: Default::default(),
            retry_after: Some(around.retry_after),
        }));
    }
    let not_decision: Vec<_> = own.into_iter().filter(|name| *name != "action").collect();
    match decide::plan(section, &not_decision, around.limits, &around.plans)? {
        Plan::Reject(reject) => Some(Over::Reject(reject)),
        Plan::Redirect(redirect) => Some(Over::Redirect(redirect)),
        // The verb is one of two.
        Plan::Route(_) | Plan::Pass => None,
    }
}

fn ban(section: &Section<'_>) -> Option<BanAfter> {
    let Some(requests) = section.number("ban_after") else {
        for key in ["ban_within_s", "ban_s"] {
            if let Some(value) = section.value(key) {
                value.fault::<()>(
                    format!("`{key}` only has a meaning with `ban_after`"),
                    "has no effect here",
                    None,
                );
            }
        }
        return None;
    };
    Some(BanAfter {
        requests,
        within: section.duration("ban_within_s")?,
        ban: section.duration("ban_s")?,
    })
}
