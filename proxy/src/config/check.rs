//! From text to a configuration, or to everything that is wrong with it.

use std::path::Path;
use std::sync::Arc;

use sigbox_core::{Listener, PlanCache, RateLimits, Records, Settings};
use sigbox_tables::Manifest;
use toml::de::DeTable;

use super::diagnostic::{Diagnostic, Report, Severity};
use super::folder::Folder;
use super::keys::TABLES;
use super::reader::{Faults, Section};
use super::{
    Config, admin, bans, gateways, listen, nats, rate_limit, reload, rules, schedule, secrets,
    sections, tables,
};
use crate::decision::PlanContext;

/// Reads `text`; on a reload, `running` is what runs and keeps what needs a restart. `pushed` are the tables of the data
/// folder, for whoever looks into it.
pub(super) fn config(
    path: &Path,
    text: &str,
    running: Option<&Config>,
    pushed: Option<&Manifest>,
) -> Result<Config, Report> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        // What could be read of a broken file says nothing sure about the rest of it.
        let faults = syntax.iter().map(|error| {
            Diagnostic::error(error.span(), "this is not TOML").label(error.message())
        });
        return Err(Report::new(
            path,
            text,
            faults.collect(),
            &secrets::guessed(text),
        ));
    }
    let faults = Faults::default();
    let root = Section::root(table.get_ref(), &faults);
    let config = whole(path, &root, running, pushed);
    let found = Report::new(
        path,
        text,
        faults.into_inner(),
        &secrets::of(text, table.get_ref()),
    );
    match config {
        Some(mut config) if found.count(Severity::Error) == 0 => {
            config.warnings = found;
            Ok(config)
        }
        _ => Err(found),
    }
}

fn whole(
    path: &Path,
    root: &Section<'_>,
    running: Option<&Config>,
    pushed: Option<&Manifest>,
) -> Option<Config> {
    root.refuse_unknown(
        &[
            TABLES,
            &["rule", "fallback", "gateways", "limit", "schedule"],
        ]
        .concat(),
    );
    let table = |name| {
        let section = root.table(name, name);
        let inner: &[&str] = match name {
            "nats" => &["breaker"],
            "admin" => &["token", "client", "tls"],
            _ => &[],
        };
        section.refuse_unknown(inner);
        section
    };
    let [
        sip,
        bus,
        decision,
        events,
        admin,
        data,
        tables,
        log,
        limits,
        overload,
        runtime,
    ] = [
        "sip", "nats", "decision", "events", "admin", "data", "tables", "log", "limits",
        "overload", "runtime",
    ]
    .map(table);
    let breaker = bus.table("breaker", "nats.breaker");
    breaker.refuse_unknown(&[]);

    let node = sections::node(root);
    let mut listen: Vec<_> = listen::list(&sip)
        .into_iter()
        .map(|(listen, _)| listen)
        .collect();
    let mut runtime = sections::runtime(&runtime);
    if let Some(running) = running {
        // Sockets and threads stay as they are, and rules are read against them.
        listen = reload::keep(root, "sip.listen", listen, &running.listen);
        let asked = runtime.shards;
        runtime.shards = reload::keep(root, "runtime.shards", asked, &running.runtime.shards);
    }
    let listeners = match running {
        Some(running) => running.settings.listeners.clone(),
        None => listen
            .iter()
            .map(|listen| Listener::new(listen.transport, listen.address, listen.advertise.clone()))
            .collect(),
    };
    let exchange = sections::exchange(&decision);
    let folder = Folder::of(path);
    let nats = nats::read(&bus, &breaker, folder);
    let admin = admin::read(&admin, folder);
    let log = sections::log(&log);
    let events = sections::events(&events);
    let mut settings = Settings {
        listeners,
        aliases: sections::aliases(&sip),
        tenant: nats.as_ref().map_or("", |nats| nats.tenant.as_str()).into(),
        server: sections::server_header(&sip),
        record_route: sip.flag("record_route"),
        role: sections::role(&sip),
        redirects: sections::redirects(&sip),
        timers: sections::timers(&sip),
        decision: sections::decision(&decision),
        limits: sections::limits(&limits, &decision, runtime.shards),
        records: Records {
            decisions: events.decision || admin.as_ref().is_some_and(|admin| admin.decisions > 0),
            transactions: events.transaction,
        },
        retry_after: sections::retry_after(&overload),
        explain_fallback: decision.flag("explain_fallback"),
        ..Settings::default()
    };
    let gateways = gateways::read(
        root,
        &gateways::Around {
            listen: &listen,
            settings: &settings,
            running: running.map(|running| &*running.settings.gateways),
        },
    );
    settings.gateways = gateways;
    let schedules = schedule::read(root);
    let mut around = rules::Around {
        listen: &listen,
        limits: &exchange.limits(),
        plans: PlanContext {
            settings: &settings,
            max_routes: exchange.max_routes,
        },
        decision: &settings.decision,
        retry_after: settings.retry_after,
        schedules: &schedules,
        schedule_names: &tables::names(root, "schedule"),
        limit_names: &tables::names(root, "limit"),
        rate_limits: &RateLimits::default(),
        pushed,
    };
    let before = running.map(|running| &running.settings.rate_limits);
    let rate_limits = rate_limit::read(root, &around, before);
    around.rate_limits = &rate_limits;
    let rules = rules::read(root, &around);
    let bans = bans::policy(&limits, &rules, &settings.gateways);
    settings.rules = rules;
    settings.rate_limits = rate_limits;
    let entries = decision.number("cache_entries").unwrap_or_default();
    settings.cache = Arc::new(PlanCache::new(entries, rate_limit::seed()));
    let config = Config {
        path: path.to_owned(),
        node: node?,
        settings: Arc::new(settings),
        listen,
        nats: nats?,
        exchange,
        schedules,
        admin: admin?,
        data_dir: sections::data_dir(&data, folder),
        tables: sections::tables(&tables),
        log,
        events,
        bans,
        overload: sections::overload(&overload, runtime.shards),
        runtime,
        warnings: Report::new(path, "", Vec::new(), &[]),
    };
    Some(match running {
        Some(running) => reload::settle(root, config, running),
        None => config,
    })
}
