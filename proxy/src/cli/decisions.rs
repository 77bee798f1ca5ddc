//! `sigbox decisions` and `sigbox deciders`: what was decided, and by whom.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::api::Node;
use super::print;
use super::state::{listed, text};

/// List the last decisions of a node, newest first
#[derive(Debug, clap::Args)]
pub(super) struct Decisions {
    /// Only those of this call
    #[arg(long, value_name = "CALL-ID")]
    call_id: Option<String>,
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// List the deciders that answer, and how they have answered a node
#[derive(Debug, clap::Args)]
pub(super) struct Deciders {
    /// Print the node's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

pub(super) fn decisions(args: &Decisions) -> ExitCode {
    print::outcome(decisions_of(args))
}

fn decisions_of(args: &Decisions) -> Result<String> {
    let mut path = format!("/api/v1/decisions?limit={}", args.limit);
    if let Some(call_id) = &args.call_id {
        path += &format!("&call_id={}", super::tables::encoded(call_id));
    }
    let answer: Value = args.node.get(&path)?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&answer)?);
    }
    if answer["kept"] == 0 {
        return Ok("the node keeps none; see `decisions` under [admin]".to_owned());
    }
    let heads = [
        "TIME",
        "METHOD",
        "REQUEST-URI",
        "OUTCOME",
        "ACTION",
        "MS",
        "BY",
        "WHY",
    ];
    let rows = answer["records"].as_array().into_iter().flatten();
    Ok(print::table(&heads, rows.map(row)))
}

fn row(record: &Value) -> Vec<String> {
    let at = record["at"].as_f64().map(|at| at as u64);
    let took = record["took_ms"].as_f64().unwrap_or_default();
    let reasons = record["reasons"].as_array().into_iter().flatten();
    let mut why: Vec<_> = [&record["cause"], &record["detail"]]
        .into_iter()
        .chain(reasons)
        .map(text)
        .collect();
    why.retain(|part| !part.is_empty());
    vec![
        print::time(at),
        text(&record["method"]),
        text(&record["request_uri"]),
        text(&record["outcome"]),
        text(&record["action"]),
        format!("{took:.1}"),
        text(&record["decider"]),
        why.join("; "),
    ]
}

pub(super) fn deciders(args: &Deciders) -> ExitCode {
    print::outcome(deciders_of(args))
}

fn deciders_of(args: &Deciders) -> Result<String> {
    let answer: Value = args.node.get("/api/v1/deciders")?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&answer)?);
    }
    let services = answer["services"].as_array().into_iter().flatten();
    let rows = services.flat_map(|service| {
        let endpoints = service["endpoints"].as_array().into_iter().flatten();
        endpoints.map(|endpoint| {
            let average = endpoint["average_ms"].as_f64().unwrap_or_default();
            vec![
                text(&service["name"]),
                text(&service["version"]),
                text(&endpoint["subject"]),
                text(&endpoint["requests"]),
                text(&endpoint["errors"]),
                format!("{average:.2}"),
            ]
        })
    });
    let mut shown = match answer["error"].as_str() {
        Some(error) => format!("nobody could be asked: {error}"),
        None => print::table(
            &["DECIDER", "VERSION", "SUBJECT", "REQUESTS", "ERRORS", "MS"],
            rows,
        ),
    };
    let heads = [
        "ASKED BY THIS NODE",
        "CIRCUIT",
        "OUT",
        "LIMIT",
        "ANSWERED",
        "FAILED",
        "LAST FAILURE",
    ];
    let fields = [
        "subject",
        "breaker",
        "open",
        "limit",
        "answered",
        "failed",
        "last_failure",
    ];
    shown += "\n\n";
    shown += &listed(&answer["subjects"], &heads, &fields);
    Ok(shown)
}
