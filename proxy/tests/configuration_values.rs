//! What a configuration file turns into, and what a reload takes over.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::path::Path;
use std::time::Duration;

use sigbox::config::{Config, Login};
use sigbox_core::{
    Action, FallbackCause, LimitAlgorithm, ListenerId, Over, Plan, RequestPart, Settings, TextMatch,
};

const SMALLEST: &str = "[sip]\nlisten = \"udp:127.0.0.1:0\"\n";

fn parse(text: &str) -> Config {
    match Config::parse(Path::new("sigbox.toml"), text) {
        Ok(config) => config,
        Err(report) => panic!("{report}"),
    }
}

#[test]
fn the_defaults_are_the_core_s() {
    let config = parse(&format!("{SMALLEST}[runtime]\nshards = 1\n"));
    let core = Settings::default();
    let settings = &config.settings;
    assert_eq!(settings.timers, core.timers);
    assert_eq!(settings.decision, core.decision);
    assert_eq!(settings.limits, core.limits);
    // Some are kept for people who look; nothing is recorded when none are.
    assert!(settings.records.decisions && !settings.records.transactions);
    let none = parse(&format!("{SMALLEST}[admin]\ndecisions = 0\n"));
    assert_eq!(none.settings.records, core.records);
    assert_eq!(
        (
            &settings.tenant,
            &settings.server,
            settings.record_route,
            settings.explain_fallback
        ),
        (
            &core.tenant,
            &core.server,
            core.record_route,
            core.explain_fallback
        )
    );
    assert_eq!(
        config.exchange.limits(),
        sigbox_contracts::Limits::default()
    );
    assert!(!config.node.as_str().is_empty());
}

#[test]
fn limits_of_the_node_are_divided_among_its_shards() {
    let config = parse(&format!(
        "{SMALLEST}[runtime]\nshards = 3\n[decision]\nmax_suspended = 10\n[limits]\ntransactions = 300\n"
    ));
    assert_eq!(
        (
            config.settings.limits.suspended,
            config.settings.limits.transactions
        ),
        (4, 100)
    );
}

#[test]
fn a_branch_waits_64_times_t1_unless_told_otherwise() {
    let fr = |line: &str| parse(&format!("{SMALLEST}{line}\n")).settings.timers.fr;
    assert_eq!(fr("t1_ms = 100"), Duration::from_millis(6_400));
    assert_eq!(
        fr("t1_ms = 100\nfr_timer_ms = 2000"),
        Duration::from_secs(2)
    );
}

#[test]
fn a_rule_holds_what_the_file_says() {
    let config = parse(
        r#"
[sip]
listen = ["udp:127.0.0.1:5060", "udp:[::1]:5060"]
[[rule]]
name = "everything"
method = ["INVITE", "X-CUSTOM"]
source = ["192.0.2.0/24", "2001:db8::1"]
listener = "udp:[::1]:5060"
user = "alice"
user_prefix = "0800"
user_regex = "^1[0-9]+$"
domain = ["Example.COM", "*.example.net"]
header = { "X-A" = "present", "X-B" = ["prefix:a", "re:b$", "exact"] }
action = "ask"
tenant = "vip"
budget_ms = 50
[[fallback]]
cause = ["timeout", "no_responders"]
routing = "parallel"
routes = [{ uri = "sip:a@192.0.2.1" }, { dst_uri = "sip:192.0.2.2:5070", fr_timer = 2000, socket = "udp:[::1]:5060", headers = { set = { "X-Carrier" = "b" } } }]
failover = [408, "5xx"]
[[fallback]]
action = "reject"
status = 486
reason = "Not Now"
retry_after_ms = 5000
"#,
    );
    let rule = &config.settings.rules.before[0];
    let condition = &rule.condition;
    assert_eq!(&*rule.name, "everything");
    assert_eq!(condition.methods, ["INVITE".into(), "X-CUSTOM".into()]);
    assert_eq!(condition.sources.len(), 2);
    assert_eq!(condition.listeners, [ListenerId(1)]);
    let matches = |user: &[u8]| condition.users.iter().any(|wanted| wanted.matches(user));
    assert!(matches(b"alice") && matches(b"0800123") && matches(b"123"));
    assert!(!matches(b"alice2") && !matches(b"12a"));
    assert_eq!(
        condition.domains,
        ["example.com".into(), "*.example.net".into()]
    );
    assert_eq!(condition.headers.len(), 4);
    assert!(
        condition
            .headers
            .iter()
            .any(|header| &*header.name == "X-A" && header.value.is_none())
    );
    assert!(
        condition.headers.iter().any(
            |header| matches!(&header.value, Some(TextMatch::Exact(text)) if &**text == "exact")
        )
    );
    let Action::Ask(ask) = &rule.action else {
        panic!("{:?}", rule.action)
    };
    assert_eq!(
        (ask.tenant.as_deref(), ask.budget),
        (Some("vip"), Some(Duration::from_millis(50)))
    );

    let [first, second] = &config.settings.rules.fallback[..] else {
        panic!()
    };
    assert_eq!(&*first.name, "fallback-1");
    assert_eq!(
        first.condition.causes,
        [FallbackCause::Timeout, FallbackCause::NoResponders]
    );
    let Action::Decide(plan) = &first.action else {
        panic!()
    };
    let Plan::Route(plan) = &**plan else {
        panic!("{plan:?}")
    };
    let [one, two] = plan.routes() else {
        panic!("{plan:?}")
    };
    assert_eq!(one.group, two.group, "parallel");
    assert_eq!(
        (two.listener, two.fr_timer),
        (Some(ListenerId(1)), Some(Duration::from_secs(2)))
    );
    assert_eq!(
        two.edits.as_ref().unwrap().sets().collect::<Vec<_>>(),
        [("X-Carrier", "b")]
    );
    let Action::Decide(plan) = &second.action else {
        panic!()
    };
    assert!(matches!(&**plan, Plan::Reject(reject) if reject.status == 486));
}

#[test]
fn secrets_are_not_in_debug_output() {
    let config = parse(&format!(
        "{SMALLEST}[nats]\nuser = \"sigbox\"\npassword = \"hunter2\"\n"
    ));
    assert!(matches!(&config.nats.login, Login::User(_, secret) if secret.expose() == "hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

/// A file that a running node reads again.
struct Rereading {
    file: tempfile::NamedTempFile,
    running: Config,
}

impl Rereading {
    fn of(text: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let mut running = Config::load(file.path()).unwrap();
        running.set_bound(&["127.0.0.1:40001".parse().unwrap()]);
        Self { file, running }
    }

    fn reload(&self, text: &str) -> Result<Config, sigbox::config::Report> {
        std::fs::write(self.file.path(), text).unwrap();
        self.running.reload(self.file.path())
    }
}

/// What can change while a node runs.
const FALLBACK: &str = "[[fallback]]\naction = \"reject\"\nstatus = 480\n";

#[test]
fn a_reload_takes_over_rules_and_budgets_and_keeps_the_sockets() {
    let node = Rereading::of(SMALLEST);
    let reloaded = node
        .reload(&format!("{SMALLEST}[decision]\nbudget_ms = 50\n{FALLBACK}"))
        .unwrap();
    assert!(reloaded.warnings.is_empty(), "{}", reloaded.warnings);
    assert_eq!(reloaded.settings.decision.budget, Duration::from_millis(50));
    assert_eq!(reloaded.settings.rules.fallback.len(), 1);
    assert_eq!(reloaded.settings.listeners, node.running.settings.listeners);
    assert_eq!(reloaded.settings.listeners[0].address.port(), 40001);
}

#[test]
fn a_reload_knows_the_bound_port_as_its_own() {
    let node = Rereading::of(SMALLEST);
    let to_itself =
        format!("{SMALLEST}[[fallback]]\nroutes = [{{ dst_uri = \"sip:127.0.0.1:40001\" }}]\n");
    let report = node.reload(&to_itself).unwrap_err().to_string();
    assert!(report.contains("self_target"), "{report}");
}

#[test]
fn a_reload_of_a_broken_file_says_what_is_wrong() {
    let node = Rereading::of(SMALLEST);
    let report = node.reload("[sip]\nlisten = 1\n").unwrap_err();
    assert!(report.to_string().contains(":2:10"), "{report}");
    let line = report.lines().next().unwrap();
    assert!(line.starts_with("2:10: `sip.listen` must be"), "{line}");
    assert!(line.ends_with(": found a whole number"), "{line}");
    std::fs::remove_file(node.file.path()).unwrap();
    assert!(node.running.reload(node.file.path()).is_err());
}

#[test]
fn the_circuit_breaker_changes_without_a_restart() {
    let node = Rereading::of(SMALLEST);
    let reloaded = node
        .reload(&format!(
            "{SMALLEST}[nats.breaker]\nmin_requests = 7\nopen_ms = 900\n{FALLBACK}"
        ))
        .unwrap();
    assert_eq!(reloaded.warnings.to_string(), "");
    assert_eq!(reloaded.nats.breaker.min_requests, 7);
    assert_eq!(reloaded.nats.breaker.open, Duration::from_millis(900));
    assert_eq!(reloaded.nats.servers, node.running.nats.servers);
}

#[test]
fn what_needs_a_restart_is_kept_and_said() {
    let node = Rereading::of(SMALLEST);
    let reloaded = node
        .reload(&format!(
            "node = \"other\"\n[sip]\nlisten = \"udp:127.0.0.1:5999\"\n[nats]\ntenant = \"other\"\n[admin]\nlisten = \"127.0.0.1:9191\"\n[log]\nlevel = \"debug\"\n[runtime]\nshards = 64\nshard_queue = 99\nudp_receive_buffer = 5000\nudp_send_buffer = 5000\ndrain_s = 3\n{FALLBACK}"
        ))
        .unwrap();
    let warnings = reloaded.warnings.to_string();
    for key in [
        "node",
        "sip.listen",
        "nats.tenant",
        "admin.listen",
        "log",
        "runtime.shards",
        "runtime.shard_queue",
        "runtime.udp_receive_buffer",
        "runtime.udp_send_buffer",
    ] {
        assert!(
            warnings.contains(&format!("`{key}` needs a restart")),
            "{key} is not in\n{warnings}"
        );
    }
    let running = &node.running;
    assert_eq!(reloaded.node, running.node);
    assert_eq!(reloaded.listen, running.listen);
    assert_eq!(reloaded.nats, running.nats);
    assert_eq!(reloaded.settings.tenant, running.settings.tenant);
    assert_eq!(reloaded.admin, running.admin);
    assert_eq!(reloaded.log, running.log);
    assert_eq!(reloaded.runtime.shards, running.runtime.shards);
    assert_eq!(
        reloaded.runtime.drain,
        Duration::from_secs(3),
        "this one can change"
    );
}

#[test]
fn who_may_use_the_api_follows_the_file() {
    let token = |name: &str| {
        let sha256 = "0".repeat(64);
        format!("[[admin.token]]\nname = {name:?}\nsha256 = \"{sha256}\"\n")
    };
    let node = Rereading::of(&format!("{SMALLEST}{}", token("ops")));
    let reloaded = node
        .reload(&format!(
            "{SMALLEST}[admin]\ndecisions = 5\n{}{FALLBACK}",
            token("robot")
        ))
        .unwrap();
    assert_eq!(&*reloaded.admin.tokens[0].name, "robot");
    assert_eq!(reloaded.admin.decisions, node.running.admin.decisions);
    let warnings: Vec<_> = reloaded.warnings.lines().collect();
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(
        warning.contains("`admin.decisions` needs a restart"),
        "{warning}"
    );
}

/// The sockets stay what they are until a restart, and so does who reaches them.
#[test]
fn a_reload_leaves_nobody_out_and_lets_nobody_in_by_what_needs_a_restart() {
    let token = format!(
        "[[admin.token]]\nname = \"ops\"\nsha256 = \"{}\"\n",
        "0".repeat(64)
    );
    let reachable = format!("{SMALLEST}[admin]\nlisten = \"192.0.2.1:9090\"\n");
    let node = Rereading::of(&format!("{reachable}{token}"));
    let local = format!("{SMALLEST}[admin]\nlisten = \"127.0.0.1:9090\"\n{FALLBACK}");
    let report = node.reload(&local).unwrap_err().to_string();
    assert!(
        report.contains("listens on 192.0.2.1:9090 until it is restarted"),
        "{report}"
    );
    assert!(report.contains(":4:10"), "{report}");
    // Not even by default.
    let report = node.reload(&format!("{SMALLEST}{FALLBACK}")).unwrap_err();
    assert!(report.to_string().contains("192.0.2.1:9090"), "{report}");
    let empty = format!("{reachable}token = []\n");
    let report = Config::parse(Path::new("sigbox.toml"), &empty).unwrap_err();
    assert!(report.to_string().contains("loopback"), "{report}");
}

#[test]
fn gateway_sets_are_read_whole() {
    use sigbox_core::{Algorithm, HashOn, ListenerId, StatusMatch};
    let config = Config::parse(
        Path::new("sigbox.toml"),
        r#"
[sip]
listen = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5061"]

[[gateways]]
name = "usual"
gateway = [{ id = "gw1", uri = "sip:192.0.2.20" }]

[[gateways]]
name = "all"
algorithm = "hash"
hash_on = "header:X-Account"
max_tries = 2
failure_statuses = [500, "6xx"]
inactive_after = 5
active_after = 4
recover_s = 7
max_retry_after_s = 8
overload_control = true
max_call_s = 60
probe = { interval_ms = 1000, timeout_ms = 200, accept = ["2xx", 404], from = "sip:monitor@example.net" }

[[gateways.gateway]]
id = "GW.1"
uri = "sip:gw.example.net:5070"
weight = 3
priority = 2
max_calls = 9
enabled = false
socket = "udp:127.0.0.1:5061"
strip = 1
prefix = "+49"
attributes = "cost=3"

[[fallback]]
action = "gateways"
set = "usual"
failover = [503]
"#,
    )
    .unwrap();
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    let sets = &config.settings.gateways;
    let usual = sets.set("usual").unwrap();
    assert_eq!(*usual.algorithm(), Algorithm::RoundRobin);
    assert!(usual.probing().is_none());
    let all = sets.set("all").unwrap();
    let header = HashOn::Header("x-account".into());
    assert_eq!(*all.algorithm(), Algorithm::Hash(header));
    let definition = all.definition();
    assert_eq!(
        definition.failure_statuses,
        [StatusMatch::Status(500), StatusMatch::Class(6)]
    );
    assert_eq!(
        (
            definition.max_tries,
            definition.inactive_after,
            definition.active_after
        ),
        (2, 5, 4)
    );
    let seconds = [
        definition.recover,
        definition.max_retry_after,
        definition.max_call,
    ];
    assert_eq!(seconds.map(|span| span.as_secs()), [7, 8, 60]);
    assert!(definition.overload_control);
    let probing = all.probing().unwrap();
    assert_eq!(probing.interval.as_millis(), 1_000);
    assert_eq!(probing.timeout.as_millis(), 200);
    assert_eq!(
        probing.accept,
        [StatusMatch::Class(2), StatusMatch::Status(404)]
    );
    assert_eq!(
        probing.from.as_ref().unwrap().text(),
        "sip:monitor@example.net"
    );
    let gateway = all.gateway("GW.1").unwrap().definition();
    assert_eq!(gateway.uri.text(), "sip:gw.example.net:5070");
    assert_eq!(
        (gateway.weight, gateway.priority, gateway.max_calls),
        (3, 2, 9)
    );
    assert!(!gateway.enabled);
    assert_eq!(gateway.listener, Some(ListenerId(1)));
    assert_eq!(
        (gateway.strip, &*gateway.prefix, &*gateway.attributes),
        (1, "+49", "cost=3")
    );
    let sigbox_core::Action::Decide(plan) = &config.settings.rules.fallback[0].action else {
        panic!("it decides");
    };
    let sigbox_core::Plan::Route(plan) = &**plan else {
        panic!("it routes");
    };
    assert_eq!(plan.routes()[0].gateways.as_deref(), Some("usual"));
    assert!(!plan.failover.includes(486));
}

#[test]
fn limits_and_schedules_hold_what_the_file_says() {
    let config = parse(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"
[limits]
never_ban = ["10.0.0.0/8"]
max_bans = 7
[[limit]]
name = "plain"
rate = 2.5
[[limit]]
name = "all"
key = ["source/24", "header:X-Trunk"]
algorithm = "tail_drop"
count = 3
apply = "all"
action = "redirect"
contacts = [{ uri = "sip:node2.example.com" }]
ban_after = 9
[[limit]]
name = "lag"
algorithm = "adaptive"
action = "drop"
[[limit]]
name = "global"
key = "global"
algorithm = "random_early"
rate = 100
burst = 300
[[schedule]]
name = "office"
weekly = "mon-fri 08:00-18:00"
[[rule]]
schedule = "office"
time = "sat 10:00-12:00"
time_zone = "Europe/Berlin"
from_domain_regex = "^A"
any = [{ method = "INVITE" }, { user = "x" }]
not = { to_user_prefix = "9" }
limit = "plain"
action = "pass"
[[rule]]
action = "ban"
seconds = 60
[[fallback]]
action = "cached"
tenant = "acme"
key = "{user}"
[[fallback]]
routes = [{ dst_uri = "sip:192.0.2.20:5070" }, { uri = "sip:a@gw.example.com" }]
[[gateways]]
name = "carriers"
gateway = [{ id = "gw1", uri = "sip:192.0.2.30" }]
"#,
    );
    let settings = &config.settings;
    let limits = &settings.rate_limits.all;
    let plain = &limits[0];
    assert_eq!(plain.key, [RequestPart::SOURCE]);
    assert_eq!(
        plain.algorithm,
        LimitAlgorithm::token_bucket(2.5, 3).unwrap()
    );
    assert_eq!(
        (plain.always, plain.ban, plain.buckets()),
        (false, None, 65_536)
    );
    let Over::Reject(refusal) = &plain.over else {
        panic!("{:?}", plain.over)
    };
    let seconds = (Duration::from_secs(2), Duration::from_secs(10));
    assert_eq!((refusal.status, refusal.retry_after), (503, Some(seconds)));
    let all = &limits[1];
    assert!(all.always && matches!(all.over, Over::Redirect(_)));
    assert_eq!(
        all.key,
        [
            RequestPart::Source { v4: 24, v6: 64 },
            RequestPart::Header("X-Trunk".into())
        ]
    );
    let ban = all.ban.unwrap();
    assert_eq!(
        (ban.requests, ban.within.as_secs(), ban.ban.as_secs()),
        (9, 60, 600)
    );
    assert!(settings.rate_limits.follow_lag());
    assert_eq!(limits[2].over, Over::Drop);
    assert_eq!((limits[3].key.len(), limits[3].buckets()), (0, 1));

    let [pass, ban] = &settings.rules.before[..] else {
        panic!("two rules")
    };
    let condition = &pass.condition;
    assert_eq!(condition.schedules.len(), 2);
    assert_eq!((condition.any.len(), condition.not.len()), (2, 1));
    assert!(matches!(&pass.action, Action::Limited(limit, _) if limit.name == plain.name));
    assert!(matches!(ban.action, Action::Ban(span) if span.as_secs() == 60));
    assert!(
        matches!(&settings.rules.fallback[0].action, Action::Cached(cached)
        if cached.tenant.as_deref() == Some("acme"))
    );
    assert_eq!(settings.cache.room(), 10_000);
    assert_eq!(config.bans.never, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(
        config.bans.gateways,
        ["192.0.2.30", "192.0.2.20"].map(|ip| ip.parse::<std::net::IpAddr>().unwrap())
    );
    assert_eq!(config.bans.most, 7);
}

#[test]
fn a_reload_keeps_what_is_remembered_and_says_what_needs_a_restart() {
    let node = Rereading::of(SMALLEST);
    let reloaded = node
        .reload(&format!(
            "{SMALLEST}[decision]\ncache_entries = 8\n[runtime]\nwatch = true\n{FALLBACK}"
        ))
        .unwrap();
    let warnings = reloaded.warnings.to_string();
    for key in ["decision.cache_entries", "runtime.watch"] {
        assert!(
            warnings.contains(&format!("`{key}` needs a restart")),
            "{warnings}"
        );
    }
    assert!(!reloaded.runtime.watch);
    let (before, after) = (&node.running.settings.cache, &reloaded.settings.cache);
    assert!(std::sync::Arc::ptr_eq(before, after));
}
