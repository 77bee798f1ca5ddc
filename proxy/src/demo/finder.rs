//! Where the programs are that the demo starts.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Options;

/// Everything there is to start.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) nats_server: PathBuf,
    /// This very executable.
    pub(super) sigbox: PathBuf,
    /// `None` when no chosen call needs it.
    pub(super) rust: Option<PathBuf>,
    /// Program and arguments; `None` when no chosen call needs it.
    pub(super) node: Option<Vec<String>>,
}

/// Finds the programs that the chosen calls need.
///
/// # Errors
/// When one is missing; the message says what to do about it.
pub(super) fn find(options: &Options, rust: bool, node: bool) -> Result<Programs> {
    let sigbox = env::current_exe().context("the path of this program is unknown")?;
    let root = repository(&sigbox);
    let nats_server = nats_server(options, root.as_deref())?;
    let rust = rust.then(|| rust_decider(options, &sigbox)).transpose()?;
    let node = node
        .then(|| node_decider(options, root.as_deref()))
        .transpose()?;
    Ok(Programs {
        nats_server,
        sigbox,
        rust,
        node,
    })
}

/// `--nats-server`, `$NATS_SERVER_BIN`, `PATH`, the repository's `.local/bin`, in this order.
fn nats_server(options: &Options, root: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = &options.nats_server {
        return existing(path, "--nats-server");
    }
    if let Some(path) = env::var_os("NATS_SERVER_BIN") {
        return existing(Path::new(&path), "NATS_SERVER_BIN");
    }
    let local = root.map(|root| root.join(".local/bin"));
    env::var_os("PATH")
        .iter()
        .flat_map(env::split_paths)
        // Debian installs it where only root's PATH points.
        .chain(local)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("nats-server"))
        .find(|path| path.is_file())
        .context(
            "there is no nats-server: run `scripts/bootstrap demo`, or name one with --nats-server",
        )
}

fn rust_decider(options: &Options, sigbox: &Path) -> Result<PathBuf> {
    if let Some(path) = &options.decider_rust {
        return existing(path, "--decider-rust");
    }
    let beside = sigbox.with_file_name("lcr-rust");
    if beside.is_file() {
        return Ok(beside);
    }
    bail!(
        "there is no {}: run `cargo build -p lcr-rust`, or name one with --decider-rust",
        beside.display()
    )
}

fn node_decider(options: &Options, root: Option<&Path>) -> Result<Vec<String>> {
    if let Some(command) = &options.decider_node {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            bail!("--decider-node is empty");
        }
        return Ok(words);
    }
    let root = root.context(
        "deciders/lcr-node/index.js is not above this program or this folder: name it with --decider-node 'node FILE'",
    )?;
    if !root.join("decider-sdk/node/dist/index.js").is_file() {
        bail!("the Node SDK is not built: run `make node-sdk`");
    }
    Ok(vec![
        "node".to_owned(),
        root.join(NODE_SAMPLE).display().to_string(),
    ])
}

const NODE_SAMPLE: &str = "deciders/lcr-node/index.js";

/// The repository around this program, or around the working directory.
fn repository(program: &Path) -> Option<PathBuf> {
    let here = env::current_dir().unwrap_or_default();
    [program, &here]
        .into_iter()
        .flat_map(Path::ancestors)
        .find(|folder| folder.join(NODE_SAMPLE).is_file())
        .map(Path::to_path_buf)
}

fn existing(path: &Path, named_by: &str) -> Result<PathBuf> {
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    bail!("{named_by}: there is no file {}", path.display())
}
