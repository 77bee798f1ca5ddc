//! The tables of the file, each as what it configures.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use sigbox_contracts::Slug;
use sigbox_core::{Class, DecisionSettings, Limits, Redirects, Role, Timers};

use super::diagnostic::Diagnostic;
use super::folder::Folder;
use super::reader::Section;
use super::value::Value;
use super::{Events, Exchange, Log, LogFormat, Overload, Runtime, Tables};
use super::{condition, listen};

const SLUG: &str = "a slug";
pub(super) const SLUG_HELP: &str =
    "letters a to z, digits, `_` and `-`: it becomes part of a NATS subject";

pub(super) fn slug(value: Value<'_>) -> Option<Slug> {
    value.parsed(SLUG, Some(SLUG_HELP), |text| {
        Slug::new(text).map_err(|error| error.to_string())
    })
}

/// `node`
pub(super) fn node(root: &Section<'_>) -> Option<Slug> {
    match root.value("node") {
        Some(value) => slug(value),
        None => Slug::new(host_slug()).ok(),
    }
}

/// The host name with everything but letters, digits and hyphens replaced.
fn host_slug() -> String {
    let host = rustix::system::uname();
    let name = host.nodename().to_string_lossy().to_ascii_lowercase();
    let slug: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(Slug::MAX_LEN)
        .collect();
    match slug.trim_matches('-') {
        "" => "sigbox".to_owned(),
        slug => slug.to_owned(),
    }
}

/// `sip.aliases`
pub(super) fn aliases(sip: &Section<'_>) -> Vec<Box<str>> {
    sip.list("aliases", |value| {
        value.parsed("a host name or an address", None, |text| {
            let bare = text.trim_matches(['[', ']']);
            match bare.parse::<std::net::IpAddr>() {
                Ok(_) => Ok(text.to_ascii_lowercase().into()),
                Err(_) => listen::host_name(text),
            }
        })
    })
}

/// `sip.server_header`
pub(super) fn server_header(sip: &Section<'_>) -> Option<Box<str>> {
    sip.read("server_header", |value| {
        value.parsed("one line of text", None, |text| {
            match text.chars().any(char::is_control) {
                true => Err("holds a control character".to_owned()),
                false => Ok(Box::<str>::from(text)),
            }
        })
    })
    .filter(|text| !text.is_empty())
}

/// `sip.mode`
pub(super) fn role(sip: &Section<'_>) -> Role {
    let role = sip.read("mode", |value| {
        value.choice(&[("proxy", Role::Proxy), ("redirect", Role::RedirectServer)])
    });
    role.unwrap_or_default()
}

/// `sip.redirects`
pub(super) fn redirects(sip: &Section<'_>) -> Redirects {
    let redirects = sip.read("redirects", |value| {
        value.choice(&[
            ("relay", Redirects::Relay),
            ("follow", Redirects::Follow),
            ("ask", Redirects::Ask),
        ])
    });
    redirects.unwrap_or_default()
}

/// The timers of `[sip]`.
pub(super) fn timers(sip: &Section<'_>) -> Timers {
    let t1 = sip.duration("t1_ms").unwrap_or_default();
    let timers = Timers {
        t1,
        t2: sip.duration("t2_ms").unwrap_or_default(),
        t4: sip.duration("t4_ms").unwrap_or_default(),
        fr: sip.duration("fr_timer_ms").unwrap_or(t1 * 64),
        fr_inv: sip.duration("fr_inv_timer_ms").unwrap_or_default(),
        trying: sip.duration("trying_delay_ms").unwrap_or_default(),
    };
    if timers.t2 < timers.t1 {
        let at = sip
            .value("t2_ms")
            .or_else(|| sip.value("t1_ms"))
            .map(|value| value.span());
        sip.faults.push(
            Diagnostic::error(at, "`sip.t2_ms` must not be less than `sip.t1_ms`").label(format!(
                "t1 is {} ms, t2 is {} ms",
                t1.as_millis(),
                timers.t2.as_millis()
            )),
        );
    }
    if let Some(value) = sip.value("fr_inv_timer_ms")
        && timers.fr_inv <= Duration::from_secs(180)
    {
        sip.faults.push(
            Diagnostic::warning(
                Some(value.span()),
                "`sip.fr_inv_timer_ms` is not over three minutes",
            )
            .label("a phone that rings longer is hung up on")
            .help("RFC 3261 §16.6 wants more than 180000; routes can carry their own timers"),
        );
    }
    timers
}

/// The core's part of `[decision]`, without the limit of suspended transactions.
pub(super) fn decision(section: &Section<'_>) -> DecisionSettings {
    let settings = DecisionSettings {
        budget: section.duration("budget_ms").unwrap_or_default(),
        max_wait: section.duration("max_wait_ms").unwrap_or_default(),
        max_attempts: section.number("max_attempts").unwrap_or_default(),
        ask: section.list("ask", |value| {
            value.choice(&Class::ALL.map(|class| (class.slug(), class)))
        }),
    };
    if settings.budget > settings.max_wait
        && let Some(value) = section
            .value("budget_ms")
            .or_else(|| section.value("max_wait_ms"))
    {
        value.fault::<()>(
            "`decision.budget_ms` is longer than `decision.max_wait_ms`".to_owned(),
            &format!(
                "{} ms against {} ms",
                settings.budget.as_millis(),
                settings.max_wait.as_millis()
            ),
            Some("the longest wait holds for the first budget, too".to_owned()),
        );
    }
    settings
}

/// The shell's part of `[decision]`.
pub(super) fn exchange(section: &Section<'_>) -> Exchange {
    let headers = section.list("headers", |value| {
        value.parsed("a header name", None, condition::header_name)
    });
    Exchange {
        headers,
        body: section.flag("body"),
        max_reply_bytes: section.number("max_reply_bytes").unwrap_or_default(),
        max_routes: section.number("max_routes").unwrap_or_default(),
    }
}

/// `[limits]` and `decision.max_suspended`, divided among the shards.
pub(super) fn limits(limits: &Section<'_>, decision: &Section<'_>, shards: usize) -> Limits {
    let per_shard = |whole: Option<usize>| whole.unwrap_or_default().div_ceil(shards.max(1));
    Limits {
        suspended: per_shard(decision.number("max_suspended")),
        transactions: per_shard(limits.number("transactions")),
        gateway_calls: per_shard(limits.number("gateway_calls")),
        wire: sigbox_wire::Limits {
            message: limits.number("message_bytes").unwrap_or_default(),
            headers: limits.number("headers").unwrap_or_default(),
            header: limits.number("header_bytes").unwrap_or_default(),
            vias: limits.number("vias").unwrap_or_default(),
        },
    }
}

/// The shell's part of `[overload]`, divided among the shards.
pub(super) fn overload(section: &Section<'_>, shards: usize) -> Overload {
    let queue: usize = section.number("queue").unwrap_or_default();
    Overload {
        max_wait: section.duration("max_wait_ms").unwrap_or_default(),
        queue: queue.div_ceil(shards.max(1)),
        memory: section.number("memory_bytes"),
    }
}

/// The core's part of `[overload]`.
pub(super) fn retry_after(section: &Section<'_>) -> (Duration, Duration) {
    let shortest = section.duration("retry_after_min_s").unwrap_or_default();
    let longest = section.duration("retry_after_max_s").unwrap_or_default();
    if shortest > longest {
        let at = section.value("retry_after_min_s").map(|value| value.span());
        let message = format!(
            "`retry_after_min_s` is {}, more than `retry_after_max_s`, {}",
            shortest.as_secs(),
            longest.as_secs()
        );
        section.faults.push(Diagnostic::error(at, message));
    }
    (shortest, longest)
}

/// `[events]`
pub(super) fn events(section: &Section<'_>) -> Events {
    let kinds = [
        "decision",
        "transaction",
        "cancelled",
        "node",
        "gateway",
        "audit",
        "data",
    ]
    .map(|kind| (kind, kind));
    let published = section.list("publish", |value| value.choice(&kinds));
    Events {
        decision: published.contains(&"decision"),
        transaction: published.contains(&"transaction"),
        cancelled: published.contains(&"cancelled"),
        node: published.contains(&"node"),
        gateway: published.contains(&"gateway"),
        audit: published.contains(&"audit"),
        data: published.contains(&"data"),
    }
}

/// `data.dir`
pub(super) fn data_dir(section: &Section<'_>, folder: Folder<'_>) -> Option<PathBuf> {
    section.read("dir", |value| {
        folder.warn(&value);
        folder.path(&value)
    })
}

/// `[tables]`
pub(super) fn tables(section: &Section<'_>) -> Tables {
    Tables {
        limits: sigbox_tables::Limits {
            max_rows: section.number("max_rows").unwrap_or_default(),
            max_row_bytes: section.number("max_row_bytes").unwrap_or_default(),
        },
        max_upload_bytes: section.number("max_upload_bytes").unwrap_or_default(),
        versions: section.number("versions").unwrap_or_default(),
        replicas: section
            .number("replicas")
            .filter(|_| section.flag("replicate")),
    }
}

/// `[log]`
pub(super) fn log(section: &Section<'_>) -> Log {
    use tracing::Level;
    let format = section.read("format", |value| {
        value.choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)])
    });
    let level = section.read("level", |value| {
        value.choice(&[
            ("error", Level::ERROR),
            ("warn", Level::WARN),
            ("info", Level::INFO),
            ("debug", Level::DEBUG),
            ("trace", Level::TRACE),
        ])
    });
    Log {
        format: format.unwrap_or(LogFormat::Text),
        level: level.unwrap_or(Level::INFO),
    }
}

/// `[runtime]`
pub(super) fn runtime(section: &Section<'_>) -> Runtime {
    // The other half is for the system's part of the network, NATS and deciders. A shard carries some thousand calls a
    // second, and fewer shards hand fewer messages to each other.
    let half =
        || thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2).min(64));
    Runtime {
        shards: section.number("shards").unwrap_or_else(half),
        drain: section.duration("drain_s").unwrap_or_default(),
        shard_queue: section.number("shard_queue").unwrap_or_default(),
        udp_receive_buffer: section.number("udp_receive_buffer").unwrap_or_default(),
        udp_send_buffer: section.number("udp_send_buffer").unwrap_or_default(),
        watch: section.flag("watch"),
    }
}
