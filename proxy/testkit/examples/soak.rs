//! Runs random worlds until one fails, or as many as asked: `make soak SEEDS=1000000 FROM=0`.

use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use sigbox_testkit::World;

/// How many seeds a thread takes at once.
const BATCH: u64 = 100;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| match arguments.next() {
        Some(text) => text
            .parse::<u64>()
            .map_err(|error| format!("{text:?}: {error}")),
        None => Ok(default),
    };
    let (count, from) = match (number(100_000), number(0)) {
        (Ok(count), Ok(from)) => (count, from),
        (Err(error), _) | (_, Err(error)) => {
            eprintln!("soak: {error}\nusage: soak [SEEDS] [FROM]");
            return ExitCode::from(2);
        }
    };
    // What fails is said once, with the smallest world that does.
    panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let next = AtomicU64::new(from);
    let until = from.saturating_add(count);
    let failed = thread::scope(|scope| {
        let work = || {
            while let batch = next.fetch_add(BATCH, Ordering::Relaxed)
                && batch < until
            {
                for seed in batch..until.min(batch + BATCH) {
                    if World::drawn(seed).run().is_err() {
                        next.store(until, Ordering::Relaxed);
                        return Some(seed);
                    }
                }
            }
            None
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let failures = workers
            .into_iter()
            .filter_map(|worker| worker.join().ok().flatten());
        failures.min()
    });
    let Some(seed) = failed else {
        let seconds = began.elapsed().as_secs_f64();
        println!(
            "soak: seeds {from} to {} held, in {seconds:.1} s",
            until.saturating_sub(1)
        );
        return ExitCode::SUCCESS;
    };
    let world = World::drawn(seed).smallest();
    let why = world.run().err().unwrap_or_default();
    println!("soak: seed {seed} failed: {why}\nthe smallest world that fails:\n{world:#?}");
    println!("again: make soak SEEDS=1 FROM={seed}");
    ExitCode::FAILURE
}
