//! Reading the file again while a node runs.

use std::path::Path;

use super::diagnostic::{Diagnostic, Report, read};
use super::reader::Section;
use super::{Admin, Config, Nats, check};

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
        admin: admin(root, new.admin, &running.admin),
        data_dir: keep(root, "data.dir", new.data_dir, &running.data_dir),
        log: keep(root, "log", new.log, &running.log),
        settings,
        overload,
        runtime,
        ..new
    }
}

/// Who may use the API follows the file; where it listens, and with which certificates, does not.
fn admin(root: &Section<'_>, new: Admin, running: &Admin) -> Admin {
    let admin = Admin {
        listen: keep(root, "admin.listen", new.listen, &running.listen),
        ready_without_nats: keep(
            root,
            "admin.ready_without_nats",
            new.ready_without_nats,
            &running.ready_without_nats,
        ),
        decisions: keep(root, "admin.decisions", new.decisions, &running.decisions),
        tls: keep(root, "admin.tls", new.tls, &running.tls),
        tokens: new.tokens,
        clients: new.clients,
    };
    refuse_nobody(root, &admin);
    admin
}

/// What the file says may be right after a restart, and not before.
fn refuse_nobody(root: &Section<'_>, admin: &Admin) {
    let asks = admin.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    let fault = match (admin.tokens.as_slice(), admin.clients.as_slice()) {
        ([], []) if !admin.listen.ip().is_loopback() => {
            let message = format!(
                "the node listens on {} until it is restarted, and nobody would have to say who they are",
                admin.listen
            );
            Diagnostic::error(root.inner_span("admin", "listen"), message)
                .label("takes effect at a restart")
        }
        ([], [_, ..]) if !asks => {
            let message = "the node asks for no certificates until it is restarted, and nobody could use its API";
            Diagnostic::error(root.inner_span("admin", "client"), message)
                .label("known by their certificates")
        }
        _ => return,
    };
    root.faults
        .push(fault.help("keep an `[[admin.token]]` until then, or restart the node"));
}
