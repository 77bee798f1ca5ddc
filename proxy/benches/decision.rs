//! Instructions that writing a query and reading a decision cost.
//! `scripts/budgets` holds the counts against docs/budgets.toml.

#![allow(
    missing_docs,
    reason = "the names of the benchmarks say what they measure"
)]
#![allow(
    clippy::expect_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::hint::black_box;

use gungraun::prelude::*;
use sigbox::decision::{Parsed, PlanContext, QueryOptions, plan_of, write_query};
use sigbox_contracts::{Decision, Limits};
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

/// Two carriers, one after the other.
const DOCUMENT: &str = r#"{"version":"1.0","action":"route","routing":"serial","routes":[{"dst_uri":"sip:203.0.113.9:5060","fr_timer":3000},{"dst_uri":"sip:203.0.113.10:5060"}],"reasons":["prefix 4930"]}"#;

/// One has been read before: the allocator has room for another.
fn reading() -> Replay {
    let replay = Replay::before(Step::Decision);
    read(&replay);
    replay
}

fn read(replay: &Replay) -> Parsed {
    let document = black_box(DOCUMENT.as_bytes());
    let context = PlanContext {
        settings: replay.settings(),
        max_routes: 32,
    };
    let decision = Decision::parse(document, &Limits::default()).expect("it is a decision");
    plan_of(&decision, &context).expect("it is a plan")
}

#[library_benchmark(setup = reading)]
#[bench::decode()]
fn decision(replay: Replay) -> (Replay, Parsed) {
    let plan = read(&replay);
    (replay, plan)
}

library_benchmark_group!(name = codec, benchmarks = [query, decision]);
main!(library_benchmark_groups = [codec]);
