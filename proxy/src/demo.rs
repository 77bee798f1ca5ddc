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

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use tempfile::TempDir;

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

/// Runs the demo and prints what happens. Says whether every call went as expected. Dropping the
/// future stops everything that was started.
///
/// # Errors
/// When something that the demo needs is missing, does not start or stops by itself.
pub async fn run(options: &Options, terminal: Terminal) -> Result<bool> {
    let started = Instant::now();
    let chosen = choose(&options.only)?;
    let needs = |name| {
        chosen
            .iter()
            .any(|scenario| scenario.expected.decision.needs(name))
    };
    let programs = finder::find(options, needs(RUST), needs(NODE))?;
    let mut folder = tempfile::Builder::new().prefix("sigbox-demo-").tempdir()?;
    // What went wrong is in the logs.
    let keep_folder = |folder: &mut TempDir| folder.disable_cleanup(true);
    let mut stage = Stage::open(&programs, folder.path())
        .await
        .inspect_err(|_| keep_folder(&mut folder))?;
    if !options.json {
        show(&report::opening(&stage, terminal))?;
    }
    let mut all: Vec<Played> = Vec::new();
    for scenario in &chosen {
        let played = play(&mut stage, scenario)
            .await
            .and_then(|played| stage.still_runs().map(|()| played))
            .map_err(|error| stage.with_logs(&error))
            .inspect_err(|_| keep_folder(&mut folder))?;
        if !options.json {
            show(&report::call(all.len() + 1, &played, terminal))?;
        }
        all.push(played);
    }
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
        keep_folder(&mut folder);
        eprint!("\n{}", stage.logs());
    }
    if options.keep {
        show(&report::invitation(&stage, terminal))?;
        // Until the caller, who knows about signals, drops this.
        std::future::pending::<()>().await;
    }
    stage.close().await?;
    Ok(passed)
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
