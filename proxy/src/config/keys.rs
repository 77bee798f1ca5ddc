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

impl Key {
    /// Its table as it is written in the file.
    pub(super) fn table(&self) -> String {
        match self.section {
            "rule" => "`[[rule]]` or `[[fallback]]`".to_owned(),
            list @ ("limit" | "schedule") => format!("`[[{list}]]`"),
            table => format!("`[{table}]`"),
        }
    }
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
    /// So many a second in a range, with or without a fraction.
    Rate(f64, f64),
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
            Self::Rate(low, high) => write!(f, "a number a second, {low} to {high}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The sections that are tables, in the order of the page.
pub(super) const TABLES: &[&str] = &[
    "sip", "nats", "decision", "events", "admin", "data", "tables", "log", "limits", "overload",
    "runtime",
];

/// `live` keys take effect on a reload, `fixed` ones after a restart.
macro_rules! keys {
    ($($section:literal {
        $($when:ident $name:literal $holds:ident $(($($bound:expr),+))? = $default:literal, $about:literal;)+
    })+) => {
        /// All of them, section by section, in the order of the page.
        pub const KEYS: &[Key] = &[$($(Key {
            section: $section,
            name: $name,
            holds: Holds::$holds $(($($bound),+))?,
            default: $default,
            restart: keys!(@restart $when),
            about: $about,
        }),+),+];
    };
    (@restart live) => { false };
    (@restart fixed) => { true };
}

keys! {
    "" {
        fixed "node" Text("a slug: `a-z`, `0-9`, `_`, `-`") = "",
            "Name of this node in events, metrics and NATS inboxes, which no other one may have. Default: the host name, made a slug.";
    }
    "sip" {
        fixed "listen" Text("`\"udp:ADDRESS:PORT\"` or `{ address, advertise }`, one or a list") = "",
            "Sockets to listen on. Required. Port 0 lets the system choose.";
        live "aliases" Text("host names or addresses, one or a list") = "[]",
            "Names that also mean this proxy in a Request-URI or Route.";
        live "record_route" Flag = "true",
            "Stay in the path of dialogs (RFC 3261 §16.6).";
        live "mode" Text("`\"proxy\"` or `\"redirect\"`") = "\"proxy\"",
            "`redirect` makes a redirect server: what a rule or decider routes is answered with 302 and the routes as contacts (RFC 3261 §8.3).";
        live "redirects" Text("`\"relay\"`, `\"follow\"` or `\"ask\"`") = "\"relay\"",
            "What becomes of a 3xx that a target answers: the next route or the caller gets it, its contacts are tried before the routes that are left, or the decider is asked again with the contacts in `tried` (RFC 3261 §16.7).";
        live "server_header" Text("text") = "\"\"",
            "Server header of responses made here; empty sends none.";
        live "t1_ms" Millis(50, 5000) = "500",
            "RFC 3261 T1, the round-trip estimate.";
        live "t2_ms" Millis(50, 60000) = "4000",
            "RFC 3261 T2, the longest retransmission interval.";
        live "t4_ms" Millis(50, 60000) = "5000",
            "RFC 3261 T4, how long a message may stay in the network.";
        live "fr_timer_ms" Millis(100, 600000) = "",
            "How long a branch waits for any response (Timers B and F). Default: 64 times `t1_ms`.";
        live "fr_inv_timer_ms" Millis(1000, 3600000) = "185000",
            "How long an INVITE branch may ring (Timer C).";
        live "trying_delay_ms" Millis(0, 199) = "0",
            "How long an INVITE over UDP may go unanswered before 100 Trying.";
    }
    "sip.listen" {
        fixed "address" Text("`\"udp:ADDRESS:PORT\"`") = "",
            "The socket. Required in the table form.";
        fixed "advertise" Text("`\"HOST\"` or `\"HOST:PORT\"`") = "",
            "What to write into Via and Record-Route. Required when the address is 0.0.0.0 or [::].";
    }
    "nats" {
        fixed "servers" Text("URLs, one or a list") = "[\"nats://127.0.0.1:4222\"]",
            "NATS servers of one cluster: `nats://` or `tls://`.";
        fixed "prefix" Text("slugs joined by dots") = "\"sigbox\"",
            "First tokens of every subject.";
        fixed "tenant" Text("a slug") = "\"default\"",
            "Tenant of requests whose rule names none.";
        fixed "creds" Text("path of a file") = "",
            "Credentials file (JWT and seed).";
        fixed "user" Text("text") = "",
            "User, with `password`.";
        fixed "password" Text("text") = "",
            "Password, with `user`.";
        fixed "token" Text("text") = "",
            "Token, instead of a user.";
        fixed "ping_interval_ms" Millis(500, 60000) = "3000",
            "How often an idle connection is probed; a dead server is noticed after two.";
        fixed "connect_timeout_ms" Millis(100, 60000) = "2000",
            "How long one connection attempt may take.";
        live "adaptive" Flag = "true",
            "Whether fewer queries are out at once when answers come late in their budget. What finds no room waits, or goes to the fallback rules as `congested`: docs/overload.md.";
    }
    "nats.breaker" {
        live "enabled" Flag = "true",
            "Whether failing deciders are left alone for a while.";
        live "window_ms" Millis(100, 600000) = "10000",
            "How far back outcomes count.";
        live "min_requests" Number(1, 1000000) = "20",
            "How many outcomes in the window it takes to open, in each shard.";
        live "failure_ratio" Share(0.01, 1.0) = "0.5",
            "The share of timeouts, service errors and invalid answers that opens it.";
        live "open_ms" Millis(100, 600000) = "5000",
            "How long it stays open before it tries again.";
        live "probes" Number(1, 1000) = "3",
            "How many queries must succeed before it closes, in each shard.";
    }
    "decision" {
        live "budget_ms" Millis(1, 60000) = "200",
            "How long a decider has.";
        live "max_wait_ms" Millis(1, 180000) = "10000",
            "The longest a transaction stays suspended, extensions included.";
        live "max_attempts" Number(1, 16) = "3",
            "How often deciders are asked about one transaction.";
        live "ask" Text("classes, one or a list") = "[\"invite\", \"register\", \"message\", \"subscribe\", \"publish\", \"options\", \"refer\", \"other\"]",
            "What deciders are asked about when no rule matches; the rest goes to the fallback rules.";
        live "headers" Text("header names, one or a list") = "[\"p-asserted-identity\", \"diversion\"]",
            "Headers that leave in queries.";
        live "body" Flag = "false",
            "Whether bodies leave in queries.";
        live "max_suspended" Number(1, 10000000) = "20000",
            "Transactions suspended at once in the whole node; more fall back at once.";
        live "max_reply_bytes" Bytes(256, 1048576) = "65536",
            "The largest answer that is read.";
        live "max_routes" Number(1, 64) = "32",
            "The most routes one answer may hold.";
        live "explain_fallback" Flag = "false",
            "Add `X-Sigbox-Fallback: <cause>` to responses made by a fallback rule.";
        fixed "cache_entries" Number(0, 1000000) = "10000",
            "Decisions with a `cache` that are remembered for `cached` rules, in the whole node.";
    }
    "events" {
        live "publish" Text("kinds, one or a list, of `decision`, `transaction`, `cancelled`, `node`, `gateway`, `audit`, `data`") = "[\"cancelled\"]",
            "Events published on `<prefix>.v1.event.<kind>.<tenant>`; `data` on `<prefix>.v1.data.<table>`.";
    }
    "admin" {
        fixed "listen" Text("`\"ADDRESS:PORT\"`") = "\"127.0.0.1:9090\"",
            "Where the HTTP API, `/healthz`, `/readyz` and `/metrics` are served; a loopback address unless there are tokens or clients.";
        fixed "ready_without_nats" Flag = "true",
            "Whether `/readyz` says 200 while NATS is away: local rules still decide then.";
        fixed "decisions" Number(0, 100000) = "1000",
            "How many of the last decisions are kept in memory, 16 MiB at most, for `GET /decisions` and `/calls`; 0 keeps none.";
    }
    "admin.tls" {
        fixed "cert" Text("path of a PEM file") = "",
            "The server's certificate, and behind it what leads to a root that clients know. Required. Read again on a reload.";
        fixed "key" Text("path of a PEM file") = "",
            "Its private key, without a passphrase. Required. Read again on a reload.";
        fixed "client_ca" Text("path of a PEM file") = "",
            "Certificates of the authorities that sign those of clients, who are asked for one then. Read again on a reload.";
        fixed "client_auth" Text("`\"required\"` or `\"optional\"`") = "\"required\"",
            "Whether there is a connection without a client's certificate; needs `client_ca`.";
    }
    "admin.token" {
        live "name" Text("text") = "",
            "Who has the token, as in the audit log. Required.";
        live "sha256" Text("64 hexadecimal digits") = "",
            "SHA-256 of the token: `sigbox token` makes both. Required.";
        live "scopes" Text("of `read`, `tables`, `gateways`, `limits`, `admin`, one or a list") = "[\"read\"]",
            "What it is good for.";
    }
    "admin.client" {
        live "name" Text("text") = "",
            "Who it is, as in the audit log. Required.";
        live "dns" Text("a host name") = "",
            "A DNS name among the subject alternative names of their certificate. One of `dns`, `uri` and `cn` is required.";
        live "uri" Text("a URI") = "",
            "A URI among them, exactly: `\"spiffe://example.com/ops\"`.";
        live "cn" Text("text") = "",
            "The common name of its subject, exactly; one with several has none.";
        live "scopes" Text("of `read`, `tables`, `gateways`, `limits`, `admin`, one or a list") = "[\"read\"]",
            "What the certificate is good for.";
    }
    "data" {
        fixed "dir" Text("path of a folder") = "",
            "Where the node keeps what must survive a restart: pushed tables, the audit log. Without one they are gone when it stops.";
    }
    "tables" {
        live "max_rows" Number(1, 1000000000) = "20000000",
            "Rows of one table.";
        live "max_row_bytes" Bytes(64, 1048576) = "65536",
            "The longest row.";
        live "max_upload_bytes" Bytes(1024, 1099511627776) = "4294967296",
            "The largest push, as it is sent and as it is unpacked.";
        live "versions" Number(2, 1000) = "10",
            "Versions kept of each table, the active one among them.";
        fixed "replicate" Flag = "false",
            "Whether tables are shared with the other nodes and with deciders, over JetStream (nats-server 2.10 or newer, started with `-js`): a push to one is active on all.";
        fixed "replicas" Number(1, 5) = "1",
            "On how many servers of a NATS cluster JetStream keeps them; counts when this node is the first one.";
    }
    "log" {
        fixed "format" Text("`\"text\"` or `\"json\"`") = "\"text\"",
            "How log lines look; `--log-format` wins.";
        fixed "level" Text("`\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"` or `\"trace\"`") = "\"info\"",
            "What is logged; the variable `SIGBOX_LOG` wins and takes a filter: `info,sigbox::shard=debug` adds one line per decision, with its id, Call-ID, cause and rule.";
    }
    "limits" {
        live "transactions" Number(1, 100000000) = "100000",
            "Open transactions in the whole node; more are answered with 503.";
        live "gateway_calls" Number(0, 10000000) = "100000",
            "Answered calls in the whole node that are counted for gateways with a limit or chosen by calls; more count only until they are answered.";
        live "message_bytes" Bytes(1024, 65535) = "65535",
            "The largest SIP message.";
        live "headers" Number(16, 1024) = "256",
            "Header lines of one message.";
        live "header_bytes" Bytes(256, 65535) = "8192",
            "The longest header line, folds included.";
        live "vias" Number(1, 255) = "70",
            "Via values of one message.";
        live "never_ban" Text("networks or addresses, one or a list") = "[\"127.0.0.0/8\", \"::1\"]",
            "Sources that no rule and no limit bans, nor the API unless told; those that rules route to are never banned either.";
        live "max_bans" Number(1, 1000000) = "10000",
            "Sources banned at once; more are not banned, and counted.";
    }
    "overload" {
        live "max_wait_ms" Millis(1, 10000) = "100",
            "How long a request outside a dialog may wait while messages of calls under way come first; then it is refused with 503, or dropped in a flood, of which most has to be turned away.";
        live "queue" Number(16, 10000000) = "8192",
            "How many such requests may wait in the whole node.";
        fixed "memory_bytes" Bytes(67108864, 1099511627776) = "",
            "Resident memory of the process above which requests outside a dialog are refused with 503. Default: 90 % of the control group's limit; none without one.";
        live "retry_after_min_s" Seconds(0, 3600) = "2",
            "The shortest Retry-After of a 503 made here: overload, a full `[limits]`, draining.";
        live "retry_after_max_s" Seconds(0, 3600) = "10",
            "The longest; each is drawn anew between the two, so that callers do not come back together.";
    }
    "runtime" {
        fixed "shards" Number(1, 64) = "",
            "Threads that each run a core. Default: half the number of CPU cores, at least one.";
        live "drain_s" Seconds(0, 3600) = "10",
            "How long open transactions may finish after SIGTERM.";
        fixed "shard_queue" Number(16, 1000000) = "4096",
            "Messages that may wait for another shard; more are dropped and counted.";
        fixed "udp_receive_buffer" Bytes(4096, 1073741824) = "4194304",
            "Receive buffer asked for per UDP socket; the system may give less. A shard has two per listener: one for requests that may begin something, one for the rest.";
        fixed "udp_send_buffer" Bytes(4096, 1073741824) = "1048576",
            "Send buffer asked for per UDP socket; the system may give less.";
        fixed "watch" Flag = "false",
            "Whether the file is read again when it changes, as on SIGHUP.";
    }
    "gateways" {
        live "name" Text("a slug") = "",
            "Name of the set. Required.";
        live "algorithm" Text("`\"round_robin\"`, `\"weight\"`, `\"priority\"`, `\"hash\"`, `\"random\"`, `\"least_calls\"`, `\"latency\"` or `\"parallel\"`") = "\"round_robin\"",
            "How gateways are chosen: docs/gateways.md.";
        live "hash_on" Text("`\"call_id\"`, `\"from\"`, `\"to\"`, `\"request_uri\"` or `\"header:NAME\"`") = "\"call_id\"",
            "`hash` only: what is hashed.";
        live "max_tries" Number(1, 64) = "64",
            "The most gateways that one request tries.";
        live "failure_statuses" Text("statuses such as `503` or `\"5xx\"`, one or a list") = "[503]",
            "Responses to requests that count as failures of the gateway; so do timeouts and what cannot be sent.";
        live "inactive_after" Number(1, 1000) = "3",
            "Failures in a row, of requests and probes, that make a gateway inactive.";
        live "active_after" Number(1, 1000) = "2",
            "Successes in a row that make an inactive gateway active.";
        live "recover_s" Seconds(1, 86400) = "30",
            "Without `probe`: how long an inactive gateway is left alone before a request tries it.";
        live "max_retry_after_s" Seconds(0, 86400) = "60",
            "The longest Retry-After of a gateway's 503 that is believed.";
        live "overload_control" Flag = "false",
            "Offer RFC 7339 to the gateways in Via, and send them as much less as they ask for.";
        live "max_call_s" Seconds(60, 604800) = "14400",
            "How long an answered call counts when no message of its dialog comes by.";
    }
    "gateways.gateway" {
        live "id" Text("letters, digits, `.`, `_`, `-`") = "",
            "Name of the gateway within its set. Required.";
        live "uri" Text("a sip or sips URI") = "",
            "The next hop. Required.";
        live "weight" Number(0, 65535) = "1",
            "Its share, relative to the others; 0 is the last resort.";
        live "priority" Number(0, 65535) = "0",
            "`priority` only: lower ones first.";
        live "max_calls" Number(0, 1000000) = "0",
            "The most calls under way; 0 is no limit.";
        live "enabled" Flag = "true",
            "Whether it is used at all.";
        live "socket" Text("a listen address") = "",
            "The socket to send from, written as in `sip.listen`.";
        live "strip" Number(0, 63) = "0",
            "Characters cut from the beginning of the Request-URI's user.";
        live "prefix" Text("letters, digits, `+`, `*`, `-`, `.`") = "\"\"",
            "Put in front of the Request-URI's user after that.";
        live "attributes" Text("text") = "\"\"",
            "Opaque; shown where the gateway is.";
    }
    "gateways.probe" {
        live "interval_ms" Millis(100, 3600000) = "30000",
            "From one OPTIONS to the next; each time up to a tenth more or less.";
        live "timeout_ms" Millis(100, 32000) = "2000",
            "How long a final response is waited for.";
        live "accept" Text("statuses such as `200` or `\"4xx\"`, one or a list") = "[]",
            "Responses that show a gateway alive. Default: all but 408 and 5xx, and 501.";
        live "from" Text("a sip URI") = "",
            "The URI in From. Default: `sip:probe@` and the address of the socket.";
    }
    "rule" {
        live "name" Text("text") = "",
            "Shown in events and logs. Default: its position, `rule-1` or `fallback-1`.";
        live "method" Text("SIP methods, one or a list") = "[]",
            "The request's method.";
        live "source" Text("networks or addresses, one or a list") = "[]",
            "Where the request came from.";
        live "listener" Text("listen addresses, one or a list") = "[]",
            "The socket it came in by, written as in `sip.listen`.";
        live "user" Text("text, one or a list") = "[]",
            "The user part of the Request-URI, exactly.";
        live "user_prefix" Text("text, one or a list") = "[]",
            "The beginning of the user part.";
        live "user_regex" Text("regular expressions, one or a list") = "[]",
            "A regular expression found in the user part; anchor it with `^` and `$`.";
        live "domain" Text("host names or addresses, one or a list") = "[]",
            "The host of the Request-URI; `*.example.com` matches every name below.";
        live "from_user" Text("text, one or a list") = "[]",
            "The user part of the URI in From, exactly.";
        live "from_user_prefix" Text("text, one or a list") = "[]",
            "Its beginning.";
        live "from_user_regex" Text("regular expressions, one or a list") = "[]",
            "A regular expression found in it.";
        live "from_domain" Text("host names or addresses, one or a list") = "[]",
            "The host of the URI in From; `*.example.com` matches every name below.";
        live "from_domain_prefix" Text("text, one or a list") = "[]",
            "Its beginning, in any case.";
        live "from_domain_regex" Text("regular expressions, one or a list") = "[]",
            "A regular expression found in it, in any case.";
        live "from" Text("regular expressions, one or a list") = "[]",
            "A regular expression found in the whole URI of From.";
        live "to_user" Text("text, one or a list") = "[]",
            "The user part of the URI in To, exactly.";
        live "to_user_prefix" Text("text, one or a list") = "[]",
            "Its beginning.";
        live "to_user_regex" Text("regular expressions, one or a list") = "[]",
            "A regular expression found in it.";
        live "to_domain" Text("host names or addresses, one or a list") = "[]",
            "The host of the URI in To; `*.example.com` matches every name below.";
        live "to_domain_prefix" Text("text, one or a list") = "[]",
            "Its beginning, in any case.";
        live "to_domain_regex" Text("regular expressions, one or a list") = "[]",
            "A regular expression found in it, in any case.";
        live "to" Text("regular expressions, one or a list") = "[]",
            "A regular expression found in the whole URI of To.";
        live "header" Text("a table: name = match, one or a list") = "{}",
            "Headers that must all be there: `\"text\"` exactly, `\"prefix:…\"`, `\"re:…\"`, or `\"present\"`.";
        live "schedule" Text("names, one or a list") = "[]",
            "Open hours, one of which it must be: the names of `[[schedule]]` tables.";
        live "time" Text("hours of the week, one or a list") = "[]",
            "The same, written here: `\"mon-fri 08:00-18:00\"`.";
        live "time_zone" Text("a time zone") = "\"UTC\"",
            "Where the clock of `time` hangs.";
        live "any" Text("tables of conditions, one or a list") = "[]",
            "Conditions of which one must hold.";
        live "not" Text("tables of conditions, one or a list") = "[]",
            "Conditions of which none may hold.";
        live "cause" Text("causes, one or a list") = "[]",
            "`[[fallback]]` only: why nobody decided, see below.";
        live "limit" Text("the name of a `[[limit]]`") = "",
            "`[[rule]]` only: stands before the action. Over the limit, what it says happens instead.";
        live "action" Text("`\"ask\"`, `\"route\"`, `\"gateways\"`, `\"reject\"`, `\"redirect\"`, `\"table\"`, `\"cached\"`, `\"ban\"` or `\"pass\"`") = "",
            "What to do; `ask` and `ban` only before asking. The fields of a decision stand beside it.";
        live "tenant" Text("a slug") = "",
            "`ask` and `cached` only: whose deciders. Default: `nats.tenant`, or who was asked.";
        live "key" Text("text with parts of the request in braces") = "",
            "`cached` only: the key that the decider gave its decision in `cache`, such as `\"{from_user}|{user}\"`.";
        live "seconds" Seconds(1, 31536000) = "3600",
            "`ban` only: for how long nothing is taken from the source.";
        live "budget_ms" Millis(1, 60000) = "",
            "`ask` only: how long they have. Default: `decision.budget_ms`.";
        live "table" Text("a slug") = "",
            "`table` only: the pushed table that says what to do. A request that it has no route for goes on to the next rule.";
        live "lookup" Text("a part of a request") = "\"user\"",
            "`table` only: what is looked up, by longest prefix in tables of prefixes: `user`, `from_user`, `to_user`, `domain`, `header:NAME`, any of `[[limit]]`'s keys.";
        live "set" Text("a slug") = "",
            "`gateways` only: the gateway set that chooses the next hop.";
    }
    "limit" {
        live "name" Text("text") = "",
            "Its name, in rules and metrics. Required.";
        live "key" Text("parts of a request, one or a list") = "\"source\"",
            "What is counted apart: `source`, `source/24`, `listener`, `method`, `user`, `domain`, `from_user`, `from_domain`, `to_user`, `to_domain`, `header:NAME`; several are counted together. `global` counts everything together.";
        live "algorithm" Text("`\"token_bucket\"`, `\"tail_drop\"`, `\"random_early\"` or `\"adaptive\"`") = "\"token_bucket\"",
            "How it counts, see [limits.md](limits.md).";
        live "rate" Rate(0.001, 1000000.0) = "",
            "`token_bucket` and `random_early`: requests in the long run. Required there.";
        live "burst" Number(1, 1000000) = "",
            "`token_bucket` and `random_early`: requests at once. Default: a second's worth.";
        live "count" Number(1, 100000000) = "",
            "`tail_drop`: requests in each interval. Required there.";
        live "interval_ms" Millis(10, 86400000) = "1000",
            "`tail_drop`: how long an interval is.";
        live "low" Share(0.0, 1.0) = "0.5",
            "`random_early`: how full the bucket is when the first requests are over.";
        live "high" Share(0.0, 1.0) = "1.0",
            "`random_early`: how full it is when all are.";
        live "lag_low_ms" Millis(0, 60000) = "20",
            "`adaptive`: how far a shard is behind when the first requests are over.";
        live "lag_high_ms" Millis(1, 60000) = "100",
            "`adaptive`: how far it is behind when all are.";
        live "buckets" Number(1, 4194304) = "65536",
            "How many keys are told apart, about; eight bytes each.";
        live "apply" Text("`\"rules\"` or `\"all\"`") = "\"rules\"",
            "`all`: it holds for every request outside a dialog, before the rules.";
        live "action" Text("`\"reject\"`, `\"redirect\"` or `\"drop\"`") = "\"reject\"",
            "What becomes of a request over it; the fields of a decision stand beside it. `reject` alone is 503 with the Retry-After of `[overload]`.";
        live "ban_after" Number(1, 1000000) = "",
            "Requests over the limit after which their source is banned. Default: never.";
        live "ban_within_s" Seconds(1, 86400) = "60",
            "In which time they are counted.";
        live "ban_s" Seconds(1, 31536000) = "600",
            "For how long the source is banned.";
    }
    "schedule" {
        live "name" Text("text") = "",
            "Its name, in rules. Required.";
        live "time_zone" Text("a time zone") = "\"UTC\"",
            "Where the clock hangs: a name of the IANA database, such as `Europe/Berlin`.";
        live "weekly" Text("hours of the week, one or a list") = "[]",
            "Open then: `\"mon-fri 08:00-18:00\"`, `\"fri,sat 22:00-06:00\"`.";
        live "dates" Text("dates and hours, one or a list") = "[]",
            "Open then, too: `\"2026-12-19 10:00-14:00\"`; without hours, the whole day.";
        live "holidays" Text("a table: name = date, one or a list") = "{}",
            "Closed on these days: `{ \"Christmas\" = \"12-25..12-26\" }`.";
        live "exceptions" Text("dates and hours, one or a list") = "[]",
            "The hours of these days, whatever the others say: `\"2026-12-24 09:00-12:00\"`, `\"12-31 closed\"`.";
    }
}

/// The keys of one section.
pub(super) fn of(section: &str) -> impl Iterator<Item = &'static Key> + '_ {
    KEYS.iter().filter(move |key| key.section == section)
}
