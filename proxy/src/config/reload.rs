//! Reading the file again while a node runs.

use std::path::Path;

use super::diagnostic::{Diagnostic, Report, read};
use super::reader::Section;
use super::{Config, Nats, check};

impl Config {
    /// Reads the file at `path` again. What needs a restart keeps the value that runs, and the
    /// warnings of the new configuration say so; everything else takes effect when the shards are
    /// given the new settings.
    ///
    /// # Errors
    /// A [`Report`] with every fault. `self`, the last good one, is still what runs.
    pub fn reload(&self, path: &Path) -> Result<Self, Report> {
        check::config(path, &read(path)?, Some(self), None)
    }
}

/// The running value; with a warning when the file asks for another.
pub(super) fn keep<T: PartialEq + Clone>(
    root: &Section<'_>,
    key: &str,
    asked: T,
    running: &T,
) -> T {
    if asked != *running {
        let at = match key.rsplit_once('.') {
            None => root.value(key).map(|value| value.span()),
            Some((table, key)) => root.inner_span(table, key),
        };
        root.faults.push(
            Diagnostic::warning(at, format!("a change of `{key}` needs a restart"))
                .label("not applied"),
        );
    }
    running.clone()
}

/// The new configuration with the running values of everything that needs a restart.
pub(super) fn settle(root: &Section<'_>, new: Config, running: &Config) -> Config {
    let mut settings = new.settings;
    let tenant = keep(
        root,
        "nats.tenant",
        new.nats.tenant.clone(),
        &running.nats.tenant,
    );
    if settings.tenant != running.settings.tenant {
        std::sync::Arc::make_mut(&mut settings).tenant = running.settings.tenant.clone();
    }
    let mut nats = new.nats;
    nats.tenant = tenant;
    // These belong to the shards, which take new settings; the connection stays as it is.
    let breaker = std::mem::replace(&mut nats.breaker, running.nats.breaker);
    let adaptive = std::mem::replace(&mut nats.adaptive, running.nats.adaptive);
    let nats = Nats {
        breaker,
        adaptive,
        ..keep(root, "nats", nats, &running.nats)
    };
    let mut runtime = new.runtime;
    runtime.shard_queue = keep(
        root,
        "runtime.shard_queue",
        runtime.shard_queue,
        &running.runtime.shard_queue,
    );
    runtime.udp_receive_buffer = keep(
        root,
        "runtime.udp_receive_buffer",
        runtime.udp_receive_buffer,
        &running.runtime.udp_receive_buffer,
    );
    runtime.udp_send_buffer = keep(
        root,
        "runtime.udp_send_buffer",
        runtime.udp_send_buffer,
        &running.runtime.udp_send_buffer,
    );
    runtime.watch = keep(root, "runtime.watch", runtime.watch, &running.runtime.watch);
    // What is remembered stays; so does the room for it.
    let room = settings.cache.room();
    keep(
        root,
        "decision.cache_entries",
        room,
        &running.settings.cache.room(),
    );
    std::sync::Arc::make_mut(&mut settings).cache = running.settings.cache.clone();
    // What is kept for people stays, whatever the file says.
    std::sync::Arc::make_mut(&mut settings).records.decisions =
        new.events.decision || running.admin.decisions > 0;
    let mut overload = new.overload;
    overload.memory = keep(
        root,
        "overload.memory_bytes",
        overload.memory,
        &running.overload.memory,
    );
    let mut tables = new.tables;
    tables.replicas = keep(
        root,
        "tables.replicate",
        tables.replicas,
        &running.tables.replicas,
    );
    Config {
        tables,
        node: keep(root, "node", new.node, &running.node),
        nats,
        admin: keep(root, "admin", new.admin, &running.admin),
        data_dir: keep(root, "data.dir", new.data_dir, &running.data_dir),
        log: keep(root, "log", new.log, &running.log),
        settings,
        overload,
        runtime,
        ..new
    }
}
