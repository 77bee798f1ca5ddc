//! `sigbox audit` and `sigbox reload`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use ureq::http::Method;

use super::api::Node;
use super::print;
use super::state::text;

/// List the last changes and refusals of a node, the newest last
#[derive(Debug, clap::Args)]
pub(super) struct Audit {
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Print them as the node wrote them down, a line of JSON each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    node: Node,
}

/// Have a node read its configuration file again, as SIGHUP does
#[derive(Debug, clap::Args)]
pub(super) struct Reload {
    #[command(flatten)]
    node: Node,
}

pub(super) fn audit(args: &Audit) -> ExitCode {
    print::outcome(audited(args))
}

fn audited(args: &Audit) -> Result<String> {
    let answer: Value = args.node.get("/api/v1/audit")?;
    let records = answer["records"].as_array().map_or(&[][..], Vec::as_slice);
    let last = &records[records.len().saturating_sub(args.limit)..];
    if args.json {
        let lines: Vec<_> = last.iter().map(Value::to_string).collect();
        return Ok(lines.join("\n"));
    }
    let rows = last.iter().map(|record| {
        let by = match text(&record["by"]) {
            nobody if nobody.is_empty() => "-".to_owned(),
            by => by,
        };
        vec![
            print::time(record["at_ms"].as_u64()),
            by,
            text(&record["what"]),
            first_line(&text(&record["outcome"])),
            text(&record["revision"]),
        ]
    });
    let heads = ["TIME", "BY", "WHAT", "OUTCOME", "REVISION"];
    Ok(print::table(&heads, rows))
}

/// What is wrong with a configuration has many; `--json` shows them all.
fn first_line(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, _)) => format!("{first} …"),
        None => text.to_owned(),
    }
}

pub(super) fn reload(args: &Reload) -> ExitCode {
    let reloaded = args
        .node
        .ask::<Value>(Method::POST, "/api/v1/reload", &json!({}));
    print::outcome(reloaded.map(|_| "the configuration file was read again, and counts".to_owned()))
}
