//! `sigbox activate`, `release` and `rollback`: which versions of tables count.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use ureq::http::Method;

use super::api::Node;
use super::print;
use super::state::text;
use super::tables::{difference, in_words, warnings};

/// Rows of the difference that are shown before the question.
const SHOWN: usize = 20;

/// Make a version of a table count that is kept
#[derive(Debug, clap::Args)]
pub(super) struct Activate {
    /// The table
    table: String,
    /// The version
    version: u64,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    node: Node,
}

/// Make versions of several tables count in the same moment, or list those that are newer than what counts
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    /// Which version of which table; without any, what could be released is listed
    #[arg(value_name = "TABLE=VERSION", value_parser = wanted)]
    versions: Vec<(String, u64)>,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    node: Node,
}

/// Make an older version of a table count again
#[derive(Debug, clap::Args)]
pub(super) struct Rollback {
    /// The table
    table: String,
    /// The version [default: the one that counted before]
    version: Option<u64>,
    /// Do it without asking
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    node: Node,
}

fn wanted(text: &str) -> Result<(String, u64), String> {
    let (table, version) = text.split_once('=').ok_or("rates=7, for example")?;
    match version.parse() {
        Ok(version) if !table.is_empty() => Ok((table.to_owned(), version)),
        _ => Err("rates=7, for example".to_owned()),
    }
}

pub(super) fn activate(args: &Activate) -> ExitCode {
    print::outcome(change(&args.node, &args.table, args.version, args.yes))
}

pub(super) fn rollback(args: &Rollback) -> ExitCode {
    print::outcome(rolled_back(args))
}

fn rolled_back(args: &Rollback) -> Result<String> {
    let entry = versions(&args.node, &args.table)?;
    let counted = entry["counted"].as_array();
    let before = counted.and_then(|counted| counted.last()?.as_u64());
    let Some(version) = args.version.or(before) else {
        bail!("no other version of {} has counted yet", args.table);
    };
    change(&args.node, &args.table, version, args.yes)
}

pub(super) fn release(args: &Release) -> ExitCode {
    print::outcome(match args.versions.as_slice() {
        [] => newer(&args.node),
        versions => released(&args.node, versions, args.yes),
    })
}

fn versions(node: &Node, table: &str) -> Result<Value> {
    node.get(&format!("/api/v1/tables/{table}/versions"))
}

/// Has a version count, after the question.
fn change(node: &Node, table: &str, version: u64, yes: bool) -> Result<String> {
    if !yes && !is_wanted(node, &[(table.to_owned(), version)])? {
        return Ok("nothing was changed".to_owned());
    }
    Ok(with_warnings(&activated(node, table, version)?))
}

/// Has a version count.
pub(super) fn activated(node: &Node, table: &str, version: u64) -> Result<Value> {
    let path = format!("/api/v1/tables/{table}/versions/{version}/activate");
    node.ask(Method::POST, &path, &json!({}))
}

fn with_warnings(changed: &Value) -> String {
    in_words(changed) + &warnings(changed)
}

/// Shows what would be different, and asks.
fn is_wanted(node: &Node, wanted: &[(String, u64)]) -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody is there to be asked: say --yes");
    }
    for (table, version) in wanted {
        let shown = match versions(node, table)?["active"].as_u64() {
            Some(active) => difference(node, table, active, *version, SHOWN)?,
            None => format!("version {version} is the first one that counts"),
        };
        print::line(&format!("{table} {shown}"))?;
    }
    print::agreed(&match wanted {
        [(_, version)] => format!("Make version {version} count?"),
        all => format!("Make all {} count?", all.len()),
    })
}

fn released(node: &Node, wanted: &[(String, u64)], yes: bool) -> Result<String> {
    let mut versions = Map::new();
    for (table, version) in wanted {
        if versions.insert(table.clone(), json!(version)).is_some() {
            bail!("{table} is named twice, and one version of it can count");
        }
    }
    if !yes && !is_wanted(node, wanted)? {
        return Ok("nothing was changed".to_owned());
    }
    let document = json!({ "activate": versions });
    let released: Value = node.ask(Method::POST, "/api/v1/releases", &document)?;
    let tables = released["tables"].as_array().into_iter().flatten();
    let lines: Vec<_> = tables.map(with_warnings).collect();
    Ok(lines.join("\n"))
}

/// Versions that are kept and are newer than what counts of their table.
fn newer(node: &Node) -> Result<String> {
    let answer: Value = node.get("/api/v1/tables")?;
    let mut rows = Vec::new();
    for table in answer["tables"].as_array().into_iter().flatten() {
        let active = table["active"]["number"].as_u64();
        if table["newest"].as_u64() <= active {
            continue;
        }
        let name = text(&table["name"]);
        let entry = versions(node, &name)?;
        for version in entry["versions"].as_array().into_iter().flatten() {
            if version["number"].as_u64() > active {
                rows.push(vec![
                    name.clone(),
                    active.map_or_else(|| "-".to_owned(), |active| active.to_string()),
                    text(&version["number"]),
                    text(&version["rows"]),
                    print::time(version["at_ms"].as_u64()),
                    text(&version["by"]),
                    text(&version["comment"]),
                ]);
            }
        }
    }
    if rows.is_empty() {
        return Ok("the newest version of every table counts".to_owned());
    }
    let heads = [
        "TABLE", "COUNTS", "VERSION", "ROWS", "PUSHED", "BY", "COMMENT",
    ];
    Ok(print::table(&heads, rows))
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn a_version_is_named_with_its_table() {
        assert_eq!(wanted("rates=7"), Ok(("rates".to_owned(), 7)));
        for wrong in ["rates", "rates=", "=7", "rates=x", "rates=-1", "7=rates"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
