//! Every key there is: the one place that names them, their units and their defaults.
//!
//! The reader takes defaults from here, unknown keys are recognised by it, and the tables of
//! `docs/configuration.md` are compared with it.

use std::fmt;

/// One key of the configuration file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// The table it is in: `sip`, `nats.breaker`, empty for the top of the file. `rule` stands for
    /// `[[rule]]` and `[[fallback]]`.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it holds, with the unit and the range.
    pub holds: Holds,
    /// The value when it is absent, in TOML; empty when there is none.
    pub default: &'static str,
    /// Whether a change takes effect only after a restart.
    pub restart: bool,
    /// What it does.
    pub about: &'static str,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Holds {
    /// true or false
    Flag,
    /// Milliseconds in a range.
    Millis(u64, u64),
    /// Seconds in a range.
    Seconds(u64, u64),
    /// Bytes in a range.
    Bytes(u64, u64),
    /// A whole number in a range.
    Number(u64, u64),
    /// A number in a range, with or without a fraction.
    Share(f64, f64),
    /// Text, as described.
    Text(&'static str),
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("true or false"),
            Self::Millis(low, high) => write!(f, "milliseconds, {low} to {high}"),
            Self::Seconds(low, high) => write!(f, "seconds, {low} to {high}"),
            Self::Bytes(low, high) => write!(f, "bytes, {low} to {high}"),
            Self::Number(low, high) => write!(f, "a number, {low} to {high}"),
            Self::Share(low, high) => write!(f, "a share, {low} to {high}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

const fn live(
    section: &'static str,
    name: &'static str,
    holds: Holds,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key {
        section,
        name,
        holds,
        default,
        restart: false,
        about,
    }
}

const fn fixed(
    section: &'static str,
    name: &'static str,
    holds: Holds,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key {
        section,
        name,
        holds,
        default,
        restart: true,
        about,
    }
}

/// The sections that are tables, in the order of the page.
pub(super) const TABLES: &[&str] = &[
    "sip", "nats", "decision", "events", "admin", "log", "limits", "runtime",
];

/// All of them, section by section, in the order of the page.
pub const KEYS: &[Key] = &[
    fixed(
        "",
        "node",
        Holds::Text("a slug: `a-z`, `0-9`, `_`, `-`"),
        "",
        "Name of this node in events, metrics and NATS inboxes. Default: the host name, made a slug.",
    ),
    fixed(
        "sip",
        "listen",
        Holds::Text("`\"udp:ADDRESS:PORT\"` or `{ address, advertise }`, one or a list"),
        "",
        "Sockets to listen on. Required. Port 0 lets the system choose.",
    ),
    live(
        "sip",
        "aliases",
        Holds::Text("host names or addresses, one or a list"),
        "[]",
        "Names that also mean this proxy in a Request-URI or Route.",
    ),
    live(
        "sip",
        "record_route",
        Holds::Flag,
        "true",
        "Stay in the path of dialogs (RFC 3261 §16.6).",
    ),
    live(
        "sip",
        "server_header",
        Holds::Text("text"),
        "\"\"",
        "Server header of responses made here; empty sends none.",
    ),
    live(
        "sip",
        "t1_ms",
        Holds::Millis(50, 5000),
        "500",
        "RFC 3261 T1, the round-trip estimate.",
    ),
    live(
        "sip",
        "t2_ms",
        Holds::Millis(500, 60000),
        "4000",
        "RFC 3261 T2, the longest retransmission interval.",
    ),
    live(
        "sip",
        "t4_ms",
        Holds::Millis(500, 60000),
        "5000",
        "RFC 3261 T4, how long a message may stay in the network.",
    ),
    live(
        "sip",
        "fr_timer_ms",
        Holds::Millis(100, 600000),
        "",
        "How long a branch waits for any response (Timers B and F). Default: 64 times `t1_ms`.",
    ),
    live(
        "sip",
        "fr_inv_timer_ms",
        Holds::Millis(1000, 3600000),
        "185000",
        "How long an INVITE branch may ring (Timer C).",
    ),
    live(
        "sip",
        "trying_delay_ms",
        Holds::Millis(0, 199),
        "0",
        "How long an INVITE over UDP may go unanswered before 100 Trying.",
    ),
    fixed(
        "sip.listen",
        "address",
        Holds::Text("`\"udp:ADDRESS:PORT\"`"),
        "",
        "The socket. Required in the table form.",
    ),
    fixed(
        "sip.listen",
        "advertise",
        Holds::Text("`\"HOST\"` or `\"HOST:PORT\"`"),
        "",
        "What to write into Via and Record-Route. Required when the address is 0.0.0.0 or [::].",
    ),
    fixed(
        "nats",
        "servers",
        Holds::Text("URLs, one or a list"),
        "[\"nats://127.0.0.1:4222\"]",
        "NATS servers of one cluster: `nats://` or `tls://`.",
    ),
    fixed(
        "nats",
        "prefix",
        Holds::Text("slugs joined by dots"),
        "\"sigbox\"",
        "First tokens of every subject.",
    ),
    fixed(
        "nats",
        "tenant",
        Holds::Text("a slug"),
        "\"default\"",
        "Tenant of requests whose rule names none.",
    ),
    fixed(
        "nats",
        "creds",
        Holds::Text("path of a file"),
        "",
        "Credentials file (JWT and seed).",
    ),
    fixed(
        "nats",
        "user",
        Holds::Text("text"),
        "",
        "User, with `password`.",
    ),
    fixed(
        "nats",
        "password",
        Holds::Text("text"),
        "",
        "Password, with `user`.",
    ),
    fixed(
        "nats",
        "token",
        Holds::Text("text"),
        "",
        "Token, instead of a user.",
    ),
    fixed(
        "nats",
        "ping_interval_ms",
        Holds::Millis(500, 60000),
        "3000",
        "How often an idle connection is probed; a dead server is noticed after two.",
    ),
    fixed(
        "nats",
        "connect_timeout_ms",
        Holds::Millis(100, 60000),
        "2000",
        "How long one connection attempt may take.",
    ),
    fixed(
        "nats.breaker",
        "enabled",
        Holds::Flag,
        "true",
        "Whether failing deciders are left alone for a while.",
    ),
    fixed(
        "nats.breaker",
        "window_ms",
        Holds::Millis(100, 600000),
        "10000",
        "How far back outcomes count.",
    ),
    fixed(
        "nats.breaker",
        "min_requests",
        Holds::Number(1, 1000000),
        "20",
        "How many outcomes in the window it takes to open.",
    ),
    fixed(
        "nats.breaker",
        "failure_ratio",
        Holds::Share(0.01, 1.0),
        "0.5",
        "The share of timeouts, service errors and invalid answers that opens it.",
    ),
    fixed(
        "nats.breaker",
        "open_ms",
        Holds::Millis(100, 600000),
        "5000",
        "How long it stays open before it tries again.",
    ),
    fixed(
        "nats.breaker",
        "probes",
        Holds::Number(1, 1000),
        "3",
        "How many queries must succeed before it closes.",
    ),
    live(
        "decision",
        "budget_ms",
        Holds::Millis(1, 60000),
        "200",
        "How long a decider has.",
    ),
    live(
        "decision",
        "max_wait_ms",
        Holds::Millis(1, 180000),
        "10000",
        "The longest a transaction stays suspended, extensions included.",
    ),
    live(
        "decision",
        "max_attempts",
        Holds::Number(1, 16),
        "3",
        "How often deciders are asked about one transaction.",
    ),
    live(
        "decision",
        "ask",
        Holds::Text("classes, one or a list"),
        "[\"invite\", \"register\", \"message\", \"subscribe\", \"publish\", \"options\", \"refer\", \"other\"]",
        "What deciders are asked about when no rule matches; the rest goes to the fallback rules.",
    ),
    live(
        "decision",
        "headers",
        Holds::Text("header names, one or a list"),
        "[\"p-asserted-identity\", \"diversion\"]",
        "Headers that leave in queries.",
    ),
    live(
        "decision",
        "body",
        Holds::Flag,
        "false",
        "Whether bodies leave in queries.",
    ),
    live(
        "decision",
        "max_suspended",
        Holds::Number(1, 10000000),
        "20000",
        "Transactions suspended at once in the whole node; more fall back at once.",
    ),
    live(
        "decision",
        "max_reply_bytes",
        Holds::Bytes(256, 1048576),
        "65536",
        "The largest answer that is read.",
    ),
    live(
        "decision",
        "max_routes",
        Holds::Number(1, 64),
        "32",
        "The most routes one answer may hold.",
    ),
    live(
        "decision",
        "explain_fallback",
        Holds::Flag,
        "false",
        "Add `X-Sigbox-Fallback: <cause>` to responses made by a fallback rule.",
    ),
    live(
        "events",
        "publish",
        Holds::Text("kinds, one or a list, of `decision`, `transaction`, `cancelled`, `node`"),
        "[\"cancelled\"]",
        "Events published on `<prefix>.v1.event.<kind>.<tenant>`.",
    ),
    fixed(
        "admin",
        "listen",
        Holds::Text("`\"ADDRESS:PORT\"`, loopback"),
        "\"127.0.0.1:9090\"",
        "Where `/healthz`, `/readyz` and `/metrics` are served.",
    ),
    fixed(
        "admin",
        "ready_without_nats",
        Holds::Flag,
        "true",
        "Whether `/readyz` says 200 while NATS is away: local rules still decide then.",
    ),
    fixed(
        "log",
        "format",
        Holds::Text("`\"text\"` or `\"json\"`"),
        "\"text\"",
        "How log lines look; `--log-format` wins.",
    ),
    fixed(
        "log",
        "level",
        Holds::Text("`\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"` or `\"trace\"`"),
        "\"info\"",
        "What is logged; the variable `SIGBOX_LOG` wins and takes a filter such as `info,sigbox::bus=debug`.",
    ),
    live(
        "limits",
        "transactions",
        Holds::Number(1, 100000000),
        "100000",
        "Open transactions in the whole node; more are answered with 503.",
    ),
    live(
        "limits",
        "message_bytes",
        Holds::Bytes(1024, 65535),
        "65535",
        "The largest SIP message.",
    ),
    live(
        "limits",
        "headers",
        Holds::Number(16, 1024),
        "256",
        "Header lines of one message.",
    ),
    live(
        "limits",
        "header_bytes",
        Holds::Bytes(256, 65535),
        "8192",
        "The longest header line, folds included.",
    ),
    live(
        "limits",
        "vias",
        Holds::Number(1, 255),
        "70",
        "Via values of one message.",
    ),
    fixed(
        "runtime",
        "shards",
        Holds::Number(1, 64),
        "",
        "Threads that each run a core. Default: the number of CPU cores.",
    ),
    live(
        "runtime",
        "drain_s",
        Holds::Seconds(0, 3600),
        "10",
        "How long open transactions may finish after SIGTERM.",
    ),
    fixed(
        "runtime",
        "shard_queue",
        Holds::Number(16, 1000000),
        "4096",
        "Messages that may wait for another shard; more are dropped and counted.",
    ),
    fixed(
        "runtime",
        "udp_receive_buffer",
        Holds::Bytes(4096, 1073741824),
        "4194304",
        "Receive buffer asked for per UDP socket; the system may give less.",
    ),
    fixed(
        "runtime",
        "udp_send_buffer",
        Holds::Bytes(4096, 1073741824),
        "1048576",
        "Send buffer asked for per UDP socket; the system may give less.",
    ),
    live(
        "rule",
        "name",
        Holds::Text("text"),
        "",
        "Shown in events and logs. Default: its position, `rule-1` or `fallback-1`.",
    ),
    live(
        "rule",
        "method",
        Holds::Text("SIP methods, one or a list"),
        "[]",
        "The request's method.",
    ),
    live(
        "rule",
        "source",
        Holds::Text("networks or addresses, one or a list"),
        "[]",
        "Where the request came from.",
    ),
    live(
        "rule",
        "listener",
        Holds::Text("listen addresses, one or a list"),
        "[]",
        "The socket it came in by, written as in `sip.listen`.",
    ),
    live(
        "rule",
        "user",
        Holds::Text("text, one or a list"),
        "[]",
        "The user part of the Request-URI, exactly.",
    ),
    live(
        "rule",
        "user_prefix",
        Holds::Text("text, one or a list"),
        "[]",
        "The beginning of the user part.",
    ),
    live(
        "rule",
        "user_regex",
        Holds::Text("regular expressions, one or a list"),
        "[]",
        "A regular expression found in the user part; anchor it with `^` and `$`.",
    ),
    live(
        "rule",
        "domain",
        Holds::Text("host names or addresses, one or a list"),
        "[]",
        "The host of the Request-URI; `*.example.com` matches every name below.",
    ),
    live(
        "rule",
        "header",
        Holds::Text("a table: name = match, one or a list"),
        "{}",
        "Headers that must all be there: `\"text\"` exactly, `\"prefix:…\"`, `\"re:…\"`, or `\"present\"`.",
    ),
    live(
        "rule",
        "cause",
        Holds::Text("causes, one or a list"),
        "[]",
        "`[[fallback]]` only: why nobody decided, see below.",
    ),
    live(
        "rule",
        "action",
        Holds::Text("`\"ask\"`, `\"route\"`, `\"reject\"`, `\"redirect\"` or `\"pass\"`"),
        "",
        "What to do; `ask` only before asking. The fields of a decision stand beside it.",
    ),
    live(
        "rule",
        "tenant",
        Holds::Text("a slug"),
        "",
        "`ask` only: whose deciders. Default: `nats.tenant`.",
    ),
    live(
        "rule",
        "budget_ms",
        Holds::Millis(1, 60000),
        "",
        "`ask` only: how long they have. Default: `decision.budget_ms`.",
    ),
];

/// The keys of one section.
pub(super) fn of(section: &str) -> impl Iterator<Item = &'static Key> + '_ {
    KEYS.iter().filter(move |key| key.section == section)
}
