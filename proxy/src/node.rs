//! One running proxy: its shards, its bus, its signals.

use crate::config::Config;
use crate::logging::Logging;

/// Runs until told to stop. The signature `sigbox run` counts on; the node itself replaces this.
pub fn run(_config: Config, _logging: &Logging) -> anyhow::Result<()> {
    anyhow::bail!("the node is not built yet")
}
