//! A core under a program of messages, decisions, timers and failures.

mod messages;
mod plans;
mod program;
mod world;

use sigbox_core::{FallbackCause, Input};

pub(crate) use world::World;

use messages::{answered, mutated, request};
use plans::{plan, settings};
use program::Program;

/// How many steps of a program are carried out.
const STEPS: usize = 200;

/// Spans of time, in milliseconds: around the timers of RFC 3261 and ours.
const SPANS: [u64; 16] = [
    0, 1, 20, 100, 150, 200, 500, 1_000, 4_000, 5_000, 10_000, 31_999, 32_000, 64_000, 185_000,
    600_000,
];

/// The bytes are a program: settings first, then steps until they run out. The network is the
/// program itself: it says which message arrives, whether it was changed on the way, and when. After
/// each step what [`World`] knows of must hold; in the end time passes until every timer has run
/// out, and nothing may be left.
pub fn sequence(bytes: &[u8]) {
    let mut program = Program::new(bytes);
    let mut world = World::new(settings(&mut program));
    for _ in 0..STEPS {
        if program.is_over() {
            break;
        }
        step(&mut program, &mut world);
        world.check();
    }
    world.end();
}

fn step(program: &mut Program<'_>, world: &mut World) {
    match program.below(20) {
        0..=3 => request(program, world),
        4 => {
            if let Some(number) = program.recent(world.requests()) {
                world.send_again(number);
            }
        }
        5 => {
            if let Some(number) = program.recent(world.requests()) {
                world.cancel(number);
            }
        }
        6 => {
            if let Some(number) = program.recent(world.requests()) {
                world.acknowledge(number);
            }
        }
        7 => {
            if let Some(number) = program.recent(world.requests()) {
                let method = *program.pick(&["BYE", "INVITE", "UPDATE", "PRACK", "INFO", "BYE"]);
                world.go_on(number, method);
            }
        }
        8..=10 => answered(program, world),
        11 | 12 => {
            if let Some(&token) = program.recent_of(world.queries()) {
                let answer = match program.below(4) {
                    0 => Err(*program.pick(&FallbackCause::ALL)),
                    _ => Ok(plan(program)),
                };
                world.decide(token, answer);
            }
        }
        13 => {
            if let Some(&token) = program.recent_of(world.queries()) {
                let by = program.span();
                world.input(Input::Extend { token, by });
            }
        }
        14 => {
            if let Some(&ticket) = program.recent_of(world.lookups()) {
                let addresses = plans::ADDRESSES.map(|address| address.parse().unwrap());
                let from = program.below(addresses.len() + 1);
                let addresses = &addresses[from..];
                world.input(Input::Looked { ticket, addresses });
            }
        }
        15 => {
            if let Some(&branch) = program.recent_of(world.branches()) {
                world.input(Input::SendFailed { branch });
            }
        }
        16 | 17 => {
            let span = program.span();
            world.advance(span);
        }
        18 => match program.below(8) {
            0 => world.input(Input::Drain),
            1..=3 => {
                let settings = settings(program);
                world.reload(settings);
            }
            _ => world.wake(),
        },
        _ => mutated(program, world),
    }
}
