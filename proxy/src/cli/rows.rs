//! `sigbox rows`: what is in a table.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::Value;

use super::api::Node;
use super::print;
use super::tables::encoded;

/// Print the rows of the version of a table that counts, in the order of their keys, a line of JSON each
#[derive(Debug, clap::Args)]
pub(super) struct Rows {
    /// The table
    table: String,
    /// The row of this key alone
    #[arg(value_name = "KEY", conflicts_with_all = ["after", "limit"])]
    row: Option<String>,
    /// Only rows after this key
    #[arg(long, value_name = "KEY")]
    after: Option<String>,
    /// How many at most [default: all]
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    #[command(flatten)]
    node: Node,
}

pub(super) fn rows(args: &Rows) -> ExitCode {
    let path = format!("/api/v1/tables/{}/rows", args.table);
    if let Some(key) = &args.row {
        let row = args.node.get::<Value>(&format!("{path}/{}", encoded(key)));
        return print::outcome(row.map(|row| row.to_string()));
    }
    print::done(listed(args, path))
}

fn listed(args: &Rows, mut path: String) -> Result<()> {
    let after = args.after.as_ref();
    let wanted = [
        after.map(|key| format!("after={}", encoded(key))),
        args.limit.map(|limit| format!("limit={limit}")),
    ];
    let wanted: Vec<_> = wanted.into_iter().flatten().collect();
    if !wanted.is_empty() {
        path += &format!("?{}", wanted.join("&"));
    }
    args.node.copy(&path)
}
