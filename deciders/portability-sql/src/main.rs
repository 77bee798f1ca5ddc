//! Sample decider: number portability from a database, SQLite or PostgreSQL.

mod database;
mod health;
mod import;
mod numbers;
mod portability;

use std::fs::File;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::database::{Access, Database};
use crate::numbers::Numbers;
use crate::portability::{OnFailure, Onward};

/// Number portability from a database: a decider for sigbox
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// `sqlite:FILE`, or `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full`
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true)]
    #[arg(default_value = "sqlite:portability.db")]
    database: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer queries until SIGTERM
    Run(Run),
    /// Make the table if it is not there, and write the rows of a CSV file into it: number, rn, carrier
    Import {
        /// The file
        file: PathBuf,
        /// Without the rows that are there and not in the file
        #[arg(long)]
        replace: bool,
    },
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    onward: Onward,
    /// When the database does not answer
    #[arg(long, env, value_enum, default_value_t)]
    on_failure: OnFailure,
    /// How long a query of the database may take, in milliseconds; less than the proxy waits for a decision
    #[arg(long, env, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    query_timeout_ms: u64,
    /// Connections to the database, at most
    #[arg(long, env, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pool_size: u32,
    /// Numbers that are remembered, found or not; 0 for none
    #[arg(long, env, default_value_t = 100_000)]
    cache_size: u64,
    /// For how long, in seconds
    #[arg(long, env, default_value_t = 60)]
    cache_ttl_s: u64,
}

// One thread: an answer is a look-up, and waking a second thread for it would cost more than the answer. SQLite has threads of
// its own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // The NATS client has a line for each attempt to connect, which the SDK sums up in one.
    let filter = EnvFilter::try_from_env("SIGBOX_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,async_nats=off,sqlx=off"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    log.with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .init();
    let Cli { database, command } = Cli::parse();
    match command {
        Command::Run(settings) => run(&database, settings).await,
        Command::Import { file, replace } => {
            let rows = File::open(&file).with_context(|| file.display().to_string())?;
            let database = Database::open(&database, &Access::to_write())?;
            let rows = import::import(&database, rows, replace)
                .await
                .with_context(|| file.display().to_string())?;
            info!(rows, "imported");
            Ok(())
        }
    }
}

async fn run(url: &str, settings: Run) -> Result<()> {
    let onward = settings.onward.checked()?;
    let timeout = Duration::from_millis(settings.query_timeout_ms);
    let access = Access::to_read(timeout, settings.pool_size);
    let numbers = Numbers::new(
        Database::open(url, &access)?,
        timeout,
        settings.cache_size,
        Duration::from_secs(settings.cache_ttl_s),
    );
    let decider = portability::decider(numbers, onward, settings.on_failure);
    Ok(decider.run().await?)
}
