//! The command line.

mod call;
mod check;
mod demo;
mod interrupt;
mod run;
mod simulate;

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
        Command::Demo(args) => demo::demo(args),
    }
}
