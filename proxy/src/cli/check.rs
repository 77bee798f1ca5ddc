//! `sigbox check`: everything that is wrong with a file, or what would run.

mod data_folder;

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use sigbox_core::{GatewaySet, Redirects, Role, Rule, Schedule};

use self::data_folder::DataFolder;
use super::exit;
use crate::config::{Admin, Config, Events, Named, Scope};
use crate::describe;
use crate::phone::terminal::show;
use crate::tables::Store;
use crate::tls::ClientAuth;

/// Reports go to standard error, the summary to standard output.
pub(super) fn check(path: &Path) -> ExitCode {
    let loaded = Config::load(path).and_then(|config| {
        let pushed = config.data_dir.as_deref().and_then(Store::peek);
        pushed.map_or(Ok(config), |pushed| Config::look(path, &pushed))
    });
    match loaded {
        Ok(config) => {
            if !config.warnings.is_empty() {
                eprintln!("{}\n", config.warnings);
            }
            let data = config.data_dir.as_deref().map(DataFolder::look);
            // Whoever reads only the first lines of it has read enough.
            let _ = show(&(summary(&config, data.as_ref()) + "\n"));
            if let (Some(dir), Some(DataFolder::Unusable(error))) = (&config.data_dir, data) {
                let dir = dir.display();
                eprintln!(
                    "\nwarning: `data.dir` {dir}: this user cannot write there: {error}\n  = help: as this user the node would not start; check as the one it runs as"
                );
            }
            ExitCode::SUCCESS
        }
        Err(report) => {
            eprintln!("{report}");
            exit::FAILED.into()
        }
    }
}

/// What would run with this configuration, for a person.
fn summary(config: &Config, data: Option<&DataFolder>) -> String {
    let settings = &config.settings;
    let decision = &settings.decision;
    let listen = join(config.listen.iter().map(|listen| match &listen.advertise {
        Some((host, port)) => format!("{listen} as {host}:{port}"),
        None => listen.to_string(),
    }));
    let ask = join(decision.ask.iter().map(|class| class.slug()));
    let mut text = format!("{} is fine; this would run:\n", config.path.display());
    let mut line = |name: &str, value: &str| {
        // Writing into a String does not fail.
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    line("node", config.node.as_str());
    line("listen", &listen);
    line("nats", &config.nats.servers.join(", "));
    line(
        "queries",
        &match ask.as_str() {
            "" => "only where a rule asks".to_owned(),
            classes => format!(
                "{}.v1.query.{}.<class> for {classes}",
                config.nats.prefix, config.nats.tenant
            ),
        },
    );
    line(
        "deciders",
        &format!(
            "have {} ms, with extensions at most {} ms; asked up to {} times",
            decision.budget.as_millis(),
            decision.max_wait.as_millis(),
            decision.max_attempts
        ),
    );
    // What is usual is not worth a line.
    if settings.role == Role::RedirectServer {
        line(
            "mode",
            "redirect server: what is routed is answered with 302",
        );
    }
    match settings.redirects {
        Redirects::Relay => {}
        Redirects::Follow => line("redirects", "3xx of targets are followed"),
        Redirects::Ask => line(
            "redirects",
            "the decider is asked again after a 3xx of a target",
        ),
    }
    if !config.nats.adaptive {
        line(
            "adaptive",
            "off: slow deciders are asked as much as fast ones",
        );
    }
    line("events", &events(config.events));
    line("admin", &admin(&config.admin));
    for token in &config.admin.tokens {
        line("token", &allowed(&token.name, &token.scopes));
    }
    for client in &config.admin.clients {
        let known_by = match &client.names {
            Named::Dns(name) => format!("DNS {name}"),
            Named::Uri(uri) => format!("URI {uri}"),
            Named::CommonName(name) => format!("CN {name}"),
        };
        let name = format!("{} ({known_by})", client.name);
        line("client", &allowed(&name, &client.scopes));
    }
    line(
        "data",
        &match (&config.data_dir, data) {
            (Some(dir), Some(data)) => format!("{} ({data})", dir.display()),
            (Some(dir), None) => dir.display().to_string(),
            (None, _) => "none: pushed tables and the audit log are gone when it stops".to_owned(),
        },
    );
    line("shards", &config.runtime.shards.to_string());
    for set in settings.gateways.iter() {
        line("gateways", &gateways(set));
    }
    for hours in &config.schedules {
        line("schedule", &schedule(hours, unix_seconds()));
    }
    for limit in &settings.rate_limits.all {
        line("limit", &describe::limit(limit));
    }
    for (title, rules) in [
        ("rule", &settings.rules.before),
        ("fallback", &settings.rules.fallback),
    ] {
        for rule in rules {
            line(title, &rule_line(rule));
        }
        if rules.is_empty() {
            line(title, "none");
        }
    }
    text.trim_end().to_owned()
}

fn admin(admin: &Admin) -> String {
    let who = match (admin.tokens.len(), admin.clients.len()) {
        (0, 0) => "everybody who reaches it may use it".to_owned(),
        (0, clients) => counted(clients, "client"),
        (tokens, 0) => counted(tokens, "token"),
        (tokens, clients) => {
            let (tokens, clients) = (counted(tokens, "token"), counted(clients, "client"));
            format!("{tokens}, {clients}")
        }
    };
    let Some(files) = &admin.tls else {
        return format!("http://{}; {who}", admin.listen);
    };
    let auth = files.clients.as_ref().map(|clients| clients.auth);
    let clients = match auth {
        None => "",
        Some(ClientAuth::Required) => "; clients must have a certificate",
        Some(ClientAuth::Optional) => "; clients may have a certificate",
    };
    format!("https://{}{clients}; {who}", admin.listen)
}

fn allowed(name: &str, scopes: &[Scope]) -> String {
    match scopes {
        [] => format!("{name}: nothing but health and metrics"),
        scopes => format!("{name}: {}", join(scopes.iter().map(|scope| scope.label()))),
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or_default()
}

fn schedule(schedule: &Schedule, now: i64) -> String {
    let parts = [
        (schedule.weekly.len(), "weekly span"),
        (schedule.dates.len(), "date"),
        (schedule.holidays.len(), "holiday"),
        (schedule.exceptions.len(), "exception"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let state = match schedule.is_open(now) {
        true => "open now",
        false => "closed now",
    };
    format!(
        "{}: {}, {}; {state}",
        schedule.name,
        schedule.zone.iana_name().unwrap_or("UTC"),
        join(parts.map(|(count, what)| counted(count, what)))
    )
}

fn gateways(set: &GatewaySet) -> String {
    let probed = match set.probing() {
        Some(probing) => format!("probed every {} ms", probing.interval.as_millis()),
        None => "not probed".to_owned(),
    };
    let ids = join(set.gateways().iter().map(|gateway| gateway.id()));
    format!(
        "{}: {} of {ids}; {probed}",
        set.name(),
        set.algorithm().name()
    )
}

fn join<T: AsRef<str>>(parts: impl Iterator<Item = T>) -> String {
    parts
        .map(|part| part.as_ref().to_owned())
        .collect::<Vec<_>>()
        .join(", ")
}

fn events(events: Events) -> String {
    let kinds = [
        ("decision", events.decision),
        ("transaction", events.transaction),
        ("cancelled", events.cancelled),
        ("node", events.node),
        ("gateway", events.gateway),
        ("audit", events.audit),
        ("data", events.data),
    ];
    match join(
        kinds
            .into_iter()
            .filter(|(_, on)| *on)
            .map(|(kind, _)| kind),
    ) {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    }
}

fn rule_line(rule: &Rule) -> String {
    format!(
        "{}: {} -> {}",
        rule.name,
        describe::conditions(&rule.condition),
        describe::action(&rule.action)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_would_run() {
        let text = r#"
            node = "edge-1"
            [sip]
            listen = { address = "udp:0.0.0.0:5060", advertise = "sip.example.com" }
            [decision]
            ask = "invite"
            [runtime]
            shards = 2
            [data]
            dir = "/var/lib/sigbox"
            [[admin.token]]
            name = "ops"
            sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
            scopes = ["read", "tables"]
            [[admin.token]]
            name = "prometheus"
            sha256 = "0000000000000000000000000000000000000000000000000000000000000001"
            scopes = []
            [[schedule]]
            name = "office"
            time_zone = "Europe/Berlin"
            weekly = ["mon-fri 00:00-24:00", "sat,sun 00:00-24:00"]
            holidays = { "Christmas 1999" = "1999-12-25" }
            [[rule]]
            name = "scanners"
            header = { "User-Agent" = "re:^friendly" }
            source = ["192.0.2.0/24", "198.51.100.7"]
            action = "reject"
            status = 403
            [[rule]]
            user_prefix = "0800"
            action = "ask"
            tenant = "free"
            budget_ms = 50
            [[fallback]]
            action = "route"
            routes = [{ dst_uri = "sip:192.0.2.9:5060" }]
        "#;
        let config = Config::parse(Path::new("sigbox.toml"), text).unwrap();
        assert_eq!(
            summary(&config, Some(&DataFolder::Writable)),
            "\
sigbox.toml is fine; this would run:
  node      edge-1
  listen    udp:0.0.0.0:5060 as sip.example.com:5060
  nats      nats://127.0.0.1:4222
  queries   sigbox.v1.query.default.<class> for invite
  deciders  have 200 ms, with extensions at most 10000 ms; asked up to 3 times
  events    cancelled
  admin     http://127.0.0.1:9090; 2 tokens
  token     ops: read, tables
  token     prometheus: nothing but health and metrics
  data      /var/lib/sigbox (can be written)
  shards    2
  schedule  office: Europe/Berlin, 2 weekly spans, 1 holiday; open now
  rule      scanners: source 192.0.2.0/24 or 198.51.100.7/32, User-Agent /^friendly/ -> reject with 403
  rule      rule-2: user 0800* -> ask free for 50 ms
  fallback  fallback-1: always -> route to sip:192.0.2.9:5060"
        );
    }
}
