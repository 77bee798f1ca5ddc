//! `/api/v1/limits` and `/api/v1/bans`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sigbox_core::{Instant, Over, RateLimit};

use super::Problem;
use super::explain;
use super::query::Path;
use super::tables::document;
use crate::bans::{Ban, BanRefused, Bans, By};
use crate::config::Config;
use crate::describe;
use crate::shard::Clock;

/// The longest ban, in seconds: a year.
const LONGEST: u64 = 31_536_000;

/// What the API looks at and changes.
#[derive(Clone, Debug)]
pub struct Controls {
    /// The configuration that runs.
    pub config: Arc<ArcSwap<Config>>,
    /// Who is banned.
    pub bans: Arc<Bans>,
    /// The time of the shards.
    pub clock: Clock,
}

impl Controls {
    /// Its part of `/api/v1`. Whoever serves it sees to who may ask.
    pub(super) fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/api/v1/limits", get(limits))
            .route("/api/v1/bans", get(bans).post(ban))
            .route("/api/v1/bans/{*source}", axum::routing::delete(release))
            .route("/api/v1/explain", post(explain::explain))
            .route("/api/v1/simulate", post(explain::simulate))
            .with_state(self)
    }

    /// Unix time in milliseconds at an instant of the shards.
    pub(super) fn unix_ms(&self, at: Instant) -> u64 {
        self.clock.wall_origin_ms() + at.as_millis()
    }
}

/// One limit, as the API shows it.
#[derive(Debug, Serialize)]
struct LimitShown {
    name: String,
    key: Vec<String>,
    algorithm: &'static str,
    apply: &'static str,
    action: String,
    buckets: usize,
    passed: u64,
    limited: u64,
}

impl LimitShown {
    fn of(limit: &RateLimit) -> Self {
        let key = limit.key.iter().map(ToString::to_string);
        Self {
            name: limit.name.to_string(),
            key: key.collect(),
            algorithm: limit.algorithm.name(),
            apply: if limit.always { "all" } else { "rules" },
            action: match &limit.over {
                Over::Drop => "drop".to_owned(),
                over => describe::over(over),
            },
            buckets: limit.buckets(),
            passed: limit.passed(),
            limited: limit.limited().iter().sum(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Limits {
    limits: Vec<LimitShown>,
}

async fn limits(State(controls): State<Controls>) -> Json<Limits> {
    let config = controls.config.load();
    let limits = config.settings.rate_limits.all.iter();
    Json(Limits {
        limits: limits.map(|limit| LimitShown::of(limit)).collect(),
    })
}

/// One ban, as the API shows it.
#[derive(Debug, Serialize)]
struct BanShown {
    /// An address, or a network.
    source: String,
    reason: String,
    /// `rule` or `api`.
    by: &'static str,
    /// Unix milliseconds.
    until: u64,
    seconds_left: u64,
}

impl BanShown {
    fn of(ban: &Ban, controls: &Controls, now: Instant) -> Self {
        Self {
            source: shown(ban.source),
            reason: ban.reason.to_string(),
            by: match ban.by {
                By::Rule => "rule",
                By::Api | By::Force => "api",
            },
            until: controls.unix_ms(ban.until),
            seconds_left: (ban.until - now).as_millis().div_ceil(1_000) as u64,
        }
    }
}

/// A network of one is an address.
fn shown(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

#[derive(Debug, Serialize)]
struct AllBans {
    bans: Vec<BanShown>,
}

async fn bans(State(controls): State<Controls>) -> Json<AllBans> {
    let now = controls.clock.now();
    let bans = controls.bans.list(now);
    Json(AllBans {
        bans: bans
            .iter()
            .map(|ban| BanShown::of(ban, &controls, now))
            .collect(),
    })
}

/// What is to be banned.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BanWanted {
    /// An address, or a network.
    source: String,
    /// For how long.
    seconds: u64,
    /// Why, for whoever reads the list.
    #[serde(default)]
    reason: String,
    /// Even if it is protected.
    #[serde(default)]
    force: bool,
}

async fn ban(
    State(controls): State<Controls>,
    body: Body,
) -> Result<(StatusCode, Json<BanShown>), Problem> {
    let wanted: BanWanted = document(body).await?;
    let refuse = |detail: String| Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let source = network(&wanted.source).map_err(refuse)?;
    if !(1..=LONGEST).contains(&wanted.seconds) {
        return Err(refuse(format!("`seconds` must be from 1 to {LONGEST}")));
    }
    if wanted.reason.len() > 256 || wanted.reason.chars().any(char::is_control) {
        return Err(refuse(
            "`reason` must be one line of at most 256 bytes".to_owned(),
        ));
    }
    let now = controls.clock.now();
    let ban = Ban {
        source,
        until: now + Duration::from_secs(wanted.seconds),
        reason: wanted.reason.into(),
        by: if wanted.force { By::Force } else { By::Api },
    };
    controls.bans.add(ban.clone(), now).map_err(|refused| {
        let status = match refused {
            BanRefused::Protected(_) => StatusCode::CONFLICT,
            BanRefused::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        };
        let help = match refused {
            BanRefused::Protected(_) => "; `\"force\": true` bans it nevertheless",
            BanRefused::Full(_) => "",
        };
        Problem::of(status, format!("{refused}{help}"))
    })?;
    tracing::info!(source = %ban.source, seconds = wanted.seconds, reason = %ban.reason, "banned through the API");
    Ok((
        StatusCode::CREATED,
        Json(BanShown::of(&ban, &controls, now)),
    ))
}

async fn release(
    State(controls): State<Controls>,
    Path(source): Path<String>,
) -> Result<StatusCode, Problem> {
    let refuse = |detail: String| Problem::of(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let source = network(&source).map_err(refuse)?;
    match controls.bans.release(source, controls.clock.now()) {
        Some(ban) => {
            tracing::info!(source = %ban.source, "released through the API");
            Ok(StatusCode::NO_CONTENT)
        }
        None => Err(Problem::of(
            StatusCode::NOT_FOUND,
            format!("{} is not banned", shown(source)),
        )),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>();
    let parsed = address.map(|ip| IpNet::from(ip.to_canonical()));
    parsed
        .or_else(|_| text.parse::<IpNet>().map(|net| net.trunc()))
        .map_err(|_| format!("{text:?} is neither an address nor a network"))
}
