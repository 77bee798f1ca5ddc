//! Instructions that each step of a decided call costs on a warm core, and reading its INVITE.
//! `scripts/budgets` holds the counts against docs/budgets.toml.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark panics"
)]
#![allow(
    missing_docs,
    reason = "the names of the benchmarks say what they measure"
)]

use std::hint::black_box;

use gungraun::prelude::*;
use sigbox_testkit::{Replay, Step};
use sigbox_wire::{Index, Limits, Message, Peek, peek};

struct Received {
    text: String,
    index: Index,
    limits: Limits,
}

/// An INVITE, and an index that has been used before.
fn received() -> Received {
    let mut received = Received {
        text: Replay::invite(),
        index: Index::default(),
        limits: Limits::default(),
    };
    read(&mut received);
    received
}

fn read(received: &mut Received) {
    let Received {
        text,
        index,
        limits,
    } = received;
    black_box(index.parse(black_box(text.as_bytes()), limits)).expect("it is well formed");
}

fn datagram(step: Step) -> String {
    let replay = Replay::before(step);
    replay.upcoming().expect("it is a message").to_owned()
}

#[library_benchmark(setup = datagram)]
#[bench::invite(Step::Invite)]
#[bench::answer(Step::Answer)]
fn look(datagram: String) -> String {
    match peek(black_box(datagram.as_bytes())) {
        Peek::Request(request) => black_box(request.call_id()),
        Peek::Response(response) => black_box(response.branch()),
        Peek::KeepAlive | Peek::NotSip => &[],
    };
    datagram
}

#[library_benchmark(setup = received)]
#[bench::invite()]
fn parse(mut received: Received) -> Received {
    read(&mut received);
    received
}

#[library_benchmark(setup = received)]
#[bench::invite()]
fn validate(received: Received) -> Received {
    let message = Message::new(received.text.as_bytes(), &received.index);
    black_box(message.validate()).expect("it is well formed");
    received
}

// What comes back is dropped after the counting.
#[library_benchmark(setup = Replay::before)]
#[bench::invite(Step::Invite)]
#[bench::decision(Step::Decision)]
#[bench::ringing(Step::Ringing)]
#[bench::answer(Step::Answer)]
#[bench::ack(Step::Ack)]
#[bench::bye(Step::Bye)]
#[bench::bye_answer(Step::ByeAnswer)]
fn step(mut replay: Replay) -> Replay {
    replay.step();
    replay
}

#[library_benchmark(setup = Replay::before)]
#[bench::decided(Step::Invite)]
fn call(mut replay: Replay) -> Replay {
    replay.finish();
    replay
}

fn carried() -> Replay {
    let mut replay = Replay::before(Step::Invite);
    replay.finish();
    replay
}

// Every timer of a call that is over, each in a wake-up of its own.
#[library_benchmark(setup = carried)]
#[bench::of_a_call()]
fn timers(mut replay: Replay) -> Replay {
    replay.run_out();
    replay
}

library_benchmark_group!(name = wire, benchmarks = [look, parse, validate]);
library_benchmark_group!(name = core, benchmarks = [step, call, timers]);
main!(library_benchmark_groups = [wire, core]);
