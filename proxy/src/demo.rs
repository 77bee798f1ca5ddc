//! `sigbox demo`: the whole system on loopback, call by call.
//!
//! Starts a nats-server, this program as the proxy, both sample deciders and scripted phones, each on
//! a free port of 127.0.0.1; places calls that show every way a call can be decided; draws a ladder
//! of each; and says whether it went as it had to.

mod admin;
mod cast;
mod finder;
mod nats;
mod patience;
mod picture;
mod play;
mod program;
mod report;
mod scenario;
mod stage;

use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::phone::Terminal;
use crate::phone::terminal::show;
use play::{Played, play};
use scenario::{ALL, Scenario};
use stage::{NODE, RUST, Stage};

/// What to show, and with what.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Leave everything running when the calls are done.
    pub keep: bool,
    /// The nats-server to use instead of the one that is found.
    pub nats_server: Option<PathBuf>,
    /// The decider to use instead of `lcr-rust` beside this program.
    pub decider_rust: Option<PathBuf>,
    /// The command to use instead of `node deciders/lcr-node/index.js`.
    pub decider_node: Option<String>,
    /// The calls to place; all when empty.
    pub only: Vec<String>,
    /// Print one JSON document instead of ladders.
    pub json: bool,
}

/// The names of the calls, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|scenario| scenario.name)
}

/// Runs the demo and prints what happens. Says whether every call went as expected; nothing when it
/// was `interrupted` before. Whatever was started is stopped in every case.
///
/// # Errors
/// When something that the demo needs is missing, does not start or stops by itself.
pub async fn run(
    options: &Options,
    terminal: Terminal,
    interrupted: impl Future<Output = ()>,
) -> Result<Option<bool>> {
    let mut interrupted = pin!(interrupted);
    let started = Instant::now();
    let chosen = choose(&options.only)?;
    // A system that is kept is there to be tried out: all of it.
    let needs = |name| {
        options.keep
            || chosen
                .iter()
                .any(|scenario| scenario.expected.decision.needs(name))
    };
    let programs = finder::find(options, needs(RUST), needs(NODE))?;
    let mut folder = tempfile::Builder::new().prefix("sigbox-demo-").tempdir()?;
    let opened = tokio::select! {
        opened = Stage::open(&programs, folder.path()) => opened,
        () = &mut interrupted => return Ok(None),
    };
    // What went wrong is in the logs, so they stay.
    let mut stage = opened.inspect_err(|_| folder.disable_cleanup(true))?;
    let played = tokio::select! {
        played = play_all(&mut stage, &chosen, options, terminal) => Some(played),
        () = &mut interrupted => None,
    };
    let Some(played) = played else {
        // Whoever is in a hurry does not care how the programs end.
        let _ = stage.close().await;
        return Ok(None);
    };
    let all = played.inspect_err(|_| folder.disable_cleanup(true))?;
    let passed = all.iter().all(Played::passed);
    if options.json {
        show(&(serde_json::to_string_pretty(&all)? + "\n"))?;
    } else {
        show(&report::summary(&all, terminal))?;
        show(&report::verdict_of_all(
            &all,
            started.elapsed().as_secs_f64(),
            terminal,
        ))?;
    }
    if !passed {
        folder.disable_cleanup(true);
        eprint!("\n{}", stage.logs());
    }
    if options.keep {
        show(&report::invitation(&stage, terminal))?;
        interrupted.await;
    }
    stage.close().await?;
    Ok(Some(passed))
}

/// Places the calls one after the other and shows each when it is over.
async fn play_all(
    stage: &mut Stage,
    chosen: &[Scenario],
    options: &Options,
    terminal: Terminal,
) -> Result<Vec<Played>> {
    if !options.json {
        show(&report::opening(stage, terminal))?;
    }
    let mut all = Vec::new();
    for scenario in chosen {
        let played = play(stage, scenario)
            .await
            .and_then(|played| stage.still_runs().map(|()| played))
            .map_err(|error| stage.with_logs(&error))?;
        all.push(played);
        if let Some(played) = all.last().filter(|_| !options.json) {
            show(&report::call(all.len(), played, terminal))?;
        }
    }
    Ok(all)
}

fn choose(only: &[String]) -> Result<Vec<Scenario>> {
    if let Some(unknown) = only
        .iter()
        .find(|name| names().all(|known| known != name.as_str()))
    {
        bail!(
            "there is no call named {unknown}; there are: {}",
            names().collect::<Vec<_>>().join(", ")
        );
    }
    let wanted =
        |scenario: &&Scenario| only.is_empty() || only.iter().any(|name| name == scenario.name);
    Ok(ALL.iter().filter(wanted).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn calls_are_chosen_by_name_and_kept_in_order() {
        let chosen = choose(&["node".to_owned(), "rust".to_owned()]).unwrap();
        assert_eq!(
            chosen
                .iter()
                .map(|scenario| scenario.name)
                .collect::<Vec<_>>(),
            ["rust", "node"]
        );
        assert!(choose(&[]).unwrap().len() > 10);
        let error = choose(&["rusty".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("rusty") && error.contains("recovery"),
            "{error}"
        );
    }
}
