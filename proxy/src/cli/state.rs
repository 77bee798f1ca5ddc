//! `sigbox nodes`, `gateways`, `limits` and `bans`: how a running node is.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use ureq::http::Method;

use super::api::Node;
use super::print;

/// List the nodes and deciders, and which revision of the tables each runs with
#[derive(Debug, clap::Args)]
pub(super) struct Nodes {
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// List gateways, or take one out of use
#[derive(Debug, clap::Args)]
pub(super) struct Gateways {
    /// One set
    set: Option<String>,
    /// Give this gateway of the set no more calls
    #[arg(long, value_name = "ID", requires = "set", conflicts_with = "enable")]
    disable: Option<String>,
    /// Give it calls again
    #[arg(long, value_name = "ID", requires = "set")]
    enable: Option<String>,
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// List limits and what they counted
#[derive(Debug, clap::Args)]
pub(super) struct Limits {
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// List banned sources, ban one, or release it
#[derive(Debug, clap::Args)]
pub(super) struct Bans {
    /// Take nothing from this address or network
    #[arg(long, value_name = "SOURCE", conflicts_with = "release")]
    add: Option<String>,
    /// For how long: 10m, 1h 30m, or seconds
    #[arg(
        long = "for",
        alias = "seconds",
        value_name = "TIME",
        value_parser = span,
        default_value = "1h",
        requires = "add"
    )]
    span: Duration,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "", requires = "add")]
    reason: String,
    /// Even if it is protected: loopback, gateways, `limits.never_ban`
    #[arg(long, requires = "add")]
    force: bool,
    /// Take from this source again
    #[arg(long, value_name = "SOURCE")]
    release: Option<String>,
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// Text as people write it, or seconds.
fn span(text: &str) -> Result<Duration, String> {
    let span = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string())?,
    };
    match span.as_secs() {
        0 => Err("at least a second".to_owned()),
        _ => Ok(span),
    }
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn tenths(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| text(value), |number| format!("{number:.1}"))
}

/// Rows of a list in a document, its fields by name.
pub(super) fn listed(list: &Value, heads: &[&str], fields: &[&str]) -> String {
    let rows = list.as_array().into_iter().flatten();
    print::table(
        heads,
        rows.map(|row| fields.iter().map(|field| text(&row[*field])).collect()),
    )
}

pub(super) fn nodes(args: &Nodes) -> ExitCode {
    let list = || -> Result<String> {
        let answer: Value = args.node.get("/api/v1/nodes")?;
        if args.json {
            return Ok(serde_json::to_string_pretty(&answer)?);
        }
        let heads = ["NAME", "ROLE", "REVISION", "CURRENT", "ERROR"];
        let fields = ["name", "role", "revision", "current", "error"];
        let mut shown = listed(&answer["members"], &heads, &fields);
        if let Some(others) = answer["namesakes"].as_u64().filter(|others| *others > 0) {
            let name = text(&answer["members"][0]["name"]);
            shown += &format!(
                "\nwarning: {} nodes on this NATS are called {name}",
                others + 1
            );
        }
        Ok(shown)
    };
    print::outcome(list())
}

pub(super) fn gateways(args: &Gateways) -> ExitCode {
    print::outcome(gateways_of(args))
}

fn gateways_of(args: &Gateways) -> Result<String> {
    let node = &args.node;
    let switch = args.disable.as_ref().map(|id| (id, "disabled"));
    let switch = switch.or(args.enable.as_ref().map(|id| (id, "active")));
    if let (Some(set), Some((id, state))) = (&args.set, switch) {
        let path = format!("/api/v1/gateways/{set}/{id}");
        let now: Value = node.ask(Method::PUT, &path, &json!({ "state": state }))?;
        return Ok(format!("{set}/{id} is {}", text(&now["state"])));
    }
    let answer: Value = match &args.set {
        None => node.get("/api/v1/gateways")?,
        Some(set) => json!({ "sets": [node.get::<Value>(&format!("/api/v1/gateways/{set}"))?] }),
    };
    if args.json {
        return Ok(serde_json::to_string_pretty(&answer)?);
    }
    let mut rows = Vec::new();
    for set in answer["sets"].as_array().into_iter().flatten() {
        for gateway in set["gateways"].as_array().into_iter().flatten() {
            rows.push(vec![
                format!("{}/{}", text(&set["name"]), text(&gateway["id"])),
                text(&gateway["state"]),
                print::time(gateway["since"].as_u64()),
                text(&gateway["calls"]),
                tenths(&gateway["latency_ms"]),
                text(&gateway["uri"]),
            ]);
        }
    }
    Ok(print::table(
        &["GATEWAY", "STATE", "SINCE", "CALLS", "LATENCY MS", "URI"],
        rows,
    ))
}

pub(super) fn limits(args: &Limits) -> ExitCode {
    let list = || -> Result<String> {
        let answer: Value = args.node.get("/api/v1/limits")?;
        if args.json {
            return Ok(serde_json::to_string_pretty(&answer)?);
        }
        let heads = [
            "LIMIT",
            "ALGORITHM",
            "APPLIES",
            "OVER IT",
            "PASSED",
            "LIMITED",
        ];
        let fields = ["name", "algorithm", "apply", "action", "passed", "limited"];
        Ok(listed(&answer["limits"], &heads, &fields))
    };
    print::outcome(list())
}

pub(super) fn bans(args: &Bans) -> ExitCode {
    print::outcome(bans_of(args))
}

fn bans_of(args: &Bans) -> Result<String> {
    let node = &args.node;
    if let Some(source) = &args.add {
        let wanted = json!({
            "source": source,
            "seconds": args.span.as_secs(),
            "reason": args.reason,
            "force": args.force,
        });
        let ban: Value = node.ask(Method::POST, "/api/v1/bans", &wanted)?;
        return Ok(format!(
            "{} is banned for {} s",
            text(&ban["source"]),
            ban["seconds_left"]
        ));
    }
    if let Some(source) = &args.release {
        let _: Value = node.ask(
            Method::DELETE,
            &format!("/api/v1/bans/{source}"),
            &json!({}),
        )?;
        return Ok(format!("{source} is released"));
    }
    let answer: Value = node.get("/api/v1/bans")?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&answer)?);
    }
    let heads = ["SOURCE", "SECONDS LEFT", "BY", "REASON"];
    Ok(listed(
        &answer["bans"],
        &heads,
        &["source", "seconds_left", "by", "reason"],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_its_units_or_in_seconds() {
        for (text, seconds) in [("600", 600), ("10m", 600), ("1h 30m", 5400), ("90s", 90)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["", "0", "0s", "10 minuets", "-5", "500ms"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
