//! Sample decider: least-cost routing from a CSV file (`RATES`), reloaded when it changes.

mod lcr;
mod rates;
mod watched;

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

use crate::watched::Watched;

// One thread: an answer is a look-up, and waking a second thread for it would cost more than the answer.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    // The NATS client has a line for each attempt to connect, which the SDK sums up in one.
    let filter = EnvFilter::try_from_env("SIGBOX_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,async_nats=off"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    log.with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .init();

    let path = std::env::var_os("RATES").filter(|path| !path.is_empty());
    let path = path.map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/rates.csv").into(),
        PathBuf::from,
    );
    let watched = Watched::open(path)?;
    let rates = watched.rates();
    tokio::spawn(watched.follow());
    Ok(lcr::decider(rates).run().await?)
}
