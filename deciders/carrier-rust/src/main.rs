//! Sample decider on pushed tables: DIDs, number portability, and least-cost routing over several rate decks.

#[cfg(test)]
mod cases;
mod did;
mod lcr;
mod portability;

use std::future::ready;
use std::io::{IsTerminal, stderr};

use sigbox_decider::contracts::query::Uri;
use sigbox_decider::{Decider, Dialled, Snapshot, Tables, prelude::*};
use tracing_subscriber::EnvFilter;

use crate::lcr::Decks;

/// Numbers that are matched as a whole, never looked up and never refused: the proxy's local rules have them.
const EMERGENCY: [&str; 3] = ["110", "112", "911"];

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
    let decks = Decks::parse(&std::env::var("DECKS").unwrap_or_default())?;
    Ok(decider(Tables::new(), decks).run().await?)
}

fn decider(tables: Tables, decks: Decks) -> Decider {
    let followed = tables.clone();
    Decider::new("carrier-rust", env!("CARGO_PKG_VERSION"))
        .description("DIDs, number portability and least-cost routing from pushed tables")
        .follow(&followed)
        // One snapshot for all that a decision looks up: a release counts as a whole.
        .on(Class::Invite, move |call: Call| {
            ready(decide(&tables.now(), &decks, call.request_uri()))
        })
}

/// A number of ours rings where its row says; any other goes out, after a dip into the ported numbers, by the cheapest
/// carrier.
fn decide(snapshot: &Snapshot, decks: &Decks, called: &Uri) -> Answer {
    let Some(dialled) = Dialled::of(called) else {
        return pass().because("not a telephone number");
    };
    if EMERGENCY.contains(&dialled.number()) {
        return pass().because(format!("emergency call {}", dialled.number()));
    }
    did::inbound(snapshot, &dialled)
        .unwrap_or_else(|| lcr::route(snapshot, decks, &portability::dip(snapshot, &dialled)))
}
