//! Instructions that writing a query and reading a decision cost.
//! `scripts/budgets` holds the counts against docs/budgets.md.

#![allow(
    missing_docs,
    reason = "the names of the benchmarks say what they measure"
)]
#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use async_nats::{HeaderMap, Subject};
use gungraun::prelude::*;
use sigbox::bus::headers::QueryHeaders;
use sigbox::bus::inbox::Inbox;
use sigbox::decision::{Parsed, PlanContext, QueryOptions, plan_of, write_query};
use sigbox_contracts::{Decision, Limits, Slug};
use sigbox_core::{Token, TransactionKey};
use sigbox_testkit::{Replay, Step};

struct Asking {
    replay: Replay,
    options: QueryOptions,
    out: Vec<u8>,
}

/// An INVITE that is suspended, and a buffer that a query has been written into before.
fn asking() -> Asking {
    let mut asking = Asking {
        replay: Replay::before(Step::Decision),
        options: QueryOptions {
            node: "edge-1".into(),
            headers: vec!["p-asserted-identity".into(), "diversion".into()],
            body: false,
            max_bytes: QueryOptions::MAX_BYTES,
        },
        out: Vec::new(),
    };
    ask(&mut asking);
    asking
}

fn ask(asking: &mut Asking) {
    let Asking {
        replay,
        options,
        out,
    } = asking;
    let suspended = replay.suspended().expect("it is suspended");
    write_query(&suspended, &replay.settings().listeners[0], options, out)
        .expect("it can be described");
}

#[library_benchmark(setup = asking)]
#[bench::encode()]
fn query(mut asking: Asking) -> Asking {
    ask(&mut asking);
    asking
}

/// The same, and headers that were made before.
fn heading() -> (Asking, QueryHeaders) {
    let asking = asking();
    let mut headers = QueryHeaders::new(0, Duration::ZERO);
    head(&asking, &mut headers);
    (asking, headers)
}

fn head(asking: &Asking, headers: &mut QueryHeaders) -> HeaderMap {
    let suspended = asking.replay.suspended().expect("it is suspended");
    headers.of(&suspended, black_box(SystemTime::UNIX_EPOCH))
}

#[library_benchmark(setup = heading)]
#[bench::of_query()]
fn headers((asking, mut headers): (Asking, QueryHeaders)) -> (Asking, QueryHeaders, HeaderMap) {
    let made = head(&asking, &mut headers);
    (asking, headers, made)
}

/// Where the answer to a query goes, and a query that is on its way there.
fn inbox() -> (Inbox, Token) {
    let node = Slug::new("edge-1").expect("it is a slug");
    let token = Token {
        key: TransactionKey::from_bits(0x0000_0003_0000_1a2b),
        attempt: 1,
    };
    let inbox = Inbox::new(&node, 0x1a2b_3c4d_5e6f_7a8b, 1);
    inbox.token(&inbox.subject(token)).expect("it is ours");
    (inbox, token)
}

#[library_benchmark(setup = inbox)]
#[bench::address()]
fn reply((inbox, token): (Inbox, Token)) -> (Inbox, Subject, Option<Token>) {
    let subject = inbox.subject(black_box(token));
    let token = inbox.token(&subject);
    (inbox, subject, token)
}

/// Two carriers, one after the other.
const USUAL: &str = r#"{"version":"1.0","action":"route","routing":"serial","routes":[{"dst_uri":"sip:203.0.113.9:5060","fr_timer":3000},{"dst_uri":"sip:203.0.113.10:5060"}],"reasons":["prefix 4930"]}"#;

/// The same as rtjson, where letter case does not count.
const RTJSON: &str = r#"{"Version":"1.0","Routing":"serial","Routes":[{"DST_URI":"sip:203.0.113.9:5060","FR_Timer":3000},{"DST_URI":"sip:203.0.113.10:5060"}],"Reasons":["prefix 4930"]}"#;

/// One has been read before: the allocator has room for another.
fn reading(document: &'static str) -> (Replay, &'static str) {
    let replay = Replay::before(Step::Decision);
    read(&replay, document);
    (replay, document)
}

fn read(replay: &Replay, document: &str) -> Parsed {
    let document = black_box(document.as_bytes());
    let context = PlanContext {
        settings: replay.settings(),
        max_routes: 32,
    };
    let decision = Decision::parse(document, &Limits::default()).expect("it is a decision");
    plan_of(&decision, &context).expect("it is a plan")
}

#[library_benchmark(setup = reading)]
#[bench::decode(USUAL)]
#[bench::rtjson(RTJSON)]
fn decision((replay, document): (Replay, &'static str)) -> (Replay, Parsed) {
    let plan = read(&replay, document);
    (replay, plan)
}

library_benchmark_group!(name = codec, benchmarks = [query, headers, reply, decision]);
main!(library_benchmark_groups = [codec]);
