//! What `sigbox check` says about files that cannot be used: every fault at once, each with its
//! line and what to do.

#![expect(clippy::panic, reason = "a test that cannot go on has failed")]

use std::path::Path;

use sigbox::config::Config;

/// Everything that is wrong with `text`, as it is printed.
fn report(text: &str) -> String {
    match Config::parse(Path::new("sigbox.toml"), text) {
        Err(report) => report.to_string(),
        Ok(config) => panic!("nothing is wrong: {}", config.warnings),
    }
}

#[test]
fn keys_and_values() {
    let printed = report(
        r#"
node = "Edge 1"
nodes = 3

[sip]
listen = "udp:127.0.0.1:5060"
record_route = "yes"
t1 = 500
trying_delay_ms = 200

[decision]
bugdet_ms = 200
budget_ms = "200"
max_attempts = -1
ask = ["invite", "mesage", "invites"]
headers = "P Asserted"

[limits]
drain_s = 5
vias = 1.5

[lgo]
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn addresses() {
    let printed = report(
        r#"
[sip]
listen = [
    "udp:127.0.0.1:5060",
    { address = "udp:127.0.0.1:5060", advertise = "sip.example.com" },
    "tcp:127.0.0.1:5060",
    "udp:0.0.0.0:5061",
    "127.0.0.1:5062",
    { address = "udp:[::1]", advertize = "x" },
    { advertise = "sip.example.com:sip" },
]
aliases = ["example.com", "ex ample.com"]

[admin]
listen = "0.0.0.0:9090"

[nats]
servers = ["127.0.0.1:4222", "http://127.0.0.1:4222", "nats://a:b@127.0.0.1:4222", "nats://127.0.0.1:99999"]
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn certificates_and_who_is_known_by_them() {
    let printed = report(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"

[admin]
listen = "192.0.2.1:9090"
tls = { cert = "/nowhere/admin.pem", key = "/nowhere/admin.key", client_auth = "perhaps", chain = "x" }

[[admin.token]]
name = "ops"
sha256 = "1ee6a0ff5fcd1fbf1f8b8d1fe8b05bca4f7c5b4ad7ee0f4cdb5f8d4ab8f3a2d5"

[[admin.client]]
name = "ops"
dns = "ops.example.com"
cn = "ops"

[[admin.client]]
uri = "ops"
scopes = ["write"]

[[admin.client]]
name = "nobody"
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn a_certificate_without_its_file() {
    let printed = report(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"

[admin]
tls = { cert = "/nowhere/admin.pem", key = "/nowhere/admin.key", client_ca = "/nowhere/ca.pem" }
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn clients_without_tls() {
    let printed = report(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"

[admin.client]
name = "ops"
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn limits_schedules_and_what_rules_say_about_them() {
    let printed = report(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"

[limits]
never_ban = "everybody"

[[limit]]
key = "source"
rate = 5

[[limit]]
name = "calls"
key = ["source/200", "users"]
rate = 0

[[limit]]
name = "calls"
algorithm = "tail_drop"
rate = 5

[[limit]]
name = "early"
algorithm = "random_early"
rate = 5
low = 0.9
high = 0.5
ban_s = 5

[[limit]]
name = "lag"
algorithm = "adaptive"
key = "source"
action = "reject"
reason = "Busy"

[[limit]]
name = "far"
rate = 5
action = "redirect"

[[limit]]
name = "quiet"
rate = 5
action = "drop"
status = 503

[[schedule]]
name = "office"
time_zone = "Berlin"
weekly = ["mo-fr 08:00-18:00", "mon 18:00"]
holidays = { "Christmas" = "25-12" }
exceptions = "2026-12-24"

[[schedule]]
name = "never"

[[rule]]
limit = "call"
schedule = "offices"
time = "08:00-18:00"
identity = "alice"
not = { action = "ask", set = "x", metod = "INVITE", cause = "timeout" }
any = [{}, "INVITE"]
action = "cached"

[[rule]]
action = "cached"
key = "{from}|{user"
seconds = 5

[[rule]]
time_zone = "Europe/Berlin"
action = "ban"
status = 403

[[fallback]]
limit = "calls"
action = "ban"
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn rules() {
    let printed = report(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"

[[rule]]
name = "conditions"
method = ["invite", "FOO"]
source = ["192.0.2.0/33", "192.0.2.1/24", "office"]
listener = "udp:127.0.0.1:5070"
user_regex = "^(0800"
domain = "*.example..com"
header = { "User Agent" = "x", "From" = "re:[a-" }
action = "ask"

[[rule]]
method = "INVITE"
action = "forward"

[[rule]]
method = "INVITE"

[[rule]]
cause = "timeout"
action = "reject"
status = 403

[[rule]]
user = "0800"
action = "reject"
status = 403
tenant = "free"

[[fallback]]
cause = "time_out"
action = "reject"
status = 503

[[fallback]]
action = "ask"

[fallbacks]
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn decisions_in_rules() {
    let printed = report(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"

[[rule]]
user = "1"
action = "reject"
status = 200

[[rule]]
user = "2"
action = "route"
routes = []

[[rule]]
user = "3"
routes = [
    { dst_uri = "sip:192.0.2.20:5060" },
    { dst_uri = "http://192.0.2.21", fr_timer = 2000 },
]

[[rule]]
user = "4"
action = "route"
routes = [{ dst_uri = "sip:127.0.0.1:5060" }]

[[rule]]
user = "5"
action = "route"
[[rule.routes]]
dst_uri = "sip:192.0.2.20:5060"
fr_timer_ms = 2000
[rule.routes.headers.set]
"X-Carrier" = "a\r\nX-Evil: 1"

[[rule]]
user = "6"
action = "route"
[[rule.routes]]
dst_uri = "sip:192.0.2.20:5060"
socket = "udp:127.0.0.1:5070"

[[rule]]
user = "7"
action = "reject"
status = 403
contacts = [{ uri = "sip:a@b" }]

[[fallback]]
action = "redirect"
contact = [{ uri = "sip:a@b" }]
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn what_does_not_fit_together() {
    let printed = report(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"
t1_ms = 1000
t2_ms = 500
fr_inv_timer_ms = 60000

[nats]
password = 1234
token = "hunter2"
user = "sigbox"

[decision]
budget_ms = 20000

[[rule]]
name = "all"
action = "ask"
budget_ms = 30000

[[rule]]
action = "reject"
status = 404

[[rule]]
method = "INVITE"
action = "pass"
"#,
    );
    insta::assert_snapshot!(printed);
}

#[test]
fn what_is_not_toml() {
    let printed = report(
        "[sip]\nlisten = udp:127.0.0.1:5060\n\n[decision\nbudget_ms = 200\nbudget_ms = 300\n",
    );
    insta::assert_snapshot!(printed);
}

/// Warnings alone do not stop anyone.
#[test]
fn what_is_odd_but_can_run() {
    let config = Config::parse(
        Path::new("sigbox.toml"),
        "[sip]\nlisten = \"udp:127.0.0.1:0\"\n[[rule]]\naction = \"ask\"\n[[rule]]\nname = \"late\"\naction = \"reject\"\nstatus = 403\n",
    )
    .unwrap();
    let printed = config.warnings;
    insta::assert_snapshot!(printed);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let report = Config::load(Path::new("/nonexistent/sigbox.toml"))
        .unwrap_err()
        .to_string();
    assert!(report.contains("cannot read the configuration"), "{report}");
    assert!(report.contains("/nonexistent/sigbox.toml"), "{report}");
}

#[test]
fn gateway_sets() {
    let printed = report(
        r#"
[sip]
listen = "udp:127.0.0.1:5060"
record_route = false

[[gateways]]
name = "Carriers"

[[gateways]]
algorithm = "random"

[[gateways]]
name = "carriers"
algorithm = "weihgt"
hash_on = "user"
inactive_after = 0
failure_statuses = [503, "5xx", "1xx", 100]
probe = { interval = 5, timeout_ms = 1, accept = "ok", from = "tel:+4930" }
gateway = [
    { id = "a b", uri = "sip:192.0.2.20" },
    { uri = "sip:192.0.2.20" },
    { id = "gw3" },
    { id = "gw4", uri = "tel:+4930" },
    { id = "gw5", uri = "sip:127.0.0.1:5060", weigth = 3 },
    { id = "gw6", uri = "sip:192.0.2.20", socket = "udp:127.0.0.1:5070", prefix = "a@b", strip = 64 },
]

[[gateways]]
name = "carriers"

[[gateways]]
name = "empty"

[[gateways]]
name = "twice"
algorithm = "latency"
hash_on = "from"
gateway = [{ id = "gw1", uri = "sip:192.0.2.20" }, { id = "gw1", uri = "sip:192.0.2.21" }]

[[gateways]]
name = "counted"
algorithm = "least_calls"
gateway = { id = "gw1", uri = "sip:192.0.2.20" }

[[rule]]
user = "1"
action = "gateways"
set = "cariers"

[[rule]]
user = "2"
action = "gateways"

[[rule]]
user = "3"
action = "gateways"
set = "carriers"
routes = [{ dst_uri = "sip:192.0.2.20" }]

[[rule]]
user = "4"
action = "route"
set = "carriers"
routes = [{ gateways = "carriers" }]

[[rule]]
user = "5"
action = "route"
routes = [{ gateways = "carrier" }, { gateways = "carriers" }]

[[rule]]
user = "6"
action = "route"
routes = [{ gateways = "carriers", dst_uri = "sip:192.0.2.20" }]

[[fallback]]
action = "gateways"
set = "elsewhere"
failover = [503]
"#,
    );
    insta::assert_snapshot!(printed);
}
