//! T7: calls with random deciders, phones and networks: none hangs, leaks or rings on. `make soak` runs more of them.

use sigbox_testkit::World;

const SEEDS: u64 = 2_000;

#[test]
fn t7_every_call_ends_and_nobody_rings_on() {
    for seed in 0..SEEDS {
        let world = World::drawn(seed);
        if let Err(why) = world.run() {
            panic!("seed {seed}: {why}\n{:#?}", world.smallest());
        }
    }
}
