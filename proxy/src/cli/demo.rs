//! `sigbox demo`

use std::path::PathBuf;
use std::process::ExitCode;

use super::interrupt::{block_on, interruption};
use crate::demo::{self, Options};
use crate::phone::Terminal;

/// See every way a call can be decided, on a system of its own on loopback
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// Leave everything running until Ctrl-C, and say what to try
    #[arg(long)]
    keep: bool,
    /// The nats-server to start [default: $NATS_SERVER_BIN, or the one in PATH]
    #[arg(long, value_name = "PATH")]
    nats_server: Option<PathBuf>,
    /// The Rust sample decider [default: lcr-rust beside this program]
    #[arg(long, value_name = "PATH")]
    decider_rust: Option<PathBuf>,
    /// The command that starts the Node sample decider [default: node deciders/lcr-node/index.js]
    #[arg(long, value_name = "COMMAND")]
    decider_node: Option<String>,
    /// Place only this call; may be repeated, or a list with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(demo::names()))]
    only: Vec<String>,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
    /// Print one JSON document instead of ladders
    #[arg(long, conflicts_with = "keep")]
    json: bool,
}

/// Exits with 0 when every call went as expected, with 1 when one did not, with 2 when the demo
/// could not run.
pub(super) fn demo(args: Demo) -> ExitCode {
    let terminal = Terminal::detect(args.ascii);
    let options = Options {
        keep: args.keep,
        nats_server: args.nats_server,
        decider_rust: args.decider_rust,
        decider_node: args.decider_node,
        only: args.only,
        json: args.json,
    };
    block_on(async { demo::run(&options, terminal, interruption()?).await })
}
