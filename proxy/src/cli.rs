//! The command line.

mod api;
mod audit;
mod call;
mod check;
mod decisions;
mod demo;
mod interrupt;
mod print;
mod release;
mod rows;
mod run;
mod secure;
mod simulate;
mod state;
mod tables;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::LogFormat;

/// What the process returns.
pub mod exit {
    /// The configuration cannot be used, or what was asked for did not happen.
    pub const FAILED: u8 = 1;
    /// The configuration was fine, running was not possible.
    pub const RUNTIME: u8 = 2;
}

/// A SIP proxy that asks your code where calls go.
#[derive(Debug, Parser)]
#[command(name = "sigbox", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy
    Run(Run),
    /// Check a configuration file and print what would run
    Check(Check),
    /// Place one call over UDP and draw its ladder
    Call(Box<call::Call>),
    /// Ask a running node what it would do with a request, and why
    Simulate(Box<simulate::Simulate>),
    /// Push a table to the nodes, see what changes, and make it count
    Push(Box<tables::Push>),
    /// List the tables, or the versions of one
    Tables(tables::Tables),
    /// See what is different between two versions of a table
    Diff(tables::Diff),
    /// Make a version of a table count that is kept
    Activate(release::Activate),
    /// Make versions of several tables count in the same moment, or list those that are newer than what counts
    Release(release::Release),
    /// Make an older version of a table count again
    Rollback(release::Rollback),
    /// Print the rows of a table
    Rows(rows::Rows),
    /// Look a number or key up, as a rule with the table would
    Lookup(tables::Lookup),
    /// List the nodes and deciders, and which revision of the tables each runs with
    Nodes(state::Nodes),
    /// List the last decisions of a node, newest first
    Decisions(decisions::Decisions),
    /// List the deciders that answer, and how they have answered a node
    Deciders(decisions::Deciders),
    /// List gateways, or take one out of use
    Gateways(state::Gateways),
    /// List limits and what they counted
    Limits(state::Limits),
    /// List banned sources, ban one, or release it
    Bans(state::Bans),
    /// List the last changes and refusals of a node, the newest last
    Audit(audit::Audit),
    /// Have a node read its configuration file again, as SIGHUP does
    Reload(audit::Reload),
    /// Make a token for the HTTP API, and what the configuration says about it
    Token(token::Token),
    /// See every way a call can be decided, on a system of its own on loopback
    Demo(demo::Demo),
}

/// The file, as several commands take it.
#[derive(Debug, clap::Args)]
struct File {
    /// The configuration file
    #[arg(
        short,
        long = "config",
        value_name = "FILE",
        default_value = "sigbox.toml"
    )]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    file: File,
    /// How log lines look; wins over the file
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    file: File,
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run::run(&args.file.config, args.log_format),
        Command::Check(args) => check::check(&args.file.config),
        Command::Call(args) => call::call(&args),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Push(args) => tables::push(&args),
        Command::Tables(args) => tables::tables(&args),
        Command::Diff(args) => tables::diff(&args),
        Command::Activate(args) => release::activate(&args),
        Command::Release(args) => release::release(&args),
        Command::Rollback(args) => release::rollback(&args),
        Command::Rows(args) => rows::rows(&args),
        Command::Lookup(args) => tables::lookup(&args),
        Command::Nodes(args) => state::nodes(&args),
        Command::Decisions(args) => decisions::decisions(&args),
        Command::Deciders(args) => decisions::deciders(&args),
        Command::Gateways(args) => state::gateways(&args),
        Command::Limits(args) => state::limits(&args),
        Command::Bans(args) => state::bans(&args),
        Command::Audit(args) => audit::audit(&args),
        Command::Reload(args) => audit::reload(&args),
        Command::Token(args) => token::token(&args),
        Command::Demo(args) => demo::demo(args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    /// What clap says at the first use of a command otherwise.
    #[test]
    fn every_command_is_sound() {
        Cli::command().debug_assert();
    }
}
